"""Whatever a service says in Anthropic's protocol is the same answer whole and streamed, or an error of ours."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aki_transport import (
    AKIError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    InsufficientCreditsError,
    InvalidResponseError,
    ModelFallbackError,
    NotFoundError,
    PermissionDeniedError,
    Provider,
    RateLimitError,
    Route,
    ServerError,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from aki_transport.messages import ChatDelta, ChatReply, ReasoningBlock, ToolCall, Usage
from aki_transport.transport import Payload
from aki_transport.wire import anthropic
from tests.growth import grows_with_its_size
from tests.script_server import ScriptServer, sse
from tests.transport.anthropic_says import (
    END,
    PING,
    STREAM,
    answering,
    begin,
    close,
    grow,
    hearing,
    message,
    say,
    start,
    stop,
    streamed,
    text,
    thinking,
    tool_use,
    written,
)
from tests.transport.asking import (
    KEY,
    MODEL,
    Clock,
    Way,
    added_up,
    client_for,
    in_every_chat,
    in_every_stream,
    in_every_way,
    request_for,
)
from tests.transport.test_decoding import cuts, located

# Empty answers that reached max_tokens are among those that are drawn.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelLimitWarning")

some = settings(max_examples=8, deadline=None)
more = settings(max_examples=20, deadline=None)

PARIS = {"city": "Paris"}
CALL = tool_use("toolu_1", "get_weather", {})
CALLED = ToolCall("toolu_1", "get_weather", '{"city": "Paris"}')


def decode(*payloads: Payload) -> list[ChatDelta]:
    decoder = anthropic.decoder(request_for(), {}, on_model=lambda _: None)
    deltas = [delta for payload in payloads if (delta := decoder.feed(payload)) is not None]
    return [*deltas, decoder.end()]


def read(body: Any) -> ChatReply:
    return added_up(decode(Payload("body", json.dumps(body).encode())))


def follow(*events: Any) -> ChatReply:
    return added_up(decode(*(Payload("message", json.dumps(event)) for event in events)))


def bare(reply: ChatReply) -> ChatReply:
    """The reply without its last payload, which differs between the two forms."""
    return replace(reply, raw={})


# The same answer, whole and streamed


@dataclass(frozen=True)
class Oddity:
    """Events between the beginning and the end of a stream, and what they are."""

    name: str
    events: tuple[dict[str, Any], ...]
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning_blocks: tuple[ReasoningBlock, ...] = ()
    reason: Any = "end_turn"
    finish: str | None = "stop"
    expect: dict[str, Any] = field(default_factory=dict)


def pieces(*arguments: str, index: Any = 0) -> tuple[dict[str, Any], ...]:
    return tuple(grow(index, "input_json", partial_json=piece) for piece in arguments)


ODDITIES = (
    Oddity("text", (begin(0, text("")), say("Hel"), PING, say("lo"), stop()), text="Hello"),
    Oddity("text that comes with its block", (begin(0, text("Hel")), say("lo"), stop()), text="Hello"),
    Oddity("text without a block", (say("Hel"), say("lo")), text="Hello"),
    Oddity("text without any index", (begin(None, text("")), say("Hel", None), say("lo", None)), text="Hello"),
    Oddity("text blocks without an end", (begin(0, text("Hel")), begin(1, text("lo"))), text="Hello"),
    Oddity(
        "two text blocks under one index",
        (begin(0, text("")), say("Hel"), stop(), begin(0, text("")), say("lo"), stop()),
        text="Hello",
    ),
    Oddity(
        "unknown events, blocks and deltas",
        (
            {"type": "content_block_new"},
            begin(0, {"type": "web_search_tool_result", "content": [{"url": "https://a.example"}]}),
            grow(0, "citations", citation={}),
            stop(),
            begin(1, text("")),
            grow(1, "sparkle", text="no"),
            say("Hello", 1),
            stop(1),
        ),
        text="Hello",
    ),
    Oddity(
        "a tool that the service itself calls",
        (
            begin(0, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
            *pieces('{"query": "Paris"}'),
            stop(),
            begin(1, text("Hello")),
            stop(1),
        ),
        text="Hello",
    ),
    Oddity(
        "arguments in pieces",
        (begin(0, CALL), *pieces("", '{"city"', ': "Paris"}'), stop()),
        tool_calls=(CALLED,),
        reason="tool_use",
        finish="tool_calls",
    ),
    Oddity("arguments at the start", (begin(0, {**CALL, "input": PARIS}), stop()), tool_calls=(CALLED,)),
    Oddity(
        "arguments at the start of a block without end", (begin(0, {**CALL, "input": PARIS}),), tool_calls=(CALLED,)
    ),
    Oddity(
        "arguments at the start and in pieces",
        (begin(0, {**CALL, "input": PARIS}), *pieces('{"city": "Paris"}'), stop()),
        tool_calls=(CALLED,),
    ),
    Oddity(
        "arguments at the start and empty pieces",
        (begin(0, {**CALL, "input": PARIS}), *pieces("", ""), stop()),
        tool_calls=(CALLED,),
    ),
    Oddity(
        "arguments at the start as text",
        (begin(0, {**CALL, "input": '{"city": "Paris"}'}), stop()),
        tool_calls=(CALLED,),
    ),
    Oddity("no arguments", (begin(0, CALL), *pieces(""), stop()), tool_calls=(replace(CALLED, arguments=""),)),
    Oddity(
        "interleaved calls",
        (
            begin(0, text("")),
            begin(1, CALL),
            begin(2, {**CALL, "id": "toolu_2"}),
            *pieces('{"city":', index=2),
            say("Hello"),
            *pieces('{"city": ', index=1),
            *pieces(' "Rome"}', index=2),
            *pieces('"Paris"}', index=1),
            stop(2),
            stop(0),
            stop(1),
        ),
        text="Hello",
        tool_calls=(CALLED, ToolCall("toolu_2", "get_weather", '{"city": "Rome"}')),
    ),
    Oddity(
        "calls under one index",
        (
            *(begin(0, CALL), *pieces('{"city": "Paris"}'), stop()),
            *(begin(0, {**CALL, "id": "toolu_2"}), *pieces("{}"), stop()),
        ),
        tool_calls=(CALLED, ToolCall("toolu_2", "get_weather", "{}")),
    ),
    Oddity(
        "thinking, signed and redacted",
        (
            begin(0, thinking("")),
            grow(0, "thinking", thinking="H"),
            grow(0, "thinking", thinking="m."),
            grow(0, "signature", signature="c2"),
            grow(0, "signature", signature="ln"),
            stop(),
            begin(1, {"type": "redacted_thinking", "data": "ZGF0YQ=="}),
            stop(1),
            begin(2, thinking("Yes.", "b2s=")),
            stop(2),
            begin(3, thinking("unsigned")),
            stop(3),
            begin(4, text("Hello")),
            stop(4),
        ),
        text="Hello",
        reasoning="Hm.Yes.unsigned",
        reasoning_blocks=(
            ReasoningBlock(text="Hm.", signature="c2ln"),
            ReasoningBlock(data="ZGF0YQ=="),
            ReasoningBlock(text="Yes.", signature="b2s="),
        ),
    ),
    Oddity(
        "reasoning within the text",
        (begin(0, text("")), say("<thi"), say("nk>Hm</th"), say("ink>\n\nHello"), stop()),
        text="Hello",
        reasoning="Hm",
    ),
    Oddity("an empty answer", (begin(0, text("")), stop())),
    Oddity("no block at all", ()),
    Oddity("no reason to end", (say("Hello"),), text="Hello", reason=None, finish=None),
)
_REASONS = {
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "something_new": "something_new",
}


@pytest.mark.parametrize("row", ODDITIES, ids=lambda row: row.name)
@in_every_stream
def test_each_oddity_of_a_stream_is_read(row: Oddity, stream_way: Way) -> None:
    reply = stream_way.ask(hearing(written(streamed(*row.events, reason=row.reason))))
    assert (reply.text, reply.reasoning, reply.tool_calls) == (row.text, row.reasoning, row.tool_calls)
    assert (reply.reasoning_blocks, reply.finish_reason, reply.stop_reason) == (
        row.reasoning_blocks,
        row.finish,
        row.reason,
    )
    assert reply.usage == Usage(input_tokens=5, output_tokens=3, total_tokens=8)
    assert (reply.model, reply.id) == (MODEL, "msg_1")


@some
@given(cut=cuts, newline=st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_split_of_a_stream_s_bytes_gives_the_same_answer(cut: list[int], newline: str) -> None:
    for row in ODDITIES:
        body = written(streamed(*row.events, reason=row.reason), newline)
        with located((row.name,)):
            whole = added_up(hearing(body).stream(request_for()))
            assert added_up(hearing(body, cut).stream(request_for())) == whole


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.sampled_from(["add", "get"])
values = st.dictionaries(words, st.one_of(words, st.integers(-5, 5), st.none()), max_size=2)
blocks = st.one_of(
    st.builds(text, words),
    st.builds(thinking, words, st.sampled_from(["", "c2ln"])),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, words),
    st.builds(tool_use, st.sampled_from(["toolu_1", "toolu_2"]), names, values),
    st.just({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
)


@st.composite
def told(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An answer, and a stream that says the same."""
    content = draw(st.lists(blocks, max_size=5))
    reason = draw(st.sampled_from(["end_turn", "max_tokens", "tool_use", "refusal", "stop_sequence"]))
    usage = {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 2, "cache_creation_input_tokens": None}
    sequence = "END" if reason == "stop_sequence" else None
    events = [start(usage={**usage, "output_tokens": 1})]
    for index, block in enumerate(content):
        events += _streamed(draw, index, block)
        events += [PING] * draw(st.integers(0, 1))
    events.append(close(reason, stop_sequence=sequence))
    events += [END] * draw(st.integers(0, 1))
    return message(*content, stop=reason, stop_sequence=sequence, usage=usage), events


def _streamed(draw: st.DrawFn, index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    def cut(whole: str) -> list[str]:
        at = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
        return [whole[a:b] for a, b in zip([0, *at], [*at, len(whole)], strict=True)]

    match block["type"]:
        case "text":
            first, *rest = cut(block["text"])
            said = [begin(index, text(first)), *(say(piece, index) for piece in rest)]
        case "thinking":
            first, *rest = cut(block["thinking"])
            grown = [grow(index, "thinking", thinking=piece) for piece in rest]
            signed = [grow(index, "signature", signature=piece) for piece in cut(block["signature"])]
            said = [begin(index, thinking(first)), *grown, *signed]
        case "tool_use" if block["input"] and draw(st.booleans()):
            arguments = json.dumps(block["input"], ensure_ascii=False)
            said = [begin(index, {**block, "input": {}}), *pieces(*cut(arguments), index=index)]
        case _:
            said = [begin(index, block)]
    return [*said, stop(index)]


@more
@given(told())
def test_a_streamed_answer_is_the_blocking_one(both: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    body, events = both
    assert bare(follow(*events)) == bare(read(body))


@some
@given(told(), cuts)
def test_it_is_so_through_the_whole_client(both: tuple[dict[str, Any], list[dict[str, Any]]], cut: list[int]) -> None:
    body, events = both
    whole = hearing(body).chat(request_for())
    assert bare(added_up(hearing(written(events), cut).stream(request_for()))) == bare(whole)
    assert added_up(hearing(body).stream(request_for())) == whole


@in_every_stream
def test_a_stream_over_a_real_socket(stream_way: Way, server: ScriptServer) -> None:
    events = [written([each]) for each in streamed(begin(0, text("")), say("Hel"), say("lö"), stop())]
    server.say(sse(*events, done=False, request_id="req_1"))
    client = client_for(server, protocol="anthropic", base_url=f"{server.url}/anthropic")
    reply = stream_way.ask(client)
    assert (reply.text, reply.request_id) == ("Hellö", "req_1")


@in_every_stream
def test_pieces_are_given_out_as_they_come(stream_way: Way) -> None:
    events = streamed(
        begin(0, text("")), say("Hel"), say("lo"), stop(), begin(1, CALL), *pieces('{"a":', "1}", index=1)
    )
    deltas = stream_way.deltas(hearing(written(events)))
    assert [delta.text for delta in deltas if delta.text] == ["Hel", "lo"]
    assert [call.arguments for delta in deltas for call in delta.tool_calls] == ["", '{"a":', "1}"]


@pytest.mark.parametrize(("reason", "finish"), _REASONS.items())
@in_every_way
def test_each_reason_to_end_in_openai_s_word_and_the_protocol_s(way: Way, reason: str, finish: str) -> None:
    said = written(streamed(say("Hello"), reason=reason)) if way.streamed else message(text("Hello"), stop=reason)
    reply = way.ask(hearing(said))
    assert (reply.finish_reason, reply.stop_reason) == (finish, reason)
    assert bool(reply.refusal) == (reason == "refusal")
    assert reply.raw["choices"][0]["finish_reason"] == finish
    assert (reply.raw["model"], reply.raw["usage"]["prompt_tokens"]) == (MODEL, 5)


@in_every_way
def test_the_stop_sequence_is_a_detail(way: Way) -> None:
    ended = {"stop": "stop_sequence", "stop_sequence": "END"}
    events = [start(), say("Hello"), close("stop_sequence", stop_sequence="END"), END]
    reply = way.ask(hearing(written(events) if way.streamed else message(text("Hello"), **ended)))
    assert reply.details == {"stop_sequence": "END"}


@in_every_way
def test_a_call_without_an_id_gets_one(way: Way) -> None:
    block = {"type": "tool_use", "name": "add", "input": {"a": 1}}
    said = written(streamed(begin(0, block), stop(), begin(1, block))) if way.streamed else message(block, block)
    ids = [call.id for call in way.ask(hearing(said)).tool_calls]
    assert len(set(ids)) == 2
    assert "" not in ids


@pytest.mark.parametrize(
    ("opening", "closing", "usage"),
    [
        ({"input_tokens": 5, "output_tokens": 1}, {"output_tokens": 3}, (5, 3, 8, None, None)),
        ({"input_tokens": 5}, {"input_tokens": 0, "output_tokens": 3}, (5, 3, 8, None, None)),
        ({"input_tokens": 0}, {"input_tokens": 5, "output_tokens": 3}, (5, 3, 8, None, None)),
        (None, {"input_tokens": 5, "output_tokens": 3}, (5, 3, 8, None, None)),
        (
            {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20},
            {"output_tokens": 3, "cache_read_input_tokens": None},
            (125, 3, 128, 100, 20),
        ),
        ({"input_tokens": 5}, {}, (5, 0, 5, None, None)),
        ("5", [3], None),
        (None, 3, None),
    ],
)
def test_usage_wherever_it_stands(opening: Any, closing: Any, usage: tuple[Any, ...] | None) -> None:
    found = follow(start(usage=opening), say("Hello"), {**close(), "usage": closing}, END).usage
    assert (
        None
        if found is None
        else (
            found.input_tokens,
            found.output_tokens,
            found.total_tokens,
            found.cached_tokens,
            found.cache_creation_tokens,
        )
    ) == usage


# What is no answer


WHOLE = message(
    text("Hello"), thinking("Hm", "c2ln"), {"type": "redacted_thinking", "data": "ZA=="}, tool_use("a", "add", PARIS)
)


ALL = streamed(
    begin(0, text("")),
    say("Hello"),
    stop(),
    begin(1, thinking("")),
    grow(1, "thinking", thinking="Hm"),
    grow(1, "signature", signature="c2ln"),
    stop(1),
    begin(2, CALL),
    *pieces("{}", index=2),
    stop(2),
)


@in_every_stream
def test_arguments_without_a_call_are_no_answer(stream_way: Way) -> None:
    with pytest.raises(InvalidResponseError, match="without its beginning"):
        stream_way.ask(hearing(written(streamed(*pieces("{}")))))


@pytest.mark.parametrize(
    "body", [{}, {"type": "completion"}, message() | {"content": "Hello"}, message() | {"content": None}, message(7)]
)
@in_every_chat
def test_a_body_that_is_no_message(chat_way: Way, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidResponseError, match=r"AKI\.IO: .*(is no message|has no content|content block)"):
        chat_way.ask(hearing(body))


def test_the_work_of_reading_blocks_grows_with_their_number() -> None:
    def read_many(count: int) -> None:
        reply = read(message(*(tool_use(f"toolu_{n}", "add", {"a": n}) for n in range(count))))
        assert len(reply.tool_calls) == count

    grows_with_its_size(read_many, 1_000)


# Where a stream ends


@pytest.mark.parametrize("events", [ALL[:1], ALL[:3], ALL[:-2]])
@in_every_stream
def test_a_stream_without_its_end_is_an_error_with_the_text_so_far(events: list[Any], stream_way: Way) -> None:
    with pytest.raises(StreamInterruptedError) as caught:
        stream_way.ask(hearing(written(events)), request_for())
    assert caught.value.partial_text == ("Hello" if len(events) > 2 else "")


@in_every_stream
def test_a_stream_is_whole_once_it_says_why_it_ended(stream_way: Way, server: ScriptServer) -> None:
    client = client_for(server, protocol="anthropic", base_url=f"{server.url}/anthropic")
    for end in ("close", "cut", "reset"):
        server.say(sse(*(written([each]) for each in ALL[:-1]), done=False, end=end))
        assert stream_way.ask(client).text == "Hello"


@in_every_stream
def test_nothing_is_read_behind_the_end(stream_way: Way) -> None:
    events = [*streamed(say("Hello")), say(" again"), {"type": "error", "error": {"message": "no"}}]
    assert stream_way.ask(hearing(written(events))).text == "Hello"


# Errors

_KINDS = [
    ("invalid_request_error", 400, BadRequestError),
    ("authentication_error", 401, AuthenticationError),
    ("billing_error", 402, InsufficientCreditsError),
    ("permission_error", 403, PermissionDeniedError),
    ("not_found_error", 404, NotFoundError),
    ("request_too_large", 413, ContextOverflowError),
    ("rate_limit_error", 429, RateLimitError),
    ("api_error", 500, ServerError),
    ("overloaded_error", 529, ServiceUnavailableError),
]


def error(kind: str, words: str = "No such luck.") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("kind", "status", "cls"), _KINDS)
@in_every_way
def test_each_type_of_error_as_a_status(way: Way, kind: str, status: int, cls: type[APIStatusError]) -> None:
    client = answering(lambda _: httpx.Response(status, json=error(kind), headers={"request-id": "req_1"}))
    with pytest.raises(cls, match=r"No such luck\.") as caught:
        way.ask(client)
    assert type(caught.value) is cls
    found = (caught.value.status_code, caught.value.type, caught.value.request_id, caught.value.provider)
    assert found == (status, kind, "req_1", "AKI.IO")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("kind", "cls"), [(kind, cls) for kind, _, cls in _KINDS])
@in_every_way
def test_each_type_of_error_inside_an_answer(way: Way, kind: str, cls: type[APIStatusError]) -> None:
    said = written([start(), say("Hel"), error(kind)]) if way.streamed else error(kind)
    with pytest.raises(cls, match=r"No such luck\.") as caught:
        way.ask(hearing(said))
    assert (type(caught.value), caught.value.request_id) == (cls, "req_1")


@pytest.mark.parametrize(
    "data", ['{"type": "error", "error": {}}', '{"type": "error"}', "overloaded", '{"message": "overloaded"}', "[1]"]
)
@in_every_stream
def test_an_error_event_is_an_error_whatever_it_holds(data: str, stream_way: Way) -> None:
    said = written([start(), say("Hel")]) + f"event: error\ndata: {data}\n\n".encode()
    with pytest.raises(AKIError) as caught:
        stream_way.ask(hearing(said))
    assert isinstance(caught.value, APIStatusError | InvalidResponseError)


@pytest.mark.usefixtures("clock")
@in_every_way
def test_an_overloaded_service_is_asked_again_before_it_has_said_anything(way: Way, clock: Clock) -> None:
    answers = [
        httpx.Response(529, json=error("overloaded_error")),
        httpx.Response(200, headers=STREAM, content=written([error("overloaded_error")])),
        httpx.Response(200, json=message(text("Hello"))),
    ]
    if not way.streamed:
        answers.pop(1)
    assert way.ask(answering(lambda _: answers.pop(0))).text == "Hello"
    assert (answers, len(clock.pauses)) == ([], 2 if way.streamed else 1)


@pytest.mark.parametrize(
    "words",
    [
        "prompt is too long: 250000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
    ],
)
@in_every_way
def test_a_context_that_is_too_small_is_said_so(way: Way, words: str) -> None:
    with pytest.raises(ContextOverflowError):
        way.ask(answering(lambda _: httpx.Response(400, json=error("invalid_request_error", words))))


@in_every_way
def test_another_model_s_answer_is_not_given_out(way: Way) -> None:
    other = "minimax-m2.5-230b"
    said = written([start(model=other), say("Hello"), close(), END]) if way.streamed else message(model=other)
    with pytest.raises(ModelFallbackError) as caught:
        way.ask(hearing(said))
    assert (caught.value.requested, caught.value.served) == (MODEL, other)


@in_every_way
def test_a_key_that_the_service_says_again_is_in_no_error(way: Way) -> None:
    for said in (error("authentication_error", f"bad key {KEY}"), {"type": KEY}, {"type": "message", "content": KEY}):
        with pytest.raises(AKIError) as caught:
            way.ask(
                hearing(
                    written([said, {"type": "content_block_start", "content_block": KEY}]) if way.streamed else said
                )
            )
        shown = (repr(caught.value), str(caught.value), repr(vars(caught.value)), repr(pickle.dumps(caught.value)))
        assert not any(KEY in each for each in shown)


NO_WORKER = Provider(
    name="mine",
    routes=(Route(protocol="anthropic", base_url="http://localhost:1", empty_is_failure=True),),
)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("reason", "fails"), [("end_turn", True), ("max_tokens", True), ("refusal", False)])
@in_every_way
def test_an_empty_answer_is_a_failed_worker_where_the_route_says_so(way: Way, reason: str, fails: bool) -> None:
    usage = {"input_tokens": 5, "output_tokens": 0}
    events = [start(usage=usage), {**close(reason), "usage": usage}, END]
    client = hearing(written(events) if way.streamed else message(stop=reason, usage=usage), provider=NO_WORKER)
    if fails:
        with pytest.raises(ServerError, match="failed worker"):
            way.ask(client)
    else:
        assert way.ask(client).refusal
