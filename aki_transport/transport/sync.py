"""httpx on urllib3's connections: a third of the CPU per piece of a stream that httpx's own sync layer takes.

Its exceptions come out as httpx's, told apart by whether the call can have been received: only a failed connect cannot.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import urllib3
from urllib3 import exceptions as failures

from aki_transport.transport.deadline import shut_down_after

_PIECE = 65536  # bytes that one read asks for; it gives what there is
_POOLS = 1000  # hosts; more than that, and the idle connections of the one used longest ago are closed


class _Sending(threading.local):
    """What the connection that sends this thread's request has to know of it."""

    write: float | None = None
    deadline: float | None = None
    begun = False


_sending = _Sending()


class _Answer(http.client.HTTPResponse):
    """An answer whose forerunners (103 Early Hints) are passed over, as 100 is anyway."""

    def begin(self) -> None:
        super().begin()
        while 100 < self.status < 200 and self.status != http.client.SWITCHING_PROTOCOLS:  # noqa: PLR2004
            self.headers = None  # type: ignore[assignment]  # how it knows that nothing was read yet
            super().begin()


class _Connection:
    """What we ask of a connection beyond urllib3's: separate time to write, a deadline, a limit to its idleness."""

    keepalive: float
    answer: _Answer
    answering: socket.socket | None
    sock: socket.socket | None
    used: float = 0.0

    def response_class(self, *args: Any, **kwargs: Any) -> _Answer:
        """The answer that `http.client` makes; kept, for it reads faster than urllib3's around it."""
        self.answer = _Answer(*args, **kwargs)
        return self.answer

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again: neither closed by the service nor about to be."""
        return time.monotonic() - self.used < self.keepalive and bool(super().is_connected)  # type: ignore[misc]

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        if self.sock is not None:
            self.sock.settimeout(_sending.write)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _sending.begun = self.sock is not None
        if self.sock is not None:
            self.sock.settimeout(_sending.write)
        super().request(*args, **kwargs)  # type: ignore[misc]

    def getresponse(self) -> Any:
        _sending.begun = True
        self.answering = self.sock  # where the service closes it after this answer, `sock` is None from here on
        deadline = _sending.deadline
        with shut_down_after(self.sock, None if deadline is None else deadline - time.monotonic()):
            return super().getresponse()  # type: ignore[misc]


class _PlainConnection(_Connection, urllib3.connection.HTTPConnection):
    pass


class _TlsConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Urllib3Transport(httpx.BaseTransport):
    """Sends httpx requests over urllib3's pools, from any thread.

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
        self._proxied_plain = False
        options = {"maxsize": max_connections, "block": True, "ssl_context": ssl_context, "retries": False}
        if proxy is None:
            self._pools = urllib3.PoolManager(_POOLS, **options)
        else:
            url = httpx.URL(proxy)
            secret = f"{url.username}:{url.password}" if url.username or url.password else None
            self._pools = urllib3.ProxyManager(
                str(url.copy_with(username=None, password=None)),
                _POOLS,
                proxy_headers=urllib3.make_headers(proxy_basic_auth=secret),
                proxy_ssl_context=ssl_context,
                **options,
            )
            self._proxied_plain = True
        self._pools.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        self._by_origin: dict[tuple[str, str, int | None], urllib3.HTTPConnectionPool] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and give the answer once its headers are in."""
        url = request.url
        times = request.extensions.get("timeout", {})
        _sending.write = times.get("write")
        _sending.deadline = request.extensions.get("deadline")
        _sending.begun = False
        try:
            answer = self._pool(url).urlopen(
                request.method,
                str(url) if self._proxied_plain and url.scheme == "http" else url.raw_path.decode("ascii"),
                body=request.read() or None,
                headers={name.decode("ascii"): value.decode("latin-1") for name, value in request.headers.raw},
                timeout=urllib3.Timeout(connect=times.get("connect"), read=times.get("read")),
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (failures.HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            failure = _as_httpx(error)
        else:
            body = _Body(answer)
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
            return httpx.Response(
                answer.status, headers=headers, stream=body, request=request, extensions={"network_stream": body}
            )
        raise failure

    def close(self) -> None:
        """Close every idle connection; one in use closes when its answer was read."""
        self._by_origin.clear()
        self._pools.clear()

    def _pool(self, url: httpx.URL) -> urllib3.HTTPConnectionPool:
        origin = (url.scheme, url.host, url.port)
        pool = self._by_origin.get(origin)
        if pool is None:
            pool = self._by_origin[origin] = self._pools.connection_from_host(url.host, url.port, url.scheme)
            pool.ConnectionCls.keepalive = self._keepalive  # type: ignore[attr-defined]
        return pool


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer
        self._connection: Any = answer.connection
        self._connection.used = time.monotonic()

    def get_extra_info(self, name: str) -> Any:
        """The socket, under the name by which httpx's own connections give it."""
        return self._connection.answering if name == "socket" else None

    def __iter__(self) -> Iterator[bytes]:
        answer = self._connection.answer
        read = answer.read1
        try:
            while piece := read(_PIECE):
                yield piece
        except TimeoutError as error:
            failure: httpx.TransportError = httpx.ReadTimeout(str(error))
        except http.client.HTTPException as error:
            failure = httpx.RemoteProtocolError(_words(error))
        except OSError as error:
            failure = httpx.ReadError(_words(error))
        else:
            if not answer.length:
                answer.close()
                self._connection.used = time.monotonic()
                self._answer.release_conn()
                return
            failure = httpx.RemoteProtocolError(f"the answer ended {answer.length} bytes too early")
        raise failure

    def close(self) -> None:
        # A connection whose answer was read to its end is already back in the pool; any other is of no more use.
        self._answer.close()
        self._answer.release_conn()


def _as_httpx(error: Exception) -> httpx.TransportError | httpx.InvalidURL:
    """Httpx's exception for urllib3's, with the cause as text."""
    words = _words(error)
    match error:
        case failures.LocationValueError() | failures.URLSchemeUnknown():
            return httpx.InvalidURL(words)
        case failures.ProxyError():
            return httpx.ProxyError(_words(error.original_error))
        case failures.NewConnectionError() | failures.ClosedPoolError():
            return httpx.ConnectError(words)
        case failures.ConnectTimeoutError():
            return httpx.ConnectTimeout(words)
        case failures.SSLError() if not _sending.begun:
            return httpx.ConnectError(words)
        case failures.ReadTimeoutError():
            return httpx.ReadTimeout(words)
        case failures.ProtocolError(args=(_, TimeoutError())):
            return httpx.WriteTimeout(words)
        case failures.ProtocolError(args=(_, http.client.HTTPException())):
            return httpx.RemoteProtocolError(words)
        case ValueError():
            return httpx.LocalProtocolError(words)
        case _:
            return httpx.ReadError(words)


def _words(error: BaseException) -> str:
    """The innermost cause: what is around it names pools and objects."""
    inner = next((each for each in reversed(error.args) if isinstance(each, BaseException)), None)
    inner = inner or error.__cause__
    if inner is not None:
        return _words(inner)
    return str(error) or type(error).__name__
