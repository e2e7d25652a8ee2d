"""Bytes of a response to payloads: whole bodies and server-sent events, each within a bound."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from io import BytesIO
from itertools import chain
from typing import cast

import httpx
from httpx_sse import EventSource, ServerSentEvent

from aki_transport.errors import InvalidResponseError
from aki_transport.transport.outgoing import Answer, AsyncAnswer, SyncAnswer
from aki_transport.transport.payload import Payload

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
_PLAIN = (b"data: ", b"event: ")
_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


def read_body(response: SyncAnswer) -> Payload:
    """The whole body; `InvalidResponseError` past the bound."""
    held = BytesIO()  # whose value is no copy, as pieces joined would be
    for piece in pieces_of(response):
        _bounded(held.tell() + len(piece), MAX_BODY)
        held.write(piece)
    return Payload("body", held.getvalue())


async def aread_body(response: AsyncAnswer) -> Payload:
    """`read_body`, async."""
    held = BytesIO()
    async for piece in apieces_of(response):
        _bounded(held.tell() + len(piece), MAX_BODY)
        held.write(piece)
    return Payload("body", held.getvalue())


def read_words(response: SyncAnswer) -> Payload:
    """As much of an error's body as can be had and is worth reading."""
    pieces, size = [], 0
    with suppress(*_LOST):
        for piece in pieces_of(response):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_WORDS:
                break
    return Payload("body", b"".join(pieces)[:MAX_WORDS])


async def aread_words(response: AsyncAnswer) -> Payload:
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


def pieces_of(response: SyncAnswer) -> Iterator[bytes]:
    """A body's bytes, unpacked in pieces of a bounded size whatever they were packed from."""
    if response.is_stream_consumed:
        return iter((response.content,))  # a client of the user's, or one that plays the service, has read it already
    unpack = _unpacker(response)
    return response.iter_raw() if unpack is None else chain.from_iterable(map(unpack, response.iter_raw()))


def apieces_of(response: AsyncAnswer) -> AsyncGenerator[bytes, None]:
    """`pieces_of`, async."""
    if response.is_stream_consumed:
        return _read_before(response.content)
    pieces = response.aiter_raw()
    if not isinstance(pieces, AsyncGenerator):  # httpx's is one, and says only that it may be iterated
        pieces = _generated(pieces)
    unpack = _unpacker(response)
    return pieces if unpack is None else _unpacked(pieces, unpack)


async def _read_before(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


async def _generated(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for piece in pieces:
        yield piece


async def _unpacked(
    packed: AsyncGenerator[bytes, None], unpack: Callable[[bytes], Iterator[bytes]]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(packed):
        async for piece in packed:
            for unpacked in unpack(piece):
                yield unpacked


def _unpacker(response: Answer) -> Callable[[bytes], Iterator[bytes]] | None:
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


def batches(response: SyncAnswer) -> Iterator[Sequence[Payload]]:
    """The events of a stream, those together that came so; the body alone if a stream is answered with plain JSON."""
    if not is_stream(response):
        yield (read_body(response),)
        return
    stream, pieces = _Events(response), pieces_of(response)
    for piece in pieces:
        plain = stream.plain(piece)
        if plain is not None:
            yield plain
            continue
        for event in EventSource(cast("httpx.Response", _Stretch(stream, piece, pieces))).iter_sse():
            if stream.arrived(event):
                yield (Payload(event.event, event.data),)
    stream.check()


async def abatches(response: AsyncAnswer) -> AsyncGenerator[Sequence[Payload], None]:
    """`batches`, async."""
    if not is_stream(response):
        yield (await aread_body(response),)
        return
    stream, pieces = _Events(response), apieces_of(response)
    async with aclosing(pieces):
        async for piece in pieces:
            plain = stream.plain(piece)
            if plain is not None:
                yield plain
                continue
            events = EventSource(cast("httpx.Response", _AsyncStretch(stream, piece, pieces))).aiter_sse()
            async with aclosing(events):
                async for event in events:
                    if stream.arrived(event):
                        yield (Payload(event.event, event.data),)
    stream.check()


def is_stream(response: Answer) -> bool:
    """Whether the body is to be read as events. A content type that says nothing of use is taken for a stream."""
    if response.status_code == httpx.codes.NO_CONTENT:
        return False  # a stream without any event would be taken for one that broke off
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not (kind.endswith(("json", "html")))


class _Events:
    """What is known of a stream of events while it is read.

    Nearly all that comes are pieces of whole events that are one line of data each, with one for their name before it
    or without. Those are read here, at a tenth of what a parser for any event costs; everything else goes to that
    parser, up to the next end of an event.
    """

    def __init__(self, response: Answer) -> None:
        self._response = response
        self._decode = _new_decoder(errors="replace").decode
        self._start = b""
        self._pending = 0
        self._any = False

    def plain(self, piece: bytes) -> list[Payload] | None:
        """The piece's events; None if there is anything else in it. Asked where an event may begin."""
        self._pending = 0
        if not (piece.startswith(_PLAIN) and piece.endswith(b"\n\n")) or b"\r" in piece:
            return None
        text = piece.decode("utf-8", "replace")[:-2]
        found = _unnamed(text) or _read(text.split("\n\n"))
        if found is None:
            return None
        if not self._any:
            self._any = True
            self._decode(piece)  # so that it takes nothing further on for a byte order mark
        return found

    def text(self, piece: bytes) -> str:
        """A piece that is no plain one, counted so that no server makes us hold more than one event of full size."""
        if len(self._start) < _SHOWN:
            self._start += piece[: _SHOWN - len(self._start)]
        self._pending = _bounded(self._pending + len(piece), MAX_EVENT)
        return self._decode(piece)

    def rest(self) -> str:
        """What ends the last event, should the stream have ended without doing so."""
        return self._decode(b"", True) + "\n\n"  # noqa: FBT003  that was all

    def arrived(self, event: ServerSentEvent) -> bool:
        """Count anew, for an event is through; whether it has data, without which it is none by the specification."""
        self._pending = 0
        self._any = True
        return bool(event.data)

    def check(self) -> None:
        """Raise if what ended was no stream of events at all."""
        if self._start and not self._any and "event-stream" not in self._response.headers.get("content-type", ""):
            raise InvalidResponseError(f"the answer is no stream of events: {self._start.decode('utf-8', 'replace')!r}")


def _unnamed(text: str) -> list[Payload] | None:
    """The events, if each is one line of data: nearly always so, and told at a fifth of what looking at each takes."""
    found = text[6:].split("\n\ndata: ")
    if text.startswith("data: ") and text.count("\n") == 2 * (len(found) - 1) and "" not in found:
        return [Payload("message", data) for data in found]
    return None


def _read(events: list[str]) -> list[Payload] | None:
    """Each event, if it is one line of data, or one for its name and one of data."""
    found = []
    for event in events:
        head, _, data = event.partition("\n")
        if not data and head.startswith("data: "):
            name, data = "message", head[6:]
        elif head.startswith("event: ") and data.startswith("data: "):
            name, data = head[7:], data[6:]
        else:
            return None
        if not name or not data or "\n" in data:
            return None
        found.append(Payload(name, data))
    return found


class _Stretch:
    """The part of a stream up to the next end of an event, as the parser needs it in place of a response."""

    headers = _SSE

    def __init__(self, stream: _Events, first: bytes, others: Iterator[bytes]) -> None:
        self._stream = stream
        self._first = first
        self._others = others

    def iter_text(self) -> Iterator[str]:
        """The text as it comes."""
        yield self._stream.text(self._first)
        if self._first.endswith(_ENDS):
            return
        for piece in self._others:
            yield self._stream.text(piece)
            if piece.endswith(_ENDS):
                return
        yield self._stream.rest()


class _AsyncStretch:
    """`_Stretch`, async."""

    headers = _SSE

    def __init__(self, stream: _Events, first: bytes, others: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._first = first
        self._others = others

    async def aiter_text(self) -> AsyncIterator[str]:
        """The text as it comes."""
        yield self._stream.text(self._first)
        if self._first.endswith(_ENDS):
            return
        async for piece in self._others:
            yield self._stream.text(piece)
            if piece.endswith(_ENDS):
                return
        yield self._stream.rest()


def _bounded(size: int, limit: int) -> int:
    if size > limit:
        raise InvalidResponseError(f"the answer is larger than {limit // 2**20} MB; reading stopped there")
    return size
