"""Signed and redacted thoughts: through agents, in histories, kept by dumps, dropped where nobody reads them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.load import dumps, loads
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
)

from aki_transport.emulator import Emulator
from langchain_aki import ChatAKI
from tests.anthropic_script import anthropic_url, said
from tests.langchain.asking import WAYS, Way, ask, is_streamed, pieces_of
from tests.scenarios import KEY, MODEL, replied, streamed
from tests.script_server import Request, ScriptServer
from tests.subcases import subcases

# `load` is in beta; it says so once per process.
pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

THINKING = {"type": "thinking", "thinking": "I need the weather.", "signature": "c2lnbmVk"}
REDACTED = {"type": "redacted_thinking", "data": "aGlkZGVu"}
TEXT = {"type": "text", "text": "I look."}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Munich"}}
CALL = {"type": "tool_call", "id": "toolu_1", "name": "get_weather", "args": {"city": "Munich"}}
REASONING = {"type": "reasoning", "reasoning": THINKING["thinking"], "extras": {"signature": THINKING["signature"]}}
QUESTION = HumanMessage("What is the weather in Munich?")
RESULT = ToolMessage("Sunny in Munich.", tool_call_id="toolu_1")


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


def model_on(emulator: Emulator, **given: Any) -> ChatAKI:
    at = {"protocol": "anthropic", "base_url": emulator.anthropic_url, "api_key": emulator.key}
    return ChatAKI(model=MODEL, **{**at, **given})


def model_at(server: ScriptServer, **given: Any) -> ChatAKI:
    return ChatAKI(**{"model": MODEL, "protocol": "anthropic", "base_url": anthropic_url(server), **given}, api_key=KEY)


def script(request: Request) -> Any:
    """Thoughts and a call first, then an answer."""
    if len(request.json["messages"]) == 1:
        return said(request, THINKING, REDACTED, TEXT, USE, stop="tool_use")
    return said(request, {"type": "text", "text": "It is sunny."})


def sent(server: ScriptServer, at: int = -1) -> list[dict[str, Any]]:
    return server.requests[at].json["messages"]


@subcases("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_an_agent_gives_the_signed_thought_back_first(fresh_emulator: Emulator, version: str, way: Way):
    agent = create_agent(model_on(fresh_emulator, output_version=version), tools=[get_weather])
    pieces = pieces_of(agent, way, {"messages": [QUESTION]}, **({"stream_mode": "values"} if is_streamed(way) else {}))
    assert pieces[-1]["messages"][-1].text == "Sunny in Munich."
    pieces_of(agent, way, {"messages": [QUESTION]}, **({"stream_mode": "messages"} if is_streamed(way) else {}))
    bodies = [seen.body for seen in fresh_emulator.requests if seen.path.endswith("/messages")]
    assert [bool(body.get("stream")) for body in bodies[2:]] == [is_streamed(way)] * 2
    for body in bodies[1::2]:
        _, asked, answered = body["messages"]
        # The emulator refuses a thought whose signature is not its own.
        assert [block["type"] for block in asked["content"]] == ["thinking", "tool_use"]
        assert asked["content"][0]["signature"]
        assert answered["content"][0]["type"] == "tool_result"


@subcases("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_signed_and_redacted_thoughts_go_back_as_they_came(server: ScriptServer, version: str, way: Way):
    server.always = script
    model = model_at(server, output_version=version).bind_tools([get_weather])
    answer = ask(model, way, [QUESTION])
    assert answer.additional_kwargs["thinking_blocks"] == [THINKING, REDACTED]
    assert [block["type"] for block in answer.content_blocks] == ["reasoning", "text", "tool_call"]
    assert ask(model, way, [QUESTION, answer, RESULT]).text == "It is sunny."
    assert sent(server)[1]["content"] == [THINKING, REDACTED, TEXT, USE]


# Histories of every form

CALLS: Any = [{"id": "toolu_1", "name": "get_weather", "args": {"city": "Munich"}}]
HISTORIES = {
    "langchain-anthropic": AIMessage([THINKING, REDACTED, TEXT, USE], tool_calls=CALLS),
    "with-indices": AIMessage(
        [{**block, "index": at} for at, block in enumerate((THINKING, REDACTED, TEXT, USE))], tool_calls=CALLS
    ),
    "standard-blocks": AIMessage(
        [REASONING, {"type": "non_standard", "value": REDACTED}, TEXT, CALL], tool_calls=CALLS
    ),
    "ours": AIMessage(
        "I look.",
        tool_calls=CALLS,
        additional_kwargs={"reasoning_content": THINKING["thinking"], "thinking_blocks": [THINKING, REDACTED]},
    ),
}


@subcases("way", WAYS)
@pytest.mark.parametrize("form", HISTORIES)
def test_a_history_of_each_form_gives_its_thoughts_back(server: ScriptServer, form: str, way: Way):
    server.always = script
    ask(model_at(server), way, [QUESTION, HISTORIES[form], RESULT])
    assert sent(server)[1]["content"] == [THINKING, REDACTED, TEXT, USE]


def test_a_turn_that_is_over_is_told_without_its_thoughts_unless_the_user_wants_them(server: ScriptServer):
    server.always = script
    over = [RESULT, AIMessage("It is sunny."), HumanMessage("And now?")]
    for history in HISTORIES.values():
        model_at(server).invoke([QUESTION, history, *over])
        assert sent(server)[1]["content"] == [TEXT, USE]
    for choice, kept in (("always", [THINKING, REDACTED]), ("tool_turns", []), ("never", [])):
        model_at(server, send_reasoning=choice).invoke([QUESTION, HISTORIES["ours"], *over])
        assert sent(server)[1]["content"] == [*kept, TEXT, USE]


def test_a_thought_without_signature_is_not_sent_to_anthropics_protocol(server: ScriptServer):
    server.always = script
    unsigned = AIMessage("I look.", tool_calls=CALLS, additional_kwargs={"reasoning_content": "hm"})
    model_at(server).invoke([QUESTION, unsigned, RESULT])
    assert sent(server)[1]["content"] == [TEXT, USE]


def test_a_refusal_in_standard_blocks_can_be_sent_again(server: ScriptServer):
    server.say(lambda request: said(request, stop="refusal"), lambda request: said(request, TEXT))
    model = model_at(server, output_version="v1")
    refused = model.invoke([QUESTION])
    assert refused.additional_kwargs["refusal"]
    assert model.invoke([QUESTION, refused, HumanMessage("Please.")]).text == "I look."


# Kept by dumps

KEPT = {
    "pickle": lambda messages: pickle.loads(pickle.dumps(messages)),  # noqa: S301
    "dumps": lambda messages: [loads(dumps(message), allowed_objects="messages") for message in messages],
    "dicts": lambda messages: messages_from_dict(messages_to_dict(messages)),
    "copies": lambda messages: [message.model_copy(deep=True) for message in messages],
}


@pytest.mark.parametrize("how", KEPT)
@subcases("way", ["invoke", "stream"])
def test_a_history_that_was_kept_has_its_thoughts(server: ScriptServer, how: str, way: Way):
    server.always = script
    model = model_at(server).bind_tools([get_weather])
    model.invoke(KEPT[how]([QUESTION, ask(model, way, [QUESTION]), RESULT]))
    assert sent(server)[1]["content"] == [THINKING, REDACTED, TEXT, USE]


# Where nobody reads signatures


@subcases("way", WAYS)
@pytest.mark.parametrize("form", HISTORIES)
def test_openais_protocol_gets_the_history_without_signatures(server: ScriptServer, form: str, way: Way):
    server.always = lambda request: streamed("Sunny.") if request.json.get("stream") else replied("Sunny.")
    model = model_at(server, protocol="openai", base_url=server.openai_url)
    assert ask(model, way, [QUESTION, HISTORIES[form], RESULT]).text == "Sunny."
    function = {"name": "get_weather", "arguments": '{"city": "Munich"}'}
    assert sent(server)[1] == {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [{"id": "toolu_1", "type": "function", "function": function}],
        "reasoning_content": THINKING["thinking"],
    }


@subcases("way", WAYS)
def test_the_native_protocol_gets_the_history_without_thoughts(fresh_emulator: Emulator, way: Way):
    native = model_on(fresh_emulator, protocol="native", base_url=fresh_emulator.native_url)
    first = ask(model_on(fresh_emulator), way, "What is 6 * 7?")
    assert first.additional_kwargs["thinking_blocks"]
    answer = ask(native, way, [HumanMessage("What is 6 * 7?"), first, HumanMessage("What is 7 * 8?")])
    assert answer.text == "7 * 8 = 56."
    (context,) = [seen.body["chat_context"] for seen in fresh_emulator.requests if "/call/" in seen.path]
    assert "signature" not in context
    assert first.additional_kwargs["thinking_blocks"][0]["signature"] not in context


def test_a_tools_failure_is_marked(server: ScriptServer):
    server.always = script
    for status in ("success", "error"):
        result = ToolMessage("no such city", tool_call_id="toolu_1", status=status)
        model_at(server).invoke([QUESTION, HISTORIES["ours"], result])
        assert sent(server)[2]["content"][0].get("is_error", False) is (status == "error")
