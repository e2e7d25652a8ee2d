"""Answers as objects: each method, each kind of schema, each way to ask, and services that will not play along."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.tools import tool
from pydantic import BaseModel
from pydantic.v1 import BaseModel as OldBaseModel
from typing_extensions import TypedDict

import langchain_aki.errors as ours
from aki_transport.emulator import Emulator
from langchain_aki import ChatAKI
from tests.langchain.asking import WAYS, Way, is_streamed, last_of, model_at, pieces_of
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases

METHODS = ("json_schema", "function_calling", "json_mode", None)
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


def refusing(*fields: str, words: str = "Unsupported parameter: {}") -> Callable[[Request], Answer]:
    """Answers 400 to each of these fields, and else does what it is told."""

    def answer(request: Request) -> Answer:
        for field in fields:
            if request.json.get(field):
                message = words.format(field)
                return json_answer({"error": {"message": message, "type": "invalid_request_error", "code": None}}, 400)
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
    assert len(server.requests) == 1
    if not isinstance(wanted, dict):
        assert all(type(piece) is type(wanted) for piece in found)
    elif is_streamed(way):
        assert len(found) > 1


@pytest.mark.parametrize(
    ("method", "said_as"), [("json_schema", "json_schema"), ("function_calling", "tool"), ("json_mode", "json_object")]
)
def test_a_method_that_was_named_is_the_one_that_is_used(server: ScriptServer, method: Any, said_as: str):
    server.always = obedient
    model_at(server).with_structured_output(Joke, method=method).invoke("a joke")
    assert asked_for(server) == [said_as]


@pytest.mark.parametrize(
    ("strict", "method"), [(s, m) for s in (True, False) for m in ("json_schema", "function_calling")]
)
def test_strict_is_sent_where_given(server: ScriptServer, strict: bool, method: Any):
    server.always = obedient
    model_at(server).with_structured_output(Joke, method=method, strict=strict).invoke("a joke")
    body = server.requests[0].json
    place = body["tools"][0]["function"] if method == "function_calling" else body["response_format"]["json_schema"]
    assert place["strict"] is strict


def test_json_mode_needs_no_schema(server: ScriptServer):
    server.say(replied('{"a": [1]}'))
    assert model_at(server).with_structured_output(None, method="json_mode").invoke("hi") == {"a": [1]}


def test_other_methods_need_a_schema():
    for method in ("json_schema", "function_calling", None):
        with pytest.raises(ours.ConfigurationError, match="schema"):
            ChatAKI(model="qwen3.6-35b").with_structured_output(None, method=method)


def test_an_unknown_method_is_refused():
    with pytest.raises(ours.ConfigurationError, match="json_mode"):
        ChatAKI(model="qwen3.6-35b").with_structured_output(Joke, method="magic")


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_include_raw_gives_the_message_too(server: ScriptServer, method: Any, way: Way):
    server.always = obedient
    model = model_at(server).with_structured_output(Joke, method=method, include_raw=True)
    pieces = pieces_of(model, way, "a joke")
    found: dict[str, Any] = {}
    for piece in pieces:
        for name, value in piece.items():
            found[name] = found[name] + value if name == "raw" and name in found else value
    assert found["parsed"] == Joke(**JOKE)
    assert found["parsing_error"] is None
    assert found["raw"].usage_metadata["total_tokens"] == 8


@subcases("way", WAYS)
def test_include_raw_gives_the_error_in_place_of_the_object(server: ScriptServer, way: Way):
    server.always = ignoring("I would rather not.")
    model = model_at(server).with_structured_output(Joke, method="json_mode", include_raw=True)
    found: dict[str, Any] = {}
    for piece in pieces_of(model, way, "a joke"):
        found.update(piece)
    assert found["parsed"] is None
    assert isinstance(found["parsing_error"], OutputParserException)


MESSY = {
    "fenced": f"```json\n{TEXT}\n```",
    "fenced_bare": f"```\n{TEXT}\n```",
    "behind_words": f"Here you are: {TEXT}",
    "between_words": f"Sure!\n\n{TEXT}\n\nAnything else?",
    "fence_between_words": f"Sure!\n```json\n{TEXT}\n```\nAnything else?",
    "in_blanks": f"\n\n  {TEXT}  \n",
    "behind_thought": f"<think>{{hm}}</think>\n{TEXT}",
    "before_words": f"{TEXT}\n\nAnything else?",
}


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", MESSY)
def test_json_is_found_in_what_stands_around_it(server: ScriptServer, text: str, method: Any, way: Way):
    server.always = ignoring(MESSY[text])
    model = model_at(server).with_structured_output(Joke, method=method)
    if method == "function_calling":
        with pytest.warns(UserWarning, match="called none"):
            assert last_of(model, way, "a joke") == Joke(**JOKE)
    else:
        assert last_of(model, way, "a joke") == Joke(**JOKE)
    assert len(server.requests) == 1


@subcases("way", WAYS)
@pytest.mark.parametrize("method", ["json_schema", None])
def test_a_service_without_response_format_is_asked_by_a_tool(server: ScriptServer, method: Any, way: Way):
    server.always = refusing("response_format")
    model = model_at(server).with_structured_output(Joke, method=method)
    assert last_of(model, way, "a joke") == Joke(**JOKE)
    assert asked_for(server)[-1] == "tool"
    assert len(server.requests) <= 2
    before = len(server.requests)
    assert last_of(model, way, "a joke") == Joke(**JOKE)
    assert len(server.requests) == before + 1, "what was refused once is not tried again"


@subcases("way", WAYS)
@pytest.mark.parametrize("method", ["json_schema", None])
def test_a_service_without_tools_is_asked_by_schema(server: ScriptServer, method: Any, way: Way):
    server.always = refusing("tools")
    assert last_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke") == Joke(**JOKE)
    assert asked_for(server)[-1] == "json_schema"


@subcases("way", WAYS)
@pytest.mark.parametrize("method", ["json_schema", None])
def test_a_service_with_neither_is_asked_in_words(server: ScriptServer, method: Any, way: Way):
    server.always = refusing("tools", "response_format")
    assert last_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke") == Joke(**JOKE)
    assert asked_for(server)[-1] == "words"
    assert "punchline" in json.dumps(server.requests[-1].json["messages"])


@subcases("way", WAYS)
@pytest.mark.parametrize(("method", "field"), [("function_calling", "tools"), ("json_mode", "response_format")])
def test_a_named_method_that_the_service_refuses_is_an_error_with_its_words(
    server: ScriptServer, method: Any, field: str, way: Way
):
    server.always = refusing(field)
    with pytest.raises(ours.BadRequestError, match=field):
        pieces_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke in JSON")
    assert len(server.requests) == 1


@subcases("way", WAYS)
def test_the_wordings_of_the_older_server_are_understood(server: ScriptServer, way: Way):
    server.always = refusing("tools", "response_format", words="Parameter '{}' is not allowed")
    assert last_of(model_at(server).with_structured_output(Joke), way, "a joke") == Joke(**JOKE)


@subcases("way", WAYS)
@pytest.mark.parametrize("method", ["json_schema", None])
def test_a_service_that_takes_no_notice_is_asked_in_other_ways(server: ScriptServer, method: Any, way: Way):
    def deaf(request: Request) -> Answer:
        instructed = "JSON schema" in json.dumps(request.json["messages"])
        return said(TEXT if instructed else "A joke? Why not.", stream=request.json.get("stream"))

    server.always = deaf
    assert last_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke") == Joke(**JOKE)
    assert len(server.requests) == 3


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_an_answer_without_an_object_is_an_error_and_never_none(server: ScriptServer, method: Any, way: Way):
    server.always = ignoring("I would rather not.")
    model = model_at(server).with_structured_output(Joke, method=method)
    with pytest.raises(OutputParserException) as found:
        _quietly(lambda: pieces_of(model, way, "a joke"))
    assert found.value.llm_output == "I would rather not."


@subcases("way", ["invoke", "stream"])
def test_an_answer_nested_past_what_python_reads_is_an_error(server: ScriptServer, way: Way):
    server.always = ignoring("[" * 20_000)
    with pytest.raises(OutputParserException):
        _quietly(lambda: pieces_of(model_at(server).with_structured_output(Joke), way, "a joke"))


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_an_object_of_another_form_is_an_error(server: ScriptServer, method: Any, way: Way):
    server.always = ignoring('{"setup": "Why?"}')
    with pytest.raises(OutputParserException, match="punchline"):
        _quietly(lambda: pieces_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke"))


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["field", "filter"])
def test_a_refusal_is_an_error_of_its_own(server: ScriptServer, kind: str, method: Any, way: Way):
    def refuse(request: Request) -> Answer:
        stream = request.json.get("stream")
        if kind == "filter":
            return said(None, stream=stream, finish="content_filter", reasoning_content="hm")
        return said(None, stream=stream, refusal="I cannot joke about that.")

    server.always = refuse
    with pytest.raises(ours.ModelRefusalError, match="joke about that" if kind == "field" else "content_filter"):
        _quietly(lambda: pieces_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke"))
    assert len(server.requests) == 1


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_an_object_cut_at_max_tokens_is_an_error(server: ScriptServer, method: Any, way: Way):
    server.always = lambda request: said(
        '{"setup": "Why?", "punchline": "Bec', stream=request.json.get("stream"), finish="length"
    )
    with pytest.raises(OutputParserException, match="max_tokens"):
        _quietly(lambda: pieces_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke"))
    assert len(server.requests) == 1


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("begun", ["words", "reasoning"])
def test_an_answer_cut_before_its_object_is_not_asked_for_and_billed_again(
    server: ScriptServer, begun: str, method: Any, way: Way
):
    def cut(request: Request) -> Answer:
        stream = request.json.get("stream")
        if begun == "words":
            return said("Sure, here is", stream=stream, finish="length")
        return said(None, stream=stream, finish="length", reasoning_content="hm")

    server.always = cut
    with pytest.raises(OutputParserException, match="max_tokens"):
        _quietly(lambda: pieces_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke"))
    assert len(server.requests) == 1


@subcases("way", WAYS)
@pytest.mark.parametrize("method", ["function_calling", None])
def test_a_call_cut_at_max_tokens_is_an_error(server: ScriptServer, method: Any, way: Way):
    def cut(request: Request) -> Answer:
        call = {"id": "c", "index": 0, "function": {"name": "Joke", "arguments": '{"setup": "Why?", "punchline": "Bec'}}
        return said(None, stream=request.json.get("stream"), finish="length", tool_calls=[call])

    server.always = cut
    with pytest.raises(OutputParserException):
        _quietly(lambda: pieces_of(model_at(server).with_structured_output(Joke, method=method), way, "a joke"))


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_one_run_is_traced_however_often_is_asked(server: ScriptServer, method: Any, way: Way):
    starts: list[Any] = []

    class Ears(BaseCallbackHandler):
        def on_chat_model_start(self, *_: Any, **given: Any) -> None:
            starts.append(given["options"])

    server.always = refusing(*(() if method in ("function_calling", "json_mode") else ("response_format", "tools")))
    model = model_at(server, callbacks=[Ears()]).with_structured_output(Joke, method=method)
    assert last_of(model, way, "a joke") == Joke(**JOKE)
    (options,) = starts
    traced = options["ls_structured_output_format"]
    assert traced["schema"]["properties"].keys() == {"setup", "punchline"}


@pytest.mark.parametrize("method", METHODS)
def test_reasoning_and_usage_of_the_raw_answer_stay(server: ScriptServer, method: Any):
    server.always = lambda request: replied(
        None if request.json.get("tools") else TEXT,
        reasoning_content="hm",
        finish="stop",
        tool_calls=[{"id": "c", "function": {"name": "Joke", "arguments": TEXT}}] if request.json.get("tools") else [],
    )
    raw = model_at(server).with_structured_output(Joke, method=method, include_raw=True).invoke("a joke")["raw"]
    assert raw.additional_kwargs["reasoning_content"] == "hm"
    assert raw.usage_metadata["total_tokens"] == 8
    assert raw.response_metadata["finish_reason"] == "stop"


def test_tools_beside_a_schema_stay_callable(server: ScriptServer):
    def add(a: int, b: int) -> int:
        """The sum of two numbers."""
        return a + b

    server.say(called("add", '{"a": 1, "b": 2}', stream=False))
    model = model_at(server).bind_tools([add], response_format=json_schema_of_a_joke())
    assert model.invoke("hi").tool_calls[0]["args"] == {"a": 1, "b": 2}
    assert [tool["function"]["name"] for tool in server.requests[0].json["tools"]] == ["add"]
    assert "tool_choice" not in server.requests[0].json


def json_schema_of_a_joke() -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "Joke", "schema": Joke.model_json_schema()}}


@subcases("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_content_as_standard_blocks_is_read_too(server: ScriptServer, version: str, way: Way):
    server.always = obedient
    for method in METHODS:
        model = model_at(server, output_version=version).with_structured_output(Joke, method=method)
        assert last_of(model, way, "a joke") == Joke(**JOKE)


@subcases("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_the_emulator_gives_objects(fresh_emulator: Emulator, method: Any, way: Way):
    model = ChatAKI(model="qwen3.6-35b", base_url=fresh_emulator.openai_url, api_key=fresh_emulator.key)
    question = "Tell me a joke about cats. Answer in JSON with the keys setup and punchline."
    assert isinstance(last_of(model.with_structured_output(Joke, method=method), way, question), Joke)


def _quietly(asked: Callable[[], Any]) -> Any:
    """Without the warning of a forced call that did not come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return asked()


@pytest.mark.parametrize("method", [None, "json_schema", "function_calling"])
def test_another_tools_arguments_are_never_taken_for_the_object(server: ScriptServer, method: Any):
    @tool
    def look(setup: str, punchline: str) -> str:
        """Look something up."""
        return setup + punchline

    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": TEXT}}
    server.always = replied(None, finish="tool_calls", tool_calls=[call])
    model = model_at(server).with_structured_output(Joke, method=method, tools=[look])
    with pytest.raises(OutputParserException):
        _quietly(lambda: model.invoke("a joke"))
    assert "look" in [each["function"]["name"] for each in server.requests[0].json["tools"]]
