"""What our own connections send, and what they give for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

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


def arrived(
    status: int, headers: list[tuple[bytes, bytes]], stream: Any, extensions: Mapping[str, Any] | None = None
) -> httpx.Response:
    """The answer, once its headers are in. That they are ASCII is said here: httpx would decode all of them to see."""
    response = httpx.Response(status, headers=headers, stream=stream, extensions={**(extensions or {})})
    if all(name.isascii() and value.isascii() for name, value in headers):
        response.headers.encoding = "ascii"
    return response
