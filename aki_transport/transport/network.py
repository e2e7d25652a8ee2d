"""Enforces timeouts and deadlines on every read and write under httpcore, and notices bytes behind an answer.

The sync half wraps httpcore's own streams. The async half reads plain sockets through the event loop, and not through
asyncio's transports: those can only be closed by a loop that still runs, and warn if it does not.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import httpcore

T = TypeVar("T")

_WRITE = 65536  # bytes between two looks at the clock
_TLS_RECORD = 16384
# Bytes that httpcore reads of a SOCKS proxy's reply: in one piece, and without a timeout of its own.
_SOCKS_REPLY = 4096
_TURN = 65536  # bytes, of which each read counts for some more, after which other tasks have their turn
_OF_READ = 2048  # bytes that each read counts for beside its own
_NEXT_ADDRESS = 2.0  # seconds after which the next address of a host is tried


class Watch:
    """What a connection knows of the call that it carries: its deadline, and whether bytes came behind its answer.

    httpcore keeps bytes behind an answer, and would read them as the next one. So it gets the last byte of each read
    alone, once it asks for more: a byte that it never asked for came behind the answer.
    """

    def __init__(self) -> None:
        self.connect_timeout: float | None = None
        self.begin(None)

    def begin(self, deadline: float | None) -> None:
        """Carry another call, which must be over at that moment of `time.monotonic`."""
        self.deadline: float | None = deadline
        self.last_byte = b""
        self._is_chunked = False
        self._may_end = False

    def take_last_byte(self) -> bytes:
        """The last byte of the read before, if it was kept."""
        last_byte, self.last_byte = self.last_byte, b""
        return last_byte

    def keep_last_byte(self, data: bytes, max_bytes: int) -> bytes:
        """The bytes of a read without their last one; a single byte can only be asked for, so it is not kept.

        Handing out the last byte alone takes time for each piece of a stream. An answer that is known to come in chunks
        cannot have ended before a line that begins with 0, which is the size of its last chunk.
        """
        self._may_end = self._may_end or b"\n0" in data or data.startswith(b"0")
        if len(data) <= 1 or max_bytes <= _SOCKS_REPLY or (self._is_chunked and not self._may_end):
            return data
        self.last_byte = data[-1:]
        return data[:-1]

    def note_headers(self, headers: Mapping[str, str]) -> None:
        """Note how the body comes, now that the answer's headers were read."""
        self._is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"

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


class _Outbox:
    """Keeps a write until the next one, or until an answer is read: headers and body go out together.

    httpcore ends each request with a write, which is an empty one if nothing is left to send.
    """

    def __init__(self) -> None:
        self.held = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What is to be sent now that more is written, in pieces of a bounded size."""
        held, self.held = self.held, b""
        if not held and 0 < len(data) <= _WRITE:
            self.held = data
        elif len(held) + len(data) <= _WRITE:
            yield held + data
        else:
            yield from filter(None, (held, *(data[start : start + _WRITE] for start in range(0, len(data), _WRITE))))


class SyncBackend(httpcore.NetworkBackend):
    """Opens the socket of one connection."""

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
        self._watch.connect_timeout = timeout
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for info, seconds in _with_seconds(infos, timeout):
            allowed = self._watch.allowed(seconds, httpcore.ConnectTimeout)
            try:
                stream = self._backend.connect_tcp(info[4][0], port, allowed, local_address, socket_options or ())
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _SyncStream(stream, self._watch)
        raise failure


def _with_seconds(infos: Sequence[Any], timeout: float | None) -> Iterator[tuple[Any, float | None]]:
    """What a look-up returned, each with the seconds that connecting may take: the last one has all that are left."""
    end = float("inf") if timeout is None else time.monotonic() + timeout
    infos = list({info[4]: info for info in infos}.values())
    for info in infos:
        left = max(end - time.monotonic(), 0.001)
        seconds = left if info is infos[-1] else min(left / 2, _NEXT_ADDRESS)
        yield info, None if seconds == float("inf") else seconds


class _SyncStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, watch: Watch, *, is_nested: bool = False) -> None:
        self._stream = stream
        self._watch = watch
        self._is_nested = is_nested
        self._outbox = _Outbox()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if last_byte := self._watch.take_last_byte():
            return last_byte
        if self._outbox.held:
            self.write(b"", timeout)
        if max_bytes <= _SOCKS_REPLY:
            timeout = self._watch.connect_timeout
        data = self._stream.read(max_bytes, self._watch.allowed(timeout, httpcore.ReadTimeout))
        return self._watch.keep_last_byte(data, max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for piece in self._outbox.pieces(buffer):
            self._stream.write(piece, self._watch.allowed(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        is_nested = isinstance(self._stream.get_extra_info("socket"), ssl.SSLSocket)
        try:
            allowed = self._watch.allowed(timeout, httpcore.ConnectTimeout)
            stream = self._stream.start_tls(ssl_context, server_hostname, allowed)
        except BaseException:
            self.close()
            raise
        self._watch.take_last_byte()  # behind the answer of a proxy to CONNECT
        return _SyncStream(stream, self._watch, is_nested=is_nested)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            sock = self._stream.get_extra_info("socket")
            # httpcore's TLS within TLS hides the bytes that it has read ahead, so such a connection is used once.
            return self._is_nested or bool(isinstance(sock, ssl.SSLSocket) and sock.pending()) or _is_readable(sock)
        return self._stream.get_extra_info(info)


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """Opens the socket of one connection, on the running event loop, which bounds the call itself."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._socket: socket.socket | None = None

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that answers; all of them share the time."""
        self._watch.connect_timeout = timeout
        async with _Bounded(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
            infos = await _look_up(host, port)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for info, seconds in _with_seconds(infos, timeout):
            try:
                async with _Bounded(seconds, httpcore.ConnectTimeout, httpcore.ConnectError):
                    self._socket = await _connect(info)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _AsyncStream(self._socket, self._watch)
        raise failure

    def close(self) -> None:
        """Close the socket, which takes no event loop."""
        if self._socket is not None:
            self._socket.close()


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self.socket = sock
        self.watch = watch
        self._outbox = _Outbox()
        self._since_turn = 0

    async def receive(self, max_bytes: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.socket, max_bytes)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if last_byte := self.watch.take_last_byte():
            return last_byte
        if self._outbox.held:
            await self.write(b"", timeout)
        if self._since_turn >= _TURN:
            self._since_turn = 0
            await asyncio.sleep(0)  # what has arrived is read without a wait, and a peer may send without an end
        if max_bytes <= _SOCKS_REPLY:
            timeout = self.watch.connect_timeout
        async with _Bounded(timeout, httpcore.ReadTimeout, httpcore.ReadError):
            data = await self.receive(max_bytes)
        self._since_turn += len(data) + _OF_READ
        return self.watch.keep_last_byte(data, max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for piece in self._outbox.pieces(buffer):
            async with _Bounded(timeout, httpcore.WriteTimeout, httpcore.WriteError):
                await self.send(piece)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        stream = _AsyncTlsStream(self, ssl_context, server_hostname)
        try:
            async with _Bounded(timeout, httpcore.ConnectTimeout, httpcore.ConnectError):
                await stream.shake_hands()
        except BaseException:
            await self.aclose()
            raise
        self.watch.take_last_byte()  # behind the answer of a proxy to CONNECT
        return stream

    async def aclose(self) -> None:
        self.socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _is_readable(self.socket)
        return self.socket if info == "socket" else None


class _AsyncTlsStream(_AsyncStream):
    """TLS over another stream, which may be TLS itself: to a host through a proxy."""

    def __init__(self, stream: _AsyncStream, ssl_context: ssl.SSLContext, server_hostname: str | None) -> None:
        super().__init__(stream.socket, stream.watch)
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ssl_context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    async def shake_hands(self) -> None:
        await self._run(self._tls.do_handshake)

    async def receive(self, max_bytes: int) -> bytes:
        try:
            return await self._run(partial(self._tls.read, max_bytes))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[await self._run(partial(self._tls.write, view[:_WRITE])) :]

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
                data = await self._stream.receive(_TLS_RECORD)
                self._incoming.write(data) if data else self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._stream.send(self._outgoing.read())


class _Bounded:
    """Bounds a wait on the event loop, and raises httpcore's exceptions in place of the loop's.

    A loop that was busy may see at once that bytes have arrived and that the time is over. The timer ends the wait one
    round of the loop later, so that the bytes count; `asyncio.timeout` alone would throw them away.
    """

    def __init__(self, seconds: float | None, timed_out: type[Exception], failure: type[Exception]) -> None:
        self._seconds = seconds
        self._timed_out = timed_out
        self._failure = failure
        self._bound = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._bound.__aenter__()
        loop, end = asyncio.get_running_loop(), self._bound.reschedule
        self._timer = None if self._seconds is None else loop.call_later(self._seconds, end, 0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._bound.__aexit__(kind, error, trace)
        except TimeoutError as over:
            error = over
        if isinstance(error, OSError):
            raise (self._timed_out if isinstance(error, TimeoutError) else self._failure)(str(error)) from None


def _is_readable(sock: socket.socket) -> bool:
    """Whether a read would not wait, which on an idle connection means that it is of no use."""
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


async def _look_up(host: str, port: int) -> Sequence[Any]:
    try:
        # Without the loop's threads, which an address needs as little as asyncio's own connections do.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _connect(info: Any) -> socket.socket:
    sock = socket.socket(*info[:3])
    try:
        sock.setblocking(False)  # noqa: FBT003  the socket module's own signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, info[4])
    except BaseException:
        sock.close()
        raise
    return sock
