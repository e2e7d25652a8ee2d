"""How answers end: at a stop text that the service ignored, in a failure, in a filter, or before they began."""

from __future__ import annotations

import functools
import json
import operator
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from aki_transport import AKIError, ModelRefusalError, ServerError
from aki_transport.errors import ModelLimitWarning
from aki_transport.messages import ChatRequest
from aki_transport.transport import Payload
from aki_transport.wire import anthropic, openai
from langchain_aki import ChatAKI
from tests.anthropic_script import said
from tests.requests.frameworks import BOTH_HALVES, Protocol, aki, ask, chat_aki
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, sse
from tests.transport.anthropic_says import begin, say, start
from tests.transport.asking import Clock

# The scripted server answers with the same model, whichever is asked for.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
ARGUMENTS = '{"a": "one STOP two"}'
PROTOCOLS: tuple[Protocol, ...] = ("openai", "anthropic")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def answers(
    *texts: str, finish: str = "stop", reasoning: str = "", calls: bool = False, end: str = "close"
) -> Callable[[Request], Answer]:
    """An answer of these pieces, in the form that the request asks for."""

    def answer(request: Request) -> Answer:
        if request.path.endswith("/v1/messages"):
            blocks: list[dict[str, Any]] = []
            if reasoning:
                blocks.append({"type": "thinking", "thinking": reasoning, "signature": "s"})
            blocks += [{"type": "text", "text": text} for text in texts if text]
            if calls:
                blocks.append({"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "one STOP two"}})
            stop = {"stop": "end_turn", "length": "max_tokens"}.get(finish, finish)
            whole = said(request, *blocks, stop=stop)
        else:
            fields: dict[str, Any] = {"reasoning_content": reasoning} if reasoning else {}
            call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}}
            if request.json.get("stream"):
                events: list[Any] = [chunk(**fields)] if fields else []
                events += [*texts, *([chunk(tool_calls=[{"index": 0, **call}])] if calls else [])]
                whole = streamed(*events, finish=finish)
            else:
                whole = replied("".join(texts), finish=finish, **fields, **({"tool_calls": [call]} if calls else {}))
        if end == "hang" and request.json.get("stream"):
            return replace(
                whole, chunks=whole.chunks[: -3 if whole.chunks[-1].startswith(b"data: [DONE") else -2], end="hang"
            )
        return whole

    return answer


def outcome(result: Any) -> tuple[str, str, str | None, Any, list[Any]]:
    """Text, reasoning, finish reason, whether there is usage, and calls."""
    if isinstance(result, list):
        is_chunk = not hasattr(result[-1], "message")
        result = functools.reduce(operator.add, result) if is_chunk else result[-1]
    if isinstance(result, AIMessage):
        usage = result.usage_metadata
        reasoning = result.additional_kwargs.get("reasoning_content", "")
        return str(result.text), reasoning, result.response_metadata.get("finish_reason"), usage, result.tool_calls
    kwargs, blocks = result.additional_kwargs, result.message.blocks
    reasoning = "".join(block.content for block in blocks if block.block_type == "thinking")
    calls = [block for block in blocks if block.block_type == "tool_call"]
    return result.message.content or "", reasoning, kwargs.get("finish_reason"), kwargs.get("total_tokens"), calls


# What the service says although it was told to stop, and what is left of it.
STOPPED: dict[str, tuple[Callable[[Request], Answer], list[str], str, str, int]] = {
    "ignored: AKI.IO's open server": (answers("One two ST", "OP three", end="hang"), ["STOP"], "One two ", "", 0),
    "left in: transformers serve": (answers("One", " two", "STOP"), ["STOP"], "One two", "", 0),
    "within one piece": (answers("One STOP two STOP three", end="hang"), ["STOP"], "One ", "", 0),
    "several": (answers("One #", "# two\n", "\nthree"), ["\n\n", "##", "four"], "One ", "", 0),
    "before anything": (answers("STOP one"), ["STOP"], "", "", 0),
    "before a call": (answers("One STOP", calls=True), ["STOP"], "One ", "", 0),
    "only nearly": (answers("One ST", "O P", " STO"), ["STOP"], "One STO P STO", "", 0),
    "in reasoning and arguments": (
        answers("One", reasoning="hm STOP hm", calls=True, finish="tool_calls"),
        ["STOP"],
        "One",
        "hm STOP hm",
        1,
    ),
}


@pytest.mark.parametrize("name", STOPPED)
def test_an_answer_ends_before_a_stop_text(name: str, subtests) -> None:
    respond, stop, text, reasoning, calls = STOPPED[name]
    is_cut = name not in ("only nearly", "in reasoning and arguments")
    for framework in (chat_aki, aki):
        for protocol in PROTOCOLS:
            for way in BOTH_HALVES:
                with subtests.test(framework.__name__, protocol=protocol, way=way):
                    with ScriptServer(always=respond) as server:
                        result = outcome(
                            ask(framework(server, protocol, stop=stop, timeout=20), way, ["hi"], tools=[TOOL])
                        )
                    assert (result[0], result[1], len(result[4])) == (text, reasoning, calls)
                    assert len(server.requests) == 1
                    assert server.requests[0].json[{"openai": "stop"}.get(protocol, "stop_sequences")] == stop
                    if is_cut:
                        assert result[2] == "stop"
                        assert bool(result[3]) == ("stream" not in way)


def test_a_stop_text_within_inline_reasoning_ends_nothing(subtests) -> None:
    for framework in (chat_aki, aki):
        for way in BOTH_HALVES:
            with (
                subtests.test(framework.__name__, way=way),
                ScriptServer(always=answers("<think>hm ST", "OP</think>One STOP")) as server,
            ):
                result = outcome(ask(framework(server, stop=["STOP"]), way, ["hi"]))
            assert result[:3] == ("One ", "hm STOP", "stop")


def ends_first(text: str, stops: Iterable[str]) -> str:
    """The text before the stop text that ends first, by definition."""
    for end in range(len(text) + 1):
        matches = [stop for stop in stops if stop and text[:end].endswith(stop)]
        if matches:
            return text[: end - max(map(len, matches))]
    return text


def openai_payloads(pieces: list[str]) -> list[Payload]:
    events = [chunk(piece) for piece in pieces] + [chunk(finish="stop")]
    return [Payload("", event) for event in _lines(sse(*events))]


def anthropic_payloads(pieces: list[str]) -> list[Payload]:
    events = [start(), begin(0, {"type": "text", "text": ""}), *map(say, pieces), {"type": "message_stop"}]
    return [Payload("", event) for event in _lines(sse(*events, done=False))]


def _lines(answer: Answer) -> list[str]:
    return [part.decode().removeprefix("data: ").strip() for part in answer.chunks]


few = st.text(alphabet="ab<\n", max_size=12)


@given(st.lists(few, max_size=8), st.lists(few.filter(bool), min_size=1, max_size=4))
def test_wherever_a_text_is_split_it_ends_at_the_same_place(pieces: list[str], stops: list[str]) -> None:
    pieces = ["x", *pieces]  # blanks and brackets at the start may be those of reasoning
    text = "".join(pieces)
    for wire, payloads in ((openai, openai_payloads(pieces)), (anthropic, anthropic_payloads(pieces))):
        request = ChatRequest(model="qwen3.6-35b", messages=(), stop=tuple(stops))
        decoder = wire.decoder(request, {}, on_model=lambda _: None)
        seen = arrived = ""
        for payload in payloads:
            delta = decoder.feed(payload)
            seen += delta.text if delta else ""
            arrived += next((piece for piece in (_piece(payload),) if piece), "")
            if decoder.finished:
                break
            held = len(arrived) - len(seen)
            assert held <= max(map(len, stops)) - 1
        last = decoder.end()
        assert seen + last.text == last.reply.text == ends_first(text, stops)
        if last.reply.text != text:
            assert (last.reply.finish_reason, last.reply.usage) == ("stop", None)


def _piece(payload: Payload) -> str:
    if payload.data == "[DONE]":
        return ""
    event = json.loads(payload.data)
    choices = event.get("choices") or [{}]
    return choices[0].get("delta", {}).get("content") or event.get("delta", {}).get("text") or ""


class City(BaseModel):
    name: str
    country: str = ""


def predicted(model: Any, way: str) -> Any:
    if isinstance(model, ChatAKI):
        asked = model.with_structured_output(City)
        return list(asked.stream("hi"))[-1] if way == "stream" else asked.invoke("hi")
    prompt = PromptTemplate("hi")
    return (
        list(model.stream_structured_predict(City, prompt))[-1]
        if way == "stream"
        else model.structured_predict(City, prompt)
    )


CUT_BY_A_FILTER = ['{"name": "Ro', '{"name": {"name": "x"}, "country": "', "I think that", ""]


def test_an_object_that_a_filter_cut_off_is_a_refusal(subtests) -> None:
    for framework in (chat_aki, aki):
        for protocol, finishes in (
            ("openai", ("content_filter", "SAFETY", "sensitive")),
            ("anthropic", ("refusal", "content_filtered")),
        ):
            for finish in finishes:
                for text in CUT_BY_A_FILTER:
                    for way in ("blocking", "stream"):
                        with (
                            subtests.test(framework.__name__, protocol=protocol, finish=finish, text=text, way=way),
                            ScriptServer(always=answers(text, finish=finish)) as server,
                        ):
                            with pytest.raises(ModelRefusalError):
                                predicted(framework(server, protocol), way)
                            assert len(server.requests) == 1


def test_an_object_that_is_complete_is_taken_whatever_ended_the_answer(subtests) -> None:
    for framework in (chat_aki, aki):
        for way in ("blocking", "stream"):
            respond = answers('{"name": "Rome"}', finish="content_filter")
            with subtests.test(framework.__name__, way=way), ScriptServer(always=respond) as server:
                assert predicted(framework(server), way).name == "Rome"


@pytest.mark.usefixtures("clock")
def test_an_answer_that_ended_in_a_failure_is_none(subtests) -> None:
    for framework in (chat_aki, aki):
        for protocol in PROTOCOLS:
            for finish in (
                "error",
                "insufficient_system_resource",
                "abort",
                "network_error",
                "MALFORMED_FUNCTION_CALL",
            ):
                for way in BOTH_HALVES:
                    respond = answers("Hel", finish=finish)
                    with (
                        subtests.test(framework.__name__, protocol=protocol, finish=finish, way=way),
                        ScriptServer(always=respond) as server,
                    ):
                        with pytest.raises(ServerError, match=finish):
                            ask(framework(server, protocol), way, ["hi"])
                        assert len(server.requests) == 1


EMPTY = {
    "thinking": {"reasoning": "hm, hm"},
    "hidden thinking": {},
}


def test_an_answer_that_was_used_up_by_thinking_warns(subtests) -> None:
    for framework in (chat_aki, aki):
        for protocol in PROTOCOLS:
            for case, fields in EMPTY.items():
                for way in BOTH_HALVES:
                    with (
                        subtests.test(framework.__name__, protocol=protocol, case=case, way=way),
                        ScriptServer(always=answers("", finish="length", **fields)) as server,
                        warnings.catch_warnings(record=True) as caught,
                    ):
                        warnings.simplefilter("always")
                        ask(framework(server, protocol, max_tokens=20), way, ["hi"])
                        (warning,) = [each for each in caught if each.category is ModelLimitWarning]
                        assert "max_tokens=20" in str(warning.message)
                        assert ("while it was reasoning" in str(warning.message)) == bool(fields)


def test_other_answers_do_not_warn_of_thinking() -> None:
    others = (
        answers("Hel", finish="length", reasoning="hm"),
        answers("", finish="stop", reasoning="hm"),
        answers("", finish="length", calls=True),
    )
    for respond in others:
        for protocol in PROTOCOLS:
            with ScriptServer(always=respond) as server, warnings.catch_warnings():
                warnings.simplefilter("error", ModelLimitWarning)
                ask(chat_aki(server, protocol, max_tokens=20), "blocking", ["hi"], tools=[TOOL])


def in_the_form_asked_for(stream: Answer, blocking: Answer, request: Request) -> Answer:
    return stream if request.json.get("stream") else blocking


# An error within a choice: OpenRouter, with the code of the server behind it or without one, as a text, in a stream.
CHOICE_ERRORS: dict[str, tuple[Any, str, int]] = {
    "OpenRouter": ({"code": 502, "message": "Provider returned error"}, "ServerError", 3),
    "a limit": ({"code": 429, "message": "Provider returned error"}, "RateLimitError", 3),
    "a text": ("Provider returned error", "APIStatusError", 1),
    "an overflow": (
        {"message": "Provider returned error", "metadata": {"raw": "prompt is too long"}},
        "ContextOverflowError",
        1,
    ),
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("name", CHOICE_ERRORS)
def test_an_error_within_a_choice_is_an_error(name: str, subtests) -> None:
    error, kind, requests = CHOICE_ERRORS[name]
    choice = {"index": 0, "finish_reason": "error", "error": error}
    for framework in (chat_aki, aki):
        for way in BOTH_HALVES:
            for begun in (False, True):
                delta = {"role": "assistant", "content": "Hel" if begun else ""}
                events = [chunk("Hel")] if begun else []
                events.append(chunk(top={"choices": [{**choice, "delta": {"content": ""}}]}))
                blocking = replied(top={"choices": [{**choice, "message": delta}]})
                respond = partial(in_the_form_asked_for, sse(*events), blocking)
                with subtests.test(framework.__name__, way=way, begun=begun), ScriptServer(always=respond) as server:
                    with pytest.raises(AKIError, match="Provider returned error") as caught:
                        ask(framework(server), way, ["hi"])
                    assert type(caught.value).__name__ == kind
                    assert len(server.requests) == (1 if begun and "stream" in way else requests)
