"""httpx on aiohttp's connections: several times less CPU per concurrent call than httpx's own async layer.

Its exceptions come out as httpx's, told apart by whether the call can have been received: only a failed connect cannot.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from functools import lru_cache
from http.cookies import SimpleCookie
from itertools import chain

import aiohttp
import httpx
from yarl import URL

from aki_transport.transport.outgoing import Arrived, AsyncAnswer, Outgoing
from aki_transport.transport.proxies import proxied_scheme, proxies_by_scheme

_MAX_HEADER = 65536  # bytes; aiohttp's own 8190 are less than some gateways send
_LARGE = 2**20  # bytes; aiohttp warns of larger ones that are not files


class AiohttpTransport:
    """Sends through one aiohttp session, which lives on the loop that made it.

    Args:
        ssl_context: For https.
        max_connections: At once; further calls wait.
        keepalive: Seconds that an idle connection is kept.
    """

    def __init__(self, ssl_context: ssl.SSLContext, *, max_connections: int, keepalive: float) -> None:
        self._proxies = proxies_by_scheme()
        connector = aiohttp.TCPConnector(limit=max_connections, keepalive_timeout=keepalive, ssl=ssl_context)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=_NoCookies(),
            auto_decompress=False,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
        )
        # It would send a GET again by itself; how often a call is sent is decided in one place, and not here.
        self._session._retry_connection = False  # noqa: SLF001

    async def send(self, request: Outgoing) -> AsyncAnswer:
        """Send, and give the answer once its headers are in."""
        times = request.extensions.get("timeout", {})
        timeout = _timeout(times.get("pool"), times.get("connect"), times.get("read"))
        try:
            answer = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers,
                data=_data(request.content),
                allow_redirects=False,
                timeout=timeout,
                proxy=self._proxies.get(proxied_scheme(request.url, self._proxies)) if self._proxies else None,
            )
        except (aiohttp.ClientError, OSError) as error:
            failure = as_httpx(error, answering=False)
        else:
            return _Arrived(answer, times.get("read"))
        raise failure

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()

    def abandon(self) -> None:
        """Let go of every connection of a loop that will run no more, though nobody closed what ran on it.

        Without this, aiohttp would complain on stderr of a session that nobody closed.
        """
        connector = self._session.connector
        self._session.detach()
        if connector is not None:
            for protocol in [*connector._acquired, *(kept for kept, _ in chain(*connector._conns.values()))]:  # noqa: SLF001
                _drop(protocol.transport)
            # Else it would ask a loop that is not closed to poll them no more, which may be the parent's after a fork.
            connector._conns.clear()  # noqa: SLF001
            connector._acquired.clear()  # noqa: SLF001
            with suppress(StopIteration):
                _awaited(connector.close()).send(None)  # ends at once, as there is no loop to wait for


class _NoCookies(aiohttp.DummyCookieJar):
    """Keeps none, and does not make a new jar for each request to say so."""

    _none: SimpleCookie = SimpleCookie()

    def filter_cookies(self, request_url: URL) -> SimpleCookie:  # noqa: ARG002  aiohttp's signature
        """None."""
        return self._none


@lru_cache(256, typed=True)
def _timeout(pool: float | None, connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=pool, sock_connect=connect, sock_read=read)


def _data(content: bytes | None) -> bytes | io.BytesIO | None:
    """A body as aiohttp takes it without a warning: large ones as a file."""
    if content and len(content) > _LARGE:
        return io.BytesIO(content)
    return content or None


def _drop(transport: asyncio.BaseTransport | None) -> None:
    """Close the socket of a transport whose loop runs no more; its own `close` would ask that loop."""
    if transport is None:
        return
    inner = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    if inner is not None:
        transport._closed = True  # type: ignore[attr-defined]  # noqa: SLF001  of asyncio's TLS transport
        transport = inner
    connection = getattr(transport, "_sock", None)
    if connection is not None:
        connection.close()
        transport._sock = None  # type: ignore[union-attr]  # noqa: SLF001  else it complains when it is freed


async def _awaited(waiter: Awaitable[None]) -> None:
    await waiter


class _Arrived(Arrived):
    """An answer over one of these connections."""

    __slots__ = ("_answer", "_patience")

    def __init__(self, answer: aiohttp.ClientResponse, max_wait: float | None) -> None:
        said = answer.raw_headers or ()  # a cassette has none
        super().__init__(answer.status, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in said])
        self._answer = answer
        self._patience = max_wait

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        """The body's bytes as they come."""
        answer, max_wait = self._answer, self._patience
        read = answer.content.readany
        wait = None
        try:
            while piece := await read():
                if wait is None and max_wait is not None and answer.connection is not None:
                    # An answer that is not whole by now is likely to come in many pieces.
                    wait = _Wait(answer.content, answer.connection, max_wait)
                if wait is None:
                    yield piece
                else:
                    wait.since = None
                    yield piece
                    wait.begin()
        except (aiohttp.ClientError, OSError) as error:
            failure = as_httpx(error, answering=True)
        else:
            return
        finally:
            if wait is not None:
                wait.end()
        raise failure

    async def aclose(self) -> None:
        """Let go of the connection: one whose answer was read to its end is back already, any other is of no use."""
        self._answer.close()


class _Wait:
    """Bounds each wait for a piece, in place of aiohttp, which would start a timer anew for every one that comes.

    Args:
        content: What is waited for.
        connection: Where it comes from.
        max_wait: Seconds for each wait.
    """

    __slots__ = ("_content", "_handle", "_held", "_now", "_patience", "_when", "since")

    def __init__(
        self, content: aiohttp.StreamReader, connection: aiohttp.connector.Connection, max_wait: float
    ) -> None:
        loop = asyncio.get_running_loop()
        self._content = content
        self._patience = max_wait
        self._now = loop.time
        self._when = loop.call_at
        self.since: float | None = None
        self._held = 0
        self._handle = self._when(self._now() + max_wait, self._look)
        if connection.protocol is not None:
            connection.protocol.read_timeout = None
            connection.protocol.start_timeout()  # which ends the one that runs

    def begin(self) -> None:
        """Wait from now on."""
        self.since = self._now()
        self._held = self._content.total_bytes

    def end(self) -> None:
        """Wait no more."""
        self._handle.cancel()

    def _look(self) -> None:
        now, content = self._now(), self._content
        if self.since is not None and (content.total_bytes != self._held or content.is_eof()):
            self.since, self._held = now, content.total_bytes  # it has come, and waits for a reader whose loop was busy
        due = (now if self.since is None else self.since) + self._patience
        if now < due:
            self._handle = self._when(due, self._look)
        else:
            content.set_exception(aiohttp.SocketTimeoutError("Timeout on reading data from socket"))


def as_httpx(error: Exception, *, answering: bool) -> httpx.TransportError | httpx.InvalidURL:
    """Httpx's exception for aiohttp's, with the cause as text."""
    words = str(error) or type(error).__name__
    match error:
        case aiohttp.InvalidURL():
            return httpx.InvalidURL(words)
        case aiohttp.ClientHttpProxyError():
            return httpx.ProxyError(f"{error.status} {error.message}")  # its own words hold the proxy's password
        case aiohttp.ClientProxyConnectionError():
            return httpx.ProxyError(words)
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(words)
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout(words)
        case asyncio.TimeoutError():
            return httpx.ReadTimeout(words)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return httpx.RemoteProtocolError(words)
        case _:
            return httpx.ReadError(words) if answering else httpx.WriteError(words)
