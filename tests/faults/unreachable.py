"""Places from which no answer can come."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.script_server import Origin

CERTIFICATE = Path(__file__).parent.parent / "transport" / "localhost.pem"
_FULL = 4  # connections that more than fill a queue of none


@dataclass(frozen=True)
class Address(Origin):
    """An origin with its key."""

    url: str
    key: str = "aki-test"


@contextmanager
def _refusing() -> Iterator[str]:
    """Bound, so that nobody else gets the port; but nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def _unknown() -> Iterator[str]:
    """A name that the resolver does not know; the true one takes seconds to say so where there is no network."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", fail)
        yield "https://no-such-host.invalid"


@contextmanager
def _full() -> Iterator[str]:
    """The queue of those who wait to be let in is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(_FULL):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def _door(host: str, greet: Callable[[socket.socket], None]) -> Iterator[str]:
    """Lets everybody in, and greets them one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def open_door() -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                guest, _ = listener.accept()
                guest.settimeout(5)
                with guest, suppress(OSError):
                    greet(guest)

    thread = threading.Thread(target=open_door, name="door", daemon=True)
    thread.start()
    try:
        yield f"https://{host}:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _in_plain(guest: socket.socket) -> None:
    guest.recv(4096)
    guest.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def _as_a_stranger(guest: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with context.wrap_socket(guest, server_side=True) as inner:
        inner.recv(4096)


PLACES: Mapping[str, Callable[[], AbstractContextManager[str]]] = {
    "refusing": _refusing,
    "unknown": _unknown,
    "full": _full,
    "plain": lambda: _door("127.0.0.1", _in_plain),
    "stranger": lambda: _door("localhost", _as_a_stranger),
}


@contextmanager
def place(name: str) -> Iterator[Address]:
    """The place of this name, while it is needed."""
    with PLACES[name]() as url:
        yield Address(url)
