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
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Literal, TypeAlias

import httpx

from aki_transport.errors import ConfigurationError
from aki_transport.transport.connections import KEEPALIVE, MAX_CONNECTIONS, AsyncConnections, Connections
from aki_transport.transport.proxies import Proxies

HttpEngine: TypeAlias = Literal["httpx", "aiohttp"]


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for all: making one takes about 30 ms."""
    return httpx.create_ssl_context()


def _no_cookies() -> CookieJar:
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))


class _ThreadClient:
    """The client that threads share."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        connections = Connections(_ssl_context(), Proxies())
        self.client = httpx.Client(transport=connections, trust_env=False, cookies=_no_cookies())


class _LoopClient:
    """The client of one event loop; it closes when the loop shuts its async generators down."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: HttpEngine) -> None:
        self.process = os.getpid()
        self.loop = weakref.ref(loop)
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self.connections = AsyncConnections(_ssl_context(), Proxies()) if engine == "httpx" else None
        self.client = httpx.AsyncClient(
            transport=self.connections or _aiohttp_transport(), trust_env=False, cookies=_no_cookies()
        )
        self.closer = _close_with_loop(self, (id(loop), engine))

    def abandon(self) -> None:
        """Close the sockets of a loop that does not run any more."""
        if self.connections is not None:
            self.connections.abandon()


def _aiohttp_transport() -> httpx.AsyncBaseTransport:
    """httpx-aiohttp's transport, with the same limits, certificates and proxies, and without cookies."""
    try:
        import aiohttp  # noqa: PLC0415  an extra, which takes 100 ms to import
        from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "http_engine='aiohttp' needs the package httpx-aiohttp: pip install 'aki-integrations[aiohttp]'"
        ) from None

    def make_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE, ssl=_ssl_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    return AiohttpTransport(client=make_session)


_threads: _ThreadClient | None = None
# By id, each with a weak reference to its loop: keys that are loops would live on through the connections they own.
_loops: dict[tuple[int, HttpEngine], _LoopClient] = {}
_lock = threading.Lock()


def thread_client(user: object) -> httpx.Client:
    """The client for calls from threads in this process; `user` keeps it open until `release`."""
    global _threads  # noqa: PLW0603  one per process is the point
    holder = _threads
    if holder is None or holder.process != os.getpid():
        fresh = _ThreadClient()  # outside the lock, which a fork would copy as it is
        with _lock:
            holder = _threads
            if holder is None or holder.process != os.getpid():
                holder = _threads = fresh
    holder.users.add(user)
    return holder.client


async def loop_client(user: object, engine: HttpEngine) -> httpx.AsyncClient:
    """The client for calls on the running event loop; `user` keeps it open until `arelease`."""
    loop = asyncio.get_running_loop()
    key = (id(loop), engine)
    holder = _loops.get(key)
    if holder is None or holder.loop() is not loop:
        _abandon_closed_loops()
        holder = _loops[key] = _LoopClient(loop, engine)
        await anext(holder.closer)
    holder.users.add(user)
    return holder.client


def _abandon_closed_loops() -> None:
    """Forget the clients of loops that were closed without `shutdown_asyncgens`."""
    for key, holder in list(_loops.items()):
        owner = holder.loop()
        if (owner is None or owner.is_closed()) and _loops.pop(key, None) is holder:
            holder.abandon()


async def _close_with_loop(holder: _LoopClient, key: tuple[int, HttpEngine]) -> AsyncGenerator[None, None]:
    """Wait, once started, for the loop's `shutdown_asyncgens`, which `asyncio.run` calls, to close the client."""
    try:
        yield
    finally:
        if _loops.get(key) is holder:
            del _loops[key]
        if holder.process == os.getpid():
            await holder.client.aclose()


def release(user: object) -> None:
    """`user` does not need the threads' client any more; the last one closes it."""
    global _threads  # noqa: PLW0603
    with _lock:
        holder = _threads
        if holder is None or holder.process != os.getpid():
            return
        holder.users.discard(user)
        if holder.users:
            return
        _threads = None
    holder.client.close()


async def arelease(user: object) -> None:
    """`user` does not need this loop's clients any more; the last one closes them."""
    loop = asyncio.get_running_loop()
    for key in [key for key in _loops if key[0] == id(loop)]:
        holder = _loops[key]
        if holder.loop() is loop:
            holder.users.discard(user)
            if not holder.users:
                await holder.closer.aclose()


# The parent's clients, after a fork: kept, for closing them here would end the parent's connections too.
_inherited: list[_ThreadClient | _LoopClient] = []


def _forget_parent() -> None:
    """In the child of a fork: take a lock that no thread holds, and leave the parent its connections."""
    global _lock, _threads  # noqa: PLW0603
    _lock = threading.Lock()
    _inherited.extend(_loops.values())
    _loops.clear()
    if _threads is not None:
        _inherited.append(_threads)
        _threads = None


if hasattr(os, "register_at_fork"):  # missing where there is no fork
    os.register_at_fork(after_in_child=_forget_parent)


@atexit.register
def _close_at_exit() -> None:
    for key, holder in list(_loops.items()):
        owner = holder.loop()
        if owner is None or not owner.is_running():  # a running one is in a thread that ends with the process
            del _loops[key]
            holder.abandon()
    if _threads is not None:
        _threads.client.close()
