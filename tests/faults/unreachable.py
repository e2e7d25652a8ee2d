"""Places from which no answer can come."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.script_server import Origin
from tests.transport.raw_server import answering, hanging, refusing, serving


@dataclass(frozen=True)
class Address(Origin):
    url: str
    key: str = "aki-test"


def _in_plain(connection: socket.socket, _: int) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def _unknown_name(*_: Any, **__: Any) -> None:
    """What the resolver says; the true one takes seconds for it where there is no network."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@contextmanager
def place(name: str) -> Iterator[Address]:
    with ExitStack() as stack:
        match name:
            case "refusing":
                url = f"http://127.0.0.1:{stack.enter_context(refusing())}"
            case "full":
                url = f"http://127.0.0.1:{stack.enter_context(hanging())}"
            case "unknown":
                url = "https://no-such-host.invalid"
                stack.enter_context(pytest.MonkeyPatch.context()).setattr(socket, "getaddrinfo", _unknown_name)
            case "plain":  # http where https is expected
                url = f"https://127.0.0.1:{stack.enter_context(serving(_in_plain)).port}"
            case "stranger":  # a certificate that nobody trusts
                url = f"https://localhost:{stack.enter_context(serving(answering(), tls=True)).port}"
        yield Address(url)
