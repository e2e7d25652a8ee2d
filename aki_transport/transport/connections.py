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
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import httpcore
import httpx

from aki_transport.transport.network import AsyncBackend, SyncBackend, Watch
from aki_transport.transport.proxies import Proxies

MAX_CONNECTIONS = 1000
KEEPALIVE = 10.0
"""Seconds; AKI.IO's server closes idle connections after 15."""

_Origin: TypeAlias = tuple[bytes, bytes, int | None]


class _Lane(httpx.HTTPTransport):
    """httpx's transport over a single connection.

    Args:
        pool: What httpx sends through; the connection itself, or httpcore's pool of one behind a proxy.
        watch: What the connection knows of its call.
    """

    def __init__(self, pool: httpcore.HTTPConnection | httpcore.ConnectionPool, watch: Watch) -> None:
        # Its own constructor would make a pool that takes no `NetworkBackend`. This attribute is private to httpx.
        self._pool = pool  # type: ignore[assignment]
        self.watch = watch
        self.idle_since = 0.0

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer was read to its end, nothing came behind it, and the service keeps it open."""
        connections = self._pool.connections if isinstance(self._pool, httpcore.ConnectionPool) else [self._pool]
        return self.watch.framing.ended_exactly and all(
            each.is_available() and not each.has_expired() for each in connections
        )

    def close(self) -> None:
        self._pool.close()


class _AsyncLane(httpx.AsyncHTTPTransport):
    """`_Lane`, async."""

    def __init__(
        self, pool: httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool, watch: Watch, backend: AsyncBackend
    ) -> None:
        self._pool = pool  # type: ignore[assignment]  # as above
        self.watch = watch
        self.idle_since = 0.0
        self.abandon = backend.abandon

    @property
    def is_reusable(self) -> bool:
        """`_Lane.is_reusable`."""
        connections = self._pool.connections if isinstance(self._pool, httpcore.AsyncConnectionPool) else [self._pool]
        return self.watch.framing.ended_exactly and all(
            each.is_available() and not each.has_expired() for each in connections
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class Connections(httpx.BaseTransport):
    """Sends from any thread.

    Args:
        ssl_context: For https.
        proxies: Which proxy an address is reached through.
    """

    def __init__(self, ssl_context: ssl.SSLContext, proxies: Proxies) -> None:
        self._ssl_context = ssl_context
        self._proxies = proxies
        self._free: dict[_Origin, deque[_Lane]] = {}
        # A `SimpleQueue` may be put to while its own thread takes from it, which a collected stream does.
        self._tickets: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(MAX_CONNECTIONS):
            self._tickets.put(None)
        self._swept_at = time.monotonic()
        self._is_closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send over a free connection, or over a new one."""
        timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
        try:
            self._tickets.get(timeout=timeouts.get("pool"))
        except queue.Empty:
            raise httpx.PoolTimeout("every connection is in use", request=request) from None
        lane: _Lane | None = None
        try:
            origin = _origin_of(request.url)
            lane = self._take(origin) or self._new(request.url)
            lane.watch.begin(request.extensions.get("deadline"))
            response = lane.handle_request(request)
        except BaseException:
            if lane is not None:
                lane.close()
            self._tickets.put(None)
            raise
        response.stream = _Body(response.stream, partial(self._give_back, origin, lane))
        response.extensions["end_by"] = lane.watch.end_by
        return response

    def close(self) -> None:
        """Close the free connections now, and each of the others at the end of its answer."""
        self._is_closed = True
        self._close_idle(float("inf"))

    def _take(self, origin: _Origin) -> _Lane | None:
        if time.monotonic() - self._swept_at > 1:
            self._swept_at = time.monotonic()
            self._close_idle(self._swept_at - KEEPALIVE)
        lanes = self._free.get(origin)
        while lanes:
            try:
                lane = lanes.pop()
            except IndexError:  # another thread was quicker
                return None
            if lane.is_reusable:
                return lane
            lane.close()
        return None

    def _new(self, url: httpx.URL) -> _Lane:
        watch = Watch()
        proxy = self._proxies.proxy_for(url)
        options: dict[str, Any] = {
            "ssl_context": self._ssl_context,
            "keepalive_expiry": KEEPALIVE,
            "network_backend": SyncBackend(watch),
        }
        if proxy is None:
            return _Lane(httpcore.HTTPConnection(_core_origin(url), **options), watch)
        if proxy.url.scheme.startswith("socks"):
            return _Lane(httpcore.SOCKSProxy(**_proxy_options(proxy), **options), watch)
        return _Lane(httpcore.HTTPProxy(**_http_proxy_options(proxy, self._ssl_context), **options), watch)

    def _give_back(self, origin: _Origin, lane: _Lane) -> None:
        if self._is_closed or not lane.is_reusable:
            lane.close()
        else:
            lane.idle_since = time.monotonic()
            self._free.setdefault(origin, deque()).append(lane)
            if self._is_closed:  # by another thread, in between
                self._close_idle(float("inf"))
        self._tickets.put(None)

    def _close_idle(self, before: float) -> None:
        """Close what has been free since before that moment."""
        for lanes in list(self._free.values()):
            try:
                while lanes[0].idle_since < before:
                    lanes.popleft().close()
            except IndexError:  # none is left
                continue


class AsyncConnections(httpx.AsyncBaseTransport):
    """Sends on the event loop that it was made on.

    Args:
        ssl_context: For https.
        proxies: Which proxy an address is reached through.
    """

    def __init__(self, ssl_context: ssl.SSLContext, proxies: Proxies) -> None:
        self._ssl_context = ssl_context
        self._proxies = proxies
        self._free: dict[_Origin, deque[_AsyncLane]] = {}
        self._lanes: set[_AsyncLane] = set()
        self._tickets = asyncio.Semaphore(MAX_CONNECTIONS)
        self._swept_at = time.monotonic()
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send over a free connection, or over a new one."""
        timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
        try:
            async with asyncio.timeout(timeouts.get("pool")):
                await self._tickets.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("every connection is in use", request=request) from None
        lane: _AsyncLane | None = None
        try:
            origin = _origin_of(request.url)
            lane = await self._take(origin) or self._new(request.url)
            lane.watch.begin(None)  # the event loop ends what takes too long
            response = await lane.handle_async_request(request)
        except BaseException:
            if lane is not None:
                await self._close(lane)
            self._tickets.release()
            raise
        response.stream = _AsyncBody(response.stream, partial(self._give_back, origin, lane))
        return response

    async def aclose(self) -> None:
        """Close the free connections now, and each of the others at the end of its answer."""
        self._is_closed = True
        await self._close_idle(float("inf"))

    def abandon(self) -> None:
        """Close the sockets of an event loop that does not run any more."""
        self._is_closed = True
        for lane in self._lanes:
            lane.abandon()

    async def _take(self, origin: _Origin) -> _AsyncLane | None:
        if time.monotonic() - self._swept_at > 1:
            self._swept_at = time.monotonic()
            await self._close_idle(self._swept_at - KEEPALIVE)
        lanes = self._free.get(origin)
        while lanes:
            lane = lanes.pop()
            if lane.is_reusable:
                return lane
            await self._close(lane)
        return None

    def _new(self, url: httpx.URL) -> _AsyncLane:
        watch = Watch()
        backend = AsyncBackend(watch)
        proxy = self._proxies.proxy_for(url)
        options: dict[str, Any] = {
            "ssl_context": self._ssl_context,
            "keepalive_expiry": KEEPALIVE,
            "network_backend": backend,
        }
        pool: httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool
        if proxy is None:
            pool = httpcore.AsyncHTTPConnection(_core_origin(url), **options)
        elif proxy.url.scheme.startswith("socks"):
            pool = httpcore.AsyncSOCKSProxy(**_proxy_options(proxy), **options)
        else:
            pool = httpcore.AsyncHTTPProxy(**_http_proxy_options(proxy, self._ssl_context), **options)
        lane = _AsyncLane(pool, watch, backend)
        self._lanes.add(lane)
        return lane

    async def _give_back(self, origin: _Origin, lane: _AsyncLane) -> None:
        if self._is_closed or not lane.is_reusable:
            await self._close(lane)
        else:
            lane.idle_since = time.monotonic()
            self._free.setdefault(origin, deque()).append(lane)
        self._tickets.release()

    async def _close(self, lane: _AsyncLane) -> None:
        self._lanes.discard(lane)
        await lane.aclose()

    async def _close_idle(self, before: float) -> None:
        for lanes in list(self._free.values()):
            while lanes and lanes[0].idle_since < before:
                await self._close(lanes.popleft())


class _Body(httpx.SyncByteStream):
    """A body that gives its connection back when it is closed, once."""

    def __init__(self, stream: Any, give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back: Callable[[], None] | None = give_back

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            try:
                self._stream.close()
            finally:
                give_back()


class _AsyncBody(httpx.AsyncByteStream):
    """`_Body`, async."""

    def __init__(self, stream: Any, give_back: Callable[[], Any]) -> None:
        self._stream = stream
        self._give_back: Callable[[], Any] | None = give_back

    def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = aiter(self._stream)
        return chunks

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            try:
                await self._stream.aclose()
            finally:
                await give_back()


def _origin_of(url: httpx.URL) -> _Origin:
    return url.raw_scheme, url.raw_host, url.port


def _core_origin(url: httpx.URL) -> httpcore.Origin:
    return _core_url(url).origin


def _core_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _proxy_options(proxy: httpx.Proxy) -> dict[str, Any]:
    return {"proxy_url": _core_url(proxy.url), "proxy_auth": proxy.raw_auth, "max_connections": 1}


def _http_proxy_options(proxy: httpx.Proxy, ssl_context: ssl.SSLContext) -> dict[str, Any]:
    is_https = proxy.url.scheme == "https"
    return {**_proxy_options(proxy), "proxy_ssl_context": ssl_context if is_https else None}
