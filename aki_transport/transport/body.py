"""Bytes of an answer to payloads: complete bodies and events of a stream, each within a bound."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from io import BytesIO
from itertools import chain

import httpx

from aki_transport.errors import InvalidResponseError
from aki_transport.transport.decoder import Payload
from aki_transport.transport.failures import is_failed_call
from aki_transport.transport.sse import EventDecoder

MAX_BODY = 64 * 2**20
"""Bytes of a body."""

MAX_ERROR_BODY = 2**20
"""Bytes of an error's body that are read."""

_UNPACKED = 2**20  # bytes that are unpacked at a time
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_HEADER = 47  # zlib: gzip or zlib, by the header
_SHOWN = 4096  # bytes that an error is made of; its message keeps fewer
_NO_CONTENT = 204


class _Body(BytesIO):  # whose value is no copy, as joined pieces would be
    """A body as far as it was read.

    Args:
        most: Bytes that it may have.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def add(self, chunk: bytes) -> None:
        """Take the next bytes; `InvalidResponseError` past the bound."""
        room = self._most - self.tell()
        self.write(chunk[:room])
        if len(chunk) > room:
            raise InvalidResponseError(f"the answer is larger than {self._most // 2**20} MB; reading stopped there")


def read_body(response: httpx.Response) -> bytes:
    """The complete body; `InvalidResponseError` past the bound."""
    body = _Body(MAX_BODY)
    for chunk in _chunks(response):
        body.add(chunk)
    return body.getvalue()


async def aread_body(response: httpx.Response) -> bytes:
    """`read_body`, async."""
    body = _Body(MAX_BODY)
    async with aclosing(_achunks(response)) as chunks:
        async for chunk in chunks:
            body.add(chunk)
    return body.getvalue()


def read_error_body(response: httpx.Response) -> bytes:
    """As much of an error's body as arrives and is worth reading; the status alone says enough."""
    body = _Body(MAX_ERROR_BODY)
    with _until_it_fails():
        for chunk in _chunks(response):
            body.add(chunk)
    return body.getvalue()


async def aread_error_body(response: httpx.Response) -> bytes:
    """`read_error_body`, async."""
    body = _Body(MAX_ERROR_BODY)
    with _until_it_fails():
        async with aclosing(_achunks(response)) as chunks:
            async for chunk in chunks:
                body.add(chunk)
    return body.getvalue()


@contextmanager
def _until_it_fails() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_failed_call(error):
            raise


def payloads(response: httpx.Response, *, stream: bool) -> Iterator[Sequence[Payload]]:
    """The body; or the events of a stream, together as they arrived.

    Args:
        response: The answer.
        stream: Whether a stream was asked for. Some services answer even then with one body.
    """
    if not (stream and is_stream(response)):
        yield (Payload("body", read_body(response)),)
        return
    events = _EventStream(response)
    for chunk in _chunks(response):
        yield events.feed(chunk)
    yield events.end()


async def apayloads(response: httpx.Response, *, stream: bool) -> AsyncGenerator[Sequence[Payload], None]:
    """`payloads`, async."""
    if not (stream and is_stream(response)):
        yield (Payload("body", await aread_body(response)),)
        return
    events = _EventStream(response)
    async with aclosing(_achunks(response)) as chunks:
        async for chunk in chunks:
            yield events.feed(chunk)
    yield events.end()


def is_stream(response: httpx.Response) -> bool:
    """Whether the body is to be read as events. A content type that says nothing of use is taken for a stream."""
    if response.status_code == _NO_CONTENT:
        return False  # a stream without any event would be taken for one that broke off
    return not _media_type(response).endswith(("json", "html"))


class _EventStream:
    """The events of one response, and whether it was a stream of events at all."""

    def __init__(self, response: httpx.Response) -> None:
        self._is_labelled = "event-stream" in _media_type(response)
        self._start = b""
        self._events = EventDecoder()
        self.feed: Callable[[bytes], list[Payload]] = self._events.feed if self._is_labelled else self._feed

    def _feed(self, chunk: bytes) -> list[Payload]:
        self._start += chunk[: _SHOWN - len(self._start)]
        return self._events.feed(chunk)

    def end(self) -> list[Payload]:
        """The last event, if the stream ended without ending it."""
        last = self._events.end()
        if self._start and not self._events.has_events:
            raise InvalidResponseError(f"the answer is no stream of events: {self._start.decode('utf-8', 'replace')!r}")
        return last


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    """A body's bytes, unpacked in pieces of a bounded size."""
    if response.is_stream_consumed:
        return iter((response.content,))  # a test's mock, or a hook of the user's client, has read it already
    unpack = _unpacker(response)
    return response.iter_raw() if unpack is None else chain.from_iterable(map(unpack, response.iter_raw()))


async def _achunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """`_chunks`, async."""
    if response.is_stream_consumed:
        yield response.content
        return
    unpack = _unpacker(response)
    async for chunk in response.aiter_raw():
        for piece in (chunk,) if unpack is None else unpack(chunk):
            yield piece


def _unpacker(response: httpx.Response) -> Callable[[bytes], Iterator[bytes]] | None:
    if response.headers.get("content-encoding", "").strip().lower() not in _PACKED:
        return None  # nothing else was asked for; if it is not text, reading it says so
    unpacker = zlib.decompressobj(wbits=_ANY_HEADER)

    def unpack(packed: bytes) -> Iterator[bytes]:
        nonlocal unpacker
        while packed:
            if unpacker.eof:
                unpacker = zlib.decompressobj(wbits=_ANY_HEADER)  # some services pack each event by itself
            try:
                piece = unpacker.decompress(packed, _UNPACKED)
            except zlib.error as error:
                raise InvalidResponseError(f"the answer's compression is broken: {error}") from None
            packed = unpacker.unconsumed_tail or unpacker.unused_data
            if piece:
                yield piece

    return unpack


def _media_type(response: httpx.Response) -> str:
    content_type: str = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower()
