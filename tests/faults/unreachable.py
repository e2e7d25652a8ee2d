"""Places from which no answer can come."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from tests.script_server import Origin
from tests.transport.raw_server import answering, hanging, refusing, serving


@dataclass(frozen=True)
class Address(Origin):
    """An origin with its key."""

    url: str
    key: str = "aki-test"


@contextmanager
def _at_a_port(port: AbstractContextManager[int]) -> Iterator[str]:
    with port as number:
        yield f"http://127.0.0.1:{number}"


@contextmanager
def _unknown() -> Iterator[str]:
    """A name that the resolver does not know; the true one takes seconds to say so where there is no network."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", fail)
        yield "https://no-such-host.invalid"


def _in_plain(connection: socket.socket, _: int) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


@contextmanager
def _door(host: str, *, tls: bool) -> Iterator[str]:
    """A server for https that speaks plain HTTP, or has a certificate that nobody trusts."""
    with serving(answering() if tls else _in_plain, tls=tls) as server:
        yield f"https://{host}:{server.port}"


PLACES: Mapping[str, Callable[[], AbstractContextManager[str]]] = {
    "refusing": lambda: _at_a_port(refusing()),
    "unknown": _unknown,
    "full": lambda: _at_a_port(hanging()),
    "plain": lambda: _door("127.0.0.1", tls=False),
    "stranger": lambda: _door("localhost", tls=True),
}


@contextmanager
def place(name: str) -> Iterator[Address]:
    """The place of this name, while it is needed."""
    with PLACES[name]() as url:
        yield Address(url)
