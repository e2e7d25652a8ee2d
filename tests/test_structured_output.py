"""Answers as objects in both frameworks: each method and kind of schema, and services that refuse, fail, or ignore it.

`test_objects.py` has what may stand around an object, `transport/test_structured.py` what is remembered of a refusal.
"""

import asyncio
import gc
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import product
from operator import add
from typing import Any, Literal

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.tools import tool
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.program import FunctionCallingProgram, LLMTextCompletionProgram
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.selectors import PydanticMultiSelector, PydanticSingleSelector
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as OldBaseModel
from typing_extensions import TypedDict

import aki_transport.errors as base
import langchain_aki.errors as ours
from llama_index_aki import AKI
from tests.langchain import asking as in_langchain
from tests.langchain.asking import WAYS, Ears, Way, is_streamed, pieces_of
from tests.llama_index.asking import answer, answering, call, model_at, results, sent
from tests.scenarios.table import BUSY, TOO_MANY, WRONG_KEY, broken, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases

pytestmark = [
    # LlamaIndex's StructuredLLM streams with pydantic's old `json` method.
    pytest.mark.filterwarnings("ignore:The `json` method:pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore:.*called none:UserWarning"),
    pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelLimitWarning"),
]


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


JOKE = Joke(setup="Why?", punchline="Because.")
TEXT = JOKE.model_dump_json()
HALF = '{"setup": "Why?"}'
CUT = '{"setup": "Why?", "punchline": "Bec'
REFUSAL = "I cannot joke about that."
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


def method_of(request: Request) -> str:
    form = request.json.get("response_format") or {}
    return form.get("type") or ("tool" if request.json.get("tools") else "words")


def methods_of(server: ScriptServer) -> list[str]:
    return [method_of(request) for request in server.requests]


# Answers that hold none: what they are, the words of LangChain's and of LlamaIndex's error, and how often the latter
# asks: what was cut or refused is asked for once, what does not fit is corrected once, all methods are tried for words.
WITHOUT: dict[str, tuple[dict[str, Any], str, str, int]] = {
    "words": ({"text": "I would rather not."}, "no JSON", "I would rather not", 3),
    "another form": ({"text": HALF}, "punchline", "punchline", 2),
    "too deep": ({"text": "[" * 1100}, "", "", 3),
    "cut": ({"text": CUT, "finish": "length"}, "max_tokens", "max_tokens", 1),
    "cut in words": ({"text": "Sure, here is", "finish": "length"}, "max_tokens", "max_tokens", 1),
    "cut in reasoning": ({"finish": "length", "reasoning_content": "hm"}, "max_tokens", "max_tokens", 1),
    "a cut call": ({"calls": [call("Joke", CUT)], "finish": "length"}, "max_tokens", "max_tokens", 1),
    "a refusal": ({"refusal": REFUSAL}, REFUSAL, REFUSAL, 1),
    "a filter": ({"finish": "content_filter", "reasoning_content": "hm"}, *["content_filter"] * 2, 1),
}
each_answer_without = pytest.mark.parametrize("case", WITHOUT)


def without(case: str) -> Callable[[Request], Answer]:
    options = {"text": None, "calls": (), **WITHOUT[case][0]}
    return answering(options.pop("text"), *options.pop("calls"), **options)


# LangChain

# The methods, and how the model's service is asked first.
ASKED_FOR = {"json_schema": "json_schema", "function_calling": "tool", "json_mode": "json_object", None: "tool"}
METHODS: tuple[Any, ...] = tuple(ASKED_FOR)
each_method = pytest.mark.parametrize("method", METHODS)
in_every_way = subcases("way", WAYS)


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
JOKES: list[tuple[Any, Any]] = [
    *((cls, cls(**JOKE.model_dump())) for cls in (Joke, OldJoke)),
    *((schema, JOKE.model_dump()) for schema in (DictJoke, JSON_JOKE)),
]


def asked(server: ScriptServer, way: Way, method: Any, schema: Any = Joke, **options: Any) -> list[Any]:
    own = ("output_version", "callbacks", "disable_streaming")
    fields = {name: options.pop(name) for name in own if name in options}
    model = in_langchain.model_at(server, **fields).with_structured_output(schema, method=method, **options)
    return pieces_of(model, way, "a joke in JSON")


@each_method
@in_every_way
def test_each_method_gives_each_kind_of_object(server: ScriptServer, method: Any, way: Way):
    server.always = obedient(TEXT)
    for schema, expected in JOKES:
        found = asked(server, way, method, schema)
        assert found[-1] == expected
        assert None not in found
        if not isinstance(expected, dict):
            assert all(type(piece) is type(expected) for piece in found)
        else:
            assert (len(found) > 1) is is_streamed(way)
        assert asked(server, way, method, schema, output_version="v1")[-1] == expected
    assert set(methods_of(server)) == {ASKED_FOR[method]}


def test_arguments_with_an_unknown_field_are_shown_once_they_are_whole_and_those_in_a_list_found(server: ScriptServer):
    server.always = obedient('{"note": "hm", ' + TEXT[1:])
    assert asked(server, "stream", "function_calling", JSON_JOKE) == [{"note": "hm", **JOKE.model_dump()}]
    server.always = obedient(HALF)
    with pytest.raises(OutputParserException, match="does not fit JsonJoke: punchline"):
        asked(server, "invoke", "json_schema", JSON_JOKE)
    server.always = obedient(f"[{TEXT}]")
    assert asked(server, "invoke", "function_calling") == [JOKE]


def test_strict_and_other_arguments_of_tools_are_sent_where_given(server: ScriptServer):
    server.always = obedient(TEXT)
    for strict in (True, False):
        asked(server, "invoke", "function_calling", strict=strict)
        assert sent(server)["tools"][0]["function"]["strict"] is strict
        asked(server, "invoke", "json_schema", strict=strict)
        assert sent(server)["response_format"]["json_schema"]["strict"] is strict
    asked(server, "invoke", "function_calling", tool_choice="auto", parallel_tool_calls=True)
    assert (sent(server)["tool_choice"], sent(server)["parallel_tool_calls"]) == ("auto", True)


def test_json_mode_alone_needs_no_schema_and_no_other_method_is_taken(server: ScriptServer):
    server.say(replied('{"a": [1]}'), replied("42"))
    assert asked(server, "invoke", "json_mode", None) == [{"a": [1]}]
    with pytest.raises(OutputParserException):  # it is no object
        asked(server, "invoke", "json_mode", None)
    for method in ("json_schema", "function_calling", None):
        with pytest.raises(ours.ConfigurationError, match="schema"):
            asked(server, "invoke", method, None)
    with pytest.raises(ours.ConfigurationError, match="json_mode"):
        asked(server, "invoke", "magic")


def raw_and_parsed(server: ScriptServer, way: Way, method: Any) -> dict[str, Any]:
    """The sum of what `include_raw` gives, in streams piece by piece."""
    first, *others = asked(server, way, method, include_raw=True)
    assert bool(others) == is_streamed(way)
    return reduce(add, others, first)


@each_method
@in_every_way
def test_include_raw_gives_the_message_too_and_the_error_in_place_of_the_object(
    server: ScriptServer, method: Any, way: Way
):
    is_tool = ASKED_FOR[method] == "tool"
    server.always = obedient(TEXT) if is_tool else answering(TEXT, reasoning_content="hm")
    found = raw_and_parsed(server, way, method)
    assert (found["parsed"], found["parsing_error"]) == (JOKE, None)
    raw = found["raw"]
    assert raw.usage_metadata["total_tokens"] == 8
    assert raw.additional_kwargs.get("reasoning_content") == (None if is_tool else "hm")
    assert raw.response_metadata["finish_reason"]
    server.always = without("words")
    found = raw_and_parsed(server, way, method)
    assert found["parsed"] is None
    assert isinstance(found["parsing_error"], OutputParserException)


@in_every_way
@pytest.mark.parametrize(
    ("method", "methods"),
    [("json_schema", ["json_schema", "tool", "words"]), (None, ["tool", "json_schema", "words"])],
)
def test_a_service_that_refuses_a_method_is_asked_in_the_next_within_one_traced_run(
    server: ScriptServer, method: Any, methods: list[str], way: Way
):
    ears = Ears()
    server.always = obedient(TEXT, "tools", "response_format")
    assert asked(server, way, method, callbacks=[ears])[-1] == JOKE
    assert methods_of(server) == methods
    assert "punchline" in json.dumps(sent(server)["messages"])
    (start,) = ears.starts
    assert start["options"]["ls_structured_output_format"]["schema"]["properties"].keys() == {"setup", "punchline"}


@in_every_way
@pytest.mark.parametrize(("method", "field"), [("function_calling", "tools"), ("json_mode", "response_format")])
def test_a_named_method_that_the_service_refuses_is_an_error_with_its_words(
    server: ScriptServer, method: Any, field: str, way: Way
):
    server.always = obedient(TEXT, field)
    with pytest.raises(ours.BadRequestError, match=field):
        asked(server, way, method)
    assert len(server.requests) == 1


def test_a_connection_is_closed_where_an_error_holds_the_stream_in_a_cycle(scripted: ScriptServer) -> None:
    scripted.always = lambda request: replace(
        streamed(HALF, "words") if request.json.get("stream") else replied(HALF), end="keep-alive"
    )
    structured = in_langchain.model_at(scripted).with_structured_output(Joke)

    def leave(ask: Callable[[str], Any]) -> None:
        try:
            list(ask("hi"))
        except OutputParserException as error:
            itself = error  # holds this frame and those of the stream
            assert itself

    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always", ResourceWarning)
        for ask in (structured.invoke, structured.stream):  # over one connection
            leave(ask)
            gc.collect()
    assert [str(each.message) for each in issued if each.category is ResourceWarning] == []


@each_answer_without
@subcases("asking", list(product(("invoke", "astream"), METHODS)))
def test_an_answer_without_the_object_is_an_error_of_langchain_and_never_none(
    server: ScriptServer, case: str, asking: tuple[Way, Any]
):
    _, words, _, requests = WITHOUT[case]
    server.always = without(case)
    error = ours.ModelRefusalError if case in ("a refusal", "a filter") else OutputParserException
    with pytest.raises(error, match=words or None) as caught:
        asked(server, *asking)
    assert case != "words" or caught.value.llm_output == "I would rather not."
    assert requests > 1 or len(server.requests) == 1
    with pytest.raises(error, match=words or None):
        asked(server, *asking, disable_streaming=True)


@pytest.mark.parametrize("method", [None, "json_schema", "function_calling"])
def test_another_tools_arguments_are_never_taken_for_the_object(server: ScriptServer, method: Any):
    @tool
    def look(setup: str, punchline: str) -> str:
        """Look something up."""
        return setup + punchline

    server.always = answering(None, call("look", TEXT))
    with pytest.raises(OutputParserException):
        asked(server, "invoke", method, tools=[look])
    assert "look" in [each["function"]["name"] for each in server.requests[0].json["tools"]]


# LlamaIndex

PREDICT = tuple(f"{kind}structured_predict" for kind in ("", "a", "stream_", "astream_"))
# The others are methods of `as_structured_llm`.
ALL = (*PREDICT, "chat", "achat", "stream_chat", "astream_chat", "complete", "acomplete")
STREAMED = [how for how in ALL if "stream" in how]


class Address(BaseModel):
    city: str
    zip: str | None = None


class Person(BaseModel):
    name: str
    addresses: list[Address] = Field(default_factory=list)
    friend: "Person | None" = None
    mood: Literal["good", "bad"] = "good"


def objects(llm: AKI, how: str, cls: type[BaseModel] = Joke, prompt: Any = None, **given: Any) -> list[Any]:
    if how in PREDICT:
        # A new one each time: LlamaIndex's mode "llm" changes the prompt.
        return results(getattr(llm, how), cls, prompt or PromptTemplate(TEMPLATE), topic="cats", **given)
    question = "A joke." if "complete" in how else [ChatMessage("A joke.")]
    return [item.raw for item in results(getattr(llm.as_structured_llm(cls), how), question)]


NAME = "Ann of Green Gables"
NESTED = Person(
    name=NAME, addresses=[Address(city="Köln", zip="50667"), Address(city="Rom")], friend=Person(name="Bo", mood="bad")
)
SERVICES: dict[str, tuple[tuple[str, ...], str]] = {
    "takes all": ((), "tool"),
    "takes a schema": (("tools",), "json_schema"),
    "takes neither": (("tools", "response_format"), "words"),
}


@pytest.mark.parametrize("service", SERVICES)
@subcases("how", ALL)
def test_each_way_gives_the_object_by_each_method_in_streams_while_it_grows(
    server: ScriptServer, service: str, how: str
):
    refused, method = SERVICES[service]
    server.always = obedient(NESTED.model_dump_json(), *refused)
    items = objects(model_at(server), how, Person)
    assert items[-1] == NESTED
    assert type(items[-1]) is Person
    assert methods_of(server)[-1] == method
    assert "Address" in json.dumps(sent(server))
    names = [getattr(item, "name", None) or "" for item in items]
    assert names == sorted(names, key=len)
    assert all(NAME.startswith(name) for name in names)
    assert (len(set(names)) >= 3) is ("stream" in how)


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
    assert methods_of(server)[-1] == "words"


@each_answer_without
@subcases("how", ALL)
def test_an_answer_without_the_object_is_an_error_of_llama_index_and_never_empty(
    server: ScriptServer, case: str, how: str
):
    _, _, words, requests = WITHOUT[case]
    server.always = without(case)
    is_refusal = case in ("a refusal", "a filter")
    error = base.ModelRefusalError if is_refusal else base.InvalidResponseError
    with pytest.raises(error, match=words or None) as caught:
        objects(model_at(server), how)
    if is_refusal:
        assert caught.value.refusal == {"a refusal": REFUSAL, "a filter": "content_filter"}[case]
    assert caught.value.model == server.requests[0].json["model"]
    assert len(server.requests) == requests


@pytest.mark.usefixtures("no_waiting")
@subcases("how", ALL)
def test_a_failure_is_no_reason_to_ask_otherwise(server: ScriptServer, how: str):
    for server.always, requests in ((BUSY, 3), (TOO_MANY, 3), (WRONG_KEY, 1)):
        server.requests.clear()
        with pytest.raises(base.APIStatusError):
            objects(model_at(server), how)
        assert len(server.requests) == requests
        assert len({request.body for request in server.requests}) == 1


@subcases("how", STREAMED)
def test_a_stream_that_breaks_is_an_error_and_not_half_an_object(server: ScriptServer, how: str):
    server.always = broken('{"setup": "Wh', end="cut")
    with pytest.raises(base.StreamInterruptedError) as caught:
        objects(model_at(server), how)
    assert caught.value.partial_text == '{"setup": "Wh'
    assert len(server.requests) == 1


@subcases("how", PREDICT)
def test_other_modes_go_the_cores_way(server: ScriptServer, how: str):
    server.always = obedient(TEXT)
    last = objects(model_at(server, pydantic_program_mode=PydanticProgramMode.FUNCTION), how)[-1]
    assert Joke.model_validate(last.model_dump()) == JOKE
    assert sent(server)["tools"][0]["function"]["name"] == "Joke"
    # LlamaIndex's own program requires the tool in blocking calls alone.
    assert sent(server).get("tool_choice") == (None if "stream" in how else "required")
    assert "response_format" not in sent(server)
    if "stream" not in how:
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


@pytest.mark.parametrize(
    ("text", "finish"),
    [("I do not know.", "stop"), (HALF, "stop"), ("{}", "stop"), (TEXT, "length"), (TEXT, "content_filter")],
)
def test_a_program_gets_no_other_object(server: ScriptServer, text: str, finish: str):
    server.always = answering(text, finish=finish)
    for ask in (program(server), lambda: asyncio.run(program(server).acall())):
        with pytest.raises(ValueError, match="called no tool"):
            ask()


def test_selectors_and_programs_of_texts_get_theirs(server: ScriptServer):
    server.always = answering(TEXT)
    assert program(server, LLMTextCompletionProgram)() == JOKE
    choices = [ToolMetadata(description="cats", name="a"), ToolMetadata(description="dogs", name="b")]
    selection = '{"index": 2, "reason": "dogs"}'
    for text in (selection, f"<thought>Hm</thought>```json\n{selection}\n```"):
        server.always = answering(text)
        selector = PydanticSingleSelector.from_defaults(llm=model_at(server))
        assert selector.select(choices, "dogs?").ind == 1
        assert asyncio.run(selector.aselect(choices, "dogs?")).ind == 1
    server.always = answering(f'So: {{"selections": [{selection}]}}')
    assert PydanticMultiSelector.from_defaults(llm=model_at(server)).select(choices, "dogs?").inds == [1]


def test_the_call_that_a_text_becomes_reads_like_the_text(server: ScriptServer):
    server.always = answering('{"setup": "Grüße", "punchline": "y"}')
    response = model_at(server).chat_with_tools([get_function_tool(Joke)], user_msg="A joke.", tool_required=True)
    (call,) = response.message.additional_kwargs["tool_calls"]
    assert call["function"] == {"name": "Joke", "arguments": '{"setup": "Grüße", "punchline": "y"}'}


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
    server.always = answering(TEXT)
    response = llm.chat_with_tools([tool, get_function_tool(Joke)], user_msg="hi")
    assert [each.tool_name for each in llm.get_tool_calls_from_response(response)] == ["Joke"]
