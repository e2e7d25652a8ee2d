"""No server can make us hold more than a bound; the fault matrix has what is past it."""

import gzip
import zlib
from dataclasses import replace

import httpx
import pytest

from aki_transport import AKIError, InvalidResponseError
from aki_transport.transport import body
from aki_transport.transport import sse as sse_module
from aki_transport.transport.decoder import Payload
from aki_transport.transport.sse import EventDecoder
from aki_transport.wire._tool_calls import ToolCallReader
from tests.growth import grows_with_its_size
from tests.scenarios import replied, streamed
from tests.transport.asking import client_for, in_every_stream, in_every_way
from tests.transport.test_decoding import Pieces

MB = 2**20


@in_every_way
def test_a_body_is_taken_within_the_bound_alone(way, server, monkeypatch):
    monkeypatch.setattr(sse_module, "MAX_EVENT", MB)
    monkeypatch.setattr(body, "MAX_BODY", MB)
    server.say(replied("x" * (MB - 1000)), replied("x" * (MB + 1)))
    assert len(way.ask(client_for(server)).text) == MB - 1000
    with pytest.raises(InvalidResponseError, match="larger than 1 MB"):
        way.ask(client_for(server))


@in_every_stream
def test_events_within_the_bound_may_be_more_in_all(stream_way, server, monkeypatch):
    monkeypatch.setattr(sse_module, "MAX_EVENT", MB)
    monkeypatch.setattr(body, "MAX_BODY", 4 * MB)
    server.say(streamed(*["x" * (MB // 2)] * 6), streamed(*["x" * (MB // 2)] * 8))
    assert len(stream_way.ask(client_for(server)).text) == 3 * MB
    with pytest.raises(InvalidResponseError, match="larger than 4 MB"):
        stream_way.ask(client_for(server))


def test_the_work_of_reading_an_event_grows_with_its_size():
    def in_pieces(count: int) -> None:
        events = EventDecoder()
        for piece in (b"data: ", *[b"x" * 100] * count, b"\n\n"):
            events.feed(piece)

    grows_with_its_size(in_pieces, 20_000)
    grows_with_its_size(lambda count: EventDecoder().feed(b"data: \n" * count + b"\n"), 20_000)


def test_the_work_of_reading_tool_arguments_grows_with_their_pieces():
    def read(count: int) -> None:
        reader = ToolCallReader({})
        reader.feed([{"index": 0, "id": "call_1", "function": {"name": "add", "arguments": ""}}])
        for _ in range(count):
            reader.feed([{"index": 0, "function": {"arguments": '{"a":{}'}}])
        reader.end()
        assert list(reader.calls())

    grows_with_its_size(read, 2_000)


@pytest.mark.parametrize("encoding", ["br", "zstd", "x-own", "gzip, gzip"])
@in_every_way
def test_an_encoding_that_was_not_asked_for_is_no_answer(way, encoding, server):
    server.say(replace(replied(), headers={"content-type": "application/json", "content-encoding": encoding}))
    try:
        assert way.ask(client_for(server, max_retries=0)).text == "Hello"
    except AKIError:
        assert encoding not in ("x-own", "gzip, gzip")


@pytest.mark.parametrize("behind", [bytes(8), b"\n", b"behind it"])
@in_every_way
def test_what_stands_behind_a_packed_answer_is_none_of_it(way, behind, server):
    """Servers add a tail, which other clients ignore: https://github.com/urllib3/urllib3/issues/75."""
    answer = streamed("Hel", "lo") if way.streamed else replied()
    packed = gzip.compress(b"".join(answer.chunks))
    headers = {**answer.headers, "content-encoding": "gzip"}
    for chunks in ((packed + behind,), (packed, *(bytes([byte]) for byte in behind))):
        server.say(replace(answer, headers=headers, chunks=chunks, chunked=True))
        assert way.ask(client_for(server)).text == "Hello"


@in_every_way
def test_a_packed_event_that_is_broken_is_no_padding(way, server):
    first, *rest = streamed("Hel", "lo").chunks
    broken = bytearray(gzip.compress(b"".join(rest)))
    broken[10] |= 6  # a kind of block that does not exist
    headers = {**streamed().headers, "content-encoding": "gzip"}
    server.say(replace(streamed(), headers=headers, chunks=(gzip.compress(first) + bytes(broken),)))
    with pytest.raises(AKIError, match="compression is broken"):
        way.ask(client_for(server, max_retries=0))


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP", "deflate", ""])
def test_a_body_is_one_payload_and_the_bounds_are_the_documented_ones(encoding):
    plain = b'{"a": 1}'
    packed = zlib.compress(plain) if encoding == "deflate" else gzip.compress(plain) if encoding else plain
    headers = {"content-type": "application/json", "content-encoding": encoding}
    response = httpx.Response(200, headers=headers, stream=Pieces(packed, [5]))
    assert list(body.payloads(response, stream=True)) == [(Payload("body", plain),)]
    assert (body.MAX_BODY, body.MAX_ERROR_BODY, sse_module.MAX_EVENT) == (64 * MB, MB, 16 * MB)
