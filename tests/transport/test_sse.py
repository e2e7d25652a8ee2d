"""Our decoder of event streams; httpx-sse, which reads a complete answer, is the witness."""

import asyncio
import codecs
from itertools import accumulate, chain

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aki_transport import InvalidResponseError
from aki_transport.transport import sse
from aki_transport.transport.body import apayloads, payloads
from aki_transport.transport.decoder import Payload
from tests.transport.test_decoding import Pieces, cuts

more = settings(max_examples=60, deadline=None)


def response_of(body: bytes, at: list[int]) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces(body, at))


def events(body: bytes, at: list[int]) -> list[Payload]:
    return list(chain.from_iterable(payloads(response_of(body, at), stream=True)))


def events_async(body: bytes, at: list[int]) -> list[Payload]:
    async def collect() -> list[Payload]:
        return [payload async for batch in apayloads(response_of(body, at), stream=True) for payload in batch]

    return asyncio.run(collect())


def events_by_the_witness(body: bytes) -> list[Payload]:
    """httpx-sse takes no byte order mark, and no end of the stream for that of an event."""
    complete = response_of(body.removeprefix(codecs.BOM_UTF8) + b"\n\n", [])
    return [Payload(event.event, event.data) for event in EventSource(complete).iter_sse() if event.data]


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=20)


plain = texts.map(lambda text: [f"data: {text}"])
NAMES = ("event: error", "event: error", "event:ping", "event: ", "event:  two", "id: 7", "id", "odd")
OTHERS = ("event: ping", "id: 8", "id: \0", "retry: 9", "data", "data: ", "\ufeffdata: late", "")
block = st.one_of(
    plain,
    plain,
    texts.map(lambda text: [f": {text}"]),
    texts.map(lambda text: [f"data:{text}"]),
    st.lists(texts.map("data: {}".format), min_size=2, max_size=3),
    st.tuples(st.sampled_from(NAMES), texts).map(lambda pair: [pair[0], f"data: {pair[1]}"]),
    st.sampled_from([[line] for line in OTHERS]),
)
blocks = st.lists(st.tuples(block, st.sampled_from(["\n", "\n", "\r\n", "\r"])), max_size=8)


@more
@given(blocks, cuts, st.booleans(), st.booleans(), st.booleans())
@example([(["id: 1", "data: a"], "\n"), ([": ping"], "\n")], [18], False, False, False)  # noqa: FBT003  drawn ones
@example([(["data: a"], "\n"), (["\ufeffdata: late"], "\n")], [9], False, False, False)  # noqa: FBT003
@example([(["data: a"], "\n"), (["data: b"], "\n")], [], False, True, False)  # noqa: FBT003
@example([(["data: a", "data: b"], "\r\n")], [8], False, False, False)  # noqa: FBT003
def test_any_split_of_mixed_events_gives_what_the_witness_reads(parts, cut, bom, unended, broken):
    body = codecs.BOM_UTF8 * bom
    for lines, newline in parts:
        body += "".join(line + newline for line in lines).encode() + newline.encode()
    if unended:
        body = body.rstrip(b"\r\n")
    if broken:
        body = body.replace(b"a", b"\xff\xc3")
    complete = events_by_the_witness(body)
    assert events(body, []) == complete
    assert events(body, cut) == complete
    assert events_async(body, cut) == complete


@given(blocks)
def test_events_that_come_one_by_one_are_what_the_witness_reads(parts):
    pieces = ["".join(line + newline for line in [*lines, ""]).encode() for lines, newline in parts]
    edges = list(accumulate(map(len, pieces)))
    body = b"".join(pieces)
    assert events(body, edges) == events_async(body, edges) == events_by_the_witness(body)


@more
@given(st.binary(max_size=60), cuts)
def test_any_bytes_cut_anywhere_are_read_as_the_witness_reads_them(noise, cut):
    body = b"data: " + noise + b"\n\ndata: a\n\n"
    assert events(body, cut) == events(body, []) == events_by_the_witness(body)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("read", [events, events_async])
def test_what_is_no_event_does_not_add_up_to_one_that_is_too_large(read):
    edges = list(accumulate([8, 9] * 50))
    assert read(b": ping\n\ndata: a\n\n" * 50, edges) == [Payload("message", "a")] * 50


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("body", [b"data: " + b"x" * 101, b"data: x\n" * 20, b": " + b"x" * 101, b"\xff" * 101])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_event_is_bounded_however_it_comes(body, size):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    with pytest.raises(InvalidResponseError, match="an event is larger"):
        list(map(sse.EventDecoder().feed, pieces))
