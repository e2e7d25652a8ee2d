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
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import cache
from typing import Any

import httpx

from aki_transport.transport.outgoing import AsyncAnswer, Outgoing, SyncAnswer
from aki_transport.transport.proxies import proxied_scheme, proxies_by_scheme
from aki_transport.transport.sync import Urllib3Transport

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
        self._direct = _transport(None)
        self._proxies = {scheme: _transport(address) for scheme, address in proxies_by_scheme().items()}

    def send(self, request: Outgoing) -> SyncAnswer:
        """Send, and give the answer once its headers are in."""
        transport = self._direct
        if self._proxies:
            transport = self._proxies.get(proxied_scheme(request.url, self._proxies), transport)
        return transport.send(request)

    def close(self) -> None:
        """Close every connection."""
        for transport in (self._direct, *self._proxies.values()):
            transport.close()


def _transport(proxy: str | None) -> Urllib3Transport:
    return Urllib3Transport(_ssl_context(), max_connections=MAX_CONNECTIONS, keepalive=KEEPALIVE, proxy=proxy)


class _LoopPool:
    """The connections of one event loop; they close when the loop shuts its async generators down."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Here, because importing aiohttp costs 100 ms that a program without async calls need not pay.
        from aki_transport.transport.aio import AiohttpTransport  # noqa: PLC0415

        self.process = os.getpid()
        self.loop = weakref.ref(loop)
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self.transport = AiohttpTransport(_ssl_context(), max_connections=MAX_CONNECTIONS, keepalive=KEEPALIVE)
        self.closer = _close_with_loop(self, id(loop))


_threads: _ThreadPool | None = None
# By id, each with a weak reference to its loop: keys that are loops would live on through the connections they own.
_loops: dict[int, _LoopPool] = {}
# Those of the parent's loops, after a fork.
_inherited: list[_LoopPool] = []


def thread_pool(user: object) -> Callable[[Outgoing], SyncAnswer]:
    """What sends calls from threads in this process; `user` counts among those that `release` asks."""
    global _threads  # noqa: PLW0603  one per process is the point
    pool = _threads
    if pool is None or pool.process != os.getpid():
        fresh = _ThreadPool()  # outside the lock, which a fork would copy as it is
        with _lock:
            pool, old = _threads, _threads
            if pool is None or pool.process != os.getpid():
                pool = _threads = fresh
        if old is not None:
            # One that another thread was quicker to make; or, after a fork, the parent's, on whose sockets closing says
            # nothing. Not in this thread, for a lock of it may have been held when the process was copied.
            unused = fresh if pool is not fresh else old
            threading.Thread(target=unused.close, daemon=True).start()
    pool.users.add(user)
    return pool.send


async def loop_pool(user: object) -> Callable[[Outgoing], Awaitable[AsyncAnswer]]:
    """What sends calls on the running event loop; `user` counts among those that `arelease` asks."""
    loop = asyncio.get_running_loop()
    pool = _loops.get(id(loop))
    if pool is None or pool.loop() is not loop:
        _abandon_closed_loops()
        pool = _loops[id(loop)] = _LoopPool(loop)
        await anext(pool.closer)
    pool.users.add(user)
    return pool.transport.send


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
        if pool.process == os.getpid():
            await pool.transport.aclose()


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
    pool.close()


async def arelease(user: object) -> None:
    """`user` needs this loop's pool no more; the last one closes it."""
    loop = asyncio.get_running_loop()
    pool = _loops.get(id(loop))
    if pool is None or pool.loop() is not loop:
        return
    pool.users.discard(user)
    if not pool.users:
        await pool.closer.aclose()


def _part_from_parent() -> None:
    """In the child of a fork: take a lock that nobody holds, and leave the parent's loops their connections.

    A loop's connections are polled through a descriptor that both processes have: closed here as usual, they would be
    polled in the parent no more.
    """
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _inherited.extend(_loops.values())
    _loops.clear()


if hasattr(os, "register_at_fork"):  # not everywhere; where it is missing, so is the fork
    os.register_at_fork(after_in_child=_part_from_parent)


@atexit.register
def _close_at_exit() -> None:
    for key, left in list(_loops.items()):
        owner = left.loop()
        if owner is None or not owner.is_running():  # one that runs does so in a thread that ends with the process
            del _loops[key]
            left.transport.abandon()
    for left in _inherited:
        left.transport.abandon()
    pool = _threads
    if pool is not None and pool.process == os.getpid():
        pool.close()
