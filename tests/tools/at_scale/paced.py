"""A server that writes each stream at the pace of a model, one event at a time, as a real service does.

`python -m tests.tools.at_scale.paced CHUNKS PER_SECOND HOLD` writes its port as a line, and ends when its input does.
An answer that is not streamed comes after HOLD seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

from tests.tools.benchmarks.asking import ANSWER, MODEL, WORDS

_SLICES = 10  # the streams' turns are spread over the time between two chunks


class Connection(asyncio.Protocol):
    """One connection, kept open as long as the client likes."""

    def __init__(self, streams: Streams, hold: float) -> None:
        self._streams = streams
        self._hold = hold
        self._held = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._held += data
        while (found := self._held.find(b"\r\n\r\n")) >= 0:
            head, end = self._held[:found].lower(), found + 4
            if b"content-length: " in head:
                end += int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(self._held) < end:
                return
            body, self._held = self._held[found + 4 : end], self._held[end:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get"):
            row = {"id": MODEL, "object": "model", "created": 1767225600, "owned_by": "aki", "max_model_len": 0}
            self._transport.write(_whole({"object": "list", "data": [row]}))
        elif json.loads(body).get("stream"):
            self._transport.write(_head("text/event-stream", "transfer-encoding: chunked"))
            self._streams.add(self._transport)
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 21, "completion_tokens": 200, "total_tokens": 221}
            answer = _whole({**_frame("chat.completion"), "choices": [choice], "usage": usage})
            asyncio.get_running_loop().call_later(self._hold, self._transport.write, answer)


class Streams:
    """All streams under way."""

    def __init__(self, chunks: int, per_second: float) -> None:
        self._events = list(_events(chunks))
        self._pause = 1 / per_second / _SLICES
        self._slices: list[dict[Any, Iterator[bytes]]] = [{} for _ in range(_SLICES)]
        self._added = 0

    def add(self, transport: Any) -> None:
        """Begin one."""
        self._slices[self._added % _SLICES][transport] = iter(self._events)
        self._added += 1

    async def write(self) -> None:
        """Write the next event of each in its turn, for ever."""
        turn, due = 0, asyncio.get_running_loop().time()
        while True:
            due += self._pause
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            streams = self._slices[turn % _SLICES]
            for transport, events in list(streams.items()):
                event = next(events, None)
                if event is None or transport.is_closing():
                    del streams[transport]
                else:
                    transport.write(event)
            turn += 1


def _events(chunks: int) -> Iterator[bytes]:
    frame = _frame("chat.completion.chunk")
    for position in range(chunks):
        yield _chunk({**frame, "choices": [{"index": 0, "delta": {"content": WORDS[position % len(WORDS)]}}]})
    yield _chunk({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    event = b"data: [DONE]\n\n"
    yield b"%x\r\n%b\r\n0\r\n\r\n" % (len(event), event)


def _chunk(payload: dict[str, Any]) -> bytes:
    event = f"data: {json.dumps(payload, separators=(',', ':'))}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-7f3c2a9b51d04e68", "object": kind, "created": 1767225600, "model": MODEL}


def _whole(value: Any) -> bytes:
    body = json.dumps(value).encode()
    return _head("application/json", f"content-length: {len(body)}") + body


def _head(kind: str, length: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nserver: paced\r\ncontent-type: {kind}\r\n{length}\r\n\r\n".encode()


async def serve(chunks: int, per_second: float, hold: float) -> None:
    """Serve on a free port until standard input ends."""
    loop, streams = asyncio.get_running_loop(), Streams(chunks, per_second)
    server = await loop.create_server(lambda: Connection(streams, hold), "127.0.0.1", 0, backlog=4096)
    writing = asyncio.create_task(streams.write())
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    writing.cancel()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
