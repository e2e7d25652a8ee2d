"""Signed and redacted thoughts: through agents, in histories, kept by dumps, dropped where nobody reads them."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock, ToolCallBlock

from aki_transport.emulator import Emulator
from llama_index_aki import AKI
from tests.anthropic_script import anthropic_url, said
from tests.llama_index.asking import WAYS, Way, ask, is_streamed, items_of
from tests.scenarios import KEY, MODEL, replied, streamed
from tests.script_server import Request, ScriptServer
from tests.subcases import subcases

# LlamaIndex's workflows look at every attribute of an agent, pydantic's old ones too.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

THINKING = {"type": "thinking", "thinking": "I need the weather.", "signature": "c2lnbmVk"}
REDACTED = {"type": "redacted_thinking", "data": "aGlkZGVu"}
TEXT = {"type": "text", "text": "I look."}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Munich"}}
QUESTION = ChatMessage(content="What is the weather in Munich?")
RESULT = ChatMessage(role="tool", content="Sunny in Munich.", additional_kwargs={"tool_call_id": "toolu_1"})
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


def model_on(emulator: Emulator, **given: Any) -> AKI:
    at = {"protocol": "anthropic", "base_url": emulator.anthropic_url, "api_key": emulator.key}
    return AKI(model=MODEL, **{**at, **given})


def model_at(server: ScriptServer, **given: Any) -> AKI:
    return AKI(**{"model": MODEL, "protocol": "anthropic", "base_url": anthropic_url(server), **given}, api_key=KEY)


def script(request: Request) -> Any:
    """Thoughts and a call first, then an answer."""
    if len(request.json["messages"]) == 1:
        return said(request, THINKING, REDACTED, TEXT, USE, stop="tool_use")
    return said(request, {"type": "text", "text": "It is sunny."})


def sent(server: ScriptServer, at: int = -1) -> list[dict[str, Any]]:
    return server.requests[at].json["messages"]


# Through agents


@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_gives_the_signed_thought_back_first(fresh_emulator: Emulator, streaming: bool):
    agent = FunctionAgent(tools=[get_weather], llm=model_on(fresh_emulator), streaming=streaming)

    async def awaited() -> tuple[str, list[Any]]:
        handler = agent.run("What is the weather in Munich?")
        events = [event async for event in handler.stream_events()]
        return str(await handler), events

    text, events = asyncio.run(awaited())
    assert text == "Sunny in Munich."
    first, second = [seen.body for seen in fresh_emulator.requests if seen.path.endswith("/messages")]
    assert bool(first.get("stream")) == bool(second.get("stream")) == streaming
    _, asked, answered = second["messages"]
    # The emulator refuses a thought whose signature is not its own.
    assert [block["type"] for block in asked["content"]] == ["thinking", "tool_use"]
    assert asked["content"][0]["signature"]
    assert answered["content"][0]["type"] == "tool_result"
    thought = "".join(event.thinking_delta or "" for event in events if isinstance(event, AgentStream))
    assert (asked["content"][0]["thinking"] in thought) is streaming


@subcases("way", WAYS)
def test_signed_and_redacted_thoughts_go_back_as_they_came(server: ScriptServer, way: Way):
    server.always = script
    llm = model_at(server)
    items = items_of(llm, way, [QUESTION], tools=[TOOL])
    answer = items[-1].message
    assert answer.blocks == [
        ThinkingBlock(
            content="I need the weather.", additional_information={"type": "thinking", "signature": "c2lnbmVk"}
        ),
        ThinkingBlock(content="", additional_information=REDACTED),
        TextBlock(text="I look."),
        ToolCallBlock(tool_call_id="toolu_1", tool_name="get_weather", tool_kwargs={"city": "Munich"}),
    ]
    if is_streamed(way):
        assert "".join(item.additional_kwargs.get("thinking_delta", "") for item in items) == "I need the weather."
    assert ask(llm, way, [QUESTION, answer, RESULT], tools=[TOOL]).message.content == "It is sunny."
    assert sent(server)[1]["content"] == [THINKING, REDACTED, TEXT, USE]


# Histories

CALL = ToolCallBlock(tool_call_id="toolu_1", tool_name="get_weather", tool_kwargs={"city": "Munich"})
SIGNED = ThinkingBlock(content="I need the weather.", additional_information={"signature": "c2lnbmVk"})
HIDDEN = ThinkingBlock(additional_information=REDACTED)
CALLED = ChatMessage(role="assistant", blocks=[SIGNED, HIDDEN, TextBlock(text="I look."), CALL])
OVER = [ChatMessage(role="assistant", content="It is sunny."), ChatMessage(content="And now?")]


@subcases("way", WAYS)
def test_a_thought_that_has_a_signature_and_no_type_goes_back(server: ScriptServer, way: Way):
    server.always = script
    ask(model_at(server), way, [QUESTION, CALLED, RESULT])
    assert sent(server)[1]["content"] == [THINKING, REDACTED, TEXT, USE]


@pytest.mark.parametrize(("choice", "kept"), [("always", 2), ("tool_turns", 0), ("never", 0), (None, 0)])
def test_the_user_says_whether_thoughts_of_a_turn_that_is_over_go_back(server: ScriptServer, choice: Any, kept: int):
    server.always = script
    ask(model_at(server, send_reasoning=choice), "chat", [QUESTION, CALLED, RESULT, *OVER])
    assert len(sent(server)[1]["content"]) == 2 + kept


def test_a_thought_without_signature_is_not_sent_to_anthropics_protocol(server: ScriptServer):
    server.always = script
    unsigned = ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm"), TextBlock(text="I look."), CALL])
    ask(model_at(server), "chat", [QUESTION, unsigned, RESULT])
    assert sent(server)[1]["content"] == [TEXT, USE]


KEPT = {
    "pickle": lambda message: pickle.loads(pickle.dumps(message)),  # noqa: S301
    "dump": lambda message: ChatMessage.model_validate(message.model_dump()),
    "json": lambda message: ChatMessage.model_validate_json(message.model_dump_json()),
}


@pytest.mark.parametrize("how", KEPT)
@subcases("way", WAYS)
def test_a_history_that_was_kept_has_its_thoughts(server: ScriptServer, how: str, way: Way):
    server.always = script
    llm = model_at(server)
    answer = ask(llm, way, [QUESTION], tools=[TOOL]).message
    ask(llm, way, [QUESTION, KEPT[how](answer), RESULT], tools=[TOOL])
    assert sent(server)[1]["content"] == [THINKING, REDACTED, TEXT, USE]


# Where nobody reads signatures


@subcases("way", WAYS)
def test_openais_protocol_gets_the_history_without_signatures(server: ScriptServer, way: Way):
    server.always = lambda request: streamed("Sunny.") if request.json.get("stream") else replied("Sunny.")
    llm = model_at(server, protocol="openai", base_url=server.openai_url)
    assert ask(llm, way, [QUESTION, CALLED, RESULT]).message.content == "Sunny."
    assistant = sent(server)[1]
    assert set(assistant) == {"role", "content", "tool_calls", "reasoning_content"}
    assert assistant["reasoning_content"] == "I need the weather."
    assert "c2lnbmVk" not in str(server.requests[-1].json)


@subcases("way", WAYS)
def test_the_native_protocol_gets_the_history_without_thoughts(fresh_emulator: Emulator, way: Way):
    first = ask(model_on(fresh_emulator), way, "What is 6 * 7?").message
    (thought,) = [block for block in first.blocks if isinstance(block, ThinkingBlock)]
    native = model_on(fresh_emulator, protocol="native", base_url=fresh_emulator.native_url)
    history = [ChatMessage(content="What is 6 * 7?"), first, ChatMessage(content="What is 7 * 8?")]
    assert ask(native, way, history).message.content == "7 * 8 = 56."
    (context,) = [seen.body["chat_context"] for seen in fresh_emulator.requests if "/call/" in seen.path]
    assert thought.additional_information["signature"] not in context
