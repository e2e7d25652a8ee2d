"""Ends a blocking read at a set time: a socket's own timeout only bounds each single read."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from aki_transport.transport.outgoing import SyncAnswer

_NEVER = nullcontext()


def cut_off(response: SyncAnswer, seconds: float | None) -> AbstractContextManager[None]:
    """Shut the response's connection down after `seconds`, so that a read that waits on it fails; None never does."""
    if seconds is None:
        return _NEVER
    stream: Any = response.extensions.get("network_stream")

    def connection() -> Any:
        # The connection of an answer that was read to its end may be another call's by now.
        return None if response.is_closed else stream.get_extra_info("socket")

    return shut_down_after(connection, None if stream is None else seconds)


def shut_down_after(connection: Callable[[], Any], seconds: float | None) -> AbstractContextManager[None]:
    """Shut down what is the connection after `seconds`; None never does, and what is no socket is left alone."""
    return _NEVER if seconds is None else _timed(connection, seconds)


@contextmanager
def _timed(connection: Callable[[], Any], seconds: float) -> Iterator[None]:
    timer = threading.Timer(max(seconds, 0.0), _shut_down, [connection])
    timer.daemon = True
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
