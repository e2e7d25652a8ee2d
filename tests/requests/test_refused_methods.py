"""A refused way to ask for an object is remembered where it concerns the service, for an hour, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from aki_transport import AKIError
from aki_transport.prepare import adaptations
from tests.requests.frameworks import aki, chat_aki
from tests.scenarios import replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases

pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")


class City(BaseModel):
    """A city."""

    name: str


class Town(BaseModel):
    """A town."""

    name: str
    mayor: str = "?"


def by_langchain(server: ScriptServer, cls: type[BaseModel], *, stream: bool, model: str = "m") -> Any:
    structured = chat_aki(server, model=model, max_retries=0).with_structured_output(cls)
    return list(structured.stream("Rome"))[-1] if stream else structured.invoke("Rome")


def by_llama_index(server: ScriptServer, cls: type[BaseModel], *, stream: bool, model: str = "m") -> Any:
    llm, prompt = aki(server, model=model, max_retries=0), PromptTemplate("Rome")
    return list(llm.stream_structured_predict(cls, prompt))[-1] if stream else llm.structured_predict(cls, prompt)


WAYS = [(ask, stream) for ask in (by_langchain, by_llama_index) for stream in (False, True)]
in_each_framework = subcases("ask", [partial(ask, stream=stream) for ask, stream in WAYS])


def method_of(request: Request) -> str:
    if "response_format" in request.json:
        return "json_schema"
    return "function_calling" if request.json.get("tools") else "instruction"


def text_answer(request: Request, text: str = '{"name": "Rome"}') -> Answer:
    return streamed(text, model="m") if request.json.get("stream") else replied(text, model="m")


def refuse(method: str, error: Any, status: int = 400, *, once: bool = False) -> Callable[[Request], Answer]:
    """Refuses a method, always or once, and gives an object to every other request."""
    refused: list[Request] = []

    def respond(request: Request) -> Answer:
        if method_of(request) == method and not (once and refused):
            refused.append(request)
            return json_answer(error, status)
        return text_answer(request)

    return respond


def openai(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **fields}}


def fastapi(*loc: str, message: str = "Extra inputs are not permitted") -> dict[str, Any]:
    return {"detail": [{"type": "extra_forbidden", "loc": ["body", *loc], "msg": message}]}


# Which refusals concern the service's way, one schema, or something else: what the requests of three calls are.
WAY = ["json_schema", "function_calling", "function_calling", "function_calling"]
SCHEMA = ["json_schema", "function_calling"] * 3
ROWS: dict[str, tuple[int, Any, list[str]]] = {
    "words": (400, openai("response_format is not supported by this model"), WAY),
    "words of a mode": (400, openai("This model does not support structured outputs"), WAY),
    "the field in param": (400, openai("Not here.", param="response_format", code="unsupported_parameter"), WAY),
    "the field in loc": (422, fastapi("response_format"), WAY),
    "as a failure": (501, openai("JSON schema is not supported"), WAY),
    "a schema, by its path": (400, openai("Not good.", param="response_format.json_schema.schema"), SCHEMA),
    "a schema, in loc": (422, fastapi("response_format", "json_schema", "schema", message="bad"), SCHEMA),
    "a schema, by code": (400, openai("Not this one.", code="invalid_json_schema"), SCHEMA),
    "a schema, in OpenAI's words": (
        400,
        openai(
            "Invalid schema for response_format 'City': In context=(), 'required' is missing.", param="response_format"
        ),
        SCHEMA,
    ),
    "a schema, in vLLM's words": (400, openai("Grammar error: Unimplemented keys: [uniqueItems]"), SCHEMA),
    "one text": (400, openai("Failed to generate JSON.", code="json_validate_failed"), SCHEMA),
}


@pytest.mark.parametrize("row", ROWS)
@in_each_framework
def test_a_way_is_remembered_and_a_schema_is_not(row: str, ask: Any) -> None:
    status, error, expected = ROWS[row]
    with ScriptServer(always=refuse("json_schema", error, status)) as server:
        for cls in (City, Town, City):
            assert ask(server, cls).name == "Rome"
        assert [method_of(request) for request in server.requests] == expected


OTHERS = {
    "a history": openai("An assistant message with 'tool_calls' must be followed by tool messages: tools not allowed"),
    "a history, in param": openai("tools are not supported here", param="messages[1].tool_calls"),
    "a policy": openai("Blocked by our policy: a tool or function of this kind is not allowed"),
    "a policy, shorter": openai("The function of this weapon is not something we support."),
    "a number": openai("temperature is out of range", param="temperature"),
}


@pytest.mark.parametrize("row", OTHERS)
@in_each_framework
def test_what_concerns_a_text_is_raised_at_once_and_not_remembered(row: str, ask: Any) -> None:
    with ScriptServer(always=refuse("json_schema", OTHERS[row], once=True)) as server:
        with pytest.raises(AKIError, match=OTHERS[row]["error"]["message"][:20]):
            ask(server, City)
        assert ask(server, City).name == "Rome"
        assert [method_of(request) for request in server.requests] == ["json_schema", "json_schema"]


@in_each_framework
def test_it_is_remembered_for_an_hour_for_one_model_by_all_clients(ask: Any, monkeypatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(adaptations, "clock", lambda: now[0])
    with ScriptServer(always=refuse("json_schema", openai("response_format is not supported"))) as server:

        def methods(model: str = "m") -> list[str]:
            before = len(server.requests)
            ask(server, City, model=model)
            return [method_of(request) for request in server.requests[before:]]

        both = ["json_schema", "function_calling"]
        assert methods() == both
        assert methods() == ["function_calling"]
        assert methods("other") == both
        now[0] += adaptations.REMEMBERED_FOR
        assert methods() == both
        assert methods() == ["function_calling"]


@in_each_framework
def test_what_no_other_way_worked_after_is_not_remembered(ask: Any) -> None:
    with ScriptServer() as server:
        server.always = lambda _: json_answer(openai("response_format and tools are not supported"), 400)
        with pytest.raises(AKIError):
            ask(server, City)
        server.always = text_answer
        ask(server, City)
        assert [method_of(request) for request in server.requests] == [*WAY[:2], "instruction", "json_schema"]


@pytest.mark.parametrize("between", [0, 3])
@in_each_framework
def test_a_method_is_given_up_where_it_was_ignored_twice_in_a_row(ask: Any, between: int) -> None:
    in_words = [True]

    def respond(request: Request) -> Answer:
        return text_answer(request, "Sure!" if in_words[0] and method_of(request) == "json_schema" else JSON)

    with ScriptServer(always=respond) as server:
        ask(server, City)
        in_words[0] = False
        for _ in range(between):
            ask(server, City)
        in_words[0] = True
        ask(server, City)
        ask(server, City)
        methods = [method_of(request) for request in server.requests]
    both = ["json_schema", "function_calling"]
    if between:
        assert methods == [*both, *["json_schema"] * between, *both, *both]
    else:
        assert methods == [*both, *both, "function_calling"]


JSON = json.dumps({"name": "Rome"})
