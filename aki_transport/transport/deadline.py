"""Ends a blocking read at a set time: a socket's own timeout only bounds each single read."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx


@contextmanager
def cut_off(response: httpx.Response, seconds: float | None) -> Iterator[None]:
    """Shut the response's connection down after `seconds`, so that a read that waits on it fails; None never does."""
    stream = None if seconds is None else response.extensions.get("network_stream")
    with shut_down_after(None if stream is None else stream.get_extra_info("socket"), seconds):
        yield


@contextmanager
def shut_down_after(connection: Any, seconds: float | None) -> Iterator[None]:
    """Shut a connection down after `seconds`; None never does, and what is no socket is left alone."""
    if seconds is None or not isinstance(connection, socket.socket):
        yield
        return
    timer = threading.Timer(max(seconds, 0.0), _shut_down, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(connection: socket.socket) -> None:
    try:
        # The plain socket's method: the one of a TLS socket would pull the session from under the waiting reader.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # already closed, which is what was wanted
