"""Bytes of a response to payloads: whole bodies and server-sent events, each within a bound."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import NamedTuple

import httpx
from httpx_sse import EventSource

from aki_transport.errors import InvalidResponseError

MAX_BODY = 64 * 2**20
MAX_EVENT = 16 * 2**20
MAX_ERROR_BODY = 2**20

_BOM = b"\xef\xbb\xbf"
_SSE = {"content-type": "text/event-stream"}


class Payload(NamedTuple):
    """One message of the service: an event of a stream, or a whole body under the name `"body"`."""

    event: str
    data: str | bytes


def read_body(response: httpx.Response, limit: int) -> bytes:
    """The whole body; `InvalidResponseError` past `limit` bytes."""
    pieces, size = [], 0
    for piece in response.iter_bytes():
        size = _bounded(size + len(piece), limit)
        pieces.append(piece)
    return b"".join(pieces)


async def aread_body(response: httpx.Response, limit: int) -> bytes:
    """`read_body`, async."""
    pieces, size = [], 0
    async for piece in response.aiter_bytes():
        size = _bounded(size + len(piece), limit)
        pieces.append(piece)
    return b"".join(pieces)


def payloads(response: httpx.Response) -> Iterator[Payload]:
    """The events of a stream; the whole body as one payload where the service answers a stream with plain JSON."""
    if not is_stream(response):
        yield Payload("body", read_body(response, MAX_BODY))
        return
    stream = _EventBytes(response)
    for event in EventSource(httpx.Response(200, headers=_SSE, stream=stream)).iter_sse():
        stream.pending = 0
        yield Payload(event.event, event.data)
    stream.check()


async def apayloads(response: httpx.Response) -> AsyncGenerator[Payload, None]:
    """`payloads`, async."""
    if not is_stream(response):
        yield Payload("body", await aread_body(response, MAX_BODY))
        return
    stream = _EventBytes(response)
    events = EventSource(httpx.Response(200, headers=_SSE, stream=stream)).aiter_sse()
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


class _EventBytes(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A response's bytes as the event parser needs them.

    Without a byte order mark, with a blank line at the end so that a last event without one is not lost, and counted
    from event to event so that no server can make us hold more than one event of the greatest size.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._size = 0
        self._start = b""
        self.pending = 0

    def __iter__(self) -> Iterator[bytes]:
        head: bytes | None = b""
        for piece in self._response.iter_bytes():
            if head is None:
                yield self._counted(piece)
            elif len(head := head + piece) >= len(_BOM):
                yield self._counted(head.removeprefix(_BOM))
                head = None
        yield (head or b"") + b"\n\n"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        head: bytes | None = b""
        async for piece in self._response.aiter_bytes():
            if head is None:
                yield self._counted(piece)
            elif len(head := head + piece) >= len(_BOM):
                yield self._counted(head.removeprefix(_BOM))
                head = None
        yield (head or b"") + b"\n\n"

    def check(self) -> None:
        """Raise if what ended was no stream of events at all."""
        if self.pending == self._size > 0 and "event-stream" not in self._response.headers.get("content-type", ""):
            raise InvalidResponseError(f"the answer is no stream of events: {self._start.decode('utf-8', 'replace')!r}")

    def _counted(self, piece: bytes) -> bytes:
        if not self._size:
            self._start = piece[:200]
        self._size += len(piece)
        self.pending = _bounded(self.pending + len(piece), MAX_EVENT)
        return piece


def _bounded(size: int, limit: int) -> int:
    if size > limit:
        raise InvalidResponseError(f"the answer is larger than {limit // 2**20} MB; reading stopped there")
    return size
