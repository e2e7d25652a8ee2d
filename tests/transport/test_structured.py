"""JSON of a schema from services that take the schema, only take tools, or take neither; what is remembered of that."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from aki_transport import AKIError
from aki_transport.messages import ChatReply, ChatRequest, JsonObject, JsonSchema, Message, Text, Tool
from aki_transport.prepare import memory
from tests.scenarios import chunk, replied, streamed, tool_calls
from tests.scenarios.table import broken
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases
from tests.transport.asking import (
    MODEL,
    WAYS,
    Way,
    client_for,
    fastapi,
    in_every_stream,
    in_every_way,
    refusal,
    request_for,
)
from tests.transport.native_says import CHAT, Worker, done, working

pytestmark = pytest.mark.usefixtures("one_loop")

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
JSON = '{"a": 1}'
OWN = Tool(name="look", parameters={"type": "object", "properties": {}})
# A wording is told in the same way however it arrives.
in_both_halves = subcases("way", WAYS[::3])
SCHEMA_FIRST: dict[str, Any] = {"structured_first": "json_schema"}


def told(way: Way, text: str) -> Answer:
    return streamed(*[text[at : at + 3] for at in range(0, len(text), 3)]) if way.streamed else replied(text)


def called(
    way: Way, arguments: str = JSON, *, text: str = "", name: str = "answer", finish: str = "tool_calls"
) -> Answer:
    if not way.streamed:
        return tool_calls.asked(tool_calls.call(name, arguments, call_id="call_1"), text=text, finish=finish)
    first = [tool_calls.call(name, "", index=0, call_id="call_1")]
    rest = ([tool_calls.more(arguments[at : at + 3], 0)] for at in range(0, len(arguments), 3))
    return tool_calls.asked_in(*([text] if text else []), first, *rest, finish=finish)


def wanted(model: str = MODEL, schema: Any = SCHEMA, **fields: Any) -> ChatRequest:
    return request_for(model, response_format=JsonSchema(name="answer", schema=schema), **fields)


def asked(way: Way, scripted: ScriptServer, *answers: Answer, **fields: Any) -> ChatReply:
    scripted.say(*answers)
    return way.ask(client_for(scripted), wanted(**fields))


def method_of(request: Request) -> str:
    if "response_format" in request.json:
        return "json_schema"
    return "function_calling" if request.json.get("tools") else "instruction"


def methods_of(scripted: ScriptServer) -> list[str]:
    return [method_of(request) for request in scripted.requests]


@in_every_way
def test_each_method_asks_in_its_way(way, scripted):
    answer = asked(way, scripted, told(way, f"<think>Hm.</think>{JSON}"), structured_first="json_schema")
    assert (answer.text, answer.reasoning) == (JSON, "Hm.")
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert scripted.requests[0].json["response_format"] == form
    answer = asked(way, scripted, called(way))
    assert (answer.text, answer.tool_calls, answer.finish_reason) == (JSON, (), "stop")
    body = scripted.requests[1].json
    assert body["tools"][0]["function"]["parameters"] == SCHEMA
    assert body["tool_choice"] == {"type": "function", "function": {"name": "answer"}}
    assert "response_format" not in body
    scripted.say(told(way, JSON))
    messages = (Message(role="system", content="Be kind."), Message(role="user", content="hi"))
    request = replace(wanted(structured_first="instruction"), messages=messages)
    assert way.ask(client_for(scripted), request).text == JSON
    first, second = scripted.requests[2].json["messages"]
    assert (first["role"], second["role"]) == ("system", "user")
    assert first["content"].startswith("Be kind.\n\n")
    assert json.dumps(SCHEMA) in first["content"]
    marked = Message(role="system", content=(Text("Be kind.", {"cache_control": {}}),))
    scripted.say(told(way, JSON))
    way.ask(client_for(scripted), replace(request, messages=(marked, messages[1])))
    assert [each["role"] for each in scripted.requests[3].json["messages"]] == ["system", "system", "user"]


# What the requests of three calls are, where a refusal concerns the service's method, or one schema or text.
METHOD = ["json_schema", *["function_calling"] * 3]
ONCE = ["json_schema", "function_calling"] * 3
NO_FORMAT = refusal("response_format is not supported by this model")
REQUIRED = "Invalid schema for response_format 'City': 'required' is missing."
# fmt: off
REFUSALS: dict[str, tuple[int, Any, list[str]]] = {
    "words": (400, NO_FORMAT, METHOD),
    "words of a parameter": (400, refusal("Invalid parameter: 'json_schema'"), METHOD),
    "words of a mode": (400, refusal("This model does not support structured outputs"), METHOD),
    "the field in param": (400, refusal("Not here.", param="response_format", code="unsupported_parameter"), METHOD),
    "the other method's field": (400, refusal("Not here.", param="tools"), METHOD),
    "the other method's choice": (400, refusal("Not here.", param="tool_choice"), METHOD),
    "vLLM's name of the field": (400, refusal("guided_json is only for prompts"), METHOD),
    "the field in loc": (422, fastapi("response_format"), METHOD),
    "as an endpoint that is not there": (404, refusal("No endpoints found that support response_format"), METHOD),
    "as a failure": (501, refusal("JSON schema is not supported"), METHOD),
    "a schema, by its path": (400, refusal("Not good.", param="response_format.json_schema.schema"), ONCE),
    "a schema, in loc": (422, fastapi("response_format", "json_schema", "schema", message="bad"), ONCE),
    "a schema, by code": (400, refusal("Not this one.", code="invalid_json_schema"), ONCE),
    "a schema, in OpenAI's words": (400, refusal(REQUIRED, param="response_format"), ONCE),
    "a schema, in vLLM's words": (400, refusal("Grammar error: Unimplemented keys: [uniqueItems]"), ONCE),
    # Source: https://github.com/langchain-ai/langchain/issues/33863
    "tools beside it": (400, refusal("json mode cannot be combined with tool/function calling"), ONCE),
    # Source: https://github.com/vercel/ai/pull/16540
    "tools and a MIME type": (400, refusal("Function calling with a response mime type is unsupported"), ONCE),
    "one text": (400, refusal("Failed to generate JSON.", code="json_validate_failed"), ONCE),
}
# fmt: on


def refuse(way: Way, error: Any, status: int = 400) -> Any:
    return lambda request: json_answer(error, status) if method_of(request) == "json_schema" else told(way, JSON)


@pytest.mark.parametrize("row", REFUSALS)
@in_both_halves
def test_a_method_is_remembered_and_a_schema_is_not(way, row, scripted):
    status, error, expected = REFUSALS[row]
    scripted.always = refuse(way, error, status)
    for schema in (SCHEMA, {**SCHEMA, "title": "Other"}, SCHEMA):
        assert way.ask(client_for(scripted), wanted(schema=schema, **SCHEMA_FIRST)).text == JSON
    assert methods_of(scripted) == expected


@in_every_way
def test_it_is_remembered_for_an_hour_for_one_model_by_all_clients(way, scripted, clock):
    scripted.always = refuse(way, NO_FORMAT)

    def methods(model: str = MODEL) -> list[str]:
        scripted.requests.clear()
        way.ask(client_for(scripted, on_model_fallback="ignore"), wanted(model, **SCHEMA_FIRST))
        return methods_of(scripted)

    both = ["json_schema", "function_calling"]
    assert [methods(), methods(), methods("gpt-oss-120b")] == [both, ["function_calling"], both]
    clock.passed += memory.REMEMBERED_FOR
    assert [methods(), methods()] == [both, ["function_calling"]]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, refusal("temperature is too large", param="temperature")),
        (400, refusal("prompt is too long for response_format")),
        (403, refusal("tools are not for you")),
        (400, refusal("An assistant message with 'tool_calls' must be followed by tool messages: tools not allowed")),
        (400, refusal("tools are not supported here", param="messages[1].tool_calls")),
        (400, refusal("Blocked by our policy: a tool or function of this kind is not allowed")),
        (400, refusal("The function of this weapon is not something we support.")),
        # Source: https://github.com/langchain-ai/langgraph/issues/4940
        (400, refusal("When using tools, pre-filling the `assistant` response is not supported")),
    ],
)
@in_both_halves
def test_what_concerns_a_text_is_raised_at_once_and_not_remembered(way, status, error, scripted):
    for first in ("json_schema", "function_calling"):
        scripted.requests.clear()
        with pytest.raises(AKIError, match=re.escape(error["error"]["message"])):
            asked(way, scripted, json_answer(error, status), structured_first=first)
        asked(way, scripted, told(way, JSON), structured_first=first)
        assert methods_of(scripted) == [first] * 2


@pytest.mark.parametrize("words", ["response_format and tools are not supported", '"auto" tool choice requires --x'])
@in_every_way
def test_the_last_refusal_is_raised_and_none_is_remembered(way, words, scripted):
    methods = ["function_calling", "json_schema", "instruction"]
    for _ in range(2):
        with pytest.raises(AKIError, match=words):
            asked(way, scripted, *[json_answer(refusal(words), 400)] * 3)
        assert methods_of(scripted) == methods
        scripted.requests.clear()
    asked(way, scripted, *[json_answer(refusal(words), 400)] * 2, told(way, JSON))
    asked(way, scripted, told(way, JSON))
    asked(way, scripted, called(way), structured_methods=("function_calling",))  # what was chosen is tried all the same
    assert methods_of(scripted) == [*methods, "instruction", "function_calling"]


@in_every_way
def test_a_service_that_takes_no_notice_is_asked_in_another_way(way, scripted):
    methods = ["function_calling", "json_schema", "instruction"]
    assert asked(way, scripted, told(way, "Sure, what?"), told(way, "Well."), told(way, f"Here: {JSON}")).text == JSON
    assert methods_of(scripted) == methods
    memory.forget_refusals()
    assert asked(way, scripted, *[told(way, "I cannot say it in JSON.")] * 3).text == "I cannot say it in JSON."
    assert methods_of(scripted) == methods * 2
    scripted.requests.clear()
    asked(way, scripted, *[told(way, "No.")] * 3, structured_first="instruction")
    assert methods_of(scripted) == ["instruction", "function_calling", "json_schema"]


@pytest.mark.parametrize("between", [0, 3])
@in_every_way
def test_a_method_is_given_up_where_it_was_ignored_twice_in_a_row(way, between, scripted):
    both = ["json_schema", "function_calling"]
    ignored = (told(way, "Sure!"), told(way, JSON))
    for answers in (ignored, *[(told(way, JSON),)] * between, ignored, ignored if between else (told(way, JSON),)):
        asked(way, scripted, *answers, **SCHEMA_FIRST)
    methods = [*both, *["json_schema"] * between, *both, *(both if between else ["function_calling"])]
    assert methods_of(scripted) == methods


@in_every_stream
def test_json_that_flows_is_given_as_it_comes(stream_way, scripted):
    for answer, fields in ((told(stream_way, JSON), SCHEMA_FIRST), (called(stream_way), {})):
        scripted.say(answer)
        deltas = stream_way.deltas(client_for(scripted), wanted(**fields))
        assert len([delta for delta in deltas if delta.text]) > 1


@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_job_is_looked_at_until_it_has_given_the_json(way):
    worker = Worker(working(JSON[:4]), done(JSON), RuntimeError("it was done"))
    assert way.ask(worker.client(), wanted(CHAT)).text == JSON
    worker = Worker(done(f"{JSON} of [1]"))  # no list is an object
    assert way.ask(worker.client(), request_for(CHAT, response_format=JsonObject())).text == JSON


@in_every_way
def test_the_object_is_what_the_forced_call_says_or_else_the_text(way, scripted):
    for answer, text in (
        (called(way, text="I call it."), JSON),
        (called(way, text="{Well}, I call it: "), JSON),
        (told(way, JSON), JSON),
        (called(way, ""), "{}"),
        (called(way, "", finish="length"), ""),
    ):
        assert asked(way, scripted, answer).text == text


@pytest.mark.parametrize("words", ["", "Let me look.", JSON])
@in_every_way
def test_own_tools_are_called_beside_a_schema(way, words, scripted):
    answer = asked(way, scripted, called(way, "{}", name="look", text=words), tools=(OWN,))
    assert (answer.text, [call.name for call in answer.tool_calls]) == (words, ["look"])
    body = scripted.requests[0].json
    assert [tool["function"]["name"] for tool in body["tools"]] == ["look"]
    assert "response_format" in body


@pytest.mark.parametrize("words", ["", "Sorry."])
@in_every_way
def test_a_refusal_is_given_as_it_is(way, words, scripted):
    field = {"refusal": "I will not."}
    said = streamed(*([words] * bool(words)), chunk(**field)) if way.streamed else replied(words or None, **field)
    answer = asked(way, scripted, said, **SCHEMA_FIRST)
    assert (answer.text, answer.refusal) == (words, "I will not.")


@in_every_stream
def test_a_stream_that_breaks_off_is_not_asked_for_in_another_way(stream_way, scripted):
    said = Answer(headers={"content-type": "text/event-stream"}, chunks=told(stream_way, JSON).chunks[:2])
    with pytest.raises(AKIError):
        asked(stream_way, scripted, said, **SCHEMA_FIRST)
    assert len(scripted.requests) == 1
    behind_its_end = broken(JSON, chunk(finish="stop"), end="cut")
    assert asked(stream_way, scripted, behind_its_end, **SCHEMA_FIRST).text == JSON
