"""A server that answers with bytes as they are, a proxy, and calls to them over our connections, sync and async."""

import asyncio
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import httpx
import pytest

from aki_transport.transport.connections import AsyncConnections, Connections

MB = 2**20
PEM = Path(__file__).with_name("localhost.pem")  # a key and its certificate, which is its own authority until 2126
HEAD = b"HTTP/1.1 200 OK\r\n"
GOOD = HEAD + b"content-length: 2\r\n\r\nok"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

Handler: TypeAlias = Callable[[socket.socket, int], None]


@dataclass
class Place:
    """A server of this file, with how many connections were made to it, and how many of them are open."""

    port: int
    scheme: str = "http"
    host: str = "127.0.0.1"
    made: int = 0
    open: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/v1/chat"


@cache
def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


@contextmanager
def serving(handle: Handler, *, tls: bool = False, host: str = "127.0.0.1", port: int = 0) -> Iterator[Place]:
    """A server that handles each of its connections in a thread of its own."""
    encrypt = partial(tls_context().wrap_socket, server_side=True) if tls else nullcontext
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=300)
    place = Place(listener.getsockname()[1], "https" if tls else "http", host)

    def converse(connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is written leaves at once
        with connection, suppress(OSError), encrypt(connection) as readable:
            handle(readable, number)
        with place.lock:
            place.open -= 1

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with place.lock:
                    place.made += 1
                    place.open += 1
                threading.Thread(target=converse, args=(connection, place.made), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield place
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def refusing() -> Iterator[int]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


@contextmanager
def hanging(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that takes no more connections, and refuses none."""
    with socket.socket() as listener:
        listener.bind((host, port))
        listener.listen(0)
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.settimeout(0)
            other.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for other in others:
            other.close()


def read_request(connection: socket.socket) -> bytes:
    """The next request; nothing if none comes."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    left = int(length[1]) - len(body) if length else 0
    pieces = [data]
    while left > 0:
        pieces.append(connection.recv(min(left, MB)))
        left -= len(pieces[-1]) or left
    return b"".join(pieces)


def answering(*first: bytes, then: bytes = GOOD, stay: bool = True, written: threading.Event | None = None) -> Handler:
    """Answers the first request of all with these writes and the others well; closes after the first unless `stay`.

    `written` is set as soon as the first answer was written.
    """

    def handle(connection: Any, number: int) -> None:
        if number == 1 and read_request(connection):
            for piece in first:
                connection.sendall(piece)
            if written is not None:
                written.set()
        while (stay or number > 1) and read_request(connection):
            connection.sendall(then)

    return handle


class ServerTls:
    """TLS over a connection that may be TLS itself. Each piece has a record of its own, all of them leave together."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls_context().wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._run(self._tls.do_handshake)

    def recv(self, size: int) -> bytes:
        return self._run(lambda: self._tls.read(size))

    def sendall(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._tls.write(piece)
        self._connection.sendall(self._outgoing.read())

    def _run(self, step: Callable[[], Any]) -> Any:
        while True:
            with suppress(ssl.SSLWantReadError):
                result = step()
                self._connection.sendall(self._outgoing.read())
                return result
            self._connection.sendall(self._outgoing.read())
            data = self._connection.recv(65536)
            if not data:
                raise ConnectionError
            self._incoming.write(data)


def dripping(data: bytes) -> Handler:
    def handle(connection: socket.socket, _: int) -> None:
        connection.recv(65536)
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    return handle


def reset(connection: socket.socket) -> None:
    """Let the connection be reset when it closes."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def proxying(
    seen: list[bytes],
    answer: bytes = b"HTTP/1.1 200 Connected\r\nvia: me\r\n\r\n",
    slow: threading.Event | None = None,
    plain: bytes = GOOD,
) -> Handler:
    """A proxy that answers plain calls itself, and tunnels to a port of this machine; slowly once that is set."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                is_slow = slow is not None and slow.is_set()
                for part in [data[at : at + 1] for at in range(len(data))] if is_slow else [data]:
                    sink.sendall(part)
                    time.sleep(0.1 if is_slow else 0)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def handle(connection: socket.socket, _: int) -> None:
        while request := read_request(connection):
            seen.append(request)
            if not request.startswith(b"CONNECT"):
                connection.sendall(plain)
                continue
            connection.sendall(answer)
            if b" 200 " not in answer:
                return
            port = int(request.split(b" ")[1].rpartition(b":")[2])
            with socket.create_connection(("127.0.0.1", port)) as other:
                back = threading.Thread(target=pump, args=(other, connection), daemon=True)
                back.start()
                pump(connection, other)
                back.join(5)
            return

    return handle


class Caller:
    """Calls over connections of its own, sync, or async on a loop of its own; a test reads the same for both."""

    def __init__(self, *, is_async: bool, proxy: str | None = None, ssl_context: ssl.SSLContext | None = None) -> None:
        self.is_async = is_async
        # Stands in for the environment's proxies: every address is reached through this one, this machine too.
        proxies: Any = SimpleNamespace(proxy_for=lambda _: None if proxy is None else httpx.Proxy(proxy))
        self._parts = (ssl_context or ssl.create_default_context(cafile=PEM), proxies)
        self._runner = asyncio.Runner()
        self.client = self._make()

    def _make(self) -> Any:
        async def make() -> httpx.AsyncClient:
            return httpx.AsyncClient(transport=AsyncConnections(*self._parts), trust_env=False)

        if self.is_async:
            return self._runner.run(make())
        return httpx.Client(transport=Connections(*self._parts), trust_env=False)

    def reset(self) -> None:
        """Other connections from now on."""
        self.end(self.client)
        self.client = self._make()

    def open(
        self, url: str, content: Any = b"{}", *, total: float | None = 10, **timeouts: float | None
    ) -> httpx.Response:
        extensions: dict[str, Any] = {"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": total, **timeouts}}
        if total is not None and not self.is_async:
            extensions["deadline"] = time.monotonic() + total
        request = self.client.build_request("POST", url, content=content, extensions=extensions)
        return self._wait_for(self.client.send(request, stream=True), total)

    def read(self, response: httpx.Response, total: float | None = 10) -> bytes:
        return self._wait_for(response.aread() if self.is_async else response.read(), total)

    def end(self, opened: Any) -> None:
        self._wait_for(opened.aclose() if self.is_async else opened.close(), 10)

    def fetch(
        self, url: str, content: Any = b"{}", *, total: float | None = 10, **timeouts: float | None
    ) -> tuple[int, bytes]:
        response = self.open(url, content, total=total, **timeouts)
        try:
            return response.status_code, self.read(response, total)
        finally:
            self.end(response)

    def _wait_for(self, result: Any, seconds: float | None) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(seconds):
                return await result

        return self._runner.run(bounded()) if self.is_async else result

    def close(self) -> None:
        self.end(self.client)
        self._runner.close()


def calling(**fields: Any) -> closing[Caller]:
    return closing(Caller(**fields))


def error_of(caller: Caller, url: str, content: Any = b"{}", **bounds: float | None) -> Exception:
    with pytest.raises((httpx.TransportError, TimeoutError)) as caught:
        caller.fetch(url, content, **bounds)
    return caught.value


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)
