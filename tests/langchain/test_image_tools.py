"""The tools for pictures in LangChain: messages and artifacts, scopes, graphs, checkpoints."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver

import langchain_aki.errors as ours
from aki_transport import ImageStore
from aki_transport.emulator import Emulator
from langchain_aki import AKIImageEditTool, AKIImageGenerationTool, ChatAKI
from tests.pictures import a_png, images_asked_for
from tests.pictures import drawing_at as at

KEY = "aki-5ecret-0f-the-te5ts"
TASK = "Draw a red circle on a white background, then make the circle blue."


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


def both(emulator: Emulator, protocol: str, **given: Any) -> tuple[AKIImageGenerationTool, AKIImageEditTool]:
    draws = AKIImageGenerationTool(**at(emulator, protocol, **given))
    return draws, AKIImageEditTool(**{**at(emulator, protocol, **given), "store": draws.store, "size": None})


def call(tool: Any, **args: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": "call_1", "name": tool.name, "args": args}


def agent_with(emulator: Emulator, *tools: Any, **given: Any) -> Any:
    model = ChatAKI(model="qwen3.6-35b", base_url=emulator.openai_url, api_key=emulator.key)
    return create_agent(model, tools=list(tools), **given)


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


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (AKIImageGenerationTool, {"prompt": ""}, "prompt: String should have at least 1 character. What the image must"),
    (AKIImageGenerationTool, {}, "prompt: Field required"),
    (AKIImageEditTool, {"prompt": "make it blue"}, "image: Field required. The ID of the image"),
    *(
        (AKIImageEditTool, {"prompt": "make it blue", "image": image}, "pass the ID")
        for image in (None, 7, [], {"url": "http://127.0.0.1/"}, ["/etc/hostname"])
    ),
    (AKIImageEditTool, {"prompt": "make it blue", "image": ["img_1"] * 17}, "17 images are too many"),
    (AKIImageEditTool, {"prompt": " ", "image": "img_1"}, "generate one first"),
]


@pytest.mark.usefixtures("no_network")
def test_arguments_of_another_form_are_told_to_the_model(invoke):
    for cls, args, words in WRONG:
        tool = cls(api_key=KEY)
        message = invoke(tool, call(tool, **args))
        assert (message.status, message.artifact) == ("error", None)
        assert words in message.content


def test_what_the_model_can_mend_is_told(fresh_emulator, invoke):
    draws, _ = both(fresh_emulator, "openai", fault="status=400")
    message = invoke(draws, call(draws, prompt="a cat"))
    assert message.status == "error"
    assert "400" in message.content


def test_the_size_and_number_of_the_tool_count_where_the_call_has_none(fresh_emulator, invoke):
    draws = both(fresh_emulator, "openai")[0].model_copy(update={"n": 2, "size": "160x160"})
    message = invoke(draws, call(draws, prompt="a cat", size=None, n=None))
    assert [image.width for image in message.artifact] == [160, 160]
    assert [draws.store.get(image.id) for image in message.artifact] == message.artifact


@pytest.mark.usefixtures("no_network")
def test_a_missing_key_is_raised_and_not_told_to_the_model(protocol, invoke):
    for tool, args in ((AKIImageGenerationTool, {}), (AKIImageEditTool, {"image": a_png()})):
        made = tool(protocol=protocol)
        with pytest.raises(ours.ConfigurationError, match="AKI_API_KEY"):
            invoke(made, call(made, prompt="a cat", **args))


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


def test_a_call_that_belongs_to_no_thread_is_refused_before_anything_is_sent(fresh_emulator, protocol, invoke):
    for config in (None, {}, {"configurable": {}}, {"configurable": {"thread_id": ""}}):
        for tool in both(fresh_emulator, protocol, scope="thread_id"):
            arguments = {"prompt": "a cat", **({"image": "img_1"} if tool.name == "edit_image" else {})}
            with pytest.raises(ours.ConfigurationError, match="has scope='thread_id', but the config of the call has"):
                invoke(tool, call(tool, **arguments), config=config)
    assert images_asked_for(fresh_emulator) == 0


async def test_a_job_is_a_custom_event_of_the_graphs_stream(fresh_emulator):
    draws, changes = both(fresh_emulator, "native")
    agent = agent_with(fresh_emulator, draws, changes)
    events = list(agent.stream({"messages": TASK}, stream_mode="custom"))
    assert {event["tool"] for event in events} == {"generate_image", "edit_image"}
    assert {event["type"] for event in events} == {"image_progress"}
    assert len({event["job_id"] for event in events}) == 2
    assert (events[-1]["state"], events[-1]["percent"]) == ("done", 100)
    sent = [seen for seen in fresh_emulator.requests if seen.path.endswith("/chat/completions")]
    called = [call for message in sent[-1].body["messages"] for call in message.get("tool_calls", ())]
    assert [call["function"]["name"] for call in called] == ["generate_image", "edit_image"]
    assert next(iter(draws.store)).id in called[1]["function"]["arguments"]
    assert "base64" not in "".join(seen.raw.decode() for seen in sent)
    stream = agent.astream({"messages": "Draw a cat."}, stream_mode="custom")
    assert [event["state"] async for event in stream][-1] == "done"


def test_a_tool_inside_a_chain_of_langchain_alone_works(fresh_emulator, invoke):
    draws, _ = both(fresh_emulator, "native")
    chain = RunnableLambda(lambda prompt: {"prompt": prompt}) | draws
    assert invoke(chain, "a cat", config={"configurable": {"thread_id": "1"}}).startswith("Generated 1 image")


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
