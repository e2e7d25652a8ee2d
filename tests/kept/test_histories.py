"""Threads that other integrations began go on with ours on both protocols, and threads of ours with another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import TypeAdapter

from langchain_aki import ChatAKI
from tests.anthropic_script import said
from tests.kept.answers_data import ServiceAnswer, read_answers
from tests.langchain import asking as in_langchain
from tests.scenarios import MODEL, replied, streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

KEY = "sk-1234567890"
HISTORIES = json.loads((Path(__file__).parent / "histories.json").read_text("utf-8"))
each_history = pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history["name"])
MESSAGES: TypeAdapter[list[AnyMessage]] = TypeAdapter(list[AnyMessage])


def read(history: dict[str, Any]) -> list[Any]:
    return [*MESSAGES.validate_python(history["thread"]), HumanMessage("Go on.")]


def yes(request: Request) -> Answer:
    """The answer "Yes." in the form that the request asks for."""
    if request.path.endswith("/messages"):
        return said(request, {"type": "text", "text": "Yes."})
    return streamed("Yes.") if request.json.get("stream") else replied("Yes.")


def read_body(message: dict[str, Any]) -> tuple[str, list[tuple[str, Any]]]:
    """Text and calls of an assistant's message, which holds nothing else."""
    assert message["role"] == "assistant"
    assert message.keys() <= {"role", "content", "tool_calls"}
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        assert block.keys() in ({"type", "text"}, {"type", "id", "name", "input"})
    calls = [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    for call in message.get("tool_calls", ()):
        assert call.keys() == {"id", "type", "function"}
        calls.append((call["function"]["name"], json.loads(call["function"]["arguments"])))
    return "".join(block.get("text", "") for block in blocks), calls


@each_history
@subcases("way", in_langchain.WAYS)
def test_a_thread_of_another_integration_goes_on(server: ScriptServer, way: in_langchain.Way, history: dict[str, Any]):
    server.always = yes
    for protocol, base_url in (("openai", server.openai_url), ("anthropic", server.anthropic_url)):
        model = ChatAKI(model=MODEL, base_url=base_url, protocol=protocol, api_key=KEY)
        assert in_langchain.ask(model, way, read(history)).text == "Yes."
        messages = server.requests[-1].json["messages"]
        asked = len(server.requests)
        broken = ChatOpenAI(model="gpt-4o", base_url="http://127.0.0.1:9/v1", api_key=KEY, max_retries=0)  # type: ignore[arg-type]
        assert in_langchain.ask(broken.with_fallbacks([model]), way, read(history)).text == "Yes."
        assert [each.json["messages"] for each in server.requests[asked:]] == [messages]
        has_call = any(each["type"] in ("tool", "function") for each in history["thread"])
        calls = [("get_weather", {"city": "Rome"})] if has_call else []
        if history["text"] or has_call:
            assistants = [each for each in messages if each["role"] == "assistant"]
            assert [read_body(each) for each in assistants] == [(history["text"], calls)]
        assert json.dumps(messages).count("Sunny.") == len(calls)


def test_histories_and_answers_are_read():
    assert len(HISTORIES) >= 10
    assert len(read_answers()) >= 19


@pytest.mark.parametrize("answer", read_answers(), ids=str)
@subcases("way", in_langchain.WAYS)
def test_a_thread_of_ours_goes_on_with_chat_openai(server: ScriptServer, way: Any, answer: ServiceAnswer):
    for version in ("v0", "v1"):
        server.say(answer.say(streamed=in_langchain.is_streamed(way)), yes)
        model = ChatAKI(**answer.model_fields(server), output_version=version)
        message = in_langchain.ask(model, way, "hi")
        results = [{"role": "tool", "content": "Sunny.", "tool_call_id": call["id"]} for call in message.tool_calls]
        other = ChatOpenAI(model="gpt-4o", base_url=server.openai_url, api_key=KEY)  # type: ignore[arg-type]
        assert other.invoke(["hi", message, *results, "Go on."]).text == "Yes."
        sent = server.requests[-1].json["messages"][1]
        content = sent["content"] or ""
        text = "".join(each if isinstance(each, str) else each.get("text", "") for each in content)
        assert text == message.text
        assert [call["id"] for call in sent.get("tool_calls", ())] == [call["id"] for call in message.tool_calls]
