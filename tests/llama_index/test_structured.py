"""Answers as objects, from services that take a schema, take tools, take neither, fail, or ignore what was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.program import FunctionCallingProgram, LLMTextCompletionProgram
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.selectors import PydanticMultiSelector, PydanticSingleSelector
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

import aki_transport.errors as ours
from llama_index_aki import AKI
from tests.llama_index.asking import (
    BUSY,
    TOO_MANY,
    WRONG_KEY,
    answer,
    answering,
    call,
    model_at,
    results,
    sent,
)
from tests.scenarios.table import broken
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases

# LlamaIndex's StructuredLLM streams with pydantic's old `json` method.
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method:pydantic.warnings.PydanticDeprecatedSince20")

PREDICT = (
    "structured_predict",
    "astructured_predict",
    "stream_structured_predict",
    "astream_structured_predict",
)
# The others are methods of `as_structured_llm`.
ALL = (*PREDICT, "chat", "achat", "stream_chat", "astream_chat", "complete", "acomplete")
STREAMED = [how for how in ALL if "stream" in how]


class Address(BaseModel):
    """Where someone lives."""

    city: str
    zip: str | None = None


class Person(BaseModel):
    """Someone."""

    name: str
    addresses: list[Address] = Field(default_factory=list)
    friend: Person | None = None
    mood: Literal["good", "bad"] = "good"


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


JOKE = Joke(setup="Why?", punchline="Because.")
TEXT = JOKE.model_dump_json()
HALF = '{"setup": "Why?"}'
TEMPLATE = "Tell a joke about {topic}."


def obedient(text: str, *refused: str) -> Callable[[Request], Answer]:
    """Answers 400 to each of these fields, and else this text, as a call where there is a tool."""

    def respond(request: Request) -> Answer:
        for field in refused:
            if request.json.get(field):
                error = {"message": f"Unsupported parameter: {field}", "type": "invalid_request_error", "code": None}
                return json_answer({"error": error}, 400)
        tools = request.json.get("tools")
        calls = [call(tools[0]["function"]["name"], text)] if tools else []
        return answer(None if tools else text, *calls, stream=request.json.get("stream"))

    return respond


def objects(llm: AKI, how: str, cls: type[BaseModel] = Joke, prompt: Any = None, **given: Any) -> list[Any]:
    """What comes, one by one; the last one is the object."""
    if how in PREDICT:
        # A new one each time: LlamaIndex's mode "llm" changes the prompt.
        return results(getattr(llm, how), cls, prompt or PromptTemplate(TEMPLATE), topic="cats", **given)
    question = "A joke." if "complete" in how else [ChatMessage("A joke.")]
    return [item.raw for item in results(getattr(llm.as_structured_llm(cls), how), question)]


def method_of(server: ScriptServer) -> str:
    """How the last request asked for an object."""
    form = sent(server).get("response_format") or {}
    return form.get("type") or ("tool" if sent(server).get("tools") else "words")


NESTED = Person(
    name="Ann", addresses=[Address(city="Köln", zip="50667"), Address(city="Rom")], friend=Person(name="Bo", mood="bad")
)
SERVICES: dict[str, tuple[tuple[str, ...], str]] = {
    "takes all": ((), "tool"),
    "takes a schema": (("tools",), "json_schema"),
    "takes neither": (("tools", "response_format"), "words"),
}


@pytest.mark.parametrize("service", SERVICES)
@subcases("how", ALL)
def test_each_way_gives_the_object_by_each_method(server: ScriptServer, service: str, how: str):
    refused, method = SERVICES[service]
    server.always = obedient(NESTED.model_dump_json(), *refused)
    assert objects(model_at(server), how, Person)[-1] == NESTED
    assert method_of(server) == method
    assert "Address" in json.dumps(sent(server))


@subcases("how", PREDICT)
def test_the_question_is_sent_with_the_system_prompt_and_the_arguments(server: ScriptServer, how: str):
    server.always = answering(TEXT)
    arguments = {"temperature": 0, "max_tokens": 99}
    objects(model_at(server, system_prompt="be kind"), how, llm_kwargs=arguments)
    template = ChatPromptTemplate.from_messages([("system", "be kind"), ("user", TEMPLATE)])
    objects(model_at(server), how, prompt=template, llm_kwargs=arguments)
    messages = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "Tell a joke about cats."},
    ]
    for request in server.requests:
        assert request.json == {**request.json, "messages": messages, **arguments}


@pytest.mark.parametrize("service", SERVICES)
@subcases("how", STREAMED)
def test_an_object_is_seen_while_it_grows(server: ScriptServer, service: str, how: str):
    server.always = obedient(TEXT, *SERVICES[service][0])
    items = objects(model_at(server), how)
    setups = [getattr(item, "setup", None) or "" for item in items]
    assert setups == sorted(setups, key=len)
    assert all(JOKE.setup.startswith(setup) for setup in setups)
    assert len(items) >= 3
    assert type(items[-1]) is Joke


# Answers that hold none


@pytest.mark.parametrize("kind", ["field", "filter"])
@subcases("how", ALL)
def test_a_refusal_is_an_error_of_its_own_and_never_an_empty_object(server: ScriptServer, kind: str, how: str):
    if kind == "field":
        server.always = answering(None, refusal="I cannot joke about that.")
    else:
        server.always = answering(None, finish="content_filter", reasoning_content="hm")
    with pytest.raises(ours.ModelRefusalError) as caught:
        objects(model_at(server), how)
    assert ("joke about that" if kind == "field" else "content_filter") in str(caught.value)
    assert caught.value.refusal
    assert caught.value.model == server.requests[0].json["model"]
    assert len(server.requests) == 1


@subcases("how", PREDICT)
def test_an_object_that_does_not_fit_is_corrected_in_one_round(server: ScriptServer, how: str):
    def learning(request: Request) -> Answer:
        corrected = any("cannot be used" in str(message["content"]) for message in request.json["messages"])
        return answer(TEXT if corrected else HALF, stream=request.json.get("stream"))

    server.always = learning
    assert objects(model_at(server), how)[-1] == JOKE
    assert len(server.requests) == 2
    *_, answered, correction = sent(server)["messages"]
    assert (answered["role"], json.loads(answered["content"])) == ("assistant", {"setup": "Why?"})
    assert correction["role"] == "user"
    assert "punchline" in correction["content"]
    assert "punchline" in sent(server)["messages"][0]["content"]  # the schema
    assert method_of(server) == "words"


CUT = '{"setup": "Why?", "punchline": "Bec'
UNUSABLE: dict[str, tuple[Any, str, int]] = {
    "never fits": (answering(HALF), "punchline", 2),
    "no JSON": (answering("I would rather not."), "I would rather not", 3),  # one for each method
    "a cut object": (answering(CUT, finish="length"), "max_tokens", 1),
    "cut words": (answering("Sure, here is", finish="length"), "max_tokens", 1),
    "cut reasoning": (answering(None, finish="length", reasoning_content="hm"), "max_tokens", 1),
    "a cut call": (answering(None, call("Joke", CUT), finish="length"), "max_tokens", 1),
}


@pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelLimitWarning")
@pytest.mark.parametrize("case", UNUSABLE)
@subcases("how", ALL)
def test_what_cannot_be_used_is_an_error_and_asked_for_again_once_unless_it_was_cut(
    server: ScriptServer, case: str, how: str
):
    server.always, message, requests = UNUSABLE[case]
    with pytest.raises(ours.InvalidResponseError, match=message):
        objects(model_at(server), how)
    assert len(server.requests) == requests


# Failures


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("failure", "error", "requests"),
    [
        (BUSY, ours.ServiceUnavailableError, 3),
        (TOO_MANY, ours.RateLimitError, 3),
        (WRONG_KEY, ours.AuthenticationError, 1),
    ],
    ids=["503", "429", "401"],
)
@subcases("how", ALL)
def test_a_failure_is_no_reason_to_ask_otherwise(
    server: ScriptServer, failure: Answer, error: type[Exception], requests: int, how: str
):
    server.always = failure
    with pytest.raises(error):
        objects(model_at(server), how)
    assert len(server.requests) == requests
    assert len({request.body for request in server.requests}) == 1


@subcases("how", STREAMED)
def test_a_stream_that_breaks_is_an_error_and_not_half_an_object(server: ScriptServer, how: str):
    server.always = broken('{"setup": "Wh', end="cut")
    with pytest.raises(ours.StreamInterruptedError) as caught:
        objects(model_at(server), how)
    assert caught.value.partial_text == '{"setup": "Wh'
    assert len(server.requests) == 1


# LlamaIndex's own modes, programs and selectors


@subcases("how", PREDICT)
def test_the_mode_function_goes_the_cores_way(server: ScriptServer, how: str):
    server.always = obedient(TEXT)
    last = objects(model_at(server, pydantic_program_mode=PydanticProgramMode.FUNCTION), how)[-1]
    assert Joke.model_validate(last.model_dump()) == JOKE
    assert sent(server)["tools"][0]["function"]["name"] == "Joke"
    # LlamaIndex's own program requires the tool in blocking calls alone.
    assert sent(server).get("tool_choice") == (None if "stream" in how else "required")
    assert "response_format" not in sent(server)


@subcases("how", ["structured_predict", "astructured_predict"])
def test_the_mode_llm_goes_the_cores_way(server: ScriptServer, how: str):
    server.always = answering(TEXT)
    assert objects(model_at(server, pydantic_program_mode=PydanticProgramMode.LLM), how)[-1] == JOKE
    assert not {"tools", "response_format", "tool_choice"} & set(sent(server))
    assert "punchline" in json.dumps(sent(server)["messages"])


def program(server: ScriptServer, kind: Any = FunctionCallingProgram) -> Any:
    return kind.from_defaults(output_cls=Joke, llm=model_at(server), prompt_template_str="A joke.")


# Programs get their object also where the service ignores the tool and writes it as text.
TEXTS = {
    "a call": obedient(TEXT),
    "text": answering(TEXT),
    "behind a thought": answering(f'Perhaps {{"setup": "x", "punchline": "y"}}.</think>\n```json\n{TEXT}\n```'),
    "reasoning": answering(None, reasoning_content=TEXT),
}


@pytest.mark.parametrize("case", TEXTS)
@subcases("way", ["__call__", "acall", "stream_call", "astream_call"])
def test_a_program_gets_the_object_of_a_call_or_of_the_text(server: ScriptServer, case: str, way: str):
    server.always = TEXTS[case]
    last = results(getattr(program(server), way))[-1]
    assert last.model_dump() == JOKE.model_dump()
    assert len(server.requests) == 1


def test_a_program_of_texts_gets_its_object(server: ScriptServer):
    server.always = answering(TEXT)
    assert program(server, LLMTextCompletionProgram)() == JOKE


@pytest.mark.parametrize(
    ("text", "finish"), [("I do not know.", "stop"), (HALF, "stop"), ("{}", "stop"), (TEXT, "length")]
)
def test_a_program_gets_no_other_object(server: ScriptServer, text: str, finish: str):
    server.always = answering(text, finish=finish)
    with pytest.raises(ValueError, match="called no tool"):
        program(server)()
    with pytest.raises(ValueError, match="called no tool"):
        asyncio.run(program(server).acall())


def test_selectors_get_their_selection(server: ScriptServer):
    choices = [ToolMetadata(description="cats", name="a"), ToolMetadata(description="dogs", name="b")]
    selection = '{"index": 2, "reason": "dogs"}'
    for text in (selection, f"<thought>Hm</thought>```json\n{selection}\n```"):
        server.always = answering(text)
        selector = PydanticSingleSelector.from_defaults(llm=model_at(server))
        assert selector.select(choices, "dogs?").ind == 1
        assert asyncio.run(selector.aselect(choices, "dogs?")).ind == 1
    server.always = answering(f'So: {{"selections": [{selection}]}}')
    assert PydanticMultiSelector.from_defaults(llm=model_at(server)).select(choices, "dogs?").inds == [1]


def test_json_in_a_text_never_calls_a_tool_of_the_user(server: ScriptServer):
    called: list[str] = []
    server.always = answering('{"city": "Rome"}')
    llm, tool = model_at(server), FunctionTool.from_defaults(called.append, name="weather")
    for required in (False, True):
        with pytest.raises(ValueError, match="called no tool"):
            llm.predict_and_call([tool], user_msg="hi", tool_required=required)
    *_, last = llm.stream_chat_with_tools([tool], user_msg="hi")
    assert llm.get_tool_calls_from_response(last, error_on_no_tool_call=False) == []
    assert called == []
