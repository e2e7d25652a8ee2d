"""Connections under an `httpx.Client`: httpx's own transports with one connection each, in lists of free ones.

httpx's pool looks at every connection for each request, which takes 12 ms of CPU per call at 100 at once. A list of
free connections takes the last one, and no lock that a collected stream could meet.
"""

from __future__ import annotations

import asyncio
import queue
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

import httpcore
import httpx

from aki_transport.transport.network import AsyncBackend, SyncBackend, Watch
from aki_transport.transport.proxies import Proxies

MAX_CONNECTIONS = 1000
KEEPALIVE = 10.0
"""Seconds; AKI.IO's server closes idle connections after 15."""

_Origin: TypeAlias = tuple[bytes, bytes, int | None]


class _SyncConnection(httpx.HTTPTransport):
    """httpx's transport over a single connection."""

    def __init__(self, ssl_context: ssl.SSLContext, proxies: Proxies, url: httpx.URL) -> None:
        self.watch = Watch()
        kinds = httpcore.HTTPConnection, httpcore.ConnectionPool
        # Its own constructor would make a pool that takes no `NetworkBackend`. This attribute is private to httpx.
        self._pool = _core_connection(*kinds, ssl_context, proxies, url, SyncBackend(self.watch))
        self.idle_since = 0.0


class _AsyncConnection(httpx.AsyncHTTPTransport):
    """`_SyncConnection`, async. Closing it takes no event loop."""

    def __init__(self, ssl_context: ssl.SSLContext, proxies: Proxies, url: httpx.URL) -> None:
        self.watch = Watch()
        backend = AsyncBackend(self.watch)
        kinds = httpcore.AsyncHTTPConnection, httpcore.AsyncConnectionPool
        self._pool = _core_connection(*kinds, ssl_context, proxies, url, backend)
        self.close = backend.close
        self.idle_since = 0.0


def _core_connection(
    direct: Any, pool: Any, ssl_context: ssl.SSLContext, proxies: Proxies, url: httpx.URL, backend: Any
) -> Any:
    """One of httpcore's connections, or its pool of one, which knows proxies."""
    proxy = proxies.proxy_for(url)
    options = {"ssl_context": ssl_context, "keepalive_expiry": KEEPALIVE, "network_backend": backend}
    if proxy is None:
        return direct(_core_url(url).origin, **options)
    proxy_context = ssl_context if proxy.url.scheme == "https" else None
    core_proxy = httpcore.Proxy(_core_url(proxy.url), auth=proxy.raw_auth, ssl_context=proxy_context)
    return pool(**options, proxy=core_proxy, max_connections=1)


def _core_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


_C = TypeVar("_C", _SyncConnection, _AsyncConnection)


class _FreeConnections(Generic[_C]):
    """The free connections of each origin, last in, first out."""

    def __init__(self, make: Callable[[httpx.URL], _C]) -> None:
        self._make: Callable[[httpx.URL], _C] = make
        self._by_origin: dict[_Origin, deque[_C]] = {}
        self._is_closed = False

    def take(self, url: httpx.URL) -> _C:
        """A free connection to that address that can be used again, else a new one."""
        self._close_older_than(KEEPALIVE)
        connections = self._by_origin.get(_origin_of(url))
        while connections:
            try:
                connection = connections.pop()
            except IndexError:  # another thread was quicker
                break
            if _is_reusable(connection):
                return connection
            connection.close()
        return self._make(url)

    def give_back(self, url: httpx.URL, connection: _C) -> None:
        """Keep the connection if it can be used again."""
        if self._is_closed or not _is_idle(connection):
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._by_origin.setdefault(_origin_of(url), deque()).append(connection)
        if self._is_closed:  # by another thread in between
            self.close()

    def close(self) -> None:
        """Close the free connections now, and each of the others when it is given back."""
        self._is_closed = True
        self._close_older_than(-1.0)

    def _close_older_than(self, seconds: float) -> None:
        now = time.monotonic()
        for connections in list(self._by_origin.values()):
            with suppress(IndexError):  # none is left
                while now - connections[0].idle_since > seconds:
                    connections.popleft().close()


def _origin_of(url: httpx.URL) -> _Origin:
    return url.raw_scheme, url.raw_host, url.port


def _is_idle(connection: _SyncConnection | _AsyncConnection) -> bool:
    """Whether the last answer was read to its end, and nothing came behind it."""
    return not connection.watch.last_byte and all(each.is_available() for each in _core_connections(connection))


def _is_reusable(connection: _SyncConnection | _AsyncConnection) -> bool:
    """Whether an idle connection is still open, and nothing came on it since."""
    return not any(each.has_expired() for each in _core_connections(connection))


def _core_connections(connection: _SyncConnection | _AsyncConnection) -> Any:
    return getattr(connection._pool, "connections", (connection._pool,))  # noqa: SLF001  set above


def _no_connection(request: httpx.Request) -> httpx.PoolTimeout:
    return httpx.PoolTimeout("every connection is in use", request=request)


class Connections(httpx.BaseTransport):
    """Sends from any thread."""

    def __init__(self, ssl_context: ssl.SSLContext, proxies: Proxies) -> None:
        self._free = _FreeConnections(partial(_SyncConnection, ssl_context, proxies))
        # Held here, so that a stream that is collected in a cycle closes before its socket.
        self._in_use: set[_SyncConnection] = set()
        # A `SimpleQueue` may be put to while its own thread takes from it, which a collected stream does.
        self._tickets: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(MAX_CONNECTIONS):
            self._tickets.put(None)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send over a free connection, or over a new one."""
        try:
            self._tickets.get(timeout=request.extensions.get("timeout", {}).get("pool"))
        except queue.Empty:
            raise _no_connection(request) from None
        connection: _SyncConnection | None = None
        try:
            connection = self._free.take(request.url)
            self._in_use.add(connection)
            connection.watch.begin(request.extensions.get("deadline"))
            response = connection.handle_request(request)
            connection.watch.note_headers(response.headers)
        except BaseException:
            if connection is not None:
                connection.close()
            self._end_use(connection)
            raise
        response.stream = _Body(response.stream, partial(self._give_back, request.url, connection))
        response.extensions["end_by"] = connection.watch.end_by
        return response

    def close(self) -> None:
        """Close the free connections now, and each of the others at the end of its answer."""
        self._free.close()

    def _give_back(self, url: httpx.URL, connection: _SyncConnection) -> None:
        try:
            self._free.give_back(url, connection)
        finally:
            self._end_use(connection)

    def _end_use(self, connection: _SyncConnection | None) -> None:
        self._in_use.discard(connection)
        self._tickets.put(None)


class AsyncConnections(httpx.AsyncBaseTransport):
    """`Connections`, on the event loop that it was made on."""

    def __init__(self, ssl_context: ssl.SSLContext, proxies: Proxies) -> None:
        self._free = _FreeConnections(partial(_AsyncConnection, ssl_context, proxies))
        self._in_use: set[_AsyncConnection] = set()
        self._tickets = asyncio.Semaphore(MAX_CONNECTIONS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send over a free connection, or over a new one."""
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._tickets.acquire()
        except TimeoutError:
            raise _no_connection(request) from None
        connection: _AsyncConnection | None = None
        try:
            connection = self._free.take(request.url)
            self._in_use.add(connection)
            connection.watch.begin(None)  # the event loop ends what takes too long
            response = await connection.handle_async_request(request)
            connection.watch.note_headers(response.headers)
        except BaseException:
            if connection is not None:
                connection.close()
            self._end_use(connection)
            raise
        response.stream = _AsyncBody(response.stream, partial(self._give_back, request.url, connection))
        return response

    async def aclose(self) -> None:
        """Close the free connections now, and each of the others at the end of its answer."""
        self._free.close()

    def abandon(self) -> None:
        """Close the sockets of an event loop that does not run any more."""
        self._free.close()
        for connection in self._in_use:
            connection.close()

    def _give_back(self, url: httpx.URL, connection: _AsyncConnection, *, is_read: bool) -> None:
        if is_read:
            self._free.give_back(url, connection)
        else:
            connection.close()
        self._end_use(connection)

    def _end_use(self, connection: _AsyncConnection | None) -> None:
        self._in_use.discard(connection)
        self._tickets.release()


class _Body(httpx.SyncByteStream):
    """A body that gives its connection back when it is closed, which httpx does once."""

    def __init__(self, stream: Any, give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back = give_back

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._give_back()


class _AsyncBody(httpx.AsyncByteStream):
    """`_Body`, async. The connection of one that is closed before its end is closed at once.

    A loop that shuts down closes the generators around this one too, which must not find it waiting.
    """

    def __init__(self, stream: Any, give_back: Callable[..., None]) -> None:
        self._stream = stream
        self._give_back = give_back
        self._is_read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk
        self._is_read = True

    async def aclose(self) -> None:
        try:
            if self._is_read:
                await self._stream.aclose()
        finally:
            self._give_back(is_read=self._is_read)
