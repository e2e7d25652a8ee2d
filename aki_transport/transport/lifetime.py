"""Who shares connections, and when they close: one `httpx.Client` for all threads, one `AsyncClient` per event loop.

A client holds no key and no cookie, so models of any provider share it. It closes with its loop, with the process, or
with the `close()` of its last user.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator
from functools import cache
from typing import Any, Literal, TypeAlias

import httpx

from aki_transport.errors import ConfigurationError
from aki_transport.transport.connections import KEEPALIVE, MAX_CONNECTIONS, AsyncConnections, Connections
from aki_transport.transport.proxies import Proxies

HttpEngine: TypeAlias = Literal["httpx", "aiohttp"]

_MAX_HEADER = 100 * 2**10  # bytes, as httpcore takes; aiohttp alone takes 8190
_LARGE_BODY = 2**20  # bytes; aiohttp warns of a larger body unless it is a stream


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for all: making one takes about 30 ms."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        reason = str(error)  # which names no file
    file = os.environ.get("SSL_CERT_FILE")
    raise ConfigurationError(f"the certificates of authorities cannot be read ({reason}); SSL_CERT_FILE is {file!r}")


class _NoCookies(httpx.Cookies):
    """Stays empty. A jar whose policy allows no domain would too, but every answer would be parsed for it."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Take nothing."""


class _Client(httpx.Client):
    cookies: Any = _NoCookies()  # a property of httpx's


class _AsyncClient(httpx.AsyncClient):
    cookies: Any = _NoCookies()


class _ThreadClient:
    """The client that threads share, and those who use it."""

    def __init__(self) -> None:
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self.client = _Client(transport=Connections(_ssl_context(), Proxies()), trust_env=False)


class _LoopClient:
    """The client of one event loop; it closes when the loop shuts its async generators down."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: HttpEngine) -> None:
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self.loop = weakref.ref(loop)
        self._connections = AsyncConnections(_ssl_context(), Proxies()) if engine == "httpx" else None
        self.client = _AsyncClient(transport=self._connections or _aiohttp_transport(), trust_env=False)
        self.closer = self._close_with_loop((id(loop), engine), os.getpid())

    async def _close_with_loop(self, key: tuple[int, HttpEngine], process: int) -> AsyncGenerator[None, None]:
        """Wait, once started, for the loop's `shutdown_asyncgens`, which `asyncio.run` calls, to close the client."""
        try:
            yield
        finally:
            if _loops.get(key) is self:
                del _loops[key]
            if process == os.getpid():  # and not in the child of a fork
                await self.client.aclose()

    def abandon(self) -> None:
        """Close the sockets of a loop that does not run any more."""
        if self._connections is not None:
            self._connections.abandon()


def _aiohttp_transport() -> httpx.AsyncBaseTransport:
    """httpx-aiohttp's transport, with the same limits, certificates and proxies, and without cookies."""
    try:
        import aiohttp  # noqa: PLC0415  an extra, which takes 100 ms to import
        from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "http_engine='aiohttp' needs the package httpx-aiohttp: pip install 'aki-integrations[aiohttp]'"
        ) from None
    connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE, ssl=_ssl_context())
    session = aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, max_field_size=_MAX_HEADER
    )
    proxies = Proxies()

    class Transport(AiohttpTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.proxy = proxies.proxy_for(request.url)  # read before it waits for anything
            if self.proxy is not None and self.proxy.url.scheme.startswith("socks"):
                raise ConfigurationError("aiohttp knows no SOCKS proxies: use http_engine='httpx', or another proxy.")
            if int(request.headers.get("content-length", "0")) > _LARGE_BODY:
                method, url, headers, extensions = request.method, request.url, request.headers, request.extensions
                request = httpx.Request(method, url, headers=headers, stream=request.stream, extensions=extensions)
            try:
                response: httpx.Response = await super().handle_async_request(request)
            except (aiohttp.ClientError, httpx.ConnectTimeout) as error:
                # The first, of a broken answer, holds the request's headers. The second stands for any lost connection.
                cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__
                if not isinstance(cause, aiohttp.ClientError) or isinstance(cause, TimeoutError):
                    raise
                kind = httpx.ConnectError if isinstance(cause, aiohttp.ClientConnectorError) else httpx.ReadError
                raise kind(str(cause)) from None
            return response

    return Transport(client=session, verify=_ssl_context())


_threads: _ThreadClient | None = None
# By id, each with a weak reference to its loop: keys that are loops would live on through the connections they own.
_loops: dict[tuple[int, HttpEngine], _LoopClient] = {}
# The parent's clients, after a fork: closed here, the parent's connections would end too.
_inherited: list[object] = []
_lock = threading.RLock()  # what the garbage collector or a signal calls in between may take it again


def thread_client(user: object) -> httpx.Client:
    """The client for calls from threads in this process; `user` keeps it open until `release`."""
    global _threads  # noqa: PLW0603  one per process is the point
    with _lock:
        shared = _threads = _threads or _ThreadClient()
        shared.users.add(user)
    return shared.client


def running_loop() -> asyncio.AbstractEventLoop:
    """The event loop of asyncio; `ConfigurationError` under another library's, such as trio's."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "async calls run on asyncio's event loop, and none runs here; under trio, call the sync method in a thread"
        ) from None


async def loop_client(user: object, engine: HttpEngine) -> httpx.AsyncClient:
    """The client for calls on the running event loop; `user` keeps it open until `arelease`."""
    loop = running_loop()
    shared = _loops.get((id(loop), engine))
    if shared is None or shared.loop() is not loop:
        _abandon_loops(lambda owner: owner is None or owner.is_closed())
        shared = _loops[id(loop), engine] = _LoopClient(loop, engine)
        await anext(shared.closer)
    shared.users.add(user)
    return shared.client


def release(user: object) -> None:
    """`user` does not need the threads' client any more; the last one closes it."""
    global _threads  # noqa: PLW0603
    with _lock:
        shared = _threads
        if shared is None:
            return
        shared.users.discard(user)
        if shared.users:
            return
        _threads = None
    shared.client.close()


async def arelease(user: object) -> None:
    """`user` does not need this loop's clients any more; the last one closes them."""
    loop = running_loop()
    for shared in [shared for shared in _loops.values() if shared.loop() is loop]:
        shared.users.discard(user)
        if not shared.users:
            await shared.closer.aclose()


def _abandon_loops(is_over: Any) -> None:
    """Let go of loops that were closed without `shutdown_asyncgens`."""
    for key, shared in list(_loops.items()):
        if is_over(shared.loop()) and _loops.pop(key, None) is shared:
            shared.abandon()


def _forget_parent() -> None:
    """In the child of a fork: take a lock that no thread holds, and leave the parent its connections."""
    global _lock, _threads  # noqa: PLW0603
    _lock = threading.RLock()
    _inherited.extend([_threads, *_loops.values()])
    _threads = None
    _loops.clear()


if hasattr(os, "register_at_fork"):  # missing where there is no fork
    os.register_at_fork(after_in_child=_forget_parent)


@atexit.register
def _close_at_exit() -> None:
    # A loop that still runs does so in a thread that ends with the process.
    _abandon_loops(lambda owner: owner is None or not owner.is_running())
    if _threads is not None:
        _threads.client.close()
