"""What a service's answer holds is somewhere in the message, and goes back to the service that gave it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.llms import ChatMessage, ChatResponse, MessageRole

from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.kept.answers_data import ServiceAnswer, missing, read_answers
from tests.langchain import asking as in_langchain
from tests.llama_index import asking as in_llama_index
from tests.script_server import ScriptServer
from tests.subcases import subcases

ANSWERS = read_answers()
each_answer = pytest.mark.parametrize("answer", ANSWERS, ids=str)
in_langchain_ways = subcases("way", in_langchain.WAYS)
in_llama_index_ways = subcases("way", ("chat", "achat", "stream_chat", "astream_chat"))
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


@each_answer
@in_langchain_ways
def test_langchain_keeps_all_of_an_answer(server: ScriptServer, way: in_langchain.Way, answer: ServiceAnswer):
    streamed = in_langchain.is_streamed(way)
    for version in ("v0", "v1"):
        server.say(answer.say(streamed=streamed))
        model = ChatAKI(**answer.model_fields(server), output_version=version)
        message = in_langchain.ask(model, way, "hi")
        leaves = answer.streamed_leaves if streamed else answer.leaves
        assert missing(leaves, message.model_dump()) == []
    server.say(answer.say(streamed=False))
    blocking = ChatAKI(**answer.model_fields(server)).invoke("hi")
    assert _comparable(message.content_blocks) == _comparable(blocking.content_blocks)
    assert message.usage_metadata == blocking.usage_metadata


def _comparable(blocks: Any) -> list[Any]:
    """The blocks in any order, without what only orders the pieces of a stream, and with neighbouring texts as one."""
    result: list[Any] = []
    for block in blocks:
        bare = {name: value for name, value in block.items() if name != "index" and value != ""}
        if result and bare.keys() == {"type", "text"} == result[-1].keys():
            result[-1] = {"type": "text", "text": result[-1]["text"] + bare["text"]}
        elif bare != {"type": "text"}:
            result.append(bare)
    return sorted(result, key=json.dumps)


@each_answer
@in_llama_index_ways
def test_llama_index_keeps_all_of_an_answer(server: ScriptServer, way: Any, answer: ServiceAnswer):
    streamed = in_llama_index.is_streamed(way)
    server.say(answer.say(streamed=streamed))
    response = in_llama_index.ask(AKI(**answer.model_fields(server)), way, "hi")
    assert isinstance(response, ChatResponse)
    assert missing(answer.streamed_leaves if streamed else answer.leaves, response.model_dump()) == []
    assert response.message.content in ("".join(_texts(answer)), None)


def _texts(answer: ServiceAnswer) -> list[str]:
    content = answer.body["content"] if "content" in answer.body else answer.body["choices"][0]["message"]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    return [part["text"] for part in parts if part.get("type") == "text" and part["text"]]


@each_answer
@in_langchain_ways
def test_langchain_sends_it_back_to_its_maker_alone(server: ScriptServer, way: Any, answer: ServiceAnswer):
    server.say(answer.say(streamed=in_langchain.is_streamed(way)))
    message = in_langchain.ask(ChatAKI(**answer.model_fields(server)), way, "hi")
    results = [ToolMessage("Sunny.", tool_call_id=call["id"]) for call in message.tool_calls]
    history = [HumanMessage("hi"), message, *results, HumanMessage("And now?")]
    history = [each if each is not message else AIMessage(**_plain(message)) for each in history]
    for name in ("gateway", "other"):
        server.say(answer.say(streamed=False))
        ChatAKI(**answer.model_fields(server, name)).invoke(history)
    _check_next_requests(server, answer)


def _plain(message: Any) -> dict[str, Any]:
    """The message as a checkpoint gives it back."""
    fields = ("content", "additional_kwargs", "response_metadata", "tool_calls", "invalid_tool_calls")
    return {name: getattr(message, name) for name in fields}


@each_answer
@in_llama_index_ways
def test_llama_index_sends_it_back_to_its_maker_alone(server: ScriptServer, way: Any, answer: ServiceAnswer):
    server.say(answer.say(streamed=in_llama_index.is_streamed(way)))
    llm = AKI(**answer.model_fields(server))
    message = in_llama_index.ask(llm, way, "hi", tools=[TOOL]).message
    calls = message.additional_kwargs.get("tool_calls", ())
    results = [
        ChatMessage(role=MessageRole.TOOL, content="Sunny.", additional_kwargs={"tool_call_id": call["id"]})
        for call in calls
    ]
    message = ChatMessage.model_validate_json(message.model_dump_json())
    history = [ChatMessage("hi"), message, *results, ChatMessage("And now?")]
    for name in ("gateway", "other"):
        server.say(answer.say(streamed=False))
        AKI(**answer.model_fields(server, name)).chat(history)
    _check_next_requests(server, answer)


def _check_next_requests(server: ScriptServer, answer: ServiceAnswer) -> None:
    own, other = (request.json["messages"][1] for request in server.requests[-2:])
    if answer.back is not None:
        assert own == answer.back
    content = other["content"] if isinstance(other["content"], list) else [{"type": "text", "text": other["content"]}]
    assert {block["type"] for block in content} <= {"text", "tool_use"}
    assert all(block.keys() <= {"type", "text", "id", "name", "input"} for block in content)
    sound = answer.body["choices"][0]["message"].get("audio") if "choices" in answer.body else None
    expected = "".join(_texts(answer)) or (sound or {}).get("transcript", "")
    assert "".join(block.get("text", "") for block in content) == expected
    assert other.keys() <= {"role", "content", "tool_calls"}
    assert all(call.keys() == {"id", "type", "function"} for call in other.get("tool_calls", ()))
