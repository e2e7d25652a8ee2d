"""How answers end: at a stop text that the service ignored, in a failure, used up by thinking, or before they began."""

import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import errors
from aki_transport.transport import Payload
from aki_transport.wire import anthropic, openai
from tests.anthropic_script import said
from tests.scenarios import chunk, replied, reply, streamed
from tests.script_server import Answer, Request, ScriptServer, sse
from tests.transport.anthropic_says import begin, say, start
from tests.transport.asking import Way, client_for, in_every_chat, in_every_way, request_for

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
ARGUMENTS = {"a": "one STOP two"}
with_each_protocol = pytest.mark.parametrize("protocol", ["openai", "anthropic"])


def answers(
    *texts: str, finish: str = "stop", reasoning: str = "", calls: bool = False, end: str = "close"
) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if request.path.endswith("/v1/messages"):
            blocks: list[dict[str, Any]] = [{"type": "thinking", "thinking": reasoning, "signature": "s"}]
            blocks = blocks * bool(reasoning) + [{"type": "text", "text": text} for text in texts if text]
            blocks += [{"type": "tool_use", "id": "c1", "name": "f", "input": ARGUMENTS}] * calls
            full = said(request, *blocks, stop={"stop": "end_turn", "length": "max_tokens"}.get(finish, finish))
        else:
            fields: dict[str, Any] = {"reasoning_content": reasoning} if reasoning else {}
            call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": json.dumps(ARGUMENTS)}}
            if request.json.get("stream"):
                events = [*[chunk(**fields)] * bool(fields), *texts]
                full = streamed(*events, *[chunk(tool_calls=[{"index": 0, **call}])] * calls, finish=finish)
            else:
                full = replied("".join(texts), finish=finish, **fields, **({"tool_calls": [call]} if calls else {}))
        if end == "hang" and request.json.get("stream"):
            ending = -3 if full.chunks[-1].startswith(b"data: [DONE") else -2
            return replace(full, chunks=full.chunks[:ending], end="hang")
        return full

    return answer


def asked(way: Way, server: ScriptServer, protocol: str, respond: Any, **fields: Any) -> Any:
    server.always = respond
    client = client_for(server, protocol=protocol, base_url=getattr(server, f"{protocol}_url"), timeout=20)
    return way.ask(client, request_for(tools=(TOOL,), **fields))


# What the service says although it was told to stop, and what is left of it.
STOPPED: dict[str, tuple[Callable[[Request], Answer], tuple[str, ...], str]] = {
    "ignored: AKI.IO's open server": (answers("One two ST", "OP three", end="hang"), ("STOP",), "One two "),
    "left in: transformers serve": (answers("One", " two", "STOP"), ("STOP",), "One two"),
    "within one piece": (answers("One STOP two STOP three", end="hang"), ("STOP",), "One "),
    "several": (answers("One #", "# two\n", "\nthree"), ("\n\n", "##", "four"), "One "),
    "before anything": (answers("STOP one"), ("STOP",), ""),
    "before a call": (answers("One STOP", calls=True), ("STOP",), "One "),
    "behind reasoning": (answers("One STOP", reasoning="hm STOP hm"), ("STOP",), "One "),
}


@pytest.mark.parametrize("row", STOPPED)
@with_each_protocol
@in_every_way
def test_an_answer_ends_before_a_stop_text(way, row, protocol, server):
    respond, stop, text = STOPPED[row]
    reply = asked(way, server, protocol, respond, stop=stop)
    assert (reply.text, reply.tool_calls, reply.finish_reason) == (text, (), "stop")
    assert reply.details.keys() == {"stop_sequence", *(("created",) if protocol == "openai" else ())}
    assert bool(reply.usage) != way.streamed
    (request,) = server.requests
    sent = [each for each in stop if protocol == "openai" or each.strip()]  # Anthropic's protocol refuses blank ones
    assert request.json.get({"openai": "stop"}.get(protocol, "stop_sequences"), []) == sent


def test_parts_behind_a_stop_text_are_none_of_the_answer():
    said = [{"type": "text", "text": "One STOP", "note": 1}, "two", {"type": "thinking", "thinking": "hm"}]
    decoder = openai.decoder(request_for(stop=("STOP",)), {}, on_model=lambda _: None)
    decoder.feed(Payload("body", json.dumps(reply(said))))
    answer = decoder.end().reply
    assert answer is not None
    assert (answer.text, answer.reasoning) == ("One ", "")


@with_each_protocol
@in_every_way
def test_what_is_no_stop_text_of_the_answer_ends_nothing(way, protocol, server):
    reply = asked(way, server, protocol, answers("One ST", "O P", " STO"), stop=("STOP",))
    assert reply.text == "One STO P STO"
    respond = answers("One", reasoning="hm STOP hm", calls=True, finish="tool_calls")
    reply = asked(way, server, protocol, respond, stop=("STOP",))
    assert (reply.text, reply.reasoning, len(reply.tool_calls)) == ("One", "hm STOP hm", 1)
    reply = asked(way, server, protocol, answers("<think>hm ST", "OP</think>One STOP"), stop=("STOP",))
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("One ", "hm STOP", "stop")


def ends_first(text: str, stops: Iterable[str]) -> str:
    """The text before the stop text that ends first, by definition."""
    for end in range(len(text) + 1):
        matches = [stop for stop in stops if stop and text[:end].endswith(stop)]
        if matches:
            return text[: end - max(map(len, matches))]
    return text


few = st.text(alphabet="ab<\n", max_size=12)


@given(st.lists(few, max_size=8), st.lists(few.filter(bool), min_size=1, max_size=4))
def test_wherever_a_text_is_split_it_ends_at_the_same_place(pieces, stops):
    pieces = ["x", *pieces]  # blanks and brackets at the start may be those of reasoning
    text = "".join(pieces)
    opening = [start(), begin(0, {"type": "text", "text": ""})]
    streams: list[tuple[Any, list[Any], list[Any], list[Any]]] = [
        (openai, [], [chunk(piece) for piece in pieces], [chunk(finish="stop")]),
        (anthropic, opening, [say(piece) for piece in pieces], [{"type": "message_stop"}]),
    ]
    for wire, before, events, behind in streams:
        decoder = wire.decoder(request_for(stop=tuple(stops)), {}, on_model=lambda _: None)
        seen = arrived = ""
        for event, piece in zip([*before, *events, *behind], [*[""] * len(before), *pieces, ""], strict=True):
            delta = decoder.feed(Payload("", json.dumps(event)))
            seen += delta.text if delta else ""
            arrived += piece
            if decoder.finished:
                break
            assert len(arrived) - len(seen) <= max(map(len, stops)) - 1
        last = decoder.end()
        assert seen + last.text == last.reply.text == ends_first(text, stops)
        if last.reply.text != text:
            assert (last.reply.finish_reason, last.reply.usage) == ("stop", None)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("finish", ["error", "MALFORMED_FUNCTION_CALL"])
@with_each_protocol
@in_every_chat
def test_an_answer_that_ended_in_a_failure_is_none(chat_way, finish, protocol, server):
    for way in (chat_way, replace(chat_way, streamed=True)):
        server.requests.clear()
        with pytest.raises(errors.ServerError, match=finish) as caught:
            asked(way, server, protocol, answers("Hel", finish=finish))
        assert (caught.value.status_code, len(server.requests)) == (500, 1)


@with_each_protocol
@in_every_way
def test_only_an_answer_that_was_used_up_by_thinking_warns(way, protocol, server):
    for fields, is_shown in (({"reasoning": "hm, hm"}, True), ({}, False)):
        with pytest.warns(errors.ModelLimitWarning, match="max_tokens=20") as caught:
            asked(way, server, protocol, answers("", finish="length", **fields), max_tokens=20)
        assert ["while it was reasoning" in str(each.message) for each in caught] == [is_shown]
    with warnings.catch_warnings():
        warnings.simplefilter("error", errors.ModelLimitWarning)
        asked(way, server, protocol, answers("Hel", finish="length", reasoning="hm"), max_tokens=20)
        asked(way, server, protocol, answers("", reasoning="hm"), max_tokens=20)
        asked(way, server, protocol, answers("", finish="length", calls=True), max_tokens=20)


UPSTREAM = "Provider returned error"
OVERFLOW = {"message": UPSTREAM, "metadata": {"raw": "prompt is too long"}}


# An error within a choice: OpenRouter, with the code of the server behind it or without one, as a text.
@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("error", "kind", "requests"),
    [
        ({"code": 502, "message": UPSTREAM}, "ServerError", 3),
        ({"code": 429, "message": UPSTREAM}, "RateLimitError", 3),
        (UPSTREAM, "APIStatusError", 1),
        (OVERFLOW, "ContextOverflowError", 1),
    ],
)
@in_every_way
def test_an_error_within_a_choice_is_an_error(way, error, kind, requests, server):
    choice = {"index": 0, "finish_reason": "error", "error": error}
    for text in ("", "Hel"):
        server.requests.clear()
        if way.streamed:
            failure = chunk(top={"choices": [{**choice, "delta": {"content": ""}}]})
            server.always = sse(*[chunk(text)] * bool(text), failure)
        else:
            message = {"role": "assistant", "content": text}
            server.always = replied(top={"choices": [{**choice, "message": message}]})
        with pytest.raises(errors.AKIError, match=UPSTREAM) as caught:
            way.ask(client_for(server))
        assert type(caught.value).__name__ == kind
        assert len(server.requests) == (1 if text and way.streamed else requests)
