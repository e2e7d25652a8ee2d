"""Bytes of an answer to payloads: complete bodies and events of a stream, each within a bound."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from io import BytesIO
from itertools import chain
from typing import Any, TypeAlias

import httpx

from aki_transport.errors import InvalidResponseError
from aki_transport.transport.decoder import Payload
from aki_transport.transport.failures import is_failed_call
from aki_transport.transport.sse import EventDecoder

MAX_BODY = 64 * 2**20  # bytes of a body, and of a stream
MAX_ERROR_BODY = 2**20  # bytes of an error's body that are read
_UNPACKED = 2**20  # bytes that are unpacked at a time
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_HEADER = 47  # zlib: gzip or zlib, by the header
_NO_CONTENT = 204
CheckTime: TypeAlias = Callable[[], None]
_SENTENCE = re.compile(r"^\w+[ \t]+\w", re.MULTILINE)  # no field has a name of two words


def read_body(response: httpx.Response, check_time: CheckTime | None = None) -> bytes:
    """The complete body, or of an error as much as arrives; `InvalidResponseError` if it is larger than is taken."""
    body = BytesIO()  # whose value is no copy, as joined pieces would be
    with _reading(response):
        body.writelines(_chunks(response, check_time))
    return body.getvalue()


async def aread_body(response: httpx.Response) -> bytes:
    """`read_body`, async."""
    body, unpacker = BytesIO(), _Unpacker(response)
    with _reading(response):
        async with aclosing(_araw(response)) as chunks:
            async for chunk in chunks:
                body.writelines(unpacker.feed(chunk))
    return body.getvalue()


@contextmanager
def _reading(response: httpx.Response) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if response.is_success or not is_failed_call(error):
            raise


def payloads(
    response: httpx.Response, *, stream: bool, check_time: CheckTime | None = None
) -> Iterator[Sequence[Payload]]:
    """The body; or the events of a stream, if one was asked for, together as they arrived.

    Some services answer even then with one body. `check_time`, asked for each chunk, raises if it came too late.
    """
    if not (stream and _is_stream(response)):
        yield (Payload("body", read_body(response, check_time)),)
        return
    events = EventDecoder()
    for chunk in _chunks(response, check_time):
        yield events.feed(chunk)
    yield _last_event(events, response)


async def apayloads(response: httpx.Response, *, stream: bool) -> AsyncGenerator[Sequence[Payload], None]:
    """`payloads`, async."""
    if not (stream and _is_stream(response)):
        yield (Payload("body", await aread_body(response)),)
        return
    events, unpacker = EventDecoder(), _Unpacker(response)
    async with aclosing(_araw(response)) as chunks:
        async for chunk in chunks:
            for piece in unpacker.feed(chunk):
                yield events.feed(piece)
    yield _last_event(events, response)


def _is_stream(response: httpx.Response) -> bool:
    """Whether the body is to be read as events. A content type that says nothing of use is taken for a stream."""
    # A 204 would be a stream without any event, which is taken for one that broke off.
    return response.status_code != _NO_CONTENT and not _media_type(response).endswith(("json", "html"))


def _last_event(events: EventDecoder, response: httpx.Response) -> list[Payload]:
    last = events.end()
    if events.start and ("event-stream" not in _media_type(response) or _SENTENCE.search(events.start)):
        raise InvalidResponseError(f"the answer is no stream of events: {events.start!r}")
    return last


def _chunks(response: httpx.Response, check_time: CheckTime | None) -> Iterator[bytes]:
    """The bytes of a body, within its bound and unpacked."""
    # A test's mock, or a hook of the user's client, may have read it already.
    chunks = (response.content,) if response.is_stream_consumed else response.iter_raw()
    if check_time is not None:
        chunks = _checked(chunks, check_time)
    return chain.from_iterable(map(_Unpacker(response).feed, chunks))


def _checked(chunks: Iterable[bytes], check_time: CheckTime) -> Iterator[bytes]:
    for chunk in chunks:
        check_time()
        yield chunk


def _araw(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The bytes of a body as they come."""
    if response.is_stream_consumed:
        return _once(response.content)
    chunks = response.aiter_raw()
    # httpx's iterator is a generator, which is closed where reading ends early; a user's response may have another one.
    return chunks if isinstance(chunks, AsyncGenerator) else _each(chunks)


async def _each(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for chunk in chunks:
        yield chunk


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


class _Unpacker:
    """Unpacks one body in pieces of a bounded size, until they are too many."""

    def __init__(self, response: httpx.Response) -> None:
        encoding = response.headers.get("content-encoding", "").strip().lower()
        # Nothing else was asked for; if it is not text, reading it says so. httpx unpacks what it has read itself.
        self._is_packed = encoding in _PACKED and not response.is_stream_consumed
        self._zlib: Any = zlib.decompressobj(wbits=_ANY_HEADER) if self._is_packed else None
        self._is_behind = False
        self._most = self._room = MAX_BODY if response.is_success else MAX_ERROR_BODY

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """What the next bytes unpack to; `InvalidResponseError` past the bound."""
        if self._is_packed or len(chunk) > self._room:
            return self._pieces(chunk)
        self._room -= len(chunk)
        return (chunk,)

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            piece, chunk = self._unpack(chunk) if self._is_packed else (chunk, b"")
            yield piece[: self._room]
            self._room -= len(piece)
            if self._room < 0:
                raise InvalidResponseError(f"the answer is larger than {self._most // 2**20} MB; reading stopped there")

    def _unpack(self, packed: bytes) -> tuple[bytes, bytes]:
        """The next piece, and what is left to unpack."""
        if self._zlib.eof:
            self._zlib = zlib.decompressobj(wbits=_ANY_HEADER)  # some services pack each event by itself
            self._is_behind = True
        try:
            piece = self._zlib.decompress(packed, _UNPACKED)
        except zlib.error as error:
            # What does not begin like something packed is padding behind the answer, which gzip's own reader skips too.
            if self._is_behind and str(error).endswith(("incorrect header check", "unknown compression method")):
                return b"", b""
            raise InvalidResponseError(f"the answer's compression is broken: {error}") from None
        return piece, self._zlib.unconsumed_tail or self._zlib.unused_data


def _media_type(response: httpx.Response) -> str:
    content_type: str = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower()
