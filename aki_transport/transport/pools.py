"""Connections, shared by everything in a process: one pool for threads, one for each running event loop.

A pool holds no key and no cookie, so models of any provider share it, and file descriptors do not grow with their
number. What closes a pool: the end of its loop, the end of the process, or the `close()` of its last user.
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
from typing import Any

import httpx

from aki_transport.errors import ConfigurationError

HttpClient = httpx.Client
HttpAsyncClient = httpx.AsyncClient

MAX_CONNECTIONS = 1000
KEEPALIVE = 10.0
"""Seconds; AKI.IO's server closes idle connections after 15."""

_lock = threading.Lock()


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for all: making one costs about 20 ms."""
    return httpx.create_ssl_context()


class _ThreadPool:
    """The connections that threads share."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        limits = httpx.Limits(
            max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE
        )
        try:
            self.client = httpx.Client(verify=_ssl_context(), limits=limits, follow_redirects=False)
        except (ImportError, ValueError) as error:
            words = str(error)
        else:
            return
        raise ConfigurationError(f"the proxy named in the environment cannot be used: {words}")


class _LoopPool:
    """The connections of one event loop; they close when the loop shuts its async generators down."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Here, because importing aiohttp costs 100 ms that a program without async calls need not pay.
        from aki_transport.transport.aio import AiohttpTransport  # noqa: PLC0415

        self.loop = weakref.ref(loop)
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self.transport = AiohttpTransport(_ssl_context(), max_connections=MAX_CONNECTIONS, keepalive=KEEPALIVE)
        self.client = httpx.AsyncClient(transport=self.transport, follow_redirects=False)
        self.closer = _close_with_loop(self, id(loop))


_threads: _ThreadPool | None = None
# By id, each with a weak reference to its loop: keys that are loops would live on through the connections they own.
_loops: dict[int, _LoopPool] = {}


def thread_pool(user: object) -> httpx.Client:
    """The client of this process for calls from threads; `user` counts among those that `release` asks."""
    global _threads  # noqa: PLW0603  one per process is the point
    pool = _threads
    if pool is None or pool.process != os.getpid():
        with _lock:
            pool = _threads
            if pool is not None and pool.process != os.getpid():
                # After a fork its sockets are the parent's too; closing them here says nothing on them. Not in this
                # thread, for a lock of the pool may have been held when the process was copied.
                threading.Thread(target=pool.client.close, daemon=True).start()
                pool = None
            if pool is None:
                pool = _threads = _ThreadPool()
    pool.users.add(user)
    return pool.client


async def loop_pool(user: object) -> httpx.AsyncClient:
    """The client of the running event loop; `user` counts among those that `arelease` asks."""
    loop = asyncio.get_running_loop()
    pool = _loops.get(id(loop))
    if pool is None or pool.loop() is not loop:
        _abandon_closed_loops()
        pool = _loops[id(loop)] = _LoopPool(loop)
        await anext(pool.closer)
    pool.users.add(user)
    return pool.client


def _abandon_closed_loops() -> None:
    """Forget the pools of loops that were closed without `shutdown_asyncgens`."""
    for key, pool in list(_loops.items()):
        owner = pool.loop()
        if (owner is None or owner.is_closed()) and _loops.pop(key, None) is pool:
            pool.transport.abandon()


async def _close_with_loop(pool: _LoopPool, key: int) -> AsyncGenerator[None, None]:
    """Wait, once started, for the loop's `shutdown_asyncgens`, which `asyncio.run` calls, to close the pool."""
    try:
        yield
    finally:
        if _loops.get(key) is pool:
            del _loops[key]
        await pool.client.aclose()


def release(user: object) -> None:
    """`user` needs the thread pool no more; the last one closes it."""
    global _threads  # noqa: PLW0603
    with _lock:
        pool = _threads
        if pool is None or pool.process != os.getpid():
            return
        pool.users.discard(user)
        if pool.users:
            return
        _threads = None
    pool.client.close()


async def arelease(user: object) -> None:
    """`user` needs this loop's pool no more; the last one closes it."""
    loop = asyncio.get_running_loop()
    pool = _loops.get(id(loop))
    if pool is None or pool.loop() is not loop:
        return
    pool.users.discard(user)
    if not pool.users:
        await pool.closer.aclose()


@atexit.register
def _close_at_exit() -> None:
    _abandon_closed_loops()
    pool = _threads
    if pool is not None and pool.process == os.getpid():
        pool.client.close()


def users_client(client: Any, kind: type[Any], field: str) -> Any:
    """The user's client, if it is one."""
    if client is None or isinstance(client, kind):
        return client
    found = f"{type(client).__module__}.{type(client).__qualname__}"
    raise ConfigurationError(f"{field}= takes an httpx.{kind.__name__}, not {found}.")
