"""Faults on demand: `name` or `name=value`, several joined by `;`, in a header or after `!` in the model name."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Self

from starlette.types import Message, Receive, Send

HEADER = "x-emulator-fault"
MARK = "!"


def _fault(meaning: str) -> Any:
    return field(default=None, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Faults:
    """What is to go wrong with one answer; `None` means it does not."""

    # Of any answer.
    first_byte: float | None = _fault("seconds until the first byte of the answer")
    reset: bool | None = _fault("a TCP reset before any byte")
    hang: bool | None = _fault("no answer until the client leaves")
    status: int | None = _fault("this HTTP status with the error the service gives for it")
    html: int | None = _fault("an HTML page with this HTTP status")
    credits: bool | None = _fault("402, insufficient credits")
    retry_after: str | None = _fault("this Retry-After header, as given")
    drop: int | None = _fault("the connection ends after N chunks; in the middle of a body that is not streamed")
    # Of a stream.
    chunk_delay: float | None = _fault("seconds before each chunk")
    stream_error: int | None = _fault("the interface's error in place of chunk N, then the end")
    event_error: int | None = _fault("the same as `event: error`")
    no_done: bool | None = _fault("no [DONE], no message_stop")
    no_finish: bool | None = _fault("no finish_reason, no message_delta")
    # Of a completion.
    empty: bool | None = _fault("no content, 0 completion tokens, HTTP 200")
    # Of pictures.
    bad_base64: bool | None = _fault("text that is no base64 for each picture")
    not_an_image: bool | None = _fault("base64 of something else for each picture")
    huge: int | None = _fault("pictures of N megabytes of base64")
    image_url: bool | None = _fault("a URL for each picture, to a host that is none")
    no_images: bool | None = _fault("an empty list of pictures")
    missing_b64: bool | None = _fault("entries without a picture; on the native interface no list of pictures")
    # Of a job of the native interface, in the call that makes it.
    queue: int | None = _fault("N polls see the job waiting in the queue")
    job_seconds: float | None = _fault("how long its work takes, in the emulator's seconds")
    fast: bool | None = _fault("it is done at the first poll")
    lapse: bool | None = _fault("it lapses in the middle of its work")
    job_fail: bool | None = _fault("its worker fails: HTTP 200, success and an error")
    job_cancel: bool | None = _fault("the service cancels it in the middle of its work")
    lose_result: bool | None = _fault("the answer that delivers its result is cut, and the result gone")
    lose_poll: int | None = _fault("the answer to poll N is cut, and nothing gone")
    queue_full: bool | None = _fault("400, the queue is full")
    shrink: bool | None = _fault("the text so far gets shorter for the third quarter of its work")
    no_text_in_progress: bool | None = _fault("no text before the result")
    no_prompt_length: bool | None = _fault("no prompt_length in the result")
    # Of the faults themselves.
    times: int | None = _fault("only the first N requests with this text")
    tag: str | None = _fault("no effect; makes a text of its own, with its own `times`")

    @classmethod
    def parse(cls, spec: str) -> Self:
        """The faults that a header names; `ValueError` for a name or value that is none."""
        values: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in spec.split(";"))):
            written, _, value = part.partition("=")
            name = written.strip().replace("-", "_")
            if name not in _KINDS:
                known = ", ".join(each.replace("_", "-") for each in _KINDS)
                raise ValueError(f"{HEADER}: no fault {written!r}; there are {known}")
            try:
                values[name] = _READ[_KINDS[name]](value.strip())
            except ValueError:
                raise ValueError(f"{HEADER}: {written} needs a number, not {value!r}") from None
        return cls(**values)


_KINDS = {each.name: str(each.type).removesuffix(" | None") for each in fields(Faults)}
_READ: dict[str, Callable[[str], Any]] = {"bool": lambda _: True, "int": int, "float": float, "str": str}


def describe_faults() -> list[str]:
    """Each fault as it is written, with what it does."""
    endings = {"bool": "", "int": "=N", "float": "=SECONDS", "str": "=TEXT"}
    kinds = {each.name: each.name.replace("_", "-") + endings[_KINDS[each.name]] for each in fields(Faults)}
    return [f"{kinds[each.name]:22} {each.metadata['meaning']}" for each in fields(Faults)]


def split_model(name: str) -> tuple[str, str]:
    """A model name and the faults written after it."""
    model, _, spec = name.partition(MARK)
    return model, spec


class FaultySend:
    """Sends an answer as the faults say: chunk by chunk, each after a wait, and no longer than the connection lasts."""

    def __init__(
        self, send: Send, receive: Receive, transport: asyncio.Transport, faults: Faults, headers: dict[str, str]
    ) -> None:
        self._send = send
        self._receive = receive
        self._transport = transport
        self._faults = faults
        retry_after = {} if faults.retry_after is None else {"retry-after": faults.retry_after}
        self._headers = [(name.encode(), text.encode("latin-1")) for name, text in {**headers, **retry_after}.items()]
        self._chunks = 0
        self._ended = False

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer, if the connection still stands."""
        if self._ended:
            return
        if message["type"] == "http.response.start":
            await self._send({**message, "headers": [*message["headers"], *self._headers]})
            return
        after = self._faults.drop
        if after is not None and self._chunks == 0 and not message.get("more_body", False):
            self._ended = True
            await send_half(self._send, message["body"], self._transport)
        elif after is not None and self._chunks >= after:
            self._ended = True
            await abort(self._transport)
        elif message["body"]:
            # 0 lets other connections have their turn in between.
            self._ended = await client_left(self._receive, self._faults.chunk_delay or 0)
            self._chunks += 1
        if not self._ended:
            await self._send(message)


async def send_half(send: Send, body: bytes, transport: asyncio.Transport) -> None:
    """Send the first half of a body, and cut the connection."""
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await abort(transport)


async def client_left(receive: Receive, seconds: float | None) -> bool:
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


async def abort(transport: asyncio.Transport) -> None:
    """Cut the connection."""
    transport.abort()
    # uvicorn learns of it in the next turn of the loop.
    await asyncio.sleep(0)


async def reset(transport: asyncio.Transport) -> None:
    """End the connection with RST instead of FIN."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await abort(transport)
