"""A server of canned answers, in a process of its own: it costs next to nothing and is never what one waits for.

`python -m tests.benchmarks.server` writes its port as a line, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

from tests.benchmarks.asking import ANSWER, MODEL, WORDS, wanted

_EVENTS_PER_WRITE = 50
_MODELS = (MODEL, "llama3-chat-70b", "minimax-m2.5-230b", "gpt-oss-120b")
_USAGE = {"prompt_tokens": 21, "completion_tokens": 200, "total_tokens": 221}


class Answering(asyncio.Protocol):
    """One connection, kept open as long as the client likes."""

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._held += data
        while (found := self._held.find(b"\r\n\r\n")) >= 0:
            head, end = self._held[:found], found + 4 + _length(self._held[:found])
            if len(self._held) < end:
                return
            body, self._held = self._held[found + 4 : end], self._held[end:]
            pieces, wait = _answer(head, body)
            if wait:
                asyncio.get_running_loop().call_later(wait / 1000, self._write, pieces)
            else:
                self._write(pieces)

    def _write(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if self._transport is not None:
                self._transport.write(piece)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _answer(head: bytes, body: bytes) -> tuple[tuple[bytes, ...], int]:
    """What to write, and the milliseconds to wait before."""
    if head.startswith(b"GET /v1/models "):
        return _listing(), 0
    asked = json.loads(body)
    pieces, wait = wanted(str(asked["messages"][-1]["content"]))
    return (_streamed(pieces) if asked.get("stream") else _whole()), wait


@cache
def _listing() -> tuple[bytes, ...]:
    rows = [
        {"id": name, "object": "model", "created": 1767225600, "owned_by": "aki", "max_model_len": 0}
        for name in _MODELS
    ]
    return _json({"object": "list", "data": rows})


@cache
def _whole() -> tuple[bytes, ...]:
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    return _json({**_frame("chat.completion"), "choices": [choice], "usage": _USAGE})


@cache
def _streamed(count: int) -> tuple[bytes, ...]:
    """Each event is one chunk of the transfer encoding; several go in one write."""
    frame = _frame("chat.completion.chunk")
    deltas: list[dict[str, Any]] = [{"content": WORDS[position % len(WORDS)]} for position in range(count)]
    deltas[0]["role"] = "assistant"
    payloads = [
        {**frame, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
        for delta in deltas
    ]
    payloads.append({**frame, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 21, "completion_tokens": count, "total_tokens": 21 + count}
    payloads.append({**frame, "choices": [], "usage": usage})
    events = [f"data: {json.dumps(payload, separators=(',', ':'))}\n\n".encode() for payload in payloads]
    events.append(b"data: [DONE]\n\n")
    pieces = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    pieces[0] = _head("text/event-stream", "transfer-encoding: chunked") + pieces[0]
    pieces[-1] += b"0\r\n\r\n"
    return tuple(
        b"".join(pieces[start : start + _EVENTS_PER_WRITE]) for start in range(0, len(pieces), _EVENTS_PER_WRITE)
    )


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-7f3c2a9b51d04e68", "object": kind, "created": 1767225600, "model": MODEL}


def _json(value: Any) -> tuple[bytes, ...]:
    body = json.dumps(value).encode()
    return (_head("application/json", f"content-length: {len(body)}") + body,)


def _head(kind: str, length: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: canned\r\ncontent-type: {kind}\r\n"
        f"x-request-id: 5d0e8f0c-6a0b-4e0e-9a43-2f1c\r\n{length}\r\n\r\n"
    ).encode()


async def serve() -> None:
    """Serve on a free port until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
