"""Signed and redacted reasoning: through agents, in histories, kept by dumps, dropped where nobody reads it."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock, ToolCallBlock

from aki_transport.emulator import Emulator
from tests.anthropic_script import anthropic_url, said
from tests.llama_index import asking
from tests.llama_index.asking import AGENT_WARNINGS, WAYS, Way, ask, is_streamed, items_of, sent
from tests.script_server import Request, ScriptServer
from tests.subcases import subcases

pytestmark = AGENT_WARNINGS

THINKING = {"type": "thinking", "thinking": "I need the weather.", "signature": "c2lnbmVk"}
REDACTED = {"type": "redacted_thinking", "data": "aGlkZGVu"}
TEXT = {"type": "text", "text": "I look."}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Munich"}}
QUESTION = ChatMessage("What is the weather in Munich?")
RESULT = ChatMessage(role="tool", content="Sunny in Munich.", additional_kwargs={"tool_call_id": "toolu_1"})
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CALL = ToolCallBlock(tool_call_id="toolu_1", tool_name="get_weather", tool_kwargs={"city": "Munich"})
SIGNED = ThinkingBlock(content="I need the weather.", additional_information={"signature": "c2lnbmVk"})
HIDDEN = ThinkingBlock(additional_information=REDACTED)
CALLED = ChatMessage(role="assistant", blocks=[SIGNED, HIDDEN, TextBlock(text="I look."), CALL])


def model_on(emulator: Emulator, protocol: str = "anthropic") -> Any:
    return asking.model_on(emulator, protocol=protocol, base_url=getattr(emulator, f"{protocol}_url"))


def model_at(server: ScriptServer, **given: Any) -> Any:
    """A model whose service answers with reasoning and a call first, then with a text."""

    def script(request: Request) -> Any:
        if len(request.json["messages"]) == 1:
            return said(request, THINKING, REDACTED, TEXT, USE, stop="tool_use")
        return said(request, {"type": "text", "text": "It is sunny."})

    server.always = script
    return asking.model_at(server, protocol="anthropic", base_url=anthropic_url(server), **given)


def second_message(server: ScriptServer) -> Any:
    return sent(server)["messages"][1]


@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_gives_the_signed_reasoning_back_first(fresh_emulator: Emulator, streaming: bool):
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"Sunny in {city}."

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
    # The emulator refuses reasoning whose signature is not its own.
    assert [block["type"] for block in asked["content"]] == ["thinking", "tool_use"]
    assert asked["content"][0]["signature"]
    assert answered["content"][0]["type"] == "tool_result"
    thinking = "".join(event.thinking_delta or "" for event in events if isinstance(event, AgentStream))
    assert (asked["content"][0]["thinking"] in thinking) is streaming


KEPT = {
    "itself": lambda message: message,
    "pickle": lambda message: pickle.loads(pickle.dumps(message)),  # noqa: S301
    "dump": lambda message: ChatMessage.model_validate(message.model_dump()),
    "json": lambda message: ChatMessage.model_validate_json(message.model_dump_json()),
}


@subcases("way", WAYS)
def test_signed_and_redacted_reasoning_goes_back_as_it_came_also_when_it_was_kept(server: ScriptServer, way: Way):
    llm = model_at(server)
    items = items_of(llm, way, [QUESTION], tools=[TOOL])
    reply = items[-1].message
    assert reply.blocks == [
        SIGNED.model_copy(update={"additional_information": {"type": "thinking", "signature": "c2lnbmVk"}}),
        ThinkingBlock(content="", additional_information=REDACTED),
        TextBlock(text="I look."),
        CALL,
    ]
    if is_streamed(way):
        assert "".join(item.additional_kwargs.get("thinking_delta", "") for item in items) == "I need the weather."
    for keep in KEPT.values():
        answer = ask(llm, way, [QUESTION, keep(reply), RESULT], tools=[TOOL]).message
        assert answer.content == "It is sunny."
        assert second_message(server)["content"] == [THINKING, REDACTED, TEXT, USE]


def test_reasoning_that_has_a_signature_and_no_type_goes_back_and_unsigned_does_not(server: ScriptServer):
    model_at(server).chat([QUESTION, CALLED, RESULT])
    assert second_message(server)["content"] == [THINKING, REDACTED, TEXT, USE]
    unsigned = ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm"), TextBlock(text="I look."), CALL])
    model_at(server).chat([QUESTION, unsigned, RESULT])
    assert second_message(server)["content"] == [TEXT, USE]


@pytest.mark.parametrize(("choice", "kept"), [("always", 2), ("tool_turns", 0), ("never", 0), (None, 0)])
def test_the_user_decides_whether_reasoning_of_a_turn_that_is_over_goes_back(
    server: ScriptServer, choice: Any, kept: int
):
    over = [ChatMessage(role="assistant", content="It is sunny."), ChatMessage("And now?")]
    model_at(server, send_reasoning=choice).chat([QUESTION, CALLED, RESULT, *over])
    assert len(second_message(server)["content"]) == 2 + kept


def test_other_protocols_get_the_history_without_signatures(server: ScriptServer, fresh_emulator: Emulator):
    asking.model_at(server).chat([QUESTION, CALLED, RESULT])
    assert set(second_message(server)) == {"role", "content", "tool_calls", "reasoning_content"}
    assert second_message(server)["reasoning_content"] == "I need the weather."
    assert "c2lnbmVk" not in str(sent(server))
    first = model_on(fresh_emulator).chat([ChatMessage("What is 6 * 7?")]).message
    (thought,) = [block for block in first.blocks if isinstance(block, ThinkingBlock)]
    history = [ChatMessage("What is 6 * 7?"), first, ChatMessage("What is 7 * 8?")]
    assert model_on(fresh_emulator, "native").chat(history).message.content == "7 * 8 = 56."
    (context,) = [seen.body["chat_context"] for seen in fresh_emulator.requests if "/call/" in seen.path]
    assert thought.additional_information["signature"] not in context
