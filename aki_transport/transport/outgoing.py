"""What our own connections send, and what they give for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import httpx


class Outgoing(NamedTuple):
    """One attempt, ready to be sent: what of an `httpx.Request` is read, without the 20 µs that making one takes.

    `extensions` are those of httpx: `"timeout"` with seconds for each kind of wait, and `"deadline"`, which is ours.
    """

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    content: bytes | None
    extensions: Mapping[str, Any]

    def __repr__(self) -> str:
        # Shown by tools that print the variables of a traceback; the key is among the headers.
        return f"Outgoing({self.method!r}, {str(self.url)!r})"


class Answer(Protocol):
    """What is read of an answer: an `httpx.Response` from a client of the user's, or one of our own connections'."""

    @property
    def status_code(self) -> int:
        """The status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, found by their names in lower case."""

    @property
    def is_stream_consumed(self) -> bool:
        """Whether the body was read already, and is in `content`."""

    @property
    def content(self) -> bytes:
        """The body that was read."""


class SyncAnswer(Answer, Protocol):
    """`Answer`, whose body is read by a thread."""

    def iter_raw(self) -> Iterator[bytes]:
        """The body's bytes as they come."""

    def close(self) -> None:
        """Let go of the connection."""


class AsyncAnswer(Answer, Protocol):
    """`Answer`, whose body is read in an event loop."""

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """The body's bytes as they come."""

    async def aclose(self) -> None:
        """Let go of the connection."""


class Arrived:
    """An answer whose headers are in, without the 10 µs that an `httpx.Response` and its layers over the body take."""

    __slots__ = ("headers", "status_code")

    is_stream_consumed = False
    content = b""

    def __init__(self, status_code: int, headers: Iterable[tuple[str, str]]) -> None:
        self.status_code = status_code
        self.headers = _by_name(headers)


class Punctual(Arrived, ABC):
    """An answer that is read by a thread, and minds the time itself."""

    __slots__ = ()

    @abstractmethod
    def end_by(self, moment: float) -> None:
        """Let reads fail once that moment of `time.monotonic` has come, if none was set that comes earlier."""


def _by_name(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers by names in lower case, given as Latin-1; those that come several times are joined by commas."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        told = value if value.isascii() else _retold(value)
        found[key] = f"{found[key]}, {told}" if key in found else told
    return found


def _retold(value: str) -> str:
    """A header beyond ASCII: UTF-8 if it can be that, else Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
