"""A server of canned answers, in a process of its own: it costs next to nothing and is never what one waits for.

`python -m tests.tools.benchmarks.server` writes its port as a line, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from itertools import count

from tests.tools.benchmarks import canned_anthropic, canned_native, canned_openai
from tests.tools.benchmarks.asking import wanted
from tests.tools.benchmarks.canned import Written

_GOLDEN = 0.618  # its multiples, modulo 1, lie evenly however many they are
_streams = count()

_PLACES: tuple[tuple[str, Callable[[bytes], Written]], ...] = (
    ("/v1/chat/completions", canned_openai.chat),
    ("/v1/images/generations", canned_openai.image),
    ("/anthropic/v1/messages", canned_anthropic.messages),
    ("/api/call/", canned_native.start),
    ("/api/progress/", canned_native.look),
)


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
            pieces, wait, every = _answer(head, body)
            if every:
                self._write_slowly(pieces, wait / 1000, every / 1000)
            elif wait:
                asyncio.get_running_loop().call_later(wait / 1000, self._write, pieces)
            else:
                self._write(pieces)

    def _write_slowly(self, pieces: Iterable[bytes], wait: float, every: float) -> None:
        """Each piece in a write of its own; streams that begin together are spread over the time between two."""
        loop = asyncio.get_running_loop()
        first = loop.time() + wait + every * (next(_streams) * _GOLDEN % 1)
        for number, piece in enumerate(pieces):
            loop.call_at(first + number * every, self._write, (piece,))

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


def _answer(head: bytes, body: bytes) -> tuple[Iterable[bytes], int, int]:
    """What to write, the milliseconds to wait before, and those between two pieces."""
    method, target, _ = head.split(b" ", 2)
    if method == b"GET":
        return canned_openai.models(), 0, 0
    place = target.decode()
    answers = next(answers for start, answers in _PLACES if place.startswith(start))
    # Only what starts an answer is asked in words, so that a look at a job waits for nothing.
    _, wait, every = wanted(body.decode())
    return answers(body), wait, every


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
