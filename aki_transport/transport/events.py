"""Bytes of a response to payloads: whole bodies and server-sent events, each within a bound."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from typing import NamedTuple, cast

import httpx
from httpx_sse import EventSource

from aki_transport.errors import InvalidResponseError

MAX_BODY = 64 * 2**20
MAX_EVENT = 16 * 2**20
MAX_WORDS = 2**20
"""Bytes of an error's body that are read."""

_UNPACKED = 2**20  # bytes that are unpacked at a time
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_HEADER = 47  # zlib's word for: gzip or zlib, tell by the header
_SHOWN = 4096  # bytes that an error is made of; its message keeps fewer
_LOST = (httpx.TransportError, InvalidResponseError)

_new_decoder = codecs.getincrementaldecoder("utf-8-sig")
_SSE = {"content-type": "text/event-stream"}


class Payload(NamedTuple):
    """One message of the service: an event of a stream, or a whole body under the name `"body"`."""

    event: str
    data: str | bytes

    def __repr__(self) -> str:
        # Shown by tools that print the variables of a traceback; a service may have echoed the key in the data.
        return f"Payload({self.event!r}, {len(self.data)} long)"


def read_body(response: httpx.Response) -> Payload:
    """The whole body; `InvalidResponseError` past the bound."""
    return Payload("body", b"".join(_within(MAX_BODY, pieces_of(response))))


async def aread_body(response: httpx.Response) -> Payload:
    """`read_body`, async."""
    pieces, size = [], 0
    async for piece in apieces_of(response):
        size = _bounded(size + len(piece), MAX_BODY)
        pieces.append(piece)
    return Payload("body", b"".join(pieces))


def read_words(response: httpx.Response) -> Payload:
    """As much of an error's body as can be had and is worth reading."""
    pieces, size = [], 0
    with suppress(*_LOST):
        for piece in pieces_of(response):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_WORDS:
                break
    return Payload("body", b"".join(pieces)[:MAX_WORDS])


async def aread_words(response: httpx.Response) -> Payload:
    """`read_words`, async."""
    pieces, size = [], 0
    with suppress(*_LOST):
        async with aclosing(apieces_of(response)) as all_pieces:
            async for piece in all_pieces:
                pieces.append(piece)
                size += len(piece)
                if size > MAX_WORDS:
                    break
    return Payload("body", b"".join(pieces)[:MAX_WORDS])


def pieces_of(response: httpx.Response) -> Iterator[bytes]:
    """A body's bytes, unpacked in pieces of a bounded size whatever they were packed from."""
    if response.is_stream_consumed:
        yield response.content  # a client of the user's, or one that plays the service, has read it already
        return
    unpack = _unpacker(response)
    if unpack is None:
        yield from response.iter_raw()
        return
    for packed in response.iter_raw():
        yield from unpack(packed)


async def apieces_of(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """`pieces_of`, async."""
    if response.is_stream_consumed:
        yield response.content
        return
    unpack = _unpacker(response)
    async for packed in response.aiter_raw():
        if unpack is None:
            yield packed
        else:
            for piece in unpack(packed):
                yield piece


def _unpacker(response: httpx.Response) -> Callable[[bytes], Iterator[bytes]] | None:
    if response.headers.get("content-encoding", "").strip().lower() not in _PACKED:
        return None  # what else it may be was not asked for; if it is not text, reading it says so
    packer = zlib.decompressobj(wbits=_ANY_HEADER)

    def unpack(packed: bytes) -> Iterator[bytes]:
        nonlocal packer
        while packed:
            if packer.eof:
                packer = zlib.decompressobj(wbits=_ANY_HEADER)  # some pack each event by itself
            try:
                piece = packer.decompress(packed, _UNPACKED)
            except zlib.error as error:
                raise InvalidResponseError(f"the answer's compression is broken: {error}") from None
            packed = packer.unconsumed_tail or packer.unused_data
            if piece:
                yield piece

    return unpack


def payloads(response: httpx.Response) -> Iterator[Payload]:
    """The events of a stream; the whole body as one payload where the service answers a stream with plain JSON."""
    if not is_stream(response):
        yield read_body(response)
        return
    stream = _EventText(response)
    for event in EventSource(cast("httpx.Response", stream)).iter_sse():
        stream.pending = 0
        yield Payload(event.event, event.data)
    stream.check()


async def apayloads(response: httpx.Response) -> AsyncGenerator[Payload, None]:
    """`payloads`, async."""
    if not is_stream(response):
        yield await aread_body(response)
        return
    stream = _EventText(response)
    events = EventSource(cast("httpx.Response", stream)).aiter_sse()
    try:
        async for event in events:
            stream.pending = 0
            yield Payload(event.event, event.data)
    finally:
        await events.aclose()
    stream.check()


def is_stream(response: httpx.Response) -> bool:
    """Whether the body is to be read as events. A content type that says nothing of use is taken for a stream."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not (kind.endswith(("json", "html")))


class _EventText:
    """A response's text as the event parser needs it, in place of the response.

    Without a byte order mark, with a blank line at the end so that a last event without one is not lost, and counted
    from event to event so that no server can make us hold more than one event of the greatest size.
    """

    headers = _SSE

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._size = 0
        self._start = b""
        self._decode = _new_decoder(errors="replace").decode
        self.pending = 0

    def iter_text(self) -> Iterator[str]:
        """The text as it comes."""
        for piece in pieces_of(self._response):
            yield self._text(piece)
        yield self._decode(b"", True) + "\n\n"  # noqa: FBT003  that was all

    async def aiter_text(self) -> AsyncIterator[str]:
        """`iter_text`, async."""
        async for piece in apieces_of(self._response):
            yield self._text(piece)
        yield self._decode(b"", True) + "\n\n"  # noqa: FBT003

    def check(self) -> None:
        """Raise if what ended was no stream of events at all."""
        if self.pending == self._size > 0 and "event-stream" not in self._response.headers.get("content-type", ""):
            raise InvalidResponseError(f"the answer is no stream of events: {self._start.decode('utf-8', 'replace')!r}")

    def _text(self, piece: bytes) -> str:
        if len(self._start) < _SHOWN:
            self._start += piece[: _SHOWN - len(self._start)]
        self._size += len(piece)
        self.pending = _bounded(self.pending + len(piece), MAX_EVENT)
        return self._decode(piece)


def _within(limit: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size = _bounded(size + len(piece), limit)
        yield piece


def _bounded(size: int, limit: int) -> int:
    if size > limit:
        raise InvalidResponseError(f"the answer is larger than {limit // 2**20} MB; reading stopped there")
    return size
