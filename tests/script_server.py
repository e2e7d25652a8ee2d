"""A server on a real socket that says exactly what a test wrote down, byte for byte."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any, Literal, Self, TypeAlias

End: TypeAlias = Literal["close", "keep-alive", "reset", "hang", "cut"]

MODELS: tuple[Mapping[str, Any], ...] = tuple(
    {"id": name, "object": "model", "created": 1767225600, "owned_by": "aki", "max_model_len": 0}
    for name in ("qwen3.6-35b", "llama3-chat-70b", "minimax-m2.5-230b", "gpt-oss-120b")
)

# A client that learns of a reset in the same breath as of the bytes before it may drop those bytes (aiohttp does).
SETTLE = 0.05
_LARGEST_HEAD = 1 << 20
_BACKLOG = 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Answer:
    """What the server says to one request.

    Attributes:
        status: The HTTP status.
        headers: Headers beside those for framing, which the server writes itself.
        chunks: The body, in the pieces in which it is sent.
        end: What becomes of the connection after the body. `"close"` and `"keep-alive"` complete the answer;
            `"cut"` (FIN), `"reset"` (RST) and `"hang"` (silence) leave it unfinished. Without any chunk these
            three send no byte at all; `chunks=(b"",)` sends the headers alone.
        delay: Seconds before the headers.
        chunk_delay: Seconds between two chunks.
        chunked: Chunked transfer encoding; else a content length.
        gzip: Compressed, each chunk flushed.
        raw: The chunks are all that is sent: status line, headers and framing are among them.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    end: End = "close"
    delay: float = 0.0
    chunk_delay: float = 0.0
    chunked: bool = True
    gzip: bool = False
    raw: bool = False

    @property
    def complete(self) -> bool:
        return self.end in ("close", "keep-alive")


@dataclass(frozen=True)
class Request:
    """What the server was asked; `json` is None where the body is no JSON."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    json: Any


Scripted: TypeAlias = Answer | Callable[[Request], Answer]


def json_answer(obj: Any, status: int = 200, *, end: End = "close", **headers: str) -> Answer:
    """An answer with a JSON body; `retry_after="7"` becomes the header `retry-after: 7`."""
    return text_answer(json.dumps(obj, ensure_ascii=False), status, content_type="application/json", end=end, **headers)


def text_answer(
    text: str, status: int = 200, *, content_type: str = "text/plain; charset=utf-8", end: End = "close", **headers: str
) -> Answer:
    named = {"content-type": content_type, **_named(headers)}
    return Answer(status=status, headers=named, chunks=(text.encode(),), end=end, chunked=False)


def sse(
    *events: Mapping[str, Any] | str | bytes,
    done: bool = True,
    end: End = "close",
    newline: str = "\n",
    prefix: str = "data: ",
    gzip: bool = False,
    **headers: str,
) -> Answer:
    """A stream of events, one chunk each: an object or a text becomes `data: …`, bytes are sent as they are."""
    sent = [*events, "[DONE]"] if done else events
    return Answer(
        headers={"content-type": "text/event-stream", **_named(headers)},
        chunks=tuple(_event(event, newline, prefix) for event in sent),
        end=end,
        gzip=gzip,
    )


def _event(event: Mapping[str, Any] | str | bytes, newline: str, prefix: str) -> bytes:
    if isinstance(event, bytes):
        return event
    data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"{prefix}{data}{newline}{newline}".encode()


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Origin:
    """Something at a `url`, with the names by which the protocols' bases there are asked for."""

    url: str

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        return f"{self.url}/anthropic"

    @property
    def native_url(self) -> str:
        return f"{self.url}/api"


class ScriptServer(Origin):
    """Answers each request with the next answer of its script; `GET …/models` is answered apart.

    Args:
        *script: Answers, or functions of the request that give one.
        always: What is said once the script is played; without it, 418 and a text that says so.
        models: The listing's rows.
        listing: What is said to `GET …/models` in place of the rows.
        details: What is said to `GET …/model/info`; without it, 404.

    Attributes:
        hangs_up: Asked of a request whose body is still on its way: whether the connection is reset now. Such a request
            has no body, and uses none of the script.
        requests: The requests that used the script, in order of arrival.
        listings: The requests for the listing.
        made: How many connections were made.
    """

    def __init__(
        self,
        *script: Scripted,
        always: Scripted | None = None,
        models: Sequence[Mapping[str, Any]] = MODELS,
        listing: Scripted | None = None,
        details: Answer | None = None,
    ) -> None:
        self._first = (tuple(script), always, tuple(models), listing, details)
        self.reset()
        self._conversations: set[asyncio.Task[None]] = set()
        self._faults: list[BaseException] = []

    def reset(self) -> None:
        script, self.always, models, self.listing, self.details = self._first
        self.models = list(models)
        self.hangs_up: Callable[[Request], bool] = lambda _: False
        self.requests: list[Request] = []
        self.listings: list[Request] = []
        self.made = 0
        self._script = deque(script)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(),), name="script-server", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()
        if self._faults and error is None:
            raise self._faults[0]

    @property
    def open_connections(self) -> int:
        return len(self._conversations)

    def say(self, *script: Scripted) -> None:
        self._script.extend(script)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listener, limit=_LARGEST_HEAD, backlog=_BACKLOG)
        await self._stopping.wait()
        # Closed at once, the server would lose a connection that is just being made, and never close it.
        asyncio.get_running_loop().remove_reader(self._listener)
        # A connection may still be between the listening socket and its conversation.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for conversation in self._conversations:
                conversation.cancel()
            await asyncio.wait(others)
            await asyncio.sleep(0)  # in which the loop lets go of the connections
        server.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        # The loop does so itself only for sockets that name their protocol; without it an answer waits 40 ms.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(partial(self._close, writer.transport))

    def _close(self, connection: asyncio.WriteTransport, conversation: asyncio.Task[None]) -> None:
        connection.abort()  # one that is cancelled before its first step closes nothing itself
        self._conversations.discard(conversation)
        if not conversation.cancelled() and (fault := conversation.exception()):
            self._faults.append(fault)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Each chunk reaches the kernel before the next is written, so that closing loses nothing.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            while True:
                head = await _read_head(reader)
                if self.hangs_up(head):
                    self.requests.append(head)
                    _reset_at_close(writer)
                    break
                answer = self._answer(await _with_body(head, reader))
                await _say(answer, reader, writer)
                if answer.end != "keep-alive":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has hung up
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _answer(self, request: Request) -> Answer:
        scripted = self._next(request)
        return scripted(request) if callable(scripted) else scripted

    def _next(self, request: Request) -> Scripted:
        if request.method == "GET" and request.path.endswith("/models"):
            self.listings.append(request)
            return self.listing or json_answer({"object": "list", "data": self.models}, end="keep-alive")
        if request.method == "GET" and request.path.endswith("/model/info"):
            self.listings.append(request)
            return self.details or text_answer("Not Found", 404, end="keep-alive")
        self.requests.append(request)
        if self._script:
            return self._script.popleft()
        return self.always or text_answer(f"the script has no answer to request {len(self.requests)}", 418)


async def _read_head(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    fields = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    return Request(method, path, query, headers, b"", None)


async def _with_body(head: Request, reader: asyncio.StreamReader) -> Request:
    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader)
    else:
        body = await reader.readexactly(int(head.headers.get("content-length", 0)))
    return replace(head, body=body, json=_parsed(body))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


async def _say(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if answer.delay:
        await _listen(reader, answer.delay)
    if answer.chunks or answer.complete:
        pieces = _encoded(answer)
        if not answer.raw:
            writer.write(_head(answer, sum(map(len, pieces))))
            await writer.drain()
        for number, piece in enumerate(pieces):
            if number and answer.chunk_delay:
                await _listen(reader, answer.chunk_delay)
            if piece:
                framed = answer.chunked and not answer.raw
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if framed else piece)
                await writer.drain()
        if answer.complete and answer.chunked and not answer.raw:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
    await _finish(answer, reader, writer)


async def _finish(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match answer.end:
        case "hang":
            await _listen(reader, None)
        case "cut" | "reset" if answer.chunks:
            await _listen(reader, SETTLE)
    if answer.end == "reset":
        _reset_at_close(writer)


def _reset_at_close(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


async def _listen(reader: asyncio.StreamReader, seconds: float | None) -> None:
    """Let time pass, or end the conversation as soon as the client hangs up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await reader.read(1)
            raise ConnectionAbortedError


def _head(answer: Answer, size: int) -> bytes:
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Unnamed"
    headers = dict(answer.headers)
    if answer.gzip:
        headers["content-encoding"] = "gzip"
    if answer.chunked:
        headers["transfer-encoding"] = "chunked"
    else:
        # An unfinished body promises a byte that never comes.
        headers["content-length"] = str(size if answer.complete else size + 1)
    if answer.end == "close":
        headers["connection"] = "close"
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _encoded(answer: Answer) -> list[bytes]:
    if not answer.gzip:
        return list(answer.chunks)
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    pieces = [packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH) for chunk in answer.chunks]
    return [*pieces, packer.flush()] if answer.complete else pieces
