"""The tool spec for pictures: what a model is told and may pass, and agents that use it."""

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
from tests.llama_index.asking import model_at, model_on
from tests.pictures import a_png
from tests.refused_images import HINTS, REFUSED, allowed_folder
from tests.scenarios import chunk, streamed
from tests.script_server import Answer, ScriptServer
from tests.subcases import subcases

# LlamaIndex's workflows look at every attribute of an agent, pydantic's old ones too.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

PROTOCOLS = ("openai", "native")
KEY = "aki-5ecret-0f-the-te5ts"
TASK = "Draw a red circle on a white background, then make the circle blue."


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(job_speed=20) as emulator:
        yield emulator


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["sync", "async"])
def use(request: pytest.FixtureRequest) -> Callable[..., ToolOutput]:
    """Calls a tool as an agent does: what it raises is the output."""

    def call(tool: Any, **given: Any) -> ToolOutput:
        return call_tool(tool, given) if request.param == "sync" else asyncio.run(acall_tool(tool, given))

    return call


def spec_on(emulator: Emulator, protocol: str, fault: str = "", **given: Any) -> AKIImageToolSpec:
    url = getattr(emulator, f"{protocol}_url")
    where = {"protocol": protocol, "base_url": url, "api_key": emulator.key, "size": "128x128"}
    return AKIImageToolSpec(**{**where, "default_headers": {"x-emulator-fault": fault} if fault else None, **given})


def run(agent: FunctionAgent, question: str) -> tuple[str, list[ToolCallResult]]:
    """The agent's last words, and what its tools gave."""

    async def awaited() -> tuple[str, list[ToolCallResult]]:
        running = agent.run(user_msg=question)
        results = [event async for event in running.stream_events() if isinstance(event, ToolCallResult)]
        return str(await running), results

    return asyncio.run(awaited())


def images_asked_for(emulator: Emulator) -> int:
    ends = ("/images/generations", "/images/edits", "/call/z_image_turbo", "/call/qwen_image_edit")
    return sum(seen.path.endswith(ends) for seen in emulator.requests)


def said_to_models(emulator: Emulator) -> str:
    return "".join(seen.raw.decode() for seen in emulator.requests if seen.path.endswith("/chat/completions"))


# What a model is told


def test_the_schemas_say_what_to_pass_with_limits_and_defaults():
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


def test_a_picture_is_named_to_the_model_and_kept(fresh_emulator, protocol, use):
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


def test_several_pictures_are_drawn_in_the_size_that_the_model_asks_for(fresh_emulator, protocol, use):
    spec = spec_on(fresh_emulator, protocol)
    use(spec.to_tool_list()[0], prompt="a cat", n=3, size="256x160")
    assert [(image.width, image.height) for image in spec.store] == [(256, 160)] * 3


def test_code_may_call_the_spec_and_pass_pictures_themselves(fresh_emulator, protocol):
    spec = spec_on(fresh_emulator, protocol)
    text, block = spec.edit_image("make it blue", a_png(128, 128))
    assert isinstance(text, TextBlock)
    assert isinstance(block, ImageBlock)
    assert "Made 1 image" in asyncio.run(spec.aedit_image("make it red", a_png(128, 128)))[0].text


def test_options_of_the_native_protocol_are_sent(fresh_emulator):
    spec = spec_on(fresh_emulator, "native", seed=7, steps=5, negative_prompt="tree", extra_body={"width": 160})
    spec.generate_image("a house and a tree")
    spec.generate_image("a house and a tree")
    body = fresh_emulator.requests[0].body
    assert (body["seed"], body["steps"], body["negative_prompt"], body["width"]) == (7, 5, "tree", 160)
    first, second = spec.store
    assert first.data == second.data


# What it may not pass


@pytest.mark.usefixtures("no_network")
def test_what_a_model_must_not_name_is_refused_before_anything_is_sent(tmp_path, protocol, use, subtests):
    folder = allowed_folder(tmp_path)
    for row in REFUSED:
        with subtests.test(row.id):
            spec = AKIImageToolSpec(protocol=protocol, api_key=KEY, store=ImageStore(folder=folder))
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
        ({"prompt": "a cat", "size": "big"}, "in pixels, like 1024x1024"),
        ({"prompt": "a cat", "size": "100x100"}, "128 to 2048"),
        ({"prompt": "a cat", "n": 5}, "1 to 4"),
        ({"prompt": "a cat", "n": "two"}, "1 to 4"),
        ({"prompt": "a cat", "n": "5"}, "1 to 4"),
        ({"prompt": "a cat", "n": "9" * 5000}, "1 to 4"),
        ({"prompt": "a cat", "n": 0}, "1 to 4"),
        ({"prompt": "a cat", "n": 2.5}, "1 to 4"),
        ({"prompt": "x" * 8001}, "at most 8000 characters"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_wrong_arguments_are_told_to_the_model(protocol, use, case):
    args, words = case
    output = use(AKIImageToolSpec(protocol=protocol, api_key=KEY).to_tool_list()[0], **args)
    assert output.is_error
    assert words in output.content


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"protocol": "anthropic"}, "makes no pictures; use protocol='openai' or protocol='native'"),
        ({"size": "64x64"}, "size='64x64' is out of range"),
        ({"seed": 7}, "takes no seed"),
        ({"protocol": "native", "steps": 0}, "steps=0 is out of range"),
        ({"url": "x"}, "no argument 'url'; use base_url="),
        ({"stor": None}, "no argument 'stor'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_no_call_can_be_made_with_is_refused_at_once(wrong, words):
    with pytest.raises(ours.ConfigurationError, match=words):
        AKIImageToolSpec(**wrong)


@subcases(
    "case",
    [
        ("status=401", ours.AuthenticationError),
        ("status=500", ours.ServerError),
        ("reset", ours.APIConnectionError),
        ("no-images", ours.InvalidResponseError),
        ("bad-base64", ours.InvalidResponseError),
        ("image-url", ours.InvalidResponseError),
    ],
)
def test_code_gets_typed_errors_and_nothing_is_billed_twice(fresh_emulator, protocol, case):
    fault, error = case
    spec = spec_on(fresh_emulator, protocol, fault)
    with pytest.raises(error) as caught:
        spec.generate_image("a cat")
    assert fresh_emulator.key not in f"{caught.value} {vars(caught.value)}"
    with pytest.raises(error):
        asyncio.run(spec.aedit_image("a cat", a_png(128, 128)))
    assert images_asked_for(fresh_emulator) == 2


def test_a_long_prompt_for_a_change_is_refused_too(use):
    spec = AKIImageToolSpec(api_key=KEY)
    known = spec.store.add(a_png(128, 128))
    output = use(spec.to_tool_list()[1], prompt="x" * 8001, image=known.id)
    assert output.is_error
    assert "at most 8000" in output.content


def test_a_number_written_as_text_is_taken(fresh_emulator, protocol, use):
    spec = spec_on(fresh_emulator, protocol)
    assert not use(spec.to_tool_list()[0], prompt="x" * 8000, n="3").is_error
    assert len(spec.store) == 3


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
def test_each_context_is_a_conversation_of_its_own(fresh_emulator, protocol):
    store = ImageStore()
    spec = spec_on(fresh_emulator, protocol, store=store, scope="images_of")
    first, ctx = run_in(spec, fresh_emulator, "Draw a red circle.")
    image_id = first.content.split()[3]
    other, _ = run_in(spec, fresh_emulator, f"Edit the image {image_id}: make it sepia.")
    assert other.is_error
    assert "there is no image yet" in other.content
    assert len(store) == 0
    assert "base64" not in said_to_models(fresh_emulator)

    async def goes_on() -> str:
        again = Context.from_dict(agent := FunctionAgent(llm=model_on(fresh_emulator), tools=spec.to_tool_list()), kept)
        return str(await agent.run(user_msg=f"Edit the image {image_id}: make it sepia.", ctx=again))

    kept = ctx.to_dict()
    assert image_id in asyncio.run(goes_on())


def test_users_are_told_apart_by_a_value_of_the_state(fresh_emulator, protocol):
    store = ImageStore()
    spec = spec_on(fresh_emulator, protocol, store=store, scope="user_id")
    first, _ = run_in(spec, fresh_emulator, "Draw a red circle.", user_id=7)
    (image,) = store.scope("7")
    assert image.id in first.content
    question = f"Edit the image {image.id}: make it sepia."
    other, _ = run_in(spec, fresh_emulator, question, user_id="8")
    assert other.is_error
    same, _ = run_in(spec, fresh_emulator, question, user_id="7")
    assert same.content.startswith(f"Made 1 image out of {image.id}")
    schemas = [tool.metadata.to_openai_tool()["function"]["parameters"] for tool in spec.to_tool_list()]
    assert [sorted(schema["properties"]) for schema in schemas] == [["n", "prompt", "size"], ["image", "prompt"]]


def test_parallel_calls_of_a_new_conversation_share_its_images(fresh_emulator):
    spec = spec_on(fresh_emulator, "openai", scope="images_of")
    draws, _ = spec.to_tool_list()

    async def awaited() -> int:
        ctx = Context(FunctionAgent(llm=model_on(fresh_emulator), tools=[draws]))
        await asyncio.gather(*(draws.acall(ctx=ctx, prompt=f"cat {number}") for number in range(4)))
        return len(spec.store.scope(await ctx.store.get("images_of")))

    assert asyncio.run(awaited()) == 4


def test_a_sync_function_of_ones_own_is_scoped_too(fresh_emulator):
    spec = spec_on(fresh_emulator, "openai", scope="images_of")
    (draws,) = spec.to_tool_list(["generate_image"])

    async def awaited() -> ToolOutput:
        return await draws.acall(
            ctx=Context(FunctionAgent(llm=model_on(fresh_emulator), tools=[draws])), prompt="a cat"
        )

    assert asyncio.run(awaited()).content.startswith("Generated 1 image: img_")
    assert len(spec.store) == 0


# Agents


def test_an_agent_draws_a_picture_then_changes_it(fresh_emulator, protocol):
    spec = spec_on(fresh_emulator, protocol)
    answer, (drawn, changed) = run(FunctionAgent(llm=model_on(fresh_emulator), tools=spec.to_tool_list()), TASK)
    first, second = spec.store
    assert (drawn.tool_name, changed.tool_name) == ("generate_image", "edit_image")
    assert changed.tool_kwargs["image"] == first.id
    assert first.data != second.data
    assert second.id in answer
    assert images_asked_for(fresh_emulator) == 2
    said = said_to_models(fresh_emulator)
    assert "base64" not in said
    assert not any(image.to_base64()[:40] in said for image in (first, second))


def test_an_agent_whose_model_sees_gets_the_pictures(fresh_emulator, protocol):
    spec = spec_on(fresh_emulator, protocol, show_images=True)
    answer, _ = run(FunctionAgent(llm=model_on(fresh_emulator), tools=spec.to_tool_list()), "Draw a cat.")
    (image,) = spec.store
    assert image.to_base64() in said_to_models(fresh_emulator)
    assert "128 × 128" in answer  # noqa: RUF001  as sizes are written
    last = fresh_emulator.requests[-1].body["messages"][-1]
    assert last["role"] == "user"


def calling(image: str, number: int) -> Answer:
    function = {"name": "edit_image", "arguments": f'{{"prompt": "make it blue", "image": "{image}"}}'}
    return streamed(chunk(tool_calls=[{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]))


@pytest.mark.parametrize("attempt", ["/etc/hostname", "http://127.0.0.1/cat.png", "img_000000"])
def test_a_refusal_reaches_the_model_and_the_agent_goes_on(fresh_emulator, protocol, attempt):
    spec = spec_on(fresh_emulator, protocol)
    known = spec.store.add(a_png(128, 128))
    with ScriptServer(calling(attempt, 1), calling(known.id, 2), streamed("It is blue.")) as server:
        answer, results = run(FunctionAgent(llm=model_at(server), tools=spec.to_tool_list()), "make it blue")
        refused = server.requests[1].json["messages"][-1]
    assert refused["role"] == "tool"
    assert "pass the ID" in str(refused["content"]) or "pass an ID" in str(refused["content"])
    assert [result.tool_output.is_error for result in results] == [True, False]
    assert answer == "It is blue."
    assert images_asked_for(fresh_emulator) == 1


def test_progress_goes_to_the_callback_and_to_a_bar(fresh_emulator, use, capsys):
    seen: list[Any] = []
    spec = spec_on(fresh_emulator, "native", on_progress=seen.append, progress=True)
    draws, changes = spec.to_tool_list()
    use(draws, prompt="a cat")
    use(changes, prompt="make it blue", image=next(iter(spec.store)).id)
    assert [progress.state for progress in seen].count("done") == 2
    assert capsys.readouterr().err.count("100%") >= 2


# Copies


def test_a_pickled_spec_holds_no_key_of_the_environment_and_works(fresh_emulator, protocol, monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", fresh_emulator.key)
    spec = spec_on(fresh_emulator, protocol, api_key=None)
    spec.generate_image("a cat")
    data = pickle.dumps(spec)
    assert fresh_emulator.key.encode() not in data
    read = pickle.loads(data)  # noqa: S301
    assert list(read.store) == list(spec.store)
    assert read.generate_image("a dog")


def test_a_copy_goes_on_with_the_same_pictures(protocol):
    spec = AKIImageToolSpec(protocol=protocol, api_key=KEY)
    assert copy.copy(spec).store is copy.deepcopy(spec).store is spec.store
    assert KEY not in repr(vars(spec))
