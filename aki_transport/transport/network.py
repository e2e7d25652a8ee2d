"""Sockets for httpcore, through its public `NetworkBackend`: reads end with the call, and every byte read is followed.

The sync half wraps httpcore's own streams. The async half reads plain sockets through the event loop, and not through
asyncio's transports: those can only be closed by a loop that still runs, and warn if it does not.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import httpcore

from aki_transport.transport.framing import AnswerFraming

T = TypeVar("T")

_WRITE = 65536  # bytes between two looks at the clock
_TLS_RECORD = 16384
_NEXT_ADDRESS = 0.25  # seconds before the next address of a host is tried beside the first (RFC 8305)


class Watch:
    """What a connection knows of the call that it carries: its deadline, and the bytes of its answer."""

    __slots__ = ("deadline", "framing")

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.framing = AnswerFraming()

    def begin(self, deadline: float | None) -> None:
        """Carry another call, which must be over at that moment of `time.monotonic`."""
        self.deadline = deadline
        self.framing = AnswerFraming()

    def end_by(self, moment: float) -> None:
        """Let reads fail from that moment on, if the deadline is not earlier."""
        self.deadline = moment if self.deadline is None else min(moment, self.deadline)

    def allowed(self, timeout: float | None, error: type[Exception]) -> float | None:
        """Seconds that one wait may take; raises `error` if no time is left."""
        if self.deadline is None:
            return timeout
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise error("no time was left")
        return left if timeout is None else min(left, timeout)


class SyncBackend(httpcore.NetworkBackend):
    """Opens the socket of one connection at a time.

    Args:
        watch: What the connection knows of its call.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that answers; all of them share the time."""
        addresses = _addresses(host, port)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        end = None if timeout is None else time.monotonic() + timeout
        for number, address in enumerate(addresses):
            left = None if end is None else max(end - time.monotonic(), 0.001) / (len(addresses) - number)
            allowed = self._watch.allowed(left, httpcore.ConnectTimeout)
            try:
                stream = self._backend.connect_tcp(address, port, allowed, local_address, socket_options or ())
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _SyncStream(stream, self._watch)
        raise failure


class _SyncStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, watch: Watch) -> None:
        self._stream = stream
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._watch.allowed(timeout, httpcore.ReadTimeout))
        self._watch.framing.feed(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE):
            piece = buffer if len(buffer) <= _WRITE else buffer[start : start + _WRITE]
            self._stream.write(piece, self._watch.allowed(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            allowed = self._watch.allowed(timeout, httpcore.ConnectTimeout)
            stream = self._stream.start_tls(ssl_context, server_hostname, allowed)
        except BaseException:
            self.close()
            raise
        self._watch.framing = AnswerFraming()  # the answer of a proxy to CONNECT is over
        return _SyncStream(stream, self._watch)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            sock = self._stream.get_extra_info("socket")
            return bool(isinstance(sock, ssl.SSLSocket) and sock.pending()) or _is_readable(sock)
        return self._stream.get_extra_info(info)


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """Opens the socket of one connection at a time, on the running event loop.

    Args:
        watch: What the connection knows of its call.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._socket: socket.socket | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  httpcore's signature; nothing here sets it
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that answers."""
        async with _Bounded(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
            self._socket = await _connect(host, port)
        return _AsyncStream(self._socket, self._watch)

    def abandon(self) -> None:
        """Close the socket of a connection whose event loop does not run any more."""
        if self._socket is not None:
            self._socket.close()


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._socket = sock
        self._watch = watch

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self.receive(max_bytes, timeout)
        self._watch.framing.feed(data)
        return data

    async def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        """Read the bytes that TLS reads, which are no answer's yet."""
        async with _Bounded(timeout, httpcore.ReadTimeout, httpcore.ReadError):
            return await asyncio.get_running_loop().sock_recv(self._socket, max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        async with _Bounded(timeout, httpcore.WriteTimeout, httpcore.WriteError):
            await asyncio.get_running_loop().sock_sendall(self._socket, buffer)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return await _AsyncTlsStream.over(self, self._watch, ssl_context, server_hostname, timeout)

    async def aclose(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "socket":
                return self._socket
            case "is_readable":
                return _is_readable(self._socket)
            case "client_addr":
                return self._socket.getsockname()
            case "server_addr":
                return self._socket.getpeername()
            case _:
                return None


class _AsyncTlsStream(httpcore.AsyncNetworkStream):
    """TLS over another stream, which may be TLS itself: to a host through a proxy."""

    def __init__(
        self,
        stream: _AsyncStream | _AsyncTlsStream,
        watch: Watch,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None,
    ) -> None:
        self._stream = stream
        self._watch = watch
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ssl_context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    @classmethod
    async def over(
        cls,
        stream: _AsyncStream | _AsyncTlsStream,
        watch: Watch,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None,
        timeout: float | None,
    ) -> _AsyncTlsStream:
        """Shake hands; a stream that failed to is closed."""
        tls = cls(stream, watch, ssl_context, server_hostname)
        try:
            async with _Bounded(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
                await tls._run(tls._tls.do_handshake)
        except BaseException:
            await stream.aclose()
            raise
        watch.framing = AnswerFraming()  # the answer of a proxy to CONNECT is over
        return tls

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self.receive(max_bytes, timeout)
        self._watch.framing.feed(data)
        return data

    async def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        async with _Bounded(timeout, httpcore.ReadTimeout, httpcore.ReadError):
            try:
                return await self._run(partial(self._tls.read, max_bytes))
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        async with _Bounded(timeout, httpcore.WriteTimeout, httpcore.WriteError):
            view = memoryview(buffer)
            while view:
                view = view[await self._run(partial(self._tls.write, view[:_WRITE])) :]

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return await _AsyncTlsStream.over(self, self._watch, ssl_context, server_hostname, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._tls
        if info == "is_readable" and (self._tls.pending() or self._incoming.pending):
            return True
        return self._stream.get_extra_info(info)

    async def _run(self, step: Callable[[], T]) -> T:
        """Run a step of TLS, with the reads and writes that it asks for."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._stream.receive(_TLS_RECORD, None)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._stream.write(self._outgoing.read())


class _Bounded:
    """Bounds a wait on the event loop, and raises httpcore's exceptions in place of the loop's.

    A loop that was busy for longer may see at once that bytes have arrived and that the time is over. Then the bytes
    count, which `asyncio.timeout` alone would throw away.
    """

    __slots__ = ("_failure", "_seconds", "_timed_out", "_timeout", "_timer")

    def __init__(self, seconds: float | None, timed_out: type[Exception], failure: type[Exception]) -> None:
        self._seconds = seconds
        self._timed_out = timed_out
        self._failure = failure
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        if self._seconds is not None:
            # It ends the wait one round of the loop later, when what has arrived is taken.
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._timeout.reschedule, 0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise self._timed_out("") from None
        if isinstance(error, TimeoutError):
            raise self._timed_out(str(error)) from None
        if isinstance(error, OSError):
            raise self._failure(str(error)) from None


def _is_readable(sock: socket.socket) -> bool:
    """Whether a read would not wait, which on an idle connection means that it is of no use."""
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, each once."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        failure = httpcore.ConnectError(str(error))
    else:
        return list(dict.fromkeys(str(address[0]) for *_, address in infos))
    raise failure


async def _connect(host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address of the host that answers."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    attempts: list[asyncio.Task[socket.socket]] = []
    failure: BaseException = OSError(f"{host} has no address")
    try:
        for family, kind, protocol, _, address in infos:
            attempts.append(loop.create_task(_connect_to(family, kind, protocol, address)))
            is_last = len(attempts) == len(infos)
            while pending := [attempt for attempt in attempts if not attempt.done()]:
                done, _ = await asyncio.wait(
                    pending, timeout=None if is_last else _NEXT_ADDRESS, return_when=asyncio.FIRST_COMPLETED
                )
                connected = next((attempt for attempt in done if attempt.exception() is None), None)
                if connected is not None:
                    attempts.remove(connected)
                    return connected.result()
                if not is_last:
                    break
        failure = next((error for attempt in attempts if (error := attempt.exception()) is not None), failure)
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close_late)
    raise failure


def _close_late(attempt: asyncio.Task[socket.socket]) -> None:
    """Close the socket of a slower address."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _connect_to(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)  # noqa: FBT003  the socket module's own signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
