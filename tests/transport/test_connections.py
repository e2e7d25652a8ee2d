"""Our connections under httpx: used again or not, never lost, and what goes wrong comes out under the right name."""

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import product
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from aki_transport.transport import connections
from aki_transport.transport.failures import was_never_sent
from tests.script_server import Answer
from tests.subcases import subcases
from tests.transport.asking import patient
from tests.transport.raw_server import (
    CHUNKED,
    GOOD,
    HEAD,
    MB,
    ServerTls,
    answering,
    calling,
    dripping,
    error_of,
    hanging,
    read_request,
    reset,
    serving,
    until,
)

# Complete answers on a connection that stays, with their bodies.
COMPLETE = {
    "length": (GOOD, b"ok"),
    "empty": (HEAD + b"content-length: 0\r\n\r\n", b""),
    "204": (b"HTTP/1.1 204 No\r\n\r\n", b""),
    "304": (b"HTTP/1.1 304 No\r\ncontent-length: 7\r\n\r\n", b""),
    "103": (b"HTTP/1.1 103 E\r\nlink: </a>\r\n\r\n" + GOOD, b"ok"),
    "three 1xx": (b"".join(b"HTTP/1.1 %d X\r\n\r\n" % status for status in (100, 102, 103)) + GOOD, b"ok"),
    "chunks": (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"ok"),
    "chunks and length": (CHUNKED[:-2] + b"content-length: 200\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
    "extensions": (CHUNKED + b"1;a=b\r\no\r\n1\r\nk\r\n00;c\r\n\r\n", b"ok"),
    "trailers": (CHUNKED + b"2\r\nok\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n", b"ok"),
    "stream": (CHUNKED + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", b"data: [DONE]\n\n"),
    "folded header": (HEAD + b"x-folded: a\r\n b\r\ncontent-length: 2\r\n\r\nok", b"ok"),
    "long header": (HEAD + b"x-long: " + b"a" * 65_536 + b"\r\ncontent-length: 2\r\n\r\nok", b"ok"),
    "big": (HEAD + b"content-length: 70000\r\n\r\n" + b"o" * 70_000, b"o" * 70_000),
}


# Answers behind which the connection ends.
LAST = [
    *(HEAD + b"\r\nok", b"HTTP/1.0 200 OK\r\n\r\nok", b"HTTP/1.1 500 Oh\r\nx: y\r\n\r\nok", b"HTTP/1.1 503 No\r\n\r\n"),
    *(HEAD + b"connection: close\r\n" + GOOD[len(HEAD) :], GOOD.replace(b"1.1", b"1.0")),
]


@subcases(
    "case",
    [
        *((answer, body, 1, False) for answer, body in COMPLETE.values()),
        *((answer, answer.partition(b"\r\n\r\n")[2], 2, tls) for answer in LAST for tls in (False, True)),
    ],
)
def test_a_connection_is_used_again_unless_it_ends_with_its_answer(caller, case):
    answer, body, made, tls = case
    with serving(answering(answer, stay=made == 1 or b"length" in answer), tls=tls) as place:
        status, content = caller.fetch(place.url)
        assert content == body
        assert made == 1 or status == int(answer[9:12])
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == made


def test_no_connection_stays_open_for_long_without_use(is_async, monkeypatch):
    passed = 0
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed))
    with serving(answering(GOOD)) as one, serving(answering(GOOD)) as other, calling(is_async=is_async) as caller:
        caller.fetch(one.url)
        passed = 5
        caller.fetch(other.url)
        assert one.open == 1
        passed = 12
        caller.fetch(other.url)
        until(lambda: one.open == 0)
        assert (one.made, other.made, other.open) == (1, 1, 1)
        passed = 30
        caller.fetch(other.url)
        assert other.made == 2


# Bytes that nobody asked for are never the next answer

BAD = HEAD + b"content-length: 3\r\n\r\nbad"
TRAILERS = COMPLETE["trailers"][0]
STRAY = [COMPLETE[name][0] + extra for name in ("length", "chunks") for extra in (b"\r\n", b"x", b"0\r\n\r\n")]
CUTS = (1, 10, *range(len(TRAILERS) - 3, len(TRAILERS) + 3))
# The writes of an answer with something behind it, the answer's body, and whether all of it is encrypted.
BEHIND = [
    *(((answer + BAD,), body, False) for answer, body in COMPLETE.values()),
    *(((answer,), b"ok", False) for answer in STRAY),
    *((((TRAILERS + BAD)[:cut], (TRAILERS + BAD)[cut:]), b"ok", tls) for cut in CUTS for tls in (False, True)),
]


@subcases("case", BEHIND)
def test_bytes_behind_an_answer_are_not_the_next_one(caller, case):
    (writes, body, tls), written = case, threading.Event()
    with serving(answering(*writes, written=written), tls=tls) as place:
        response = caller.open(place.url)
        assert written.wait(10)  # those that come after the next request belong to it, for all that anyone can know
        assert caller.read(response) == body
        assert [caller.fetch(place.url) for _ in range(2)] == [(200, b"ok")] * 2
        assert place.made == 2


CHUNKS = b"2\r\nok\r\n00;a=b\r\nx-sum: 1\r\n\r\n"


@subcases(
    "case",
    [
        # However reads cut an answer in chunks.
        ((CHUNKED, *(CHUNKS[at : at + 1] for at in range(len(CHUNKS) - 1)), CHUNKS[-1:] + BAD), None),
        *(((CHUNKED, CHUNKS[:cut], CHUNKS[cut:] + BAD), None) for cut in range(1, len(CHUNKS))),
        *(((CHUNKED + CHUNKS[:cut], CHUNKS[cut:] + BAD), None) for cut in range(1, len(CHUNKS))),
        # In TLS, and in a tunnel of a proxy with or without TLS.
        *product([(GOOD + BAD,), (GOOD, BAD), (TRAILERS + BAD,), (TRAILERS, BAD)], (None, False, True)),
    ],
)
def test_bytes_behind_an_answer_in_tls_are_not_the_next_one(is_async, case):
    pieces, proxy_tls = case

    def handle(connection: socket.socket, number: int) -> None:
        if proxy_tls is not None:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        encrypted: Any = ServerTls(connection)  # each of its records is read alone
        while read_request(encrypted):
            encrypted.sendall(*(pieces if number == 1 else (GOOD,)))

    with serving(handle, tls=bool(proxy_tls)) as place:
        proxy = None if proxy_tls is None else place.url
        with calling(is_async=is_async, proxy=proxy) as caller:
            url = f"https://127.0.0.1:{place.port}/"
            assert [caller.fetch(url) for _ in range(3)] == [(200, b"ok")] * 3
        assert place.made == (3 if proxy_tls and not is_async else 2)  # sync TLS within TLS is used once


@pytest.mark.parametrize("tls", [False, True])
@subcases(
    "case", product((GOOD, COMPLETE["chunks"][0]), (BAD, b"HTTP/1.1 408 Too slow\r\ncontent-length: 0\r\n\r\n", b"x"))
)
def test_a_connection_on_which_bytes_arrived_while_it_was_idle_is_not_used(caller, case, tls):
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
        assert written.wait(10)
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == 2


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
def test_a_broken_answer_is_a_protocol_error_and_costs_no_connection(caller, answer):
    with serving(answering(answer, stay=False)) as place:
        error = error_of(caller, place.url)
        assert isinstance(error, httpx.RemoteProtocolError)
        assert len(str(error)) < 200
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == 2


@pytest.mark.parametrize("tls", [False, True])
def test_a_large_body_may_take_as_long_as_an_answer(caller, tls):
    def handle(connection: socket.socket, _: int) -> None:
        time.sleep(0.5)
        if len(read_request(connection)) > 20 * MB:
            connection.sendall(GOOD)

    with serving(handle, tls=tls) as place:
        assert caller.fetch(place.url, b"x" * 20 * MB, connect=5 if tls else 0.4, total=30) == (200, b"ok")


def test_a_body_that_nobody_reads_is_a_write_timeout(caller):
    done = threading.Event()
    with serving(lambda *_: done.wait(5)) as place, patient(3):
        error = error_of(caller, place.url, b"x" * 20 * MB, write=0.2, read=0.2)
        done.set()
    assert isinstance(error, httpx.TimeoutException)
    assert not was_never_sent(error)


def test_a_refusal_before_the_body_was_read_is_the_answer(caller):
    def handle(connection: socket.socket, _: int) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\nconnection: close\r\n\r\ntoo large")
        time.sleep(0.05)
        reset(connection)

    with serving(handle) as place:
        assert caller.fetch(place.url, b"x" * 20 * MB) == (413, b"too large")


def test_a_call_that_finds_no_connection_free_ends_in_time(caller):
    with serving(answering(GOOD)) as place:
        held = caller.open(place.url)
        with patient(2):
            error = error_of(caller, place.url, pool=0.1)
        assert type(error) is httpx.PoolTimeout
        caller.end(held)
        assert caller.fetch(place.url) == (200, b"ok")


@pytest.mark.parametrize("first", ["refuses", "hangs"])
def test_the_next_address_of_a_host_is_tried(caller, first, monkeypatch):
    lookup = socket.getaddrinfo

    def lookup_several(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "several.test":
            return lookup(host, port, *args, **kwargs)
        return [lookup(each, port, type=socket.SOCK_STREAM)[0] for each in ("127.0.0.3", "127.0.0.2")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup_several)
    with serving(answering(GOOD), host="127.0.0.2") as place, patient(3):
        with hanging("127.0.0.3", place.port) if first == "hangs" else nullcontext():
            assert caller.fetch(f"http://several.test:{place.port}/", connect=1) == (200, b"ok")
        assert place.made == 1


def resetting(connection: socket.socket, _: int) -> None:
    connection.recv(10)
    reset(connection)


@pytest.mark.parametrize(
    ("handle", "kind"),
    [
        (resetting, httpx.ConnectError),
        (lambda connection, _: connection.recv(65536), httpx.ConnectError),
        (lambda connection, _: [None for _ in iter(lambda: connection.recv(65536), b"")], httpx.ConnectTimeout),
    ],
)
def test_a_handshake_that_fails_is_never_sent(caller, handle, kind):
    with serving(handle) as place:
        for _ in range(2):
            error = error_of(caller, place.url.replace("http:", "https:"), connect=0.3)
            assert type(error) is kind
            assert was_never_sent(error)
        until(lambda: place.open == 0)


def test_a_certificate_of_another_name_or_an_unknown_authority_is_named_and_never_sent(is_async):
    with serving(answering(GOOD), tls=True, host="127.0.0.2") as place:
        for context, words in ((None, "127.0.0.2"), (ssl.create_default_context(), "self-signed")):
            with calling(is_async=is_async, ssl_context=context) as caller:
                error = error_of(caller, place.url)
            assert was_never_sent(error)
            assert words in str(error)
            assert "certificate" in str(error)


def reading_slowly(connection: socket.socket, _: int) -> None:
    while connection.recv(4096):
        time.sleep(0.02)


def flooding(connection: socket.socket, _: int) -> None:
    connection.recv(65536)
    while True:
        connection.sendall(b"HTTP/1.1 103 E\r\n\r\n" * 3000)


@pytest.mark.parametrize("tls", [False, True])
@subcases(
    "case",
    [
        (flooding, 1),
        (dripping(HEAD + b"x: " + b"a" * 500), 1),
        (dripping(b"HTTP/1.1 103 E\r\nx: y\r\n\r\n" * 50), 1),
        (reading_slowly, 20 * MB),
    ],
)
def test_headers_that_drip_or_never_end_and_a_body_that_is_read_slowly_end_in_time(caller, case, tls):
    handle, size = case
    with serving(handle, tls=tls) as place, patient(2):
        error_of(caller, place.url, b"x" * size, total=0.3)


def test_a_stream_may_be_collected_while_its_thread_takes_a_connection():
    with serving(answering(CHUNKED + b"2\r\nok\r\n")) as place, calling(is_async=False) as caller:
        opened = caller.open(place.url)
        take = connections._FreeConnections.take

        def collect(*args: Any) -> Any:
            caller.end(opened)
            return take(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connections._FreeConnections, "take", collect)
            assert caller.fetch(place.url) == (200, b"ok")


def test_a_hundred_threads_share_a_few_connections(server, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    server.always = Answer(chunks=(b"o", b"k"), end="keep-alive")
    with calling(is_async=False) as caller:
        together = threading.Barrier(100)

        def ask(number: int) -> set[tuple[int, bytes]]:
            together.wait(20)
            if number % 10 == 0:
                caller.end(caller.open(server.url, total=30))
            return {caller.fetch(server.url, total=30) for _ in range(3)}

        with ThreadPoolExecutor(100) as threads:
            assert set().union(*threads.map(ask, range(100))) == {(200, b"ok")}
        assert server.open_connections <= 20
