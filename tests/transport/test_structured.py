"""JSON of a schema from services that take the schema, only take tools, or take neither."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aki_transport import AKIError, BadRequestError
from aki_transport.messages import ChatReply, ChatRequest, JsonSchema, Message, Tool
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, ScriptServer, json_answer
from tests.transport.asking import MODEL, Way, client_for, in_every_stream, in_every_way, request_for

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
WANTED = JsonSchema(name="answer", schema=SCHEMA)
JSON = '{"a": 1}'
REFUSALS = {
    "format": "response_format is not supported by this model",
    "schema": "Invalid parameter: 'json_schema'",
    "tools": '"auto" tool choice requires --enable-auto-tool-choice',
}


def refused(words: str) -> Answer:
    return json_answer({"error": {"message": words, "type": "invalid_request_error"}}, 400)


def told(way: Way, text: str) -> Answer:
    return streamed(*[text[at : at + 3] for at in range(0, len(text), 3)]) if way.streamed else replied(text)


def called(way: Way, arguments: str = JSON, *, text: str = "") -> Answer:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "answer", "arguments": arguments}}
    if not way.streamed:
        return replied(text, finish="tool_calls", tool_calls=[call])
    first = {**call, "function": {"name": "answer", "arguments": ""}}
    rest = [
        chunk(tool_calls=[{"index": 0, "function": {"arguments": arguments[at : at + 3]}}])
        for at in range(0, len(arguments), 3)
    ]
    return streamed(*([text] if text else []), chunk(tool_calls=[first]), *rest, finish="tool_calls")


def asked(way: Way, server: ScriptServer, model: str = MODEL, **fields: Any) -> ChatReply:
    return way.ask(client_for(server), wanted(model, **fields))


def wanted(model: str = MODEL, **fields: Any) -> ChatRequest:
    return request_for(model, response_format=WANTED, **fields)


def how(body: dict[str, Any]) -> str:
    """The way in which a request asked."""
    if "response_format" in body:
        return "json_schema"
    if body.get("tools"):
        return "function_calling"
    return "instruction"


def ways_of(server: ScriptServer) -> list[str]:
    return [how(request.json) for request in server.requests]


@pytest.fixture
def server() -> Any:
    """One that lets any model be any other, for the answers all carry one name."""
    with ScriptServer() as server:
        yield server


@in_every_way
def test_the_schema_is_sent_first_where_it_is_asked_for(way: Way, server: ScriptServer) -> None:
    server.say(told(way, JSON))
    assert json.loads(asked(way, server, structured_first="json_schema").text) == {"a": 1}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert server.requests[0].json["response_format"] == form


@in_every_way
def test_a_tool_is_forced_where_a_model_is_known_to_call_tools(way: Way, server: ScriptServer) -> None:
    server.say(called(way))
    answer = asked(way, server)
    body = server.requests[0].json
    assert body["tools"][0]["function"]["parameters"] == SCHEMA
    assert body["tool_choice"] == {"type": "function", "function": {"name": "answer"}}
    assert "response_format" not in body
    assert (answer.text, answer.tool_calls, answer.finish_reason) == (JSON, (), "stop")


@in_every_way
def test_words_ask_where_nothing_else_is_taken(way: Way, server: ScriptServer) -> None:
    server.say(told(way, JSON))
    answer = asked(way, server, structured_first="instruction")
    messages = server.requests[0].json["messages"]
    assert [message["role"] for message in messages] == ["system", "user"]
    assert json.dumps(SCHEMA) in messages[0]["content"]
    assert json.loads(answer.text) == {"a": 1}


@in_every_way
def test_words_are_added_to_the_system_s(way: Way, server: ScriptServer) -> None:
    server.say(told(way, JSON))
    messages = (Message(role="system", content="Be kind."), Message(role="user", content="hi"))
    request = ChatRequest(model=MODEL, messages=messages, response_format=WANTED, structured_first="instruction")
    way.ask(client_for(server), request)
    first, _ = server.requests[0].json["messages"]
    assert first["content"].startswith("Be kind.\n\n")


@pytest.mark.parametrize("words", REFUSALS.values(), ids=REFUSALS)
@in_every_way
def test_what_is_refused_is_asked_for_in_another_way_and_not_again(way: Way, words: str, server: ScriptServer) -> None:
    server.say(refused(words), refused(words), told(way, JSON), told(way, JSON))
    client = client_for(server)
    assert json.loads(way.ask(client, wanted()).text) == {"a": 1}
    assert ways_of(server) == ["function_calling", "json_schema", "instruction"]
    way.ask(client, wanted())
    assert ways_of(server)[3:] == ["instruction"]


@in_every_way
def test_what_one_model_refuses_another_is_asked_for(way: Way, server: ScriptServer) -> None:
    client = client_for(server, on_model_fallback="ignore")
    server.say(refused(REFUSALS["tools"]), told(way, JSON), called(way))
    way.ask(client, wanted())
    way.ask(client, wanted("gpt-oss-120b"))
    assert ways_of(server) == ["function_calling", "json_schema", "function_calling"]


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"error": {"message": "temperature is too large"}}, 400),
        json_answer({"error": {"message": "prompt is too long for response_format"}}, 400),
        json_answer({"error": {"message": "tools are not for you"}}, 403),
    ],
)
@in_every_way
def test_other_refusals_are_final(way: Way, answer: Answer, server: ScriptServer) -> None:
    server.say(answer)
    with pytest.raises(AKIError):
        asked(way, server)
    assert len(server.requests) == 1


@in_every_way
def test_the_last_way_s_refusal_is_raised(way: Way, server: ScriptServer) -> None:
    server.always = refused(REFUSALS["format"])
    with pytest.raises(BadRequestError, match="response_format"):
        asked(way, server)
    assert ways_of(server) == ["function_calling", "json_schema", "instruction"]


@in_every_way
def test_a_service_that_takes_no_notice_is_asked_in_another_way(way: Way, server: ScriptServer) -> None:
    server.say(told(way, "Sure, what about it?"), told(way, "I am well."), told(way, f"Here: {JSON}"))
    answer = asked(way, server)
    assert ways_of(server) == ["function_calling", "json_schema", "instruction"]
    assert json.loads(answer.text) == {"a": 1}


@in_every_way
def test_the_last_way_s_answer_is_given_as_it_is(way: Way, server: ScriptServer) -> None:
    server.always = told(way, "I cannot say it in JSON.")
    assert asked(way, server).text == "I cannot say it in JSON."
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{JSON}\n```",
        f"```\n{JSON}\n```",
        f"Here you are:\n```json\n{JSON}\n```\nAnything else?",
        f"Here you are: {JSON}",
        f"  \n{JSON}\n",
        f"{JSON}\n\nI hope this helps.",
        f"[Note] The answer is {JSON}",
    ],
)
@pytest.mark.parametrize("first", ["json_schema", "instruction"])
@in_every_way
def test_json_among_other_words_is_found(way: Way, text: str, first: Any, server: ScriptServer) -> None:
    server.say(told(way, text))
    assert json.loads(asked(way, server, structured_first=first).text) == {"a": 1}
    assert len(server.requests) == 1


@in_every_stream
def test_json_that_flows_is_given_as_it_comes(stream_way: Way, server: ScriptServer) -> None:
    server.say(told(stream_way, JSON))
    texts = [delta.text for delta in stream_way.deltas(client_for(server), wanted(structured_first="json_schema"))]
    assert len([text for text in texts if text]) > 1
    server.say(called(stream_way))
    texts = [delta.text for delta in stream_way.deltas(client_for(server), wanted())]
    assert len([text for text in texts if text]) > 1


@pytest.mark.parametrize("words", ["I call it.", "{Well}, I call it: "])
@in_every_way
def test_words_beside_the_forced_call_are_left_out(way: Way, words: str, server: ScriptServer) -> None:
    server.say(called(way, text=words))
    assert asked(way, server).text == JSON


@in_every_way
def test_a_model_that_answers_in_text_although_a_tool_is_forced(way: Way, server: ScriptServer) -> None:
    server.say(told(way, JSON))
    assert asked(way, server).text == JSON


@in_every_way
def test_a_call_without_arguments_is_an_empty_object(way: Way, server: ScriptServer) -> None:
    server.say(called(way, ""))
    assert asked(way, server).text == "{}"


OWN = Tool(name="look", parameters={"type": "object", "properties": {}})


@in_every_way
def test_own_tools_are_not_hidden_by_a_forced_one(way: Way, server: ScriptServer) -> None:
    server.say(told(way, JSON))
    asked(way, server, tools=(OWN,))
    body = server.requests[0].json
    assert [tool["function"]["name"] for tool in body["tools"]] == ["look"]
    assert "response_format" in body


@pytest.mark.parametrize("words", ["", "Let me look."])
@in_every_way
def test_a_call_of_an_own_tool_comes_with_its_words(way: Way, words: str, server: ScriptServer) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    if way.streamed:
        server.say(streamed(*([words] if words else []), chunk(tool_calls=[call]), finish="tool_calls"))
    else:
        server.say(replied(words, finish="tool_calls", tool_calls=[call]))
    answer = asked(way, server, tools=(OWN,))
    assert (answer.text, [call.name for call in answer.tool_calls]) == (words, ["look"])


@pytest.mark.parametrize("words", ["", "Sorry."])
@in_every_way
def test_a_refusal_is_given_as_it_is(way: Way, words: str, server: ScriptServer) -> None:
    if way.streamed:
        server.say(streamed(*([words] if words else []), chunk(refusal="I will not.")))
    else:
        server.say(replied(words or None, refusal="I will not."))
    answer = asked(way, server, structured_first="json_schema")
    assert (answer.text, answer.refusal) == (words, "I will not.")
    assert len(server.requests) == 1


@in_every_way
def test_reasoning_is_kept(way: Way, server: ScriptServer) -> None:
    server.say(told(way, f"<think>Hm.</think>{JSON}"))
    answer = asked(way, server, structured_first="json_schema")
    assert (answer.text, answer.reasoning) == (JSON, "Hm.")


@in_every_stream
def test_a_stream_that_breaks_off_is_not_asked_for_in_another_way(stream_way: Way, server: ScriptServer) -> None:
    server.say(Answer(headers={"content-type": "text/event-stream"}, chunks=told(stream_way, JSON).chunks[:2]))
    with pytest.raises(AKIError):
        asked(stream_way, server, structured_first="json_schema")
    assert len(server.requests) == 1


@pytest.mark.parametrize("finish", ["length", "tool_calls"])
def test_a_call_that_was_cut_before_its_arguments_is_no_empty_object(finish: str, server: ScriptServer) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "answer", "arguments": ""}}
    server.say(replied(None, finish=finish, tool_calls=[call]))
    text = client_for(server).chat(wanted()).text
    assert text == ("" if finish == "length" else "{}")
