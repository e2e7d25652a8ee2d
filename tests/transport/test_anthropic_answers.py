"""Whatever a service says in Anthropic's protocol is the same answer whole and streamed, or an error of ours."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aki_transport import errors
from aki_transport.error_parsing import error_from_response
from aki_transport.messages import ChatDelta, ChatReply, RawBlock, ReasoningBlock, Tool, ToolCall, Usage
from aki_transport.transport import Payload
from aki_transport.wire import anthropic
from tests.growth import grows_with_its_size
from tests.transport.anthropic_says import (
    END,
    PING,
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
from tests.transport.asking import MODEL, added_up, in_every_chat, in_every_stream, in_every_way, request_for

# Empty answers that reached max_tokens are among those that are drawn.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelLimitWarning")

more = settings(max_examples=20, deadline=None)

SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
PARIS = {"city": "Paris"}
CALL = tool_use("toolu_1", "get_weather", {})
CALLED = ToolCall("toolu_1", "get_weather", '{"city": "Paris"}')


def decode(*payloads: Payload, **options: Any) -> list[ChatDelta]:
    decoder = anthropic.decoder(request_for(), {}, on_model=lambda _: None, **options)
    deltas = [delta for payload in payloads if (delta := decoder.feed(payload)) is not None]
    return [*deltas, decoder.end()]


def read(body: Any) -> ChatReply:
    return added_up(decode(Payload("body", json.dumps(body).encode())))


def events_of(*events: Any) -> list[Payload]:
    return [Payload("message", json.dumps(event)) for event in events]


def follow(*events: Any) -> ChatReply:
    return added_up(decode(*events_of(*events)))


def test_a_block_of_another_form_is_one_part_whether_it_is_ended_or_not():
    changed = begin(1, text("Hello")), say("", 1), stop(1)
    for ends in ((), (stop(),)):
        events = [begin(0, SEARCH), grow(0, "sparkle", note="!"), *ends, *changed, close()]
        parts = follow(start(), *events, END).parts
        assert [part.fields for part in parts if isinstance(part, RawBlock)] == [{**SEARCH, "note": "!"}]
    cited = decode(*events_of(start(), begin(0, {**text("Hi"), "citations": []}), close()))
    assert [delta.parts for delta in cited[:-1]] == [()]


def pieces(*arguments: str, index: Any = 0) -> tuple[dict[str, Any], ...]:
    return tuple(grow(index, "input_json", partial_json=piece) for piece in arguments)


HELLO = {"text": "Hello"}
ONE_CALL = {"tool_calls": (CALLED,)}
WITH_INPUT = begin(0, {**CALL, "input": PARIS})
HARMONY = "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>Hello"
# Events between the beginning and the end of a stream, and what the reply has of them.
# fmt: off
ODDITIES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "text": ([begin(0, text("")), say("Hel"), PING, say("lo"), stop()], HELLO),
    "text that comes with its block": ([begin(0, text("Hel")), say("lo"), stop()], HELLO),
    "text without a block": ([say("Hel"), say("lo")], HELLO),
    "thoughts without a block": (
        [grow(0, "thinking", thinking="Hm"), grow(0, "signature", signature="c2ln"), say("Hello", 1)],
        {**HELLO, "reasoning": "Hm", "reasoning_blocks": (ReasoningBlock(text="Hm", signature="c2ln"),)},
    ),
    "a signature of a text": (
        [begin(0, {**text("Hello"), "signature": "c2ln"}), stop()],
        {**HELLO, "parts": (), "reasoning_blocks": (ReasoningBlock(signature="c2ln"),)},
    ),
    "arguments in a text": ([begin(0, text("Hello")), grow(0, "input_json", partial_json=PARIS), stop()], HELLO),
    "text that is all of a delta": (
        [begin(0, text("")), {**say(""), "delta": "Hel"}, {**say(""), "delta": {"text": "lo"}}], HELLO
    ),
    "thoughts in other fields": ([
        begin(0, thinking("")), grow(0, "thinking", text="H"), grow(0, "reasoning", reasoning="m"),
        begin(1, text("Hello")),
    ], {**HELLO, "reasoning": "Hm"}),
    "text without any index": ([begin(None, text("")), say("Hel", None), say("lo", None)], HELLO),
    "text blocks without an end": ([begin(0, text("Hel")), begin(1, text("lo"))], HELLO),
    "two blocks of one index": ([begin(0, text("")), say("Hel"), stop(), begin(0, text("")), say("lo")], HELLO),
    "unknown events, blocks and deltas": ([
        {"type": "content_block_new"},
        begin(0, {"type": "web_search_tool_result", "content": [{"url": "https://a.example"}]}),
        grow(0, "citations", citation={}), stop(), begin(1, text("")),
        grow(1, "sparkle", text="no"), say("Hello", 1), stop(1),
    ], HELLO),
    "a tool that the service itself calls": (
        [begin(0, SEARCH), *pieces('{"query": "Paris"}'), stop(), begin(1, text("Hello")), stop(1)], HELLO
    ),
    "arguments in pieces": ([begin(0, CALL), *pieces("", '{"city"', ': "Paris"}'), stop()], ONE_CALL),
    "arguments at the start": ([WITH_INPUT, stop()], ONE_CALL),
    "arguments at the start of a block without end": ([WITH_INPUT], ONE_CALL),
    "arguments at the start and in pieces": ([WITH_INPUT, *pieces('{"city": "Paris"}'), stop()], ONE_CALL),
    "arguments at the start and empty pieces": ([WITH_INPUT, *pieces("", ""), stop()], ONE_CALL),
    "arguments at the start and an empty object": ([WITH_INPUT, *pieces("", "{}"), stop()], ONE_CALL),
    "arguments as an object": ([begin(0, CALL), grow(0, "input_json", partial_json=PARIS), stop()], ONE_CALL),
    "arguments at the start as text": ([begin(0, {**CALL, "input": '{"city": "Paris"}'}), stop()], ONE_CALL),
    "all arguments so far in each piece": (
        [begin(0, CALL), *pieces(*(json.dumps(PARIS)[:end] for end in (1, 5, 9, 12, 17))), stop()], ONE_CALL
    ),
    "no arguments": ([begin(0, CALL), *pieces(""), stop()], {"tool_calls": (replace(CALLED, arguments=""),)}),
    "interleaved calls": ([
        begin(0, text("")), begin(1, CALL), begin(2, {**CALL, "id": "toolu_2"}),
        *pieces('{"city":', index=2), say("Hello"), *pieces('{"city": ', index=1),
        *pieces(' "Rome"}', index=2), *pieces('"Paris"}', index=1), stop(2), stop(0), stop(1),
    ], {**HELLO, "tool_calls": (CALLED, ToolCall("toolu_2", "get_weather", '{"city": "Rome"}'))}),
    "interleaved calls whose indices are text": ([
        begin("0", CALL), begin("1", {**CALL, "id": "toolu_2"}), *pieces('{"city":', index="0"),
        *pieces('{"city": ', index="1"), *pieces(' "Paris"}', index="0"), *pieces('"Rome"}', index="1"),
    ], {"tool_calls": (CALLED, ToolCall("toolu_2", "get_weather", '{"city": "Rome"}'))}),
    # sub2api (Wei-Shaw/sub2api#4193)
    "arguments under an index that no block has": ([
        begin(0, CALL), stop(), begin(1, {**CALL, "id": "toolu_2"}), *pieces('{"city": "Paris"}'), stop(1),
        *pieces('{"city": "Rome"}', index=2), stop(2),
    ], {"tool_calls": (CALLED, ToolCall("toolu_2", "get_weather", '{"city": "Rome"}'))}),
    "arguments under the index of the text before": ([
        begin(0, text("Hello")), begin(1, CALL), *pieces('{"city":', ' "Paris"}'), stop(), stop(1),
    ], {**HELLO, "tool_calls": (CALLED,)}),
    "calls under one index": ([
        begin(0, CALL), *pieces('{"city": "Paris"}'), stop(),
        begin(0, {**CALL, "id": "toolu_2"}), *pieces("{}"), stop(),
    ], {"tool_calls": (CALLED, ToolCall("toolu_2", "get_weather", "{}"))}),
    "thinking, signed and redacted": ([
        begin(0, thinking("")), grow(0, "thinking", thinking="H"), grow(0, "thinking", thinking="m."),
        grow(0, "signature", signature="c2"), grow(0, "signature", signature="ln"), stop(),
        begin(1, {"type": "redacted_thinking", "data": "ZGF0YQ=="}), stop(1),
        begin(2, thinking("Yes.", "b2s=")), stop(2), begin(3, thinking("unsigned")), stop(3),
        begin(4, text("Hello")), stop(4),
    ], {
        **HELLO,
        "reasoning": "Hm.Yes.unsigned",
        "reasoning_blocks": (
            ReasoningBlock(text="Hm.", signature="c2ln"),
            ReasoningBlock(data="ZGF0YQ=="),
            ReasoningBlock(text="Yes.", signature="b2s="),
        ),
    }),
    "reasoning within the text": (
        [begin(0, text("")), say("<thi"), say("nk>Hm</th"), say("ink>\n\nHello"), stop()],
        {**HELLO, "reasoning": "Hm"},
    ),
    "marks of the harmony format": (
        [begin(0, text("")), *map(say, HARMONY), stop()],
        {**HELLO, "reasoning": "Hm"},
    ),
    "an object around each event": (
        [{"code": 0, "data": event} for event in (begin(0, text("")), say("Hel"), say("lo"), stop())], HELLO
    ),
    "an empty answer": ([begin(0, text("")), stop()], {}),
    "no block at all": ([], {}),
}
# fmt: on
_REASONS = {
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "something_new": "something_new",
    None: None,
}


@pytest.mark.parametrize("row", ODDITIES)
def test_each_oddity_of_a_stream_is_read(row):
    events, fields = ODDITIES[row]
    reply = follow(*streamed(*events))
    expected = {"text": "", "reasoning": "", "tool_calls": (), "reasoning_blocks": (), **fields}
    assert {name: getattr(reply, name) for name in expected} == expected
    assert reply.usage == Usage(input_tokens=5, output_tokens=3, total_tokens=8)
    assert (reply.model, reply.id) == (MODEL, "msg_1")


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
def test_a_streamed_answer_is_the_blocking_one(both):
    body, events = both
    assert replace(follow(*events), raw={}) == replace(read(body), raw={})  # the last payload is another


@in_every_stream
def test_pieces_are_given_out_as_they_come(stream_way):
    events = streamed(
        begin(0, text("")), say("Hel"), say("lo"), stop(), begin(1, CALL), *pieces('{"a":', "1}", index=1)
    )
    deltas = stream_way.deltas(hearing(written(events)))
    assert [delta.text for delta in deltas if delta.text] == ["Hel", "lo"]
    assert [call.arguments for delta in deltas for call in delta.tool_calls] == ["", '{"a":', "1}"]


@pytest.mark.parametrize(("reason", "finish"), _REASONS.items())
def test_each_reason_to_end_in_openai_s_word_and_the_protocol_s(reason, finish):
    for reply in (follow(*streamed(say("Hello"), reason=reason)), read(message(text("Hello"), stop=reason))):
        assert (reply.finish_reason, reply.stop_reason) == (finish, reason)
        assert bool(reply.refusal) == (reason == "refusal")
        assert (reply.raw["model"], reply.raw["usage"]["prompt_tokens"]) == (MODEL, 5)
        assert reply.raw["choices"] == [{"index": 0, "finish_reason": finish}]


def test_the_model_that_answered_is_told():
    for answer in (
        follow(start(model="other"), say("Hello"), close(), END),
        read(message(text("Hello"), model="other")),
    ):
        assert answer.model == "other"


@in_every_way
def test_the_stop_sequence_is_a_detail(way):
    ended = {"stop": "stop_sequence", "stop_sequence": "END"}
    events = [start(), say("Hello"), close("stop_sequence", stop_sequence="END"), END]
    reply = way.ask(hearing(written(events) if way.streamed else message(text("Hello"), **ended)))
    assert (reply.text, reply.details) == ("Hello", {"stop_sequence": "END"})


def test_a_call_without_an_id_gets_one():
    block = {"type": "tool_use", "name": "add", "input": {"a": 1}}
    for reply in (follow(*streamed(begin(0, block), stop(), begin(1, block))), read(message(block, block))):
        ids = {call.id for call in reply.tool_calls}
        assert len(ids - {""}) == 2


CACHED = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}


@pytest.mark.parametrize(
    ("opening", "closing", "usage"),
    [
        ({"input_tokens": 5, "output_tokens": 1}, {"output_tokens": 3}, (5, 3, 8, None, None)),
        *(
            (first, {"input_tokens": 5, "output_tokens": 3}, (5, 3, 8, None, None))
            for first in ({"input_tokens": 0}, None)
        ),
        ({"input_tokens": 5}, {"input_tokens": 0, "output_tokens": 3}, (5, 3, 8, None, None)),
        (CACHED, {"output_tokens": 3, "cache_read_input_tokens": None}, (125, 3, 128, 100, 20)),
        ({"input_tokens": 5}, {}, (5, 0, 5, None, None)),
        *(("5", [3], None), (None, 3, None)),
    ],
)
def test_usage_wherever_it_stands(opening, closing, usage):
    found = follow(start(usage=opening), say("Hello"), {**close(), "usage": closing}, END).usage
    names = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens", "cache_creation_tokens")
    assert (None if found is None else tuple(getattr(found, name) for name in names)) == usage


ALL = streamed(
    *(begin(0, text("")), say("Hello"), stop(), begin(1, thinking(""))),
    *(grow(1, "thinking", thinking="Hm"), grow(1, "signature", signature="c2ln"), stop(1)),
    *(begin(2, CALL), *pieces("{}", index=2), stop(2)),
)


def test_an_event_that_has_its_type_as_its_name_alone_is_read():
    events = streamed(begin(0, text("")), say("Hel"), say("lo"), stop(), reason="max_tokens")
    named = [(each["type"], {name: value for name, value in each.items() if name != "type"}) for each in events]
    reply = added_up(decode(*(Payload(name, json.dumps(fields)) for name, fields in named)))
    assert (reply.text, reply.finish_reason) == ("Hello", "length")


def test_an_object_around_every_event_is_none_of_it():
    events = streamed(begin(0, text("")), say("Hello"), stop())
    assert follow(*({"chunk": event} for event in events)).text == "Hello"


def test_the_end_may_have_what_stands_before_it():
    events = [start(), begin(0, text("Hello")), {**END, "stop_reason": "max_tokens", "usage": {"output_tokens": 3}}]
    reply = follow(*events)
    assert (reply.finish_reason, reply.usage) == ("length", Usage(input_tokens=5, output_tokens=3, total_tokens=8))


def test_a_later_end_takes_nothing_back():
    assert (
        follow(start(), begin(0, CALL), *pieces("{}"), close("tool_use"), close("end_turn"), END).finish_reason
        == "tool_calls"
    )


def test_arguments_without_a_call_are_no_answer():
    with pytest.raises(errors.InvalidResponseError, match="without its beginning"):
        follow(*streamed(*pieces("{}")))


@pytest.mark.parametrize(
    "body", [{}, {"type": "completion"}, message() | {"content": "Hello"}, message() | {"content": None}, message(7)]
)
@in_every_chat
def test_a_body_that_is_no_message(chat_way, body):
    with pytest.raises(errors.InvalidResponseError, match=r"AKI\.IO: .*(is no message|has no content|content block)"):
        chat_way.ask(hearing(body))


def test_the_work_of_reading_blocks_grows_with_their_number():
    def read_many(count: int) -> None:
        reply = read(message(*(tool_use(f"toolu_{n}", "add", {"a": n}) for n in range(count))))
        assert len(reply.tool_calls) == count

    grows_with_its_size(read_many, 1_000)


@in_every_stream
def test_a_stream_is_complete_once_it_says_why_it_ended_and_nothing_is_read_behind_its_end(stream_way):
    behind = [*streamed(say("Hello")), say(" again"), {"type": "error", "error": {"message": "no"}}]
    # A whole message at the end: songquanpeng/one-api#2406
    repeated = [start(), begin(0, text("")), say("Hello"), stop(), message(text("Hello"))]
    for events in (ALL[:-1], behind, repeated):
        assert stream_way.ask(hearing(written(events))).text == "Hello"


_KINDS = [
    ("invalid_request_error", 400, errors.BadRequestError),
    ("authentication_error", 401, errors.AuthenticationError),
    ("billing_error", 402, errors.InsufficientCreditsError),
    ("permission_error", 403, errors.PermissionDeniedError),
    ("not_found_error", 404, errors.NotFoundError),
    ("request_too_large", 413, errors.ContextOverflowError),
    ("rate_limit_error", 429, errors.RateLimitError),
    ("api_error", 500, errors.ServerError),
    ("overloaded_error", 529, errors.ServiceUnavailableError),
]


def error(kind: str, words: str = "No such luck.") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}


@pytest.mark.parametrize(("kind", "status", "cls"), _KINDS)
def test_each_type_of_error_as_a_status_and_inside_an_answer(kind, status, cls):
    def as_a_status() -> None:
        body = json.dumps({**error(kind), "request_id": 1}).encode()
        raise error_from_response(status, {"request-id": "req_1"}, body)

    for fails in (as_a_status, lambda: read(error(kind)), lambda: follow(start(), say("Hel"), error(kind))):
        with pytest.raises(cls, match=r"No such luck\.") as caught:
            fails()
        assert (type(caught.value), caught.value.request_id, caught.value.type) == (cls, "req_1", kind)


@pytest.mark.parametrize(
    "data", ['{"type": "error", "error": {}}', '{"type": "error"}', "overloaded", '{"message": "overloaded"}', "[1]"]
)
@in_every_stream
def test_an_error_event_is_an_error_whatever_it_holds(data, stream_way):
    with pytest.raises((errors.APIStatusError, errors.InvalidResponseError)):
        stream_way.ask(hearing(written([start(), say("Hel")]) + f"event: error\ndata: {data}\n\n".encode()))


@pytest.mark.parametrize(
    ("told", "cls"),
    [
        ({"code": "InvalidApiKey", "message": "No such luck."}, errors.AuthenticationError),
        ({"detail": "No such luck."}, errors.APIStatusError),
        ({"code": 429, "message": "No such luck."}, errors.RateLimitError),
        ({"object": "error", "message": "No such luck.", "type": "BadRequestError"}, errors.BadRequestError),
    ],
)
def test_a_failure_in_another_form_keeps_its_words(told, cls):
    for fails in (lambda: read(told), lambda: follow(told), lambda: follow(start(), say("Hel"), told)):
        with pytest.raises(cls, match=r"No such luck\.") as caught:
            fails()
        assert type(caught.value) is cls


def test_content_at_the_beginning_is_the_answer_if_no_other_comes():
    whole = start(content=[text("Hello"), tool_use("toolu_1", "get_weather", PARIS)])
    reply = follow(whole, close(), END)
    assert (reply.text, reply.tool_calls) == ("Hello", (CALLED,))
    assert follow(whole, begin(0, text("")), say("Bye"), close(), END).text == "Bye"


def test_an_object_around_a_message_is_none_of_it():
    assert read({"code": 200, "msg": "ok", "data": message(text("Hello"))}).text == "Hello"


def test_a_call_in_the_harmony_format_is_one_if_its_tool_was_offered():
    said = '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Paris"}<|call|>'
    tool = Tool(name="get_weather", description="", parameters={"type": "object"})
    for tools in ((tool,), ()):
        decoder = anthropic.decoder(request_for(tools=tools), {}, on_model=lambda _: None)
        deltas = [decoder.feed(each) for each in events_of(*streamed(begin(0, text("")), *map(say, said), stop()))]
        reply = added_up([*filter(None, deltas), decoder.end()])
        assert [(call.name, call.arguments) for call in reply.tool_calls] == [(CALLED.name, CALLED.arguments)] * len(
            tools
        )
        assert reply.text == ("" if tools else said.removesuffix("<|call|>"))


@pytest.mark.parametrize(("reason", "fails"), [("end_turn", True), ("max_tokens", True), ("refusal", False)])
def test_an_empty_answer_is_a_failed_worker_where_the_route_says_so(reason, fails):
    usage = {"input_tokens": 5, "output_tokens": 0}
    told = (
        events_of(start(usage=usage), {**close(reason), "usage": usage}, END),
        [Payload("body", json.dumps(message(stop=reason, usage=usage)).encode())],
    )
    for payloads in told:
        if fails:
            with pytest.raises(errors.ServerError, match="failed worker") as caught:
                decode(*payloads, empty_is_failure=True)
            assert caught.value.status_code == 500
        else:
            assert added_up(decode(*payloads, empty_is_failure=True)).refusal
