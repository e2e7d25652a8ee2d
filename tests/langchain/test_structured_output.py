"""Answers as objects: each method, each kind of schema, each way to ask, and services that will not play along."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial, reduce
from operator import add
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.tools import tool
from pydantic import BaseModel
from pydantic.v1 import BaseModel as OldBaseModel
from typing_extensions import TypedDict

import langchain_aki.errors as ours
from tests.langchain.asking import WAYS, Way, is_streamed, last_of, model_at, pieces_of
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases

# The methods, and how the model's service is asked first.
ASKED_FOR = {"json_schema": "json_schema", "function_calling": "tool", "json_mode": "json_object", None: "tool"}
METHODS = tuple(ASKED_FOR)
JOKE = {"setup": "Why?", "punchline": "Because."}
TEXT = json.dumps(JOKE)


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


class OldJoke(OldBaseModel):
    """A joke."""

    setup: str
    punchline: str


class DictJoke(TypedDict):
    """A joke."""

    setup: str
    punchline: str


JSON_JOKE = {
    "title": "JsonJoke",
    "description": "A joke.",
    "type": "object",
    "properties": {"setup": {"type": "string"}, "punchline": {"type": "string"}},
    "required": ["setup", "punchline"],
}
SCHEMAS: dict[str, tuple[Any, Any]] = {
    "pydantic": (Joke, Joke(**JOKE)),
    "pydantic_1": (OldJoke, OldJoke(**JOKE)),
    "typeddict": (DictJoke, JOKE),
    "json_schema": (JSON_JOKE, JOKE),
}


def said(text: str | None = None, *, stream: Any, finish: str = "stop", **message: Any) -> Answer:
    """The same answer, whole or streamed in small pieces."""
    if not stream:
        return replied(text, finish=finish, **message)
    pieces = [text[at : at + 5] for at in range(0, len(text), 5)] if text else []
    extra = [chunk(**message)] if message else []
    return streamed(*extra, *pieces, finish=finish)


def called(name: str, arguments: str, *, stream: Any) -> Answer:
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    if not stream:
        return replied(None, tool_calls=[call], finish="tool_calls")
    pieces = [arguments[at : at + 7] for at in range(0, len(arguments), 7)]
    first = {"index": 0, **call, "function": {"name": name, "arguments": ""}}
    rest = [chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in pieces]
    return streamed(chunk(tool_calls=[first]), *rest, finish="tool_calls")


def obedient(request: Request) -> Answer:
    """Does what it is told, by tool or by text."""
    body = request.json
    if body.get("tools"):
        return called(body["tools"][0]["function"]["name"], TEXT, stream=body.get("stream"))
    return said(TEXT, stream=body.get("stream"))


def refusing(*fields: str) -> Callable[[Request], Answer]:
    """Answers 400 to each of these fields, and else does what it is told."""

    def answer(request: Request) -> Answer:
        for field in fields:
            if request.json.get(field):
                error = {"message": f"Unsupported parameter: {field}", "type": "invalid_request_error", "code": None}
                return json_answer({"error": error}, 400)
        return obedient(request)

    return answer


def ignoring(text: str) -> Callable[[Request], Answer]:
    """Takes no notice of anything."""
    return lambda request: said(text, stream=request.json.get("stream"))


def asked_for(server: ScriptServer) -> list[str]:
    """How each request asked for an object."""
    ways = []
    for request in server.requests:
        form = request.json.get("response_format") or {}
        ways.append(form.get("type") or ("tool" if request.json.get("tools") else "words"))
    return ways


@subcases("way", WAYS)
@pytest.mark.parametrize("kind", SCHEMAS)
@pytest.mark.parametrize("method", METHODS)
def test_each_method_gives_each_kind_of_object(server: ScriptServer, method: Any, kind: str, way: Way):
    server.always = obedient
    schema, wanted = SCHEMAS[kind]
    found = pieces_of(model_at(server).with_structured_output(schema, method=method), way, "a joke")
    assert found[-1] == wanted
    assert None not in found
    assert asked_for(server) == [ASKED_FOR[method]]
    if not isinstance(wanted, dict):
        assert all(type(piece) is type(wanted) for piece in found)
    elif is_streamed(way):
        assert len(found) > 1
    as_blocks = model_at(server, output_version="v1").with_structured_output(schema, method=method)
    assert pieces_of(as_blocks, way, "a joke")[-1] == wanted


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_strict_is_sent_where_given(server: ScriptServer, strict: bool, method: Any):
    server.always = obedient
    model_at(server).with_structured_output(Joke, method=method, strict=strict).invoke("a joke")
    body = server.requests[0].json
    place = body["tools"][0]["function"] if method == "function_calling" else body["response_format"]["json_schema"]
    assert place["strict"] is strict


def test_json_mode_alone_needs_no_schema_and_no_other_method_is_taken(server: ScriptServer):
    server.say(replied('{"a": [1]}'))
    model = model_at(server)
    assert model.with_structured_output(None, method="json_mode").invoke("hi") == {"a": [1]}
    server.say(replied("42"))
    with pytest.raises(OutputParserException):  # it is no object
        model.with_structured_output(None, method="json_mode").invoke("hi")
    for method in ("json_schema", "function_calling", None):
        with pytest.raises(ours.ConfigurationError, match="schema"):
            model.with_structured_output(None, method=method)
    with pytest.raises(ours.ConfigurationError, match="json_mode"):
        model.with_structured_output(Joke, method="magic")


def raw_and_parsed(server: ScriptServer, method: Any, way: Way) -> dict[str, Any]:
    """The sum of what `include_raw` gives, in streams piece by piece."""
    model = model_at(server).with_structured_output(Joke, method=method, include_raw=True)
    first, *others = pieces_of(model, way, "a joke")
    assert bool(others) == is_streamed(way)
    return reduce(add, others, first)


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_include_raw_gives_the_message_too(server: ScriptServer, method: Any, way: Way):
    def thoughtful(request: Request) -> Answer:
        return said(TEXT, stream=request.json.get("stream"), reasoning_content="hm")

    server.always = obedient if ASKED_FOR[method] == "tool" else thoughtful
    found = raw_and_parsed(server, method, way)
    assert (found["parsed"], found["parsing_error"]) == (Joke(**JOKE), None)
    raw = found["raw"]
    assert raw.usage_metadata["total_tokens"] == 8
    assert raw.additional_kwargs.get("reasoning_content") == (None if server.always is obedient else "hm")
    assert raw.response_metadata["finish_reason"]


@subcases("way", WAYS)
def test_include_raw_gives_the_error_in_place_of_the_object(server: ScriptServer, way: Way):
    server.always = ignoring("I would rather not.")
    found = raw_and_parsed(server, "json_mode", way)
    assert found["parsed"] is None
    assert isinstance(found["parsing_error"], OutputParserException)


@subcases("way", WAYS)
def test_an_object_in_the_text_is_taken_where_a_call_was_forced(server: ScriptServer, way: Way):
    server.always = ignoring(f"Here you are: {TEXT}")
    model = model_at(server).with_structured_output(Joke, method="function_calling")
    with pytest.warns(UserWarning, match="called none"):
        assert last_of(model, way, "a joke") == Joke(**JOKE)
    assert len(server.requests) == 1


# Fields that the service refuses, and how it is asked one after the other.
REFUSING: list[tuple[Any, tuple[str, ...], list[str]]] = [
    ("json_schema", ("response_format",), ["json_schema", "tool"]),
    ("json_schema", ("tools",), ["json_schema"]),
    ("json_schema", ("tools", "response_format"), ["json_schema", "tool", "words"]),
    (None, ("response_format",), ["tool"]),
    (None, ("tools",), ["tool", "json_schema"]),
    (None, ("tools", "response_format"), ["tool", "json_schema", "words"]),
]


@subcases("way", WAYS)
@pytest.mark.parametrize(("method", "fields", "asked"), REFUSING)
def test_a_service_that_refuses_a_way_is_asked_in_the_next_within_one_traced_run(
    server: ScriptServer, method: Any, fields: tuple[str, ...], asked: list[str], way: Way
):
    starts: list[Any] = []

    class Ears(BaseCallbackHandler):
        def on_chat_model_start(self, *_: Any, **given: Any) -> None:
            starts.append(given["options"])

    server.always = refusing(*fields)
    model = model_at(server, callbacks=[Ears()]).with_structured_output(Joke, method=method)
    assert last_of(model, way, "a joke") == Joke(**JOKE)
    assert asked_for(server) == asked
    assert ("punchline" in json.dumps(server.requests[-1].json["messages"])) is (asked[-1] == "words")
    (options,) = starts
    assert options["ls_structured_output_format"]["schema"]["properties"].keys() == {"setup", "punchline"}


@subcases("way", WAYS)
@pytest.mark.parametrize(("method", "field"), [("function_calling", "tools"), ("json_mode", "response_format")])
def test_a_named_method_that_the_service_refuses_is_an_error_with_its_words(
    server: ScriptServer, method: Any, field: str, way: Way
):
    server.always = refusing(field)
    with pytest.raises(ours.BadRequestError, match=field):
        pieces_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke in JSON")
    assert len(server.requests) == 1


def cut_call(*, stream: Any) -> Answer:
    call = {"id": "c", "index": 0, "function": {"name": "Joke", "arguments": '{"setup": "Why?", "punchline": "Bec'}}
    return said(None, stream=stream, finish="length", tool_calls=[call])


# Answers without the object: what is raised, and what its message says. What was cut or refused is asked for once.
WITHOUT: dict[str, tuple[Callable[..., Answer], type[Exception], str]] = {
    "words": (partial(said, "I would rather not."), OutputParserException, "no JSON"),
    "another form": (partial(said, '{"setup": "Why?"}'), OutputParserException, "punchline"),
    "too deep": (partial(said, "[" * 1100), OutputParserException, ""),
    "refusal": (partial(said, refusal="I cannot joke about that."), ours.ModelRefusalError, "joke about that"),
    "filter": (
        partial(said, finish="content_filter", reasoning_content="hm"),
        ours.ModelRefusalError,
        "content_filter",
    ),
    "cut": (
        partial(said, '{"setup": "Why?", "punchline": "Bec', finish="length"),
        OutputParserException,
        "max_tokens",
    ),
    "cut in words": (partial(said, "Sure, here is", finish="length"), OutputParserException, "max_tokens"),
    "cut in reasoning": (
        partial(said, finish="length", reasoning_content="hm"),
        OutputParserException,
        "max_tokens",
    ),
    "a call that was cut": (cut_call, OutputParserException, ""),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", WITHOUT)
def test_an_answer_without_the_object_is_an_error_and_never_none(
    server: ScriptServer, case: str, method: Any, way: Way
):
    answer, error, words = WITHOUT[case]
    server.always = lambda request: answer(stream=request.json.get("stream"))
    with pytest.raises(error, match=words) as found:
        pieces_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke")
    if case == "words":
        assert found.value.llm_output == "I would rather not."
    if case.startswith(("cut", "refusal", "filter")):
        assert len(server.requests) == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("method", [None, "json_schema", "function_calling"])
def test_another_tools_arguments_are_never_taken_for_the_object(server: ScriptServer, method: Any):
    @tool
    def look(setup: str, punchline: str) -> str:
        """Look something up."""
        return setup + punchline

    server.always = called("look", TEXT, stream=False)
    model = model_at(server).with_structured_output(Joke, method=method, tools=[look])
    with pytest.raises(OutputParserException):
        model.invoke("a joke")
    assert "look" in [each["function"]["name"] for each in server.requests[0].json["tools"]]
