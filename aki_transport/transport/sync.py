"""httpx on urllib3's connections: a third of the CPU per piece of a stream that httpx's own sync layer takes.

Its exceptions come out as httpx's, told apart by whether the call can have been received: only a failed connect cannot.
"""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import MissingHeaderBodySeparatorDefect
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
import urllib3
from urllib3 import exceptions as failures

from aki_transport.transport.deadline import shut_down_after
from aki_transport.transport.outgoing import Outgoing, Punctual, SyncAnswer

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection, HTTPSConnection
else:
    # A recorder puts classes of its own, made of urllib3's, in their place; where this is imported while one records,
    # ours would be made of those, and record for ever.
    HTTPConnection, HTTPSConnection = (
        next(
            (each for each in given.__mro__ if (each.__module__, each.__name__) == ("urllib3.connection", name)), given
        )
        for name in ("HTTPConnection", "HTTPSConnection")
        for given in (getattr(urllib3.connection, name),)
    )

_PIECE = 65536  # bytes that one read asks for; it gives what there is
_RECORD = 16384  # bytes that TLS writes at a time
_POOLS = 1000  # hosts; more than that, and the idle connections of the one used longest ago are closed


@dataclass(slots=True)
class _Sending:
    """What the connection that sends a request has to know of it, and what it notes."""

    write: float | None = None
    deadline: float | None = None
    begun: bool = False
    connection: _Connection | None = None
    answer: _Answer = field(init=False)

    def where(self) -> socket.socket | None:
        """The socket it is sent over, once there is one."""
        return None if self.connection is None else self.connection.sock

    def left(self) -> float | None:
        """Seconds until the deadline, 0 or more; None if there is none."""
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 0.0)

    def within(self, seconds: float | None) -> float | None:
        """No more than that many seconds, and no more than are left; `TimeoutError` if none are."""
        left = self.left()
        if left == 0:
            raise TimeoutError("no time was left")
        return seconds if left is None else min(left, seconds or left)


class _Here(threading.local):
    sending = _Sending()


_here = _Here()


class _Reading(io.RawIOBase):
    """What comes out of a socket until a set time, which the socket's own timeout is shortened to."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        self.deadline = _here.sending.deadline

    def makefile(self, *_: Any) -> io.BufferedReader:
        """What `http.client` asks of the socket that it is given."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As of any file; `TimeoutError` once the time has come."""
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            allowed = self._socket.gettimeout()
            if allowed is None or left < allowed:
                self._socket.settimeout(left)
            if not isinstance(self._socket, socket.socket):
                return self._within(left, buffer)
        return self._raw.readinto(buffer)

    def _within(self, left: float, buffer: Any) -> int | None:
        """`readinto` for TLS within TLS, which waits anew for each part of a record."""
        read, failure, end = None, None, time.monotonic() + left
        with shut_down_after(lambda: self._socket, left):
            try:
                read = self._raw.readinto(buffer)
            except OSError as error:
                failure = error
        if not read and time.monotonic() >= end:
            raise TimeoutError("timed out")
        if failure is not None:
            raise failure
        return read

    def close(self) -> None:
        """Let go of the socket."""
        super().close()
        self._raw.close()


class _Answer(http.client.HTTPResponse):
    """An answer whose forerunners (103 Early Hints) are passed over, as 100 is anyway."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self.reading = _Reading(sock)
        super().__init__(self.reading, *args, **kwargs)  # type: ignore[arg-type]  # of which it wants a file alone
        _here.sending.answer = self

    def begin(self) -> None:
        super().begin()
        while HTTPStatus.SWITCHING_PROTOCOLS < self.status < HTTPStatus.OK:
            self.headers = None  # type: ignore[assignment]  # how it knows that nothing was read yet
            super().begin()
        if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in self.headers.defects):
            raise http.client.HTTPException("a header without a colon")  # those behind it went unread
        if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
            self.will_close = True  # nobody asked for it; what follows is no HTTP
        # The connection's end is taken for that of the headers, wherever among them it comes.
        framed = self.length is not None or self.chunked
        if not framed and self.status < HTTPStatus.MULTIPLE_CHOICES and not self.fp.peek(1):
            raise http.client.HTTPException("the connection ended before any body")


class _Connection(HTTPConnection):
    """What we ask of a connection beyond urllib3's: separate time to write, a deadline, a limit to its idleness."""

    response_class = _Answer
    expires = 0.0
    _held: list[bytes] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again: neither closed by the service nor about to be."""
        return time.monotonic() < self.expires and super().is_connected

    def connect(self) -> None:
        sending = _here.sending
        sending.connection = self
        self.timeout = sending.within(self.timeout)
        # Proxies and TLS take a wait each, and more.
        with shut_down_after(sending.where, sending.left()):
            super().connect()

    def _new_conn(self) -> socket.socket:
        found = super()._new_conn()  # each address takes a wait
        try:
            found.settimeout(_here.sending.within(self.timeout))
        except TimeoutError:
            found.close()
            raise
        return found

    def request(self, *args: Any, **kwargs: Any) -> None:
        sending = _here.sending
        sending.connection = self
        if self.sock is None:
            self.connect()
        self.timeout = sending.within(sending.write)
        sending.begun = True
        held = self._held = []
        try:
            super().request(*args, **kwargs)
        finally:
            self._held = None
        size = sum(map(len, held))
        # What is no more than this is one wait, which the socket's own timeout bounds.
        with shut_down_after(sending.where, sending.left() if size > _RECORD else None):
            # A small body goes with the headers: in a write of its own it would wake the service twice.
            for data in [b"".join(held)] if size <= _PIECE else held:
                super().send(data)

    def send(self, data: Any) -> None:
        """Send, or keep it until the request is whole."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Idle(queue.LifoQueue[Any]):
    """Connections at rest. An abandoned stream may be collected, and give its own back, while its thread takes one."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        self.mutex = threading.RLock()  # type: ignore[assignment]  # a plain lock would wait for its own thread
        self.not_empty = threading.Condition(self.mutex)
        self.not_full = threading.Condition(self.mutex)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection
    QueueCls = _Idle  # type: ignore[assignment]  # declared as generic, which an attribute cannot be


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
    QueueCls = _Idle  # type: ignore[assignment]


class Urllib3Transport:
    """Sends over urllib3's pools, from any thread.

    Args:
        ssl_context: For https.
        max_connections: At once to one host; further calls wait.
        keepalive: Seconds that an idle connection is used again.
        proxy: The proxy's address, with its password if it takes one.
    """

    def __init__(
        self, ssl_context: ssl.SSLContext, *, max_connections: int, keepalive: float, proxy: str | None = None
    ) -> None:
        self._keepalive = keepalive
        self._proxied = proxy is not None
        options: dict[str, Any] = {
            "maxsize": max_connections,
            "block": True,
            "ssl_context": ssl_context,
            "retries": False,
            # To a proxy it would else wait for an acknowledgement between the headers and the body.
            "socket_options": HTTPConnection.default_socket_options,
        }
        if proxy is None:
            self._pools = urllib3.PoolManager(_POOLS, **options)
        else:
            url = httpx.URL(proxy)
            self._pools = urllib3.ProxyManager(
                f"{url.scheme}://{url.netloc.decode('ascii')}",
                _POOLS,
                proxy_headers=_credentials(url),
                proxy_ssl_context=ssl_context,
                **options,
            )
        self._pools.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        self._pool = lru_cache(_POOLS)(self._pools.connection_from_host)

    def send(self, request: Outgoing) -> SyncAnswer:
        """Send, and give the answer once its headers are in."""
        url, times = request.url, request.extensions.get("timeout", {})
        target = url.raw_path.decode("ascii")
        if self._proxied and url.scheme == "http":
            target = f"http://{url.netloc.decode('ascii')}{target}"
        outer = _here.sending
        sending = _here.sending = _Sending(times.get("write"), request.extensions.get("deadline"))
        try:
            answer = self._pool(url.raw_host.decode("ascii"), url.port, url.scheme).urlopen(
                request.method,
                target,
                body=request.content or None,
                headers=request.headers,
                timeout=urllib3.Timeout(connect=times.get("connect"), read=times.get("read")),
                pool_timeout=sending.left(),  # type: ignore[arg-type]  # a queue gets it, which takes parts of seconds
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (failures.HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            failure = _as_httpx(error, begun=sending.begun)
        else:
            return _Arrived(answer, sending.answer, self._keepalive)
        finally:
            _here.sending = outer  # a collected generator may send in the middle of another request
        raise failure

    def close(self) -> None:
        """Close every idle connection; one in use closes when its answer was read."""
        self._pool.cache_clear()
        pools = [self._pools.pools.get(host) for host in self._pools.pools.keys()]  # noqa: SIM118  not to be iterated
        self._pools.clear()
        for idle in (pool.pool for pool in pools if pool is not None and pool.pool is not None):
            # Left to itself a pool closes when it is freed, which the frames of an earlier failure put off. It stays
            # usable, for a call may have it already.
            with idle.mutex:
                for connection in filter(None, idle.queue):
                    connection.close()


def _credentials(proxy: httpx.URL) -> dict[str, str]:
    if not proxy.userinfo:
        return {}
    return {"proxy-authorization": f"Basic {b64encode(f'{proxy.username}:{proxy.password}'.encode()).decode()}"}


class _Arrived(Punctual):
    """An answer over one of these connections."""

    __slots__ = ("_answer", "_connection", "_keepalive", "_pooled")

    def __init__(self, pooled: urllib3.BaseHTTPResponse, answer: _Answer, keepalive: float) -> None:
        super().__init__(pooled.status, pooled.headers.items())
        self._pooled = pooled
        self._answer = answer  # reads faster than urllib3's around it
        self._connection: Any = pooled.connection
        self._keepalive = keepalive

    def end_by(self, moment: float) -> None:
        """Let reads fail from then on."""
        reading = self._answer.reading
        reading.deadline = moment if reading.deadline is None else min(moment, reading.deadline)

    def iter_raw(self) -> Iterator[bytes]:
        """The body's bytes as they come."""
        answer = self._answer
        read = answer.read1
        try:
            while piece := read(_PIECE):
                yield piece
        except TimeoutError as error:
            failure: httpx.TransportError = httpx.ReadTimeout(_words(error))
        except http.client.HTTPException as error:
            failure = httpx.RemoteProtocolError(_words(error))
        except OSError as error:
            failure = httpx.ReadError(_words(error))
        else:
            if not answer.length:
                answer.close()
                self._connection.expires = time.monotonic() + self._keepalive
                self._pooled.release_conn()
                return
            failure = httpx.RemoteProtocolError(f"the answer ended {answer.length} bytes too early")
        raise failure

    def close(self) -> None:
        """Let go of the connection: one whose answer was read to its end is back already, any other is of no use."""
        self._pooled.close()
        self._pooled.release_conn()


def _as_httpx(error: Exception, *, begun: bool) -> httpx.TransportError | httpx.InvalidURL:
    """Httpx's exception for urllib3's, with the cause as text."""
    cause, words = _cause(error), _words(error)
    match error:
        case failures.LocationValueError() | failures.URLSchemeUnknown():
            return httpx.InvalidURL(words)
        case ValueError():
            return httpx.LocalProtocolError(words)
        case failures.EmptyPoolError():
            return httpx.PoolTimeout("every connection is in use")
        case _ if isinstance(cause, TimeoutError) and not begun:
            return httpx.ConnectTimeout(words)
        case failures.ProxyError() if not begun:  # it says so, too, of what is lost on the way back through a proxy
            return httpx.ProxyError(words)
        case _ if not begun:
            return httpx.ConnectError(words)
        case failures.ReadTimeoutError():
            return httpx.ReadTimeout(words)
        case _ if isinstance(cause, TimeoutError):
            return httpx.WriteTimeout(words)
        case _ if isinstance(cause, http.client.HTTPException | failures.HTTPError):
            return httpx.RemoteProtocolError(words)
        case _:
            return httpx.ReadError(words)


def _cause(error: BaseException) -> BaseException:
    """The innermost cause: what is around it names pools and objects."""
    inner = next((each for each in reversed(error.args) if isinstance(each, BaseException)), None) or error.__cause__
    return error if inner is None else _cause(inner)


def _words(error: Exception) -> str:
    cause = _cause(error)
    return str(cause) or type(cause).__name__
