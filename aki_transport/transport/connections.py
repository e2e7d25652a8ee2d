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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
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


class _Lane(httpx.HTTPTransport):
    """httpx's transport over a single connection."""

    def __init__(self, url: httpx.URL, proxy: httpx.Proxy | None, ssl_context: ssl.SSLContext) -> None:
        self.watch = Watch()
        kinds = httpcore.HTTPConnection, httpcore.ConnectionPool
        # Its own constructor would make a pool that takes no `NetworkBackend`. This attribute is private to httpx.
        self._pool = _connection(*kinds, url, proxy, ssl_context, SyncBackend(self.watch))
        self.idle_since = 0.0

    def close(self) -> None:
        self._pool.close()


class _AsyncLane(httpx.AsyncHTTPTransport):
    """`_Lane`, async."""

    def __init__(self, url: httpx.URL, proxy: httpx.Proxy | None, ssl_context: ssl.SSLContext) -> None:
        self.watch = Watch()
        self.backend = AsyncBackend(self.watch)
        kinds = httpcore.AsyncHTTPConnection, httpcore.AsyncConnectionPool
        self._pool = _connection(*kinds, url, proxy, ssl_context, self.backend)
        self.idle_since = 0.0

    async def aclose(self) -> None:
        await self._pool.aclose()
        self.backend.close()  # a socket whose connection was given up before httpcore had it


def _connection(
    direct: Any, pool: Any, url: httpx.URL, proxy: httpx.Proxy | None, ssl_context: ssl.SSLContext, backend: Any
) -> Any:
    """One of httpcore's connections, or its pool of one, which knows proxies."""
    options = {"ssl_context": ssl_context, "keepalive_expiry": KEEPALIVE, "network_backend": backend}
    if proxy is None:
        return direct(_core_url(url).origin, **options)
    proxy_context = ssl_context if proxy.url.scheme == "https" else None
    core_proxy = httpcore.Proxy(_core_url(proxy.url), auth=proxy.raw_auth, ssl_context=proxy_context)
    return pool(**options, proxy=core_proxy, max_connections=1)


def _core_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


_L = TypeVar("_L", _Lane, _AsyncLane)


class _FreeLanes(Generic[_L]):
    """The free connections of each origin, last in, first out. Its methods return those that are to be closed."""

    def __init__(self) -> None:
        self._by_origin: dict[_Origin, deque[_L]] = {}
        self._is_closed = False

    def take(self, url: httpx.URL) -> tuple[_L | None, list[_L]]:
        """A connection to that address that can be used again."""
        old = self._older_than(KEEPALIVE)
        lanes = self._by_origin.get(_origin_of(url))
        while lanes:
            try:
                lane = lanes.pop()
            except IndexError:  # another thread was quicker
                break
            if _is_reusable(lane):
                return lane, old
            old.append(lane)
        return None, old

    def give_back(self, url: httpx.URL, lane: _L) -> list[_L]:
        """Keep the connection if it can be used again."""
        if self._is_closed or not _is_reusable(lane):
            return [lane]
        lane.idle_since = time.monotonic()
        self._by_origin.setdefault(_origin_of(url), deque()).append(lane)
        return self.close() if self._is_closed else []  # closed by another thread in between

    def close(self) -> list[_L]:
        """Keep none from now on."""
        self._is_closed = True
        return self._older_than(-1.0)

    def _older_than(self, seconds: float) -> list[_L]:
        now, old = time.monotonic(), []
        for lanes in list(self._by_origin.values()):
            try:
                while now - lanes[0].idle_since > seconds:
                    old.append(lanes.popleft())
            except IndexError:  # none is left
                continue
        return old


def _origin_of(url: httpx.URL) -> _Origin:
    return url.raw_scheme, url.raw_host, url.port


def _is_reusable(lane: _Lane | _AsyncLane) -> bool:
    """Whether the last answer was read to its end, nothing came behind it, and the connection is still open."""
    connections = getattr(lane._pool, "connections", [lane._pool])  # noqa: SLF001  set above
    return not lane.watch.last_byte and all(each.is_available() and not each.has_expired() for each in connections)


class Connections(httpx.BaseTransport):
    """Sends from any thread.

    Args:
        ssl_context: For https.
        proxies: Which proxy an address is reached through.
    """

    def __init__(self, ssl_context: ssl.SSLContext, proxies: Proxies) -> None:
        self._ssl_context = ssl_context
        self._proxies = proxies
        self._free: _FreeLanes[_Lane] = _FreeLanes()
        # A `SimpleQueue` may be put to while its own thread takes from it, which a collected stream does.
        self._tickets: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(MAX_CONNECTIONS):
            self._tickets.put(None)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send over a free connection, or over a new one."""
        try:
            self._tickets.get(timeout=request.extensions.get("timeout", {}).get("pool"))
        except queue.Empty:
            raise httpx.PoolTimeout("every connection is in use", request=request) from None
        lane: _Lane | None = None
        try:
            lane, old = self._free.take(request.url)
            self._close(old)
            lane = lane or _Lane(request.url, self._proxies.proxy_for(request.url), self._ssl_context)
            lane.watch.begin(request.extensions.get("deadline"))
            response = lane.handle_request(request)
        except BaseException:
            if lane is not None:
                lane.close()
            self._tickets.put(None)
            raise
        response.stream = _Body(response.stream, partial(self._give_back, request.url, lane))
        response.extensions["end_by"] = lane.watch.end_by
        return response

    def close(self) -> None:
        """Close the free connections now, and each of the others at the end of its answer."""
        self._close(self._free.close())

    def _give_back(self, url: httpx.URL, lane: _Lane) -> None:
        try:
            self._close(self._free.give_back(url, lane))
        finally:
            self._tickets.put(None)

    @staticmethod
    def _close(lanes: list[_Lane]) -> None:
        for lane in lanes:
            lane.close()


class AsyncConnections(httpx.AsyncBaseTransport):
    """`Connections`, on the event loop that it was made on."""

    def __init__(self, ssl_context: ssl.SSLContext, proxies: Proxies) -> None:
        self._ssl_context = ssl_context
        self._proxies = proxies
        self._free: _FreeLanes[_AsyncLane] = _FreeLanes()
        self._lanes: set[_AsyncLane] = set()
        self._tickets = asyncio.Semaphore(MAX_CONNECTIONS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send over a free connection, or over a new one."""
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._tickets.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("every connection is in use", request=request) from None
        lane: _AsyncLane | None = None
        try:
            lane, old = self._free.take(request.url)
            await self._close(old)
            lane = lane or _AsyncLane(request.url, self._proxies.proxy_for(request.url), self._ssl_context)
            self._lanes.add(lane)
            lane.watch.begin(None)  # the event loop ends what takes too long
            response = await lane.handle_async_request(request)
        except BaseException:
            if lane is not None:
                await self._close([lane])
            self._tickets.release()
            raise
        body = _AsyncBody(response.stream, partial(self._give_back, request.url, lane), partial(self._abandon, lane))
        response.stream = body
        response.extensions["abandon"] = body.abandon
        return response

    async def aclose(self) -> None:
        """Close the free connections now, and each of the others at the end of its answer."""
        await self._close(self._free.close())

    def abandon(self) -> None:
        """Close the sockets of an event loop that does not run any more."""
        self._free.close()
        for lane in self._lanes:
            lane.backend.close()

    async def _give_back(self, url: httpx.URL, lane: _AsyncLane) -> None:
        try:
            await self._close(self._free.give_back(url, lane))
        finally:
            self._tickets.release()

    def _abandon(self, lane: _AsyncLane) -> None:
        self._lanes.discard(lane)
        lane.backend.close()
        self._tickets.release()

    async def _close(self, lanes: list[_AsyncLane]) -> None:
        for lane in lanes:
            self._lanes.discard(lane)
            await lane.aclose()


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
    """`_Body`, async; `abandon` closes the connection without waiting for anything."""

    def __init__(self, stream: Any, give_back: Callable[[], Awaitable[None]], abandon: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back = give_back
        self._abandon = abandon
        self._is_closed = False

    def abandon(self) -> None:
        """Close the connection of a body that nobody reads any more."""
        if not self._is_closed:
            self._is_closed = True
            self._abandon()

    def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = aiter(self._stream)
        return chunks

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            try:
                await self._stream.aclose()
            finally:
                await self._give_back()
