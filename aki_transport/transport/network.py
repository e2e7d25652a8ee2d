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

from aki_transport.transport.addresses import addresses_of, connect
from aki_transport.transport.framing import AnswerFraming

T = TypeVar("T")

_WRITE = 65536  # bytes between two looks at the clock
_TLS_RECORD = 16384


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
        addresses = addresses_of(host, port)
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
        data = self.receive(max_bytes, timeout)
        self._watch.framing.feed(data)
        return data

    def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        """Read the bytes that TLS reads, which are no answer's yet."""
        return self._stream.read(max_bytes, self._watch.allowed(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE):
            piece = buffer if len(buffer) <= _WRITE else buffer[start : start + _WRITE]
            self._stream.write(piece, self._watch.allowed(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        tls = _SyncTlsStream(self, self._watch, ssl_context, server_hostname)
        tls.shake_hands(timeout)
        return tls

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _is_readable(self._stream.get_extra_info("socket"))
        return self._stream.get_extra_info(info)


class _SyncTlsStream(_SyncStream):
    """TLS over another stream, which may be TLS itself: to a host through a proxy.

    httpcore's own TLS over TLS bounds no record by the call's end, and hides the bytes that it has read ahead.
    """

    def __init__(
        self, stream: _SyncStream, watch: Watch, ssl_context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        super().__init__(stream, watch)
        self._below = stream  # the same, in a narrower type
        self._tls = _Tls(ssl_context, server_hostname)

    def shake_hands(self, timeout: float | None) -> None:
        try:
            self._run(self._tls.object.do_handshake, timeout)
        except BaseException as error:
            self.close()
            if isinstance(error, httpcore.TimeoutException):
                raise httpcore.ConnectTimeout(str(error)) from None
            if isinstance(error, httpcore.NetworkError | OSError):
                raise httpcore.ConnectError(str(error)) from None
            raise
        self._watch.framing = AnswerFraming()  # the answer of a proxy to CONNECT is over

    def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        try:
            return self._run(partial(self._tls.object.read, max_bytes), timeout)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        try:
            while view:
                view = view[self._run(partial(self._tls.object.write, view[:_WRITE]), timeout) :]
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    def get_extra_info(self, info: str) -> Any:
        return self._tls.extra_info(info) or self._below.get_extra_info(info)

    def _run(self, step: Callable[[], T], timeout: float | None) -> T:
        """Run a step of TLS, with the reads and writes that it asks for."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            result = self._tls.attempt(step)
            left = None if end is None else max(end - time.monotonic(), 0.001)
            if self._tls.outgoing.pending:
                self._below.write(self._tls.outgoing.read(), left)
            if result:
                return result[0]
            self._tls.feed(self._below.receive(_TLS_RECORD, left))


class _Tls:
    """One end of TLS: bytes of the connection on one side, bytes of the answer on the other."""

    def __init__(self, ssl_context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.object = ssl_context.wrap_bio(self._incoming, self.outgoing, server_hostname=server_hostname)

    def attempt(self, step: Callable[[], T]) -> tuple[T] | None:
        """The result of a step of TLS; None if it waits for more bytes."""
        try:
            return (step(),)
        except ssl.SSLWantReadError:
            return None

    def feed(self, data: bytes) -> None:
        """Take what was received; nothing is the end."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def extra_info(self, info: str) -> Any:
        """What TLS itself knows of this."""
        match info:
            case "ssl_object":
                return self.object
            case "is_readable":
                return bool(self.object.pending() or self._incoming.pending)
            case _:
                return None


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
            self._socket = await connect(host, port)
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
        tls = _AsyncTlsStream(self, self._watch, ssl_context, server_hostname)
        await tls.shake_hands(timeout)
        return tls

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
    """`_SyncTlsStream`, async."""

    def __init__(
        self,
        stream: _AsyncStream | _AsyncTlsStream,
        watch: Watch,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None,
    ) -> None:
        self._stream = stream
        self._watch = watch
        self._tls = _Tls(ssl_context, server_hostname)

    async def shake_hands(self, timeout: float | None) -> None:
        try:
            async with _Bounded(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
                await self._run(self._tls.object.do_handshake)
        except BaseException:
            await self.aclose()
            raise
        self._watch.framing = AnswerFraming()  # the answer of a proxy to CONNECT is over

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self.receive(max_bytes, timeout)
        self._watch.framing.feed(data)
        return data

    async def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        async with _Bounded(timeout, httpcore.ReadTimeout, httpcore.ReadError):
            try:
                return await self._run(partial(self._tls.object.read, max_bytes))
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        async with _Bounded(timeout, httpcore.WriteTimeout, httpcore.WriteError):
            view = memoryview(buffer)
            while view:
                view = view[await self._run(partial(self._tls.object.write, view[:_WRITE])) :]

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        tls = _AsyncTlsStream(self, self._watch, ssl_context, server_hostname)
        await tls.shake_hands(timeout)
        return tls

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._tls.extra_info(info) or self._stream.get_extra_info(info)

    async def _run(self, step: Callable[[], T]) -> T:
        """Run a step of TLS, with the reads and writes that it asks for."""
        while True:
            result = self._tls.attempt(step)
            if self._tls.outgoing.pending:
                await self._stream.write(self._tls.outgoing.read())
            if result:
                return result[0]
            self._tls.feed(await self._stream.receive(_TLS_RECORD, None))


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
        if isinstance(error, OSError | httpcore.NetworkError):
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
