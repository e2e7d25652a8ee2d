"""The tools for pictures: what a model is told and may pass, agents that use them, and what they keep to themselves."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from PIL import Image

import langchain_aki.errors as ours
from aki_transport import GeneratedImage, ImageStore
from aki_transport.emulator import Emulator
from langchain_aki import AKIImageEditTool, AKIImageGenerationTool, ChatAKI
from tests.pictures import a_png
from tests.refused_images import HINTS, REFUSED, allowed_folder
from tests.subcases import subcases

KEY = "aki-5ecret-0f-the-te5ts"
TASK = "Draw a red circle on a white background, then make the circle blue."


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(job_speed=20) as emulator:
        yield emulator


@pytest.fixture(params=["openai", "native"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["invoke", "ainvoke"])
def invoke(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Runs a tool or an agent, sync or async."""

    def run(runnable: Any, asked: Any, **given: Any) -> Any:
        found = getattr(runnable, request.param)(asked, **given)
        return asyncio.run(found) if request.param == "ainvoke" else found

    return run


def at(emulator: Emulator, protocol: str, **given: Any) -> dict[str, Any]:
    url = getattr(emulator, f"{protocol}_url")
    return {"protocol": protocol, "base_url": url, "api_key": emulator.key, "size": "128x128", **given}


def both(emulator: Emulator, protocol: str, **given: Any) -> tuple[AKIImageGenerationTool, AKIImageEditTool]:
    """The two tools, over one store."""
    draws = AKIImageGenerationTool(**at(emulator, protocol, **given))
    return draws, AKIImageEditTool(**{**at(emulator, protocol, **given), "store": draws.store, "size": None})


def call(tool: Any, **args: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": "call_1", "name": tool.name, "args": args}


def images_asked_for(emulator: Emulator) -> int:
    ends = ("/images/generations", "/images/edits", "/call/z_image_turbo", "/call/qwen_image_edit")
    return sum(seen.path.endswith(ends) for seen in emulator.requests)


def said_to_models(emulator: Emulator) -> str:
    return "".join(seen.raw.decode() for seen in emulator.requests if seen.path.endswith("/chat/completions"))


def agent_with(emulator: Emulator, *tools: Any, **given: Any) -> Any:
    model = ChatAKI(model="qwen3.6-35b", base_url=emulator.openai_url, api_key=emulator.key)
    return create_agent(model, tools=list(tools), **given)


# What a model is told


def test_the_schemas_say_what_to_pass_with_limits_and_defaults():
    tools = AKIImageGenerationTool(api_key=KEY), AKIImageEditTool(api_key=KEY)
    drawing, changing = (convert_to_openai_tool(tool)["function"] for tool in tools)
    assert drawing["name"] == "generate_image"
    fields = drawing["parameters"]["properties"]
    assert drawing["parameters"]["required"] == ["prompt"]
    assert all(field["description"] for field in fields.values())
    count = next(kind for kind in fields["n"]["anyOf"] if kind["type"] == "integer")
    assert (count["minimum"], count["maximum"]) == (1, 4)
    assert fields["size"]["default"] is None
    assert fields["prompt"]["maxLength"] == 8000
    assert changing["name"] == "edit_image"
    assert changing["parameters"]["required"] == ["prompt", "image"]
    assert changing["parameters"]["properties"]["image"]["type"] == "string"
    assert "img_3f9c2a" in changing["parameters"]["properties"]["image"]["description"]


def test_a_picture_is_named_to_the_model_and_given_to_the_code(fresh_emulator, protocol, invoke):
    draws, changes = both(fresh_emulator, protocol)
    message = invoke(draws, call(draws, prompt="a red circle"))
    (first,) = message.artifact
    assert message.content == f"Generated 1 image: {first.id} (128x128). To change one, pass its ID."
    changed = invoke(changes, call(changes, prompt="make it blue", image=first.id))
    (second,) = changed.artifact
    assert changed.content == f"Made 1 image out of {first.id}: {second.id} (128x128)."
    assert second.data != first.data
    assert draws.store.get(first.id) is first
    assert changes.store.get(second.id) is second


def test_several_pictures_are_drawn_in_the_size_of_the_call_else_of_the_tool(fresh_emulator, protocol, invoke):
    draws = both(fresh_emulator, protocol)[0].model_copy(update={"n": 2, "size": "160x160"})
    message = invoke(draws, call(draws, prompt="a cat", n=3, size="256x160"))
    assert [(image.width, image.height) for image in message.artifact] == [(256, 160)] * 3
    assert message.content.startswith("Generated 3 images: ")
    message = invoke(draws, call(draws, prompt="a cat", size=None, n=None))
    assert [image.width for image in message.artifact] == [160, 160]


def test_several_pictures_are_changed_into_one(fresh_emulator, invoke):
    draws, changes = both(fresh_emulator, "openai")
    first, second = draws.store.add(a_png(128, 128)), draws.store.add(a_png(160, 160))
    message = invoke(changes, call(changes, prompt="put them side by side", image=f"{first.id}, {second.id}"))
    assert message.content.startswith(f"Made 1 image out of {first.id}, {second.id}: img_")


def test_a_model_that_sees_is_shown_the_pictures(fresh_emulator, protocol, invoke):
    draws, changes = both(fresh_emulator, protocol, show_images=True)
    message = invoke(draws, call(draws, prompt="a cat"))
    (image,) = message.artifact
    text, shown = message.content
    assert image.id in text["text"]
    assert shown == {"type": "image", "base64": image.to_base64(), "mime_type": "image/png"}
    assert [block["type"] for block in message.content_blocks] == ["text", "image"]
    changed = invoke(changes, call(changes, prompt="make it blue", image=image.id))
    assert changed.content[1]["base64"] == changed.artifact[0].to_base64()


def test_code_may_pass_pictures_themselves(fresh_emulator, invoke, tmp_path):
    _, changes = both(fresh_emulator, "openai")
    data = a_png(128, 128)
    (tmp_path / "red.png").write_bytes(data)
    as_pil, as_dict = Image.new("RGB", (128, 128), "red"), {"data": data, "id": "img_1"}
    for image in (data, tmp_path / "red.png", GeneratedImage.read(data), as_pil, [data], as_dict):
        assert invoke(changes, {"prompt": "make it blue", "image": image}).startswith("Made 1 image out of img_")


# What it may not pass


@pytest.mark.usefixtures("no_network")
def test_what_a_model_must_not_name_is_refused_before_anything_is_sent(tmp_path, protocol, invoke, subtests):
    folder = allowed_folder(tmp_path)
    for row in REFUSED:
        with subtests.test(row.id):
            store = ImageStore(folder=folder)
            changes = AKIImageEditTool(protocol=protocol, api_key=KEY, store=store)
            message = invoke(changes, call(changes, prompt="make it blue", image=row.values[0]))
            assert isinstance(message, ToolMessage)
            assert message.status == "error"
            assert message.artifact is None
            assert any(hint in message.content for hint in HINTS)
            assert "root:" not in message.content
            assert KEY not in str(message)
            assert len(store) == 0


@subcases(
    "case",
    [
        (
            AKIImageGenerationTool,
            {"prompt": ""},
            "prompt: String should have at least 1 character. What the image must",
        ),
        (AKIImageGenerationTool, {"prompt": "  "}, "the prompt is empty"),
        (AKIImageGenerationTool, {"prompt": "x" * 8001}, "at most 8000 characters"),
        (AKIImageGenerationTool, {"prompt": "a cat", "size": "big"}, "like 1024x1024; 128 to 2048 each"),
        (AKIImageGenerationTool, {"prompt": "a cat", "size": "100x100"}, "128 to 2048 pixels"),
        (AKIImageGenerationTool, {"prompt": "a cat", "n": 5}, "How many images, 1 to 4"),
        (AKIImageGenerationTool, {"prompt": "a cat", "n": 0}, "How many images, 1 to 4"),
        (AKIImageGenerationTool, {"prompt": "a cat", "n": "some"}, "n: Input should be a valid integer"),
        (AKIImageGenerationTool, {}, "prompt: Field required"),
        (AKIImageEditTool, {"prompt": "make it blue"}, "image: Field required. The ID of the image"),
        *(
            (AKIImageEditTool, {"prompt": "make it blue", "image": image}, "pass the ID")
            for image in (None, 7, [], {"url": "http://127.0.0.1/"}, ["/etc/hostname"])
        ),
        (AKIImageEditTool, {"prompt": "make it blue", "image": ["img_1"] * 17}, "17 images are too many"),
        (AKIImageEditTool, {"prompt": " ", "image": "img_1"}, "generate one first"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_wrong_arguments_are_told_to_the_model(protocol, invoke, case):
    cls, args, words = case
    tool = cls(protocol=protocol, api_key=KEY)
    message = invoke(tool, call(tool, **args))
    assert message.status == "error"
    assert words in message.content


def test_what_the_model_can_mend_is_told_and_all_else_is_langchains_error(fresh_emulator, protocol, invoke):
    def drawn(fault: str) -> ToolMessage:
        fresh_emulator.reset()
        draws, _ = both(fresh_emulator, protocol, default_headers={"x-emulator-fault": fault})
        return invoke(draws, call(draws, prompt="a cat"))

    message = drawn("status=400")
    assert message.status == "error"
    assert "400" in message.content
    for fault, error in (
        ("status=401", ours.AuthenticationError),
        ("status=500", ours.ServerError),
        ("no-images", ours.InvalidResponseError),
    ):
        with pytest.raises(error):
            drawn(fault)
        assert images_asked_for(fresh_emulator) == 1


@pytest.mark.usefixtures("no_network")
def test_a_missing_key_is_raised_and_not_told_to_the_model(protocol, invoke):
    for tool, args in ((AKIImageGenerationTool, {}), (AKIImageEditTool, {"image": a_png()})):
        made = tool(protocol=protocol)
        with pytest.raises(ours.ConfigurationError, match="AKI_API_KEY"):
            invoke(made, call(made, prompt="a cat", **args))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"protocol": "anthropic"}, "makes no pictures; use protocol='openai' or protocol='native'"),
        ({"size": "64x64"}, "size='64x64' is out of range"),
        ({"seed": 7}, "takes no seed"),
        ({"stor": None}, "no argument 'stor'"),
        ({"provider": "nobody"}, "nobody"),
    ],
    ids=lambda value: str(value)[:40],
)
@subcases("tool", [AKIImageGenerationTool, AKIImageEditTool])
def test_what_no_call_can_be_made_with_is_refused_at_once(tool, wrong, words):
    with pytest.raises(ours.ConfigurationError, match=words):
        tool(**wrong)


# Scopes


def test_any_value_of_the_config_gives_users_images_of_their_own(fresh_emulator, invoke):
    store = ImageStore()
    draws, changes = both(fresh_emulator, "openai", store=store, scope="user_id")
    agent = agent_with(fresh_emulator, draws, changes)

    def told(question: str, user: Any) -> Any:
        config = {"configurable": {"user_id": user, "thread_id": "1"}}
        return next(m for m in invoke(agent, {"messages": question}, config=config)["messages"] if m.type == "tool")

    (image,) = told("Draw a red circle.", "anna").artifact
    question = f"Edit the image {image.id}: make it sepia."
    refused = told(question, 7)
    assert refused.status == "error"
    assert "there is no image yet" in refused.content
    (own,) = told("Draw a red circle.", 7).artifact
    refused = told(question, 7)
    assert own.id in refused.content
    assert told(question, "anna").content.startswith(f"Made 1 image out of {image.id}: ")
    assert (len(store.scope("anna")), len(store.scope("7")), len(store)) == (2, 1, 0)


@pytest.mark.parametrize("config", [None, {}, {"configurable": {}}, {"configurable": {"thread_id": ""}}])
def test_a_call_that_belongs_to_no_thread_is_refused_before_anything_is_sent(fresh_emulator, protocol, invoke, config):
    for tool in both(fresh_emulator, protocol, scope="thread_id"):
        arguments = {"prompt": "a cat", **({"image": "img_1"} if tool.name == "edit_image" else {})}
        with pytest.raises(ours.ConfigurationError, match="has scope='thread_id', but the config of the call has no"):
            invoke(tool, call(tool, **arguments), config=config)
    assert images_asked_for(fresh_emulator) == 0


# Agents


def test_an_agent_draws_a_picture_then_changes_it(fresh_emulator, protocol, invoke):
    draws, changes = both(fresh_emulator, protocol)
    messages = invoke(agent_with(fresh_emulator, draws, changes), {"messages": TASK})["messages"]
    drawn, changed = (message for message in messages if message.type == "tool")
    (first,), (second,) = drawn.artifact, changed.artifact
    asked = [call for message in messages for call in getattr(message, "tool_calls", ())]
    assert [(each["name"], each["args"].get("image")) for each in asked] == [
        ("generate_image", None),
        ("edit_image", first.id),
    ]
    assert first.data != second.data
    assert first.id in draws.store
    assert second.id in draws.store
    assert second.id in messages[-1].text
    assert images_asked_for(fresh_emulator) == 2
    said = said_to_models(fresh_emulator)
    assert "base64" not in said
    assert not any(image.to_base64()[:40] in said for image in (first, second))


async def test_a_job_is_a_custom_event_of_the_graphs_stream(fresh_emulator):
    draws, changes = both(fresh_emulator, "native")
    agent = agent_with(fresh_emulator, draws, changes)
    events = list(agent.stream({"messages": TASK}, stream_mode="custom"))
    assert {event["tool"] for event in events} == {"generate_image", "edit_image"}
    assert {event["type"] for event in events} == {"image_progress"}
    assert len({event["job_id"] for event in events}) == 2
    assert (events[-1]["state"], events[-1]["percent"]) == ("done", 100)
    stream = agent.astream({"messages": "Draw a cat."}, stream_mode="custom")
    assert [event["state"] async for event in stream][-1] == "done"


def test_progress_goes_to_the_callback_and_to_a_bar_that_is_closed(fresh_emulator, invoke, capsys):
    seen: list[Any] = []
    draws, changes = both(fresh_emulator, "native", on_progress=seen.append, progress=True)
    message = invoke(draws, call(draws, prompt="a cat"))
    invoke(changes, call(changes, prompt="make it blue", image=message.artifact[0].id))
    assert [progress.state for progress in seen].count("done") == 2
    shown = capsys.readouterr().err
    assert "generate_image: 100%" in shown
    assert "edit_image: 100%" in shown
    draws, _ = both(fresh_emulator, "native", progress=True, default_headers={"x-emulator-fault": "queue=1;job-fail"})
    with pytest.raises(ours.JobError):
        draws.invoke(call(draws, prompt="a cat"))
    assert capsys.readouterr().err.endswith("\n")


def test_a_tool_inside_a_chain_of_langchain_alone_works(fresh_emulator, invoke):
    draws, _ = both(fresh_emulator, "native")
    chain = RunnableLambda(lambda prompt: {"prompt": prompt}) | draws
    assert invoke(chain, "a cat", config={"configurable": {"thread_id": "1"}}).startswith("Generated 1 image")


# Checkpoints and copies


def test_a_picture_out_of_a_checkpoint_can_be_changed(fresh_emulator, protocol, caplog):
    draws, changes = both(fresh_emulator, protocol)
    saver = InMemorySaver()
    config = {"configurable": {"thread_id": "1"}}
    agent = agent_with(fresh_emulator, draws, changes, checkpointer=saver)
    with caplog.at_level(logging.WARNING):
        drawn = next(m for m in agent.invoke({"messages": "Draw a cat."}, config)["messages"] if m.type == "tool")
        stored = saver.get_tuple(config).checkpoint["channel_values"]["messages"]
    (artifact,) = next(message.artifact for message in stored if message.type == "tool")
    elsewhere = AKIImageEditTool(**{**at(fresh_emulator, protocol), "size": None})
    message = elsewhere.invoke(call(elsewhere, prompt="make it blue", image=artifact))
    assert message.content.startswith(f"Made 1 image out of {drawn.artifact[0].id}: ")
    again = agent_with(fresh_emulator, draws, changes, checkpointer=saver)
    last = again.invoke({"messages": "Now make it blue."}, config)["messages"][-2]
    assert last.type == "tool"
    assert last.content.startswith(f"Made 1 image out of {drawn.artifact[0].id}: ")
    assert not [record for record in caplog.records if "GeneratedImage" in record.getMessage()]


def test_a_pickled_tool_holds_no_key_of_the_environment_and_works(fresh_emulator, protocol, monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", fresh_emulator.key)
    draws = AKIImageGenerationTool(**{**at(fresh_emulator, protocol), "api_key": None})
    message = draws.invoke(call(draws, prompt="a cat"))
    data = pickle.dumps(draws)
    assert fresh_emulator.key.encode() not in data
    read = pickle.loads(data)  # noqa: S301
    assert read.store.get(message.artifact[0].id) == message.artifact[0]
    assert read.invoke(call(read, prompt="a dog")).artifact
    for copied in (copy.copy(draws), copy.deepcopy(draws), draws.model_copy(deep=True), draws.model_copy()):
        assert copied.store is draws.store
