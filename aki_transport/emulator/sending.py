"""How an answer leaves: whole, in events, late, or cut."""

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from aki_transport.emulator.faults import Faults


class Events(Response):
    """Server-sent events, each one chunk of the body."""

    media_type = "text/event-stream"

    def __init__(self, events: Sequence[bytes]) -> None:
        super().__init__(headers={"cache-control": "no-cache"})
        # Without its length the body is chunked.
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them, one message each."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for event in self._events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class FaultySend:
    """Sends an answer with some more headers, as late and as incomplete as the faults say."""

    def __init__(
        self, send: Send, receive: Receive, transport: asyncio.Transport, faults: Faults, headers: Mapping[str, str]
    ) -> None:
        self._send = send
        self._receive = receive
        self._transport = transport
        self._faults = faults
        self._extra = headers
        self._chunks = 0
        self._over = False

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer, if the connection still stands."""
        if self._over:
            return
        if message["type"] == "http.response.start":
            await self._send({**message, "headers": [*message["headers"], *self._headers()]})
            return
        if self._faults.drop is not None:
            message = await self._cut(message, self._faults.drop)
        if self._over:
            return
        if message["body"]:
            # 0 lets other connections have their turn in between.
            self._over = await gone_within(self._receive, self._faults.chunk_delay or 0)
            self._chunks += 1
        if not self._over:
            await self._send(message)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        headers = [(name.encode(), value.encode()) for name, value in self._extra.items()]
        if self._faults.retry_after is not None:
            headers.append((b"retry-after", self._faults.retry_after.encode("latin-1")))
        return headers

    async def _cut(self, message: Message, after: int) -> Message:
        whole = self._chunks == 0 and not message.get("more_body", False)
        if whole:
            half: bytes = message["body"][: len(message["body"]) // 2]
            await self._send({**message, "body": half, "more_body": True})
        if whole or self._chunks >= after:
            self._over = True
            self._transport.abort()
            # uvicorn hears of it in the next turn of the loop.
            await asyncio.sleep(0)
        return message


async def gone_within(receive: Receive, seconds: float | None) -> bool:
    """Whether the client left within that time; `None` waits until it does."""
    if seconds == 0:
        await asyncio.sleep(0)
        return False
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def reset(transport: asyncio.Transport) -> None:
    """End the connection with RST instead of FIN."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0)
