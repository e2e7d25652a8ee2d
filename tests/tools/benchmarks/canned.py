"""How canned answers are written: whole JSON bodies, and events of which each is a chunk of the transfer encoding."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

Written: TypeAlias = tuple[bytes, ...]
"""What is written to the connection, one after the other."""

EVENTS_PER_WRITE = 50


def as_json(value: Any) -> Written:
    """The value as an answer's body."""
    return body(json.dumps(value).encode())


def body(written: bytes) -> Written:
    """JSON that is written already, as an answer's body."""
    return (_head("application/json", f"content-length: {len(written)}") + written,)


def as_events(
    payloads: Iterable[dict[str, Any]], *, named: bool = False, end: bytes = b"", per_write: int = EVENTS_PER_WRITE
) -> Written:
    """Server-sent events, each one chunk of the transfer encoding.

    Args:
        payloads: What the events say.
        named: Whether an event bears its payload's type as its name.
        end: A last event, as it is.
        per_write: How many go in one write.
    """
    events = [_event(payload, named=named) for payload in payloads]
    if end:
        events.append(end)
    pieces = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    pieces[0] = _head("text/event-stream", "transfer-encoding: chunked") + pieces[0]
    pieces[-1] += b"0\r\n\r\n"
    return tuple(b"".join(pieces[start : start + per_write]) for start in range(0, len(pieces), per_write))


def _event(payload: dict[str, Any], *, named: bool) -> bytes:
    name = f"event: {payload['type']}\n" if named else ""
    return f"{name}data: {json.dumps(payload, separators=(',', ':'))}\n\n".encode()


def _head(kind: str, length: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: canned\r\ncontent-type: {kind}\r\n"
        f"x-request-id: 5d0e8f0c-6a0b-4e0e-9a43-2f1c\r\n{length}\r\n\r\n"
    ).encode()
