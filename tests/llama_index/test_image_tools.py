"""The tool spec for images: what a model is told and may pass, scopes, and agents that use it."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import ToolOutput
from llama_index.core.tools.calling import acall_tool, call_tool
from llama_index.core.workflow import Context

import aki_transport.errors as ours
from aki_transport import ImageStore
from aki_transport.emulator import Emulator
from llama_index_aki import AKIImageToolSpec
from tests.llama_index.asking import AGENT_WARNINGS, answer, call, model_at, model_on, sent
from tests.pictures import a_png
from tests.refused_images import HINTS, REFUSED, allowed_folder
from tests.script_server import ScriptServer
from tests.subcases import subcases

pytestmark = AGENT_WARNINGS

KEY = "aki-5ecret-0f-the-te5ts"
TASK = "Draw a red circle on a white background, then make the circle blue."
PICTURE = a_png(128, 128)
every_protocol = subcases("protocol", ["openai", "native"])


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(job_speed=20) as emulator:
        yield emulator


@pytest.fixture(params=["sync", "async"])
def use(request: pytest.FixtureRequest) -> Callable[..., ToolOutput]:
    """Calls a tool as an agent does: what it raises is the output."""

    def use_tool(tool: Any, **given: Any) -> ToolOutput:
        return call_tool(tool, given) if request.param == "sync" else asyncio.run(acall_tool(tool, given))

    return use_tool


def spec_on(emulator: Emulator, protocol: str = "openai", fault: str = "", **given: Any) -> AKIImageToolSpec:
    url = getattr(emulator, f"{protocol}_url")
    where = {"protocol": protocol, "base_url": url, "api_key": emulator.key, "size": "128x128"}
    return AKIImageToolSpec(**{**where, "default_headers": {"x-emulator-fault": fault} if fault else None, **given})


def drawing_tool(protocol: str = "openai") -> Any:
    return AKIImageToolSpec(protocol=protocol, api_key=KEY).to_tool_list()[0]


def images_asked_for(emulator: Emulator) -> int:
    ends = ("/images/generations", "/images/edits", "/call/z_image_turbo", "/call/qwen_image_edit")
    return sum(seen.path.endswith(ends) for seen in emulator.requests)


def sent_to_models(emulator: Emulator) -> str:
    return "".join(seen.raw.decode() for seen in emulator.requests if seen.path.endswith("/chat/completions"))


# What a model is told


def test_the_schemas_tell_what_to_pass_with_limits_and_defaults():
    drawing, changing = (tool.metadata.to_openai_tool()["function"] for tool in AKIImageToolSpec().to_tool_list())
    assert (drawing["name"], changing["name"]) == ("generate_image", "edit_image")
    assert drawing["description"].startswith("Draws images")
    assert changing["description"].startswith("Changes an image")
    fields = {**drawing["parameters"]["properties"], **changing["parameters"]["properties"]}
    assert all(field["description"] for field in fields.values())
    assert drawing["parameters"]["required"] == ["prompt"]
    assert changing["parameters"]["required"] == ["prompt", "image"]
    assert (fields["n"]["anyOf"][0]["minimum"], fields["n"]["anyOf"][0]["maximum"]) == (1, 4)
    assert fields["n"]["default"] is fields["size"]["default"] is None
    assert fields["image"]["type"] == "string"


def test_descriptions_and_functions_of_ones_own_are_taken():
    spec = AKIImageToolSpec()
    other = spec.to_tool_list()[0].metadata
    other.description = "Mine.\nAll of it."
    (tool,) = spec.to_tool_list([("generate_image", "agenerate_image")], {"generate_image": other})
    assert tool.metadata.description == "Mine.\nAll of it."


@every_protocol
def test_an_image_is_named_to_the_model_and_kept(fresh_emulator, use, protocol):
    spec = spec_on(fresh_emulator, protocol)
    draws, changes = spec.to_tool_list()
    output = use(draws, prompt="a red circle")
    text, block = output.raw_output
    first = next(iter(spec.store))
    assert output.content == text.text == f"Generated 1 image: {first.id} (128x128). To change one, pass its ID."
    assert block.resolve_image().read() == first.data
    assert block.image_mimetype == "image/png"
    changed = use(changes, prompt="make it blue", image=first.id)
    second = list(spec.store)[-1]
    assert changed.content == f"Made 1 image out of {first.id}: {second.id} (128x128)."
    assert second.data != first.data


@every_protocol
def test_several_images_are_drawn_in_the_size_that_the_model_asks_for(fresh_emulator, use, protocol):
    spec = spec_on(fresh_emulator, protocol)
    assert not use(spec.to_tool_list()[0], prompt="a cat" + " " * 7995, n="3", size="256x160").is_error
    assert [(image.width, image.height) for image in spec.store] == [(256, 160)] * 3


@every_protocol
def test_code_may_call_the_spec_and_pass_images_themselves(fresh_emulator, protocol):
    spec = spec_on(fresh_emulator, protocol)
    text, block = spec.edit_image("make it blue", PICTURE)
    assert isinstance(text, TextBlock)
    assert isinstance(block, ImageBlock)
    assert "Made 1 image" in asyncio.run(spec.aedit_image("make it red", PICTURE))[0].text


def test_options_of_the_native_protocol_are_sent(fresh_emulator):
    options = {"seed": 7, "steps": 5, "negative_prompt": "tree", "extra_body": {"width": 160}}
    spec_on(fresh_emulator, "native", **options).generate_image("a house and a tree")
    body = fresh_emulator.requests[0].body
    assert (body["seed"], body["steps"], body["negative_prompt"], body["width"]) == (7, 5, "tree", 160)


def test_progress_goes_to_the_callback_and_to_a_bar(fresh_emulator, use, capsys):
    progress: list[Any] = []
    spec = spec_on(fresh_emulator, "native", on_progress=progress.append, progress=True)
    draws, changes = spec.to_tool_list()
    use(draws, prompt="a cat")
    use(changes, prompt="make it blue", image=next(iter(spec.store)).id)
    assert [each.state for each in progress].count("done") == 2
    assert capsys.readouterr().err.count("100%") >= 2


# What it may not pass


@pytest.mark.usefixtures("no_network")
def test_what_a_model_must_not_name_is_refused_before_anything_is_sent(tmp_path, use, subtests):
    folder = allowed_folder(tmp_path)
    for row in REFUSED:
        with subtests.test(row.id):
            spec = AKIImageToolSpec(api_key=KEY, store=ImageStore(folder=folder))
            output = use(spec.to_tool_list()[1], prompt="make it blue", image=row.values[0])
            assert output.is_error
            assert any(hint in output.content for hint in HINTS)
            assert "root:" not in output.content
            assert KEY not in str(output)
            assert len(spec.store) == 0


@subcases(
    "case",
    [
        ({"prompt": " "}, "prompt is empty"),
        ({"size": "big"}, "in pixels, like 1024x1024"),
        ({"size": "100x100"}, "128 to 2048"),
        ({"n": 5}, "1 to 4"),
        ({"n": "two"}, "1 to 4"),
        ({"n": "9" * 5000}, "1 to 4"),
        ({"n": 0}, "1 to 4"),
        ({"n": 2.5}, "1 to 4"),
        ({"prompt": "x" * 8001}, "at most 8000 characters"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_wrong_arguments_are_told_to_the_model(use, case):
    arguments, message = case
    for protocol in ("openai", "native"):
        output = use(drawing_tool(protocol), **{"prompt": "a cat", **arguments})
        assert output.is_error
        assert message in output.content


def test_a_long_prompt_for_a_change_is_refused_too(use):
    spec = AKIImageToolSpec(api_key=KEY)
    output = use(spec.to_tool_list()[1], prompt="x" * 8001, image=spec.store.add(PICTURE).id)
    assert output.is_error
    assert "at most 8000" in output.content


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"protocol": "anthropic"}, "makes no pictures; use protocol='openai' or protocol='native'"),
        ({"size": "64x64"}, "size='64x64' is out of range"),
        ({"seed": 7}, "takes no seed"),
        ({"protocol": "native", "steps": 0}, "steps=0 is out of range"),
        ({"url": "x"}, "no argument 'url'; use base_url="),
        ({"stor": None}, "no argument 'stor'"),
    ],
    ids=str,
)
def test_what_no_call_can_be_made_with_is_refused_at_once(wrong, message):
    with pytest.raises(ours.ConfigurationError, match=message):
        AKIImageToolSpec(**wrong)


@pytest.mark.parametrize(
    ("fault", "error"), [("status=401", ours.AuthenticationError), ("no-images", ours.InvalidResponseError)]
)
@every_protocol
def test_code_gets_typed_errors_and_nothing_is_billed_twice(fresh_emulator, protocol, fault, error):
    spec = spec_on(fresh_emulator, protocol, fault)
    with pytest.raises(error) as caught:
        spec.generate_image("a cat")
    assert fresh_emulator.key not in f"{caught.value} {vars(caught.value)}"
    with pytest.raises(error):
        asyncio.run(spec.aedit_image("a cat", PICTURE))
    assert images_asked_for(fresh_emulator) == 2


# Scopes


def run_in(spec: AKIImageToolSpec, emulator: Emulator, question: str, **state: Any) -> tuple[ToolOutput, Context]:
    """What the first tool gave in a conversation of its own."""

    async def awaited() -> tuple[ToolOutput, Context]:
        agent = FunctionAgent(llm=model_on(emulator), tools=spec.to_tool_list())
        ctx = Context(agent)
        for name, value in state.items():
            await ctx.store.set(name, value)
        running = agent.run(user_msg=question, ctx=ctx)
        outputs = [event.tool_output async for event in running.stream_events() if isinstance(event, ToolCallResult)]
        await running
        return outputs[0], ctx

    return asyncio.run(awaited())


@pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key. memory")
def test_each_context_is_a_conversation_of_its_own(fresh_emulator):
    spec = spec_on(fresh_emulator, scope="images_of")
    first, ctx = run_in(spec, fresh_emulator, "Draw a red circle.")
    image_id = first.content.split()[3]
    question = f"Edit the image {image_id}: make it sepia."
    other, _ = run_in(spec, fresh_emulator, question)
    assert other.is_error
    assert "there is no image yet" in other.content
    assert len(spec.store) == 0
    assert "base64" not in sent_to_models(fresh_emulator)
    kept = ctx.to_dict()

    async def goes_on() -> str:
        agent = FunctionAgent(llm=model_on(fresh_emulator), tools=spec.to_tool_list())
        return str(await agent.run(user_msg=question, ctx=Context.from_dict(agent, kept)))

    assert image_id in asyncio.run(goes_on())


def test_users_are_told_apart_by_a_value_of_the_state(fresh_emulator):
    spec = spec_on(fresh_emulator, scope="user_id")
    first, _ = run_in(spec, fresh_emulator, "Draw a red circle.", user_id=7)
    (image,) = spec.store.scope("7")
    assert image.id in first.content
    question = f"Edit the image {image.id}: make it sepia."
    assert run_in(spec, fresh_emulator, question, user_id="8")[0].is_error
    same, _ = run_in(spec, fresh_emulator, question, user_id="7")
    assert same.content.startswith(f"Made 1 image out of {image.id}")
    schemas = [tool.metadata.to_openai_tool()["function"]["parameters"] for tool in spec.to_tool_list()]
    assert [sorted(schema["properties"]) for schema in schemas] == [["n", "prompt", "size"], ["image", "prompt"]]


@pytest.mark.parametrize("function", ["generate_image", ("generate_image", "agenerate_image")], ids=["sync", "async"])
def test_parallel_calls_of_a_new_conversation_share_its_images(fresh_emulator, function):
    spec = spec_on(fresh_emulator, scope="images_of")
    (draws,) = spec.to_tool_list([function])

    async def awaited() -> int:
        ctx = Context(FunctionAgent(llm=model_on(fresh_emulator), tools=[draws]))
        outputs = await asyncio.gather(*(draws.acall(ctx=ctx, prompt=f"cat {number}") for number in range(4)))
        assert all(output.content.startswith("Generated 1 image: img_") for output in outputs)
        return len(spec.store.scope(await ctx.store.get("images_of")))

    assert asyncio.run(awaited()) == 4
    assert len(spec.store) == 0


# Agents


def run(agent: FunctionAgent, question: str) -> tuple[str, list[ToolCallResult]]:
    """The agent's last words, and what its tools gave."""

    async def awaited() -> tuple[str, list[ToolCallResult]]:
        running = agent.run(user_msg=question)
        results = [event async for event in running.stream_events() if isinstance(event, ToolCallResult)]
        return str(await running), results

    return asyncio.run(awaited())


@every_protocol
def test_an_agent_draws_an_image_then_changes_it(fresh_emulator, protocol):
    spec = spec_on(fresh_emulator, protocol)
    text, (drawn, changed) = run(FunctionAgent(llm=model_on(fresh_emulator), tools=spec.to_tool_list()), TASK)
    first, second = spec.store
    assert (drawn.tool_name, changed.tool_name) == ("generate_image", "edit_image")
    assert changed.tool_kwargs["image"] == first.id
    assert first.data != second.data
    assert second.id in text
    assert images_asked_for(fresh_emulator) == 2
    bodies = sent_to_models(fresh_emulator)
    assert "base64" not in bodies
    assert not any(image.to_base64()[:40] in bodies for image in (first, second))


def test_an_agent_whose_model_sees_gets_the_images(fresh_emulator):
    spec = spec_on(fresh_emulator, show_images=True)
    text, _ = run(FunctionAgent(llm=model_on(fresh_emulator), tools=spec.to_tool_list()), "Draw a cat.")
    (image,) = spec.store
    assert image.to_base64() in sent_to_models(fresh_emulator)
    assert "128 × 128" in text  # noqa: RUF001  as sizes are written
    assert fresh_emulator.requests[-1].body["messages"][-1]["role"] == "user"


@pytest.mark.parametrize("attempt", ["/etc/hostname", "img_000000"])
def test_a_refusal_reaches_the_model_and_the_agent_goes_on(fresh_emulator, server: ScriptServer, attempt):
    spec = spec_on(fresh_emulator)
    known = spec.store.add(PICTURE)
    for image in (attempt, known.id):
        server.say(answer(None, call("edit_image", f'{{"prompt": "blue", "image": "{image}"}}'), stream=True))
    text, results = run(FunctionAgent(llm=model_at(server), tools=spec.to_tool_list()), "make it blue")
    refusal = sent(server, 1)["messages"][-1]
    assert refusal["role"] == "tool"
    assert "pass the ID" in str(refusal["content"]) or "pass an ID" in str(refusal["content"])
    assert [result.tool_output.is_error for result in results] == [True, False]
    assert text == "Hello"
    assert images_asked_for(fresh_emulator) == 1


# Copies


def test_a_pickled_spec_holds_no_key_of_the_environment_and_works(fresh_emulator, monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", fresh_emulator.key)
    spec = spec_on(fresh_emulator, api_key=None)
    spec.generate_image("a cat")
    data = pickle.dumps(spec)
    assert fresh_emulator.key.encode() not in data
    read = pickle.loads(data)  # noqa: S301
    assert list(read.store) == list(spec.store)
    assert read.generate_image("a dog")


def test_a_copy_goes_on_with_the_same_images():
    spec = AKIImageToolSpec(api_key=KEY)
    assert copy.copy(spec).store is copy.deepcopy(spec).store is spec.store
    assert KEY not in repr(vars(spec))
