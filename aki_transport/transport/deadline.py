"""Ends what takes too long at a set time: a socket's own timeout only bounds each single read or write."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import httpx

from aki_transport.transport.outgoing import Punctual, SyncAnswer

_NEVER = nullcontext()


def cut_off(response: SyncAnswer, seconds: float | None) -> AbstractContextManager[None]:
    """Let reads of the response fail after `seconds`; None never does.

    An answer of a client of the user's knows no such time: there, the connection is shut down under the read.
    """
    if seconds is None:
        return _NEVER
    if isinstance(response, Punctual):
        response.end_by(time.monotonic() + seconds)
        return _NEVER
    if not isinstance(response, httpx.Response) or "network_stream" not in response.extensions:
        return _NEVER
    stream = response.extensions["network_stream"]

    def connection() -> Any:
        # The connection of an answer that was read to its end may be another call's by now.
        return None if response.is_closed else stream.get_extra_info("socket")

    return shut_down_after(connection, seconds)


def shut_down_after(connection: Callable[[], Any], seconds: float | None) -> AbstractContextManager[None]:
    """Shut down what is the connection after `seconds`; None never does, and what is no socket is left alone.

    It takes a thread, and with it 0.1 ms.
    """
    return _NEVER if seconds is None else _timed(connection, seconds)


@contextmanager
def _timed(connection: Callable[[], Any], seconds: float) -> Iterator[None]:
    timer = threading.Timer(max(seconds, 0.0), _shut_down, [connection])
    timer.daemon = True
    with suppress(RuntimeError):  # as the process ends, some Pythons start none; each wait has its own bound still
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(connection: Callable[[], Any]) -> None:
    found = connection()
    found = getattr(found, "socket", found)  # TLS to a host through TLS to a proxy is none itself
    if isinstance(found, socket.socket):
        with suppress(OSError):  # already closed, which is what was wanted
            # The plain socket's method: that of a TLS socket would pull the session from under the waiting reader.
            socket.socket.shutdown(found, socket.SHUT_RDWR)
