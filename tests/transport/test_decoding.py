"""Whatever arrives, in whatever pieces, gives the same answer as the whole, or an error of ours."""

import json
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from itertools import chain, pairwise
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aki_transport import AKIError, ModelLimitWarning, ServerError, StreamInterruptedError
from aki_transport.messages import ChatDelta, ChatReply, RawBlock, Text, ToolCall
from aki_transport.transport.body import payloads
from aki_transport.transport.decoder import Payload
from aki_transport.wire import openai
from aki_transport.wire._text_filters import ThinkSplitter
from tests.scenarios import SCENARIOS, chunk, reply
from tests.script_server import Answer
from tests.transport.asking import MODEL, added_up, request_for

# Empty answers that reached max_tokens are among those that are drawn.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelLimitWarning")

more = settings(max_examples=40, deadline=None)

# What JSON can hold in the place of anything, and what only the parsers of the world take for JSON.
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -1, 0, float("nan"), float("inf"), -float("inf"), 1e308, "", "²", "0", "stop", "null"]),
    st.floats(),
    st.text(max_size=8),
)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


def decode(events: list[Payload]) -> list[ChatDelta]:
    decoder = openai.decoder(request_for(), {}, on_model=lambda _: None, empty_is_failure=False)
    deltas = [delta for event in events if (delta := decoder.feed(event)) is not None]
    return [*deltas, decoder.end()]


def read(body: Any) -> ChatReply:
    return added_up(decode([Payload("body", json.dumps(body).encode())]))


def stream(*chunks: Any, done: bool = True) -> ChatReply:
    events = [Payload("message", json.dumps(said)) for said in chunks]
    return added_up(decode([*events, Payload("message", "[DONE]")] if done else events))


def ours_or_a_reply(ask: Callable[[], ChatReply]) -> None:
    with suppress(AKIError):
        check(ask())


def check(answer: ChatReply) -> None:
    """A reply whose fields are what their types say, and can be shown, compared and written."""
    for name in ("text", "reasoning", "refusal", "model"):
        assert isinstance(getattr(answer, name), str), name
    for name in ("id", "finish_reason", "stop_reason", "request_id", "system_fingerprint"):
        assert isinstance(getattr(answer, name), str | None), name
    for call in answer.tool_calls:
        assert all(isinstance(part, str) for part in (call.id, call.name, call.arguments))
    if answer.usage is not None:
        for name in answer.usage.__dataclass_fields__.keys() - {"extra"}:
            assert type(getattr(answer.usage, name)) in (int, type(None)), name
    assert isinstance(answer.raw, dict)
    repr(answer)
    json.dumps(answer.raw)


def placed(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The same body with this value at this place."""
    if not path:
        return value
    first, *rest = path
    if isinstance(body, list):
        return [placed(part, tuple(rest), value) if at == first else part for at, part in enumerate(body)]
    fields = body if isinstance(body, dict) else {}
    return {**fields, first: placed(fields.get(first), tuple(rest), value)}


@contextmanager
def located(path: tuple[Any, ...]) -> Iterator[None]:
    """Say in which place it was that something failed."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in the place {'.'.join(map(str, path)) or 'of all'}")
        raise


@more
@given(st.one_of(st.text(), st.binary()), st.sampled_from(["message", "error", "body", "ping"]))
@example("[" * 100_000, "body")
@example('{"a":' * 100_000, "message")
@example('{"choices": [], "choices": 1}', "body")
@example('{"created": ' + "9" * 10_000 + "}", "body")
@example('{"error": {"code": ' + "9" * 10_000 + "}}", "body")
@example('{"error": ' + "[" * 150 + "]" * 150 + "}", "body")
def test_any_bytes_as_an_event(data, event):
    ours_or_a_reply(lambda: added_up(decode([Payload(event, data), Payload("message", "[DONE]")])))


LAST = chunk(finish="stop", top={"usage": {"prompt_tokens": 1, "completion_tokens": 2}})


@pytest.mark.parametrize("depth", [100, 1_000, 100_000])
def test_deep_arguments_are_kept_as_they_are(depth):
    deep = '{"a":' * depth + "1" + "}" * depth
    pieces = [
        chunk(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "add", "arguments": deep}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": deep}}]),
    ]
    ours_or_a_reply(lambda: stream(*pieces, LAST))
    huge = '{"a": ' + "9" * 5_000 + "}"
    piece = chunk(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "add", "arguments": huge}}])
    assert stream(piece, LAST).tool_calls == (ToolCall("call_1", "add", huge),)


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, body: bytes, cuts: list[int]) -> None:
        edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
        self._pieces = [body[start:end] for start, end in pairwise(edges)]

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


cuts = st.lists(st.integers(0, 10**6), max_size=30)


@settings(max_examples=8, deadline=None)
@given(cut=cuts)
def test_any_split_of_a_row_s_bytes_gives_the_same_reply(cut):
    for row in SCENARIOS:
        if row.stream is not None:
            with located((row.name,)):
                assert outcome(row.stream, cut) == outcome_at_once(row.name)


@cache
def outcome_at_once(name: str) -> Any:
    (stream,) = (row.stream for row in SCENARIOS if row.name == name)
    assert stream is not None
    return outcome(stream, [])


def outcome(stream: Answer, cut: list[int]) -> Any:
    headers = {"content-type": stream.headers.get("content-type", "")}
    response = httpx.Response(200, headers=headers, stream=Pieces(b"".join(stream.chunks), cut))
    try:
        answer = added_up(decode(list(chain.from_iterable(payloads(response, stream=True)))))
    except AKIError as error:
        return str(error)
    made_up = {call.id for call in answer.tool_calls if call.id.startswith("call_") and len(call.id) > 20}
    calls = [(None if call.id in made_up else call.id, call.name, call.arguments) for call in answer.tool_calls]
    return answer.text, answer.reasoning, answer.refusal, calls, answer.usage, answer.finish_reason, answer.model


parts = st.text(st.sampled_from("ab<>/think \n"), max_size=12)


@more
@given(
    st.one_of(
        st.text(st.sampled_from("<>/think ab\n"), max_size=40),
        st.builds("{}<think>{}</think>{}".format, st.sampled_from(["", " ", "\n", "x"]), parts, parts),
        st.builds("<think>{}".format, parts),
    ),
    cuts,
)
def test_any_split_of_text_gives_the_same_reasoning(text, cut):
    def split(pieces: list[str]) -> tuple[str, str]:
        splitter = ThinkSplitter({}, may_be_unopened=False)
        given_out = [splitter.feed(piece) for piece in pieces] + [splitter.flush()]
        return "".join(answer for answer, _ in given_out), "".join(thought for _, thought in given_out)

    edges = [0, *sorted(at % (len(text) + 1) for at in cut), len(text)]
    assert split([text[a:b] for a, b in pairwise(edges)]) == split([text])


arguments = st.dictionaries(st.text(max_size=4), st.one_of(st.integers(), st.text(max_size=6)), max_size=3).map(
    lambda value: json.dumps(value, ensure_ascii=False)
)


@more
@given(
    text=st.text(max_size=30),
    thought=st.text(max_size=10),
    names=st.lists(st.tuples(st.sampled_from(["add", "get"]), arguments), max_size=3),
    finish=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    size=st.integers(1, 10),
)
def test_a_stream_adds_up_to_the_blocking_reply(text, thought, names, finish, size):
    calls = [
        {"index": n, "id": f"id{n}", "type": "function", "function": {"name": name, "arguments": said}}
        for n, (name, said) in enumerate(names)
    ]
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    message = {"reasoning_content": thought, **({"tool_calls": calls} if calls else {})}
    blocking = read(reply(text, finish=finish, top={"usage": usage}, **message))
    cut = lambda whole: [whole[at : at + size] for at in range(0, len(whole), size)]  # noqa: E731  local and short
    pieces: list[Any] = [chunk("", role="assistant")]
    pieces += [chunk(reasoning_content=piece) for piece in cut(thought)]
    pieces += [chunk(piece) for piece in cut(text)]
    for call in calls:
        said = call["function"]["arguments"]
        pieces.append(chunk(tool_calls=[{**call, "function": {**call["function"], "arguments": ""}}]))
        pieces += [chunk(tool_calls=[{"index": call["index"], "function": {"arguments": p}}]) for p in cut(said)]
    pieces += [chunk(finish=finish), chunk(top={"choices": [], "usage": usage})]
    streamed = stream(*pieces)
    for name in ("text", "reasoning", "refusal", "tool_calls", "finish_reason", "stop_reason", "usage", "model", "id"):
        assert getattr(streamed, name) == getattr(blocking, name), name


def test_sources_reasoning_and_fields_of_an_answer():
    sources = [{"title": "Rome", "url": "https://example.org/rome"}]
    content = ["Old", {"type": "image_url", "image_url": {"url": "data:,"}}]
    top = {"search_results": sources, "citations": ["https://example.org/rome"]}
    answer = read(reply(content, reasoning_content="Hm", top=top))
    assert (answer.annotations, answer.reasoning, answer.text) == (tuple(sources), "Hm", "Old")
    assert (answer.details, answer.extra) == ({"created": 1767225600, **top}, {})
    for part in ({"text": "Old"}, {"text": {"value": "Old"}}, {}):
        assert read(reply([{"type": "text", "index": 0, **part}])).content == ()
    assert read(reply(top={"citations": top["citations"]})).annotations == tuple(top["citations"])


def test_a_part_without_a_type_has_none_and_one_with_a_number_has_a_text():
    for part, kept in (({"x": 1}, {"x": 1}), ({"type": 7, "x": 1}, {"type": "7", "x": 1})):
        assert read(reply(["Old", part])).content == (Text("Old"), RawBlock(kept, "openai"))


def test_what_is_read_is_not_kept_a_second_time():
    function = {"name": "add", "arguments": "{}"}
    thought = {"reasoning_content": "Hm", "reasoning": "Hm"}
    body = reply(
        "Old", refusal="No.", tool_calls=[{"id": "a", "function": function}], function_call=function, **thought
    )
    body["choices"][0]["logprobs"] = {"content": []}
    answer = read({**body, "system_fingerprint": "fp"})
    assert (answer.extra, answer.details) == ({}, {"created": 1767225600})
    summary = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]}  # Databricks
    assert read(reply([summary, {"type": "text", "text": "Old"}])).reasoning == "Hm"


def test_an_answer_without_text_at_a_bound_of_the_service_warns():
    with pytest.warns(ModelLimitWarning, match="for max_tokens was reached"):
        read(reply("", finish="length"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ModelLimitWarning)
        for other in ({"images": [{"type": "image_url"}]}, {"audio": {"id": "a"}}):
            read(reply(None, finish="length", **other))


# Anthropic, Bedrock, Cohere, Gemini, Mistral, TGI, Zhipu; and answers that failed, as "error" does.
ENDS = {
    "stop": "STOP eos eos_token end_turn stop_sequence pause_turn completed complete",
    "length": "LENGTH MAX_TOKENS max_output_tokens model_length model_context_window_exceeded ERROR_LIMIT",
    "tool_calls": "TOOL_CALLS TOOL_CALL tool_use function_call",
    "content_filter": "CONTENT_FILTER content_filtered guardrail_intervened refusal SAFETY PROHIBITED_CONTENT BLOCKLIST"
    " RECITATION sensitive SPII IMAGE_SAFETY moderation blocked ERROR_TOXIC",
    "error": "error insufficient_system_resource abort aborted network_error failed timeout cancelled canceled"
    " MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL",
}


@pytest.mark.parametrize(("name", "words"), ENDS.items())
def test_each_service_s_word_for_an_end_is_openai_s_or_a_failure(name, words):
    for word in words.split():
        with pytest.raises(ServerError, match=word) if name == "error" else nullcontext():
            assert read(reply("Hello", finish=word)).finish_reason == name


def test_forms_of_other_servers():
    older = {"function_call": {"name": "add", "arguments": '{"a": 1}'}}
    again = {"function_call": {"name": "add", "arguments": ""}}
    for answer in (stream(chunk(**older), chunk(**again), chunk(finish="function_call")), read(reply("", **older))):
        assert [(call.name, call.arguments) for call in answer.tool_calls] == [("add", '{"a": 1}')]
    custom = {"id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    assert read(reply("", tool_calls=[custom])).tool_calls == (ToolCall("a", "sql", "SELECT 1", {"type": "custom"}),)
    with pytest.raises(StreamInterruptedError):  # a message instead of a delta is not all of the answer
        stream(chunk(top={"choices": [{"index": 0, "message": {"content": "Hel"}}]}), done=False)


def test_raw_of_a_stream_is_completed():
    answer = stream(chunk("Hello"), chunk(finish="stop"), chunk(top={"choices": [], "usage": {"prompt_tokens": 1}}))
    assert answer.raw["model"] == MODEL
    assert answer.raw["usage"] == {"prompt_tokens": 1}
    assert answer.raw["choices"][0]["finish_reason"] == "stop"
