"""Answers that are broken, reset or never come: each under its name, and none of them costs a connection."""

from __future__ import annotations

import socket
import time

import httpx
import pytest

from aki_transport.transport.failures import was_never_sent
from tests.subcases import subcases
from tests.transport.raw_server import (
    CHUNKED,
    GOOD,
    HEAD,
    Caller,
    answering,
    error_of,
    read_request,
    reset,
    serving,
)


@subcases(
    "answer",
    [
        b"",
        b"HTP/9 what\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"\x16\x03\x01\0\0",
        b"HTTP/1.1 20",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        HEAD + b"x: a",
        HEAD + b"x: a\r\n",
        HEAD + b"content-length: 2",
        HEAD + b"no colon\r\ncontent-length: 2\r\n\r\nok",
        HEAD + b"x: " + b"a" * 200_000 + b"\r\n\r\n",
        HEAD + b"x: " + b"a" * 200_000,
        HEAD + b"content-length: 2, 3\r\n\r\nok",
        HEAD + b"content-length: 100\r\n\r\nhalf",
        CHUNKED + b"5\r\nha",
        CHUNKED + b"2\r\nok\r\n",
        CHUNKED + b"zz\r\nok\r\n0\r\n\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"-5\r\nok\r\n",
    ],
)
def test_a_broken_answer_is_a_protocol_error_and_costs_no_connection(caller: Caller, answer: bytes) -> None:
    with serving(answering(answer, stay=False)) as place:
        error = error_of(caller, place.url)
        assert isinstance(error, httpx.RemoteProtocolError)
        assert len(str(error)) < 200
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == 2


STARTS = [b"", HEAD, HEAD + b"content-length: 5\r\n\r\nha", CHUNKED + b"5\r\nha"]


@subcases("start", STARTS)
def test_a_reset_may_have_arrived_and_costs_no_connection(caller: Caller, start: bytes) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        if number > 1:
            connection.sendall(GOOD)
            return
        connection.sendall(start)
        time.sleep(0.05)  # else the reset may overtake the bytes
        reset(connection)

    with serving(handle) as place:
        error = error_of(caller, place.url)
        assert isinstance(error, httpx.ReadError)
        assert not was_never_sent(error)
        assert caller.fetch(place.url) == (200, b"ok")


@pytest.mark.parametrize("tls", [False, True])
@subcases("start", STARTS)
def test_silence_is_a_read_timeout_and_costs_no_connection(caller: Caller, start: bytes, *, tls: bool) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(start if number == 1 else GOOD)
        connection.recv(1)

    with serving(handle, tls=tls) as place:
        error = error_of(caller, place.url, read=0.1)
        assert isinstance(error, httpx.ReadTimeout)
        assert not was_never_sent(error)
        assert caller.fetch(place.url) == (200, b"ok")
