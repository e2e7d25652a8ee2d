"""Answers as objects, from services that take a schema, take tools, take neither, or will not play along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.program import FunctionCallingProgram, LLMTextCompletionProgram
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

import aki_transport.errors as ours
from llama_index_aki import AKI
from tests.llama_index.asking import model_at, model_on
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer

# LlamaIndex's StructuredLLM streams with pydantic's old `json` method.
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method:pydantic.warnings.PydanticDeprecatedSince20")

How: TypeAlias = Literal[
    "structured_predict",
    "astructured_predict",
    "stream_structured_predict",
    "astream_structured_predict",
    "as_structured_llm.chat",
    "as_structured_llm.achat",
    "as_structured_llm.stream_chat",
    "as_structured_llm.astream_chat",
    "as_structured_llm.complete",
    "as_structured_llm.acomplete",
]
PREDICT: tuple[How, ...] = (
    "structured_predict",
    "astructured_predict",
    "stream_structured_predict",
    "astream_structured_predict",
)
ALL: tuple[How, ...] = (
    *PREDICT,
    "as_structured_llm.chat",
    "as_structured_llm.achat",
    "as_structured_llm.stream_chat",
    "as_structured_llm.astream_chat",
    "as_structured_llm.complete",
    "as_structured_llm.acomplete",
)


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


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


JOKE = Joke(setup="Why?", punchline="Because.")
TEXT = JOKE.model_dump_json()
PROMPT = PromptTemplate("Tell a joke about {topic}.")


def said(text: str | None, *, stream: Any, finish: str = "stop", **message: Any) -> Answer:
    """The same answer, whole or streamed in small pieces."""
    if not stream:
        return replied(text, finish=finish, **message)
    pieces = [text[at : at + 5] for at in range(0, len(text), 5)] if text else []
    return streamed(*([chunk(**message)] if message else []), *pieces, finish=finish)


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


def ignoring(text: str | None, **more: Any) -> Callable[[Request], Answer]:
    """Takes no notice of anything."""
    return lambda request: said(text, stream=request.json.get("stream"), **more)


def asked_for(server: ScriptServer) -> list[str]:
    """How each request asked for an object."""
    ways = []
    for request in server.requests:
        form = request.json.get("response_format") or {}
        ways.append(form.get("type") or ("tool" if request.json.get("tools") else "words"))
    return ways


def objects(llm: AKI, how: How, cls: type[BaseModel] = Joke, prompt: Any = PROMPT, **given: Any) -> list[Any]:
    """What comes, one by one; the last one is the object."""
    given = given or {"topic": "cats"}

    async def awaited() -> list[Any]:
        if how == "astructured_predict":
            return [await llm.astructured_predict(cls, prompt, **given)]
        if how == "astream_structured_predict":
            return [found async for found in await llm.astream_structured_predict(cls, prompt, **given)]
        structured = llm.as_structured_llm(cls)
        question = [ChatMessage(content="Tell a joke about cats.")]
        if how == "as_structured_llm.achat":
            return [(await structured.achat(question)).raw]
        if how == "as_structured_llm.acomplete":
            return [(await structured.acomplete("Tell a joke about cats.")).raw]
        return [item.raw async for item in await structured.astream_chat(question)]

    match how:
        case "structured_predict":
            return [llm.structured_predict(cls, prompt, **given)]
        case "stream_structured_predict":
            return list(llm.stream_structured_predict(cls, prompt, **given))
        case "as_structured_llm.chat":
            return [llm.as_structured_llm(cls).chat([ChatMessage(content="Tell a joke about cats.")]).raw]
        case "as_structured_llm.complete":
            return [llm.as_structured_llm(cls).complete("Tell a joke about cats.").raw]
        case "as_structured_llm.stream_chat":
            question = [ChatMessage(content="Tell a joke about cats.")]
            return [item.raw for item in llm.as_structured_llm(cls).stream_chat(question)]
        case _:
            return asyncio.run(awaited())


@pytest.mark.parametrize("how", ALL)
def test_each_way_gives_an_object(server: ScriptServer, how: How):
    server.always = obedient
    assert objects(model_at(server), how)[-1] == JOKE
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", PREDICT)
def test_the_question_is_sent_with_what_stands_in_it(server: ScriptServer, how: How):
    server.always = obedient
    objects(model_at(server), how)
    assert server.requests[0].json["messages"][-1] == {"role": "user", "content": "Tell a joke about cats."}
    assert "{{" not in server.requests[0].body.decode()


@pytest.mark.parametrize("how", PREDICT)
@pytest.mark.parametrize("model", ["qwen3.6-35b", "gpt-oss-120b", "llama3-chat-70b", "minimax-m2.5-230b"])
def test_each_model_is_asked_in_a_way_it_takes(server: ScriptServer, how: How, model: str):
    def as_named(request: Request) -> Answer:
        answer = obedient(request)
        body = tuple(piece.replace(b"qwen3.6-35b", model.encode()) for piece in answer.chunks)
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return Answer(headers=headers, chunks=body)

    server.always = as_named
    assert objects(model_at(server, model=model), how)[-1] == JOKE
    assert len(server.requests) == 1


TEXTS = {
    "json": TEXT,
    "fenced": f"```json\n{TEXT}\n```",
    "fenced_bare": f"```\n{TEXT}\n```",
    "behind_words": f"Here you are: {TEXT}",
    "fence_between_words": f"Sure!\n```json\n{TEXT}\n```\nAnything else?",
    "in_blanks": f"\n\n {TEXT} \n",
    "behind_a_thought": f"<think>{{hm}}</think>\n{TEXT}",
    "pretty": json.dumps(JOKE.model_dump(), indent=2),
}


@pytest.mark.parametrize("how", ALL)
@pytest.mark.parametrize("text", TEXTS)
def test_json_without_a_call_is_the_object(server: ScriptServer, text: str, how: How):
    server.always = ignoring(TEXTS[text])
    assert objects(model_at(server), how)[-1] == JOKE
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", PREDICT)
def test_a_service_that_rejects_a_response_format_is_asked_by_a_tool(server: ScriptServer, how: How):
    server.always = refusing("response_format")
    llm = model_at(server, model="qwen3.6-35b", provider="aacflow")
    assert objects(llm, how)[-1] == JOKE
    assert asked_for(server)[-1] == "tool"
    before = len(server.requests)
    assert objects(llm, how)[-1] == JOKE
    assert len(server.requests) == before + 1, "what was refused once is not tried again"


@pytest.mark.parametrize("how", PREDICT)
def test_a_service_that_rejects_tools_is_asked_otherwise(server: ScriptServer, how: How):
    server.always = refusing("tools")
    assert objects(model_at(server), how)[-1] == JOKE
    assert asked_for(server)[-1] in ("json_schema", "words")


@pytest.mark.parametrize("how", ALL)
def test_a_service_that_rejects_both_is_asked_in_words(server: ScriptServer, how: How):
    server.always = refusing("tools", "response_format")
    assert objects(model_at(server), how)[-1] == JOKE
    assert asked_for(server)[-1] == "words"
    assert "punchline" in json.dumps(server.requests[-1].json["messages"])


@pytest.mark.parametrize("how", PREDICT)
def test_a_service_that_ignores_both_is_asked_in_words(server: ScriptServer, how: How):
    def deaf(request: Request) -> Answer:
        instructed = "JSON schema" in json.dumps(request.json["messages"])
        return said(TEXT if instructed else "A joke? Why not.", stream=request.json.get("stream"))

    server.always = deaf
    assert objects(model_at(server), how)[-1] == JOKE
    assert len(server.requests) == 3


@pytest.mark.parametrize("how", ALL)
@pytest.mark.parametrize("kind", ["field", "filter"])
def test_a_refusal_is_an_error_of_its_own_and_never_an_empty_object(server: ScriptServer, kind: str, how: How):
    if kind == "field":
        server.always = ignoring(None, refusal="I cannot joke about that.")
    else:
        server.always = ignoring(None, finish="content_filter", reasoning_content="hm")
    with pytest.raises(ours.ModelRefusalError) as found:
        objects(model_at(server), how)
    assert ("joke about that" if kind == "field" else "content_filter") in str(found.value)
    assert found.value.refusal
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", PREDICT)
def test_an_object_that_does_not_fit_is_mended_in_one_round(server: ScriptServer, how: How):
    def learning(request: Request) -> Answer:
        mended = any("cannot be used" in str(message["content"]) for message in request.json["messages"])
        return said(TEXT if mended else '{"setup": "Why?"}', stream=request.json.get("stream"))

    server.always = learning
    assert objects(model_at(server), how)[-1] == JOKE
    assert len(server.requests) == 2
    *_, answered, mend = server.requests[1].json["messages"]
    assert (answered["role"], json.loads(answered["content"])) == ("assistant", {"setup": "Why?"})
    assert mend["role"] == "user"
    assert "punchline" in mend["content"]


@pytest.mark.parametrize("how", ALL)
def test_an_object_that_never_fits_is_an_error_after_two_rounds(server: ScriptServer, how: How):
    server.always = ignoring('{"setup": "Why?"}')
    with pytest.raises(ours.InvalidResponseError, match="punchline"):
        objects(model_at(server), how)
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", PREDICT)
def test_no_object_at_all_is_an_error_with_the_models_words(server: ScriptServer, how: How):
    server.always = ignoring("I would rather not.")
    with pytest.raises(ours.InvalidResponseError, match="I would rather not"):
        objects(model_at(server), how)


@pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelLimitWarning")
@pytest.mark.parametrize("how", PREDICT)
@pytest.mark.parametrize("begun", ["object", "words", "reasoning"])
def test_an_answer_cut_at_max_tokens_is_an_error_and_not_asked_for_again(server: ScriptServer, begun: str, how: How):
    text = {"object": '{"setup": "Why?", "punchline": "Bec', "words": "Sure, here is", "reasoning": None}[begun]
    more = {"reasoning_content": "hm"} if begun == "reasoning" else {}
    server.always = ignoring(text, finish="length", **more)
    with pytest.raises(ours.InvalidResponseError, match="max_tokens"):
        objects(model_at(server), how)
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", PREDICT)
def test_a_call_cut_at_max_tokens_is_an_error(server: ScriptServer, how: How):
    call = {"id": "c", "index": 0, "function": {"name": "Joke", "arguments": '{"setup": "Why?", "punchline": "Bec'}}
    server.always = ignoring(None, finish="length", tool_calls=[call])
    with pytest.raises(ours.InvalidResponseError):
        objects(model_at(server), how)


@pytest.mark.parametrize("how", ["stream_structured_predict", "astream_structured_predict"])
@pytest.mark.parametrize("told", ["json", "tool"])
def test_an_object_is_seen_while_it_grows(server: ScriptServer, told: str, how: How):
    server.always = obedient if told == "tool" else refusing("tools")
    found = objects(model_at(server), how)
    setups = [getattr(item, "setup", None) or "" for item in found]
    assert setups == sorted(setups, key=len)
    assert len(found) >= 3
    assert type(found[-1]) is Joke
    assert all(JOKE.setup.startswith(setup) for setup in setups)


@pytest.mark.parametrize("how", ["as_structured_llm.stream_chat", "as_structured_llm.astream_chat"])
def test_a_structured_llm_streams_objects(server: ScriptServer, how: How):
    server.always = obedient
    found = objects(model_at(server), how)
    assert len(found) >= 3
    assert found[-1] == JOKE


@pytest.mark.parametrize("how", PREDICT)
def test_the_system_prompt_is_kept(server: ScriptServer, how: How):
    server.always = obedient
    objects(model_at(server, system_prompt="be kind"), how)
    assert server.requests[0].json["messages"][0] == {"role": "system", "content": "be kind"}


@pytest.mark.parametrize("how", PREDICT)
def test_the_system_prompt_is_kept_where_the_schema_is_said_in_words(server: ScriptServer, how: How):
    server.always = refusing("tools", "response_format")
    objects(model_at(server, system_prompt="be kind"), how)
    system, *others = server.requests[-1].json["messages"]
    assert system["content"].startswith("be kind")
    assert "punchline" in system["content"]
    assert [message["role"] for message in others] == ["user"]


@pytest.mark.parametrize("how", PREDICT)
def test_arguments_of_a_call_go_along(server: ScriptServer, how: How):
    server.always = obedient
    objects(model_at(server), how, topic="cats", llm_kwargs={"temperature": 0, "max_tokens": 99})
    body = server.requests[0].json
    assert (body["temperature"], body["max_tokens"]) == (0, 99)


def test_a_chat_template_keeps_its_messages(server: ScriptServer):
    server.always = obedient
    template = ChatPromptTemplate.from_messages([("system", "be kind"), ("user", "Tell a joke about {topic}.")])
    objects(model_at(server), "structured_predict", prompt=template, topic="cats")
    assert [message["role"] for message in server.requests[0].json["messages"]] == ["system", "user"]


NESTED = Person(
    name="Ann", addresses=[Address(city="Köln", zip="50667"), Address(city="Rom")], friend=Person(name="Bo", mood="bad")
)


@pytest.mark.parametrize("how", ALL)
@pytest.mark.parametrize("told", ["json", "tool"])
def test_nested_classes_are_objects_too(server: ScriptServer, told: str, how: How):
    def answer(request: Request) -> Answer:
        stream = request.json.get("stream")
        if told == "tool" and request.json.get("tools"):
            return called("Person", NESTED.model_dump_json(), stream=stream)
        return said(NESTED.model_dump_json(), stream=stream)

    server.always = answer
    assert objects(model_at(server), how, Person)[-1] == NESTED
    body = server.requests[0].json
    form = body["tools"][0]["function"]["parameters"] if body.get("tools") else body["response_format"]["json_schema"]
    assert "$defs" in json.dumps(form)


@pytest.mark.parametrize("how", PREDICT)
def test_defaults_of_the_class_are_kept(server: ScriptServer, how: How):
    server.always = ignoring('{"name": "Ann"}')
    assert objects(model_at(server), how, Person)[-1] == Person(name="Ann")


# Other modes


@pytest.mark.parametrize("how", PREDICT)
def test_the_mode_function_goes_the_cores_way(server: ScriptServer, how: How):
    server.always = lambda request: called("Joke", TEXT, stream=request.json.get("stream"))
    found = objects(model_at(server, pydantic_program_mode=PydanticProgramMode.FUNCTION), how)[-1]
    assert Joke.model_validate(found.model_dump()) == JOKE
    body = server.requests[0].json
    assert body["tools"][0]["function"]["name"] == "Joke"
    # LlamaIndex's own program requires the tool in blocking calls alone.
    assert body.get("tool_choice") == (None if "stream" in how else "required")
    assert "response_format" not in body


@pytest.mark.parametrize("how", ["structured_predict", "astructured_predict"])
def test_the_mode_llm_goes_the_cores_way(server: ScriptServer, how: How):
    server.always = ignoring(TEXT)
    llm = model_at(server, pydantic_program_mode=PydanticProgramMode.LLM)
    assert objects(llm, how)[-1] == JOKE
    body = server.requests[0].json
    assert not {"tools", "response_format", "tool_choice"} & set(body)
    assert "punchline" in json.dumps(body["messages"])


def test_the_cores_programs_work(server: ScriptServer):
    server.always = obedient
    llm = model_at(server)
    by_call = FunctionCallingProgram.from_defaults(output_cls=Joke, llm=llm, prompt_template_str="A joke about {topic}")
    assert by_call(topic="cats") == JOKE
    assert asyncio.run(by_call.acall(topic="cats")) == JOKE
    by_text = LLMTextCompletionProgram.from_defaults(
        output_cls=Joke, llm=llm, prompt_template_str="A joke about {topic}"
    )
    assert by_text(topic="cats") == JOKE


@pytest.mark.parametrize("how", ALL)
def test_the_emulator_gives_objects(fresh_emulator, how: How):
    found = objects(model_on(fresh_emulator), how)[-1]
    assert type(found) is Joke


@pytest.mark.parametrize("how", PREDICT)
def test_errors_of_the_service_are_errors(server: ScriptServer, how: How):
    server.always = json_answer({"error": {"message": "wrong key", "code": "invalid_api_key"}}, 401)
    with pytest.raises(ours.AuthenticationError, match="wrong key"):
        objects(model_at(server), how)
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["stream_structured_predict", "astream_structured_predict"])
def test_a_stream_that_breaks_off_is_an_error(server: ScriptServer, how: How):
    whole = streamed(TEXT[:10])
    server.always = Answer(headers=whole.headers, chunks=whole.chunks[:2], end="cut")
    with pytest.raises(ours.StreamInterruptedError):
        objects(model_at(server), how)
