"""Bytes that nobody asked for, on an idle connection or behind an answer, are never the next answer."""

from __future__ import annotations

import socket
import threading
from itertools import product
from typing import Any

import pytest

from tests.subcases import subcases
from tests.transport.raw_server import (
    CHUNKED,
    GOOD,
    HEAD,
    Caller,
    ServerTls,
    answering,
    calling,
    read_request,
    serving,
)

BAD = HEAD + b"content-length: 3\r\n\r\nbad"
BIG = HEAD + b"content-length: 70000\r\n\r\n" + b"o" * 70_000
ENDED = {
    "length": GOOD,
    "empty": HEAD + b"content-length: 0\r\n\r\n",
    "204": b"HTTP/1.1 204 No\r\n\r\n",
    "304": b"HTTP/1.1 304 No\r\ncontent-length: 7\r\n\r\n",
    "103": b"HTTP/1.1 103 E\r\nlink: </a>\r\n\r\n" + GOOD,
    "chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    "extensions": CHUNKED + b"2;a=b\r\nok\r\n00;c\r\n\r\n",
    "trailers": CHUNKED + b"2\r\nok\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n",
    "big": BIG,
    "stream": CHUNKED + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
}


@subcases("case", product(ENDED, (BAD, b"\r\n", b"x", b"0\r\n\r\n")))
def test_bytes_behind_an_answer_are_not_the_next_one(caller: Caller, case: tuple[str, bytes]) -> None:
    (answer, extra), written = case, threading.Event()
    with serving(answering(ENDED[answer] + extra, written=written)) as place:
        opened = caller.open(place.url)
        written.wait(5)
        list(opened)
        opened.close()
        assert [caller.fetch(place.url) for _ in range(2)] == [(200, b"ok")] * 2
        assert place.made == 2


@pytest.mark.parametrize("tls", [False, True])
@subcases("cut", [1, 10, *range(len(ENDED["trailers"]) - 3, len(ENDED["trailers"]) + 3)])
def test_bytes_behind_an_answer_are_not_the_next_one_however_they_are_cut(
    caller: Caller, cut: int, *, tls: bool
) -> None:
    data, written = ENDED["trailers"] + BAD, threading.Event()
    with serving(answering(data[:cut], data[cut:], written=written), tls=tls) as place:
        opened = caller.open(place.url)
        written.wait(5)  # those that come after the next request belong to it, for all that anyone can know
        assert b"".join(opened) == b"ok"
        opened.close()
        assert [caller.fetch(place.url) for _ in range(2)] == [(200, b"ok")] * 2
        assert place.made == 2


@pytest.mark.parametrize("answer", [GOOD, ENDED["trailers"]], ids=["length", "trailers"])
@pytest.mark.parametrize("records", [1, 2])
@pytest.mark.parametrize("proxy_tls", [None, False, True])
def test_bytes_behind_an_answer_are_not_the_next_one_in_tls_or_a_tunnel(
    is_async: bool, answer: bytes, records: int, *, proxy_tls: bool | None
) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        if proxy_tls is not None:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        encrypted: Any = ServerTls(connection)
        pieces = (answer + BAD,) if records == 1 else (answer, BAD)
        while read_request(encrypted):
            encrypted.sendall(*(pieces if number == 1 else (GOOD,)))

    with serving(handle, tls=bool(proxy_tls)) as place:
        proxy = None if proxy_tls is None else place.url
        with calling(is_async=is_async, proxy=proxy) as caller:
            url = f"https://127.0.0.1:{place.port}/"
            caller.fetch(url)
            assert [caller.fetch(url) for _ in range(2)] == [(200, b"ok")] * 2
        assert place.made == (3 if proxy_tls and not is_async else 2)  # sync TLS within TLS is used once


@pytest.mark.parametrize("tls", [False, True])
@subcases("case", product((GOOD, ENDED["chunks"]), (BAD, b"HTTP/1.1 408 Too slow\r\ncontent-length: 0\r\n\r\n", b"x")))
def test_a_connection_on_which_bytes_arrived_while_it_was_idle_is_not_used(
    caller: Caller, case: tuple[bytes, bytes], *, tls: bool
) -> None:
    answer, extra = case
    read, written = threading.Event(), threading.Event()

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(answer)
        if number == 1:
            read.wait(5)
            connection.sendall(extra)
            written.set()
        connection.recv(1)

    with serving(handle, tls=tls) as place:
        assert caller.fetch(place.url) == (200, b"ok")
        read.set()
        written.wait(5)
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == 2
