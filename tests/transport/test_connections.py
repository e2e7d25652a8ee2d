"""Our connections under httpx: used again or not, never lost, and what goes wrong comes out under the right name."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from aki_transport.transport import connections
from aki_transport.transport.failures import was_never_sent
from tests.script_server import Answer, ScriptServer
from tests.transport.asking import patient
from tests.transport.raw_server import (
    CHUNKED,
    GOOD,
    HEAD,
    MB,
    Caller,
    Handler,
    answering,
    calling,
    dripping,
    error_of,
    hanging,
    read_request,
    refusing,
    reset,
    serving,
    until,
)

# Connections are used again, or not


@pytest.mark.parametrize(
    ("answer", "status", "body", "made"),
    [
        (GOOD, 200, b"ok", 1),
        (CHUNKED + b"1\r\no\r\n1;x=y\r\nk\r\n0\r\nx-sum: 1\r\n\r\n", 200, b"ok", 1),
        (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 200\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok", 1),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + GOOD, 200, b"ok", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 E\r\n\r\n" + GOOD, 200, b"ok", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", 1),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", 304, b"", 1),
        (HEAD + b"x-folded: a\r\n b\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 1),
        (HEAD + b"x-long: " + b"a" * 65_536 + b"\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 1),
        (HEAD + b"content-length: 0\r\n\r\n", 200, b"", 1),
        (HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 2),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 2),
    ],
)
def test_a_connection_is_used_again_where_that_is_right(
    caller: Caller, answer: bytes, status: int, body: bytes, made: int
) -> None:
    with serving(answering(answer)) as place:
        assert caller.fetch(place.url) == (status, body)
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == made


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 500 Oh\r\nx: y\r\n"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_body_without_a_length_ends_with_its_connection(caller: Caller, head: bytes, *, tls: bool) -> None:
    with serving(answering(head + b"\r\nok", stay=False), tls=tls) as place:
        assert caller.fetch(place.url)[1] == b"ok"
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == 2


def test_an_error_without_length_or_body_keeps_its_status(caller: Caller) -> None:
    with serving(answering(b"HTTP/1.1 503 No\r\n\r\n", stay=False)) as place:
        assert caller.fetch(place.url) == (503, b"")


def test_the_connection_that_was_free_last_is_used_first(is_async: bool) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        while read_request(connection):
            connection.sendall(HEAD + b"content-length: 1\r\n\r\n%d" % number)

    with serving(handle) as place, calling(is_async=is_async) as caller:
        opened = [caller.open(place.url) for _ in range(3)]
        for number in (0, 2, 1):
            assert b"".join(opened[number]) == b"%d" % (number + 1)
            opened[number].close()
        assert [caller.fetch(place.url)[1] for _ in range(3)] == [b"2"] * 3


def test_a_connection_that_was_idle_for_too_long_is_not_used(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEEPALIVE", 0.0)
    with serving(answering(GOOD)) as place:
        assert [caller.fetch(place.url) for _ in range(3)] == [(200, b"ok")] * 3
        assert place.made == 3


def test_connections_to_other_hosts_do_not_stay_open_for_ever(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_connection_that_is_closed_while_idle_is_replaced(caller: Caller) -> None:
    closed = threading.Event()

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(GOOD)
        if number == 1:
            connection.shutdown(socket.SHUT_RDWR)
            closed.set()

    with serving(handle) as place:
        caller.fetch(place.url)
        closed.wait(5)
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == 2


def test_nothing_is_sent_twice_by_itself(caller: Caller) -> None:
    requests = []

    def handle(connection: socket.socket, _: int) -> None:
        requests.append(read_request(connection))
        connection.sendall(GOOD)
        requests.append(read_request(connection))

    with serving(handle) as place:
        caller.fetch(place.url)
        error = error_of(caller, place.url)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert not was_never_sent(error)
    assert len(requests) == 2


def test_a_stream_that_is_left_half_way_frees_its_connection(caller: Caller) -> None:
    with serving(answering(CHUNKED + b"2\r\nok\r\n")) as place:
        opened = caller.open(place.url)
        assert next(opened) == b"ok"
        opened.close()
        assert caller.fetch(place.url) == (200, b"ok")
        assert place.made == 2
        until(lambda: place.open == 1)


def test_an_answer_that_is_not_read_frees_its_connection(caller: Caller) -> None:
    with serving(answering(GOOD)) as place:
        caller.open(place.url).close()
        assert caller.fetch(place.url) == (200, b"ok")


def silent(connection: socket.socket, number: int) -> None:
    """Answers only over its second connection and those behind."""
    read_request(connection)
    if number > 1:
        connection.sendall(GOOD)
    connection.recv(1)


@pytest.mark.parametrize("tls", [False, True])
def test_a_cancelled_call_frees_its_connection(monkeypatch: pytest.MonkeyPatch, *, tls: bool) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)

    async def cancel(caller: Caller, url: str) -> None:
        task = asyncio.create_task(caller.client.post(url))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(silent, tls=tls) as place, calling(is_async=True) as caller:
        caller.run(cancel(caller, place.url))
        assert caller.fetch(place.url) == (200, b"ok")
        until(lambda: place.open == 1)


def test_no_socket_stays_open(is_async: bool) -> None:
    with (
        serving(answering(HEAD + b"x", stay=False)) as broken,
        serving(answering(CHUNKED + b"2\r\nok\r\n")) as unended,
        serving(answering(GOOD), tls=True) as good,
        refusing() as port,
    ):
        with calling(is_async=is_async) as caller:
            error_of(caller, broken.url)
            error_of(caller, unended.url, read=0.05)
            error_of(caller, f"https://127.0.0.1:{port}/")
            error_of(caller, broken.url.replace("http:", "https:"), connect=0.2)
            error_of(caller, good.url.replace("127.0.0.1", "127.0.0.2"))
            caller.fetch(good.url)
            left = caller.open(unended.url)
            caller.close_client()
            left.close()
        until(lambda: (broken.open, unended.open, good.open) == (0, 0, 0))
        del left
        gc.collect()  # a socket that was not closed warns


# Bodies that are sent


@pytest.mark.parametrize("tls", [False, True])
def test_a_large_body_may_take_as_long_as_an_answer(caller: Caller, *, tls: bool) -> None:
    def handle(connection: socket.socket, _: int) -> None:
        time.sleep(0.5)
        if len(read_request(connection)) > 20 * MB:
            connection.sendall(GOOD)

    with serving(handle, tls=tls) as place:
        assert caller.fetch(place.url, b"x" * 20 * MB, connect=5 if tls else 0.4, total=30) == (200, b"ok")


def test_a_body_that_nobody_reads_is_a_write_timeout(caller: Caller) -> None:
    done = threading.Event()
    with serving(lambda *_: done.wait(5) and None) as place, patient(3):
        error = error_of(caller, place.url, b"x" * 20 * MB, write=0.2, read=0.2)
        done.set()
    assert isinstance(error, httpx.TimeoutException)
    assert not was_never_sent(error)


def test_a_refusal_before_the_body_was_read_is_the_answer(caller: Caller) -> None:
    def handle(connection: socket.socket, _: int) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\nconnection: close\r\n\r\ntoo large")
        time.sleep(0.05)
        reset(connection)

    with serving(handle) as place:
        for _ in range(3):
            assert caller.fetch(place.url, b"x" * 20 * MB) == (413, b"too large")


def test_without_bounds_there_are_none(caller: Caller) -> None:
    with serving(answering(GOOD)) as place:
        for _ in range(2):
            assert caller.fetch(place.url, connect=None, read=None, write=None, total=None) == (200, b"ok")


# Connecting


def test_a_refused_connection_is_never_sent(caller: Caller) -> None:
    with refusing() as port:
        for scheme in ("http", "https"):
            error = error_of(caller, f"{scheme}://127.0.0.1:{port}/")
            assert type(error) is httpx.ConnectError
            assert was_never_sent(error)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "bücher.invalid"])
def test_a_name_that_is_not_known_is_never_sent(caller: Caller, host: str) -> None:
    for _ in range(2):
        assert type(error_of(caller, f"http://{host}/")) is httpx.ConnectError


def test_a_connect_timeout_is_never_sent(caller: Caller) -> None:
    with hanging() as port:
        for _ in range(2):
            error = error_of(caller, f"http://127.0.0.1:{port}/", connect=0.2)
            assert type(error) is httpx.ConnectTimeout
            assert was_never_sent(error)


def test_a_call_that_finds_no_connection_free_ends_in_time(caller: Caller) -> None:
    with serving(answering(GOOD)) as place:
        held = caller.open(place.url)
        with patient(2):
            error = error_of(caller, place.url, pool=0.2)
        assert type(error) is httpx.PoolTimeout
        held.close()
        assert caller.fetch(place.url) == (200, b"ok")


def test_an_address_of_version_6_is_called(caller: Caller) -> None:
    with serving(answering(GOOD), host="::1") as place:
        assert [caller.fetch(place.url) for _ in range(2)] == [(200, b"ok")] * 2
        assert place.made == 1


@pytest.mark.parametrize("first", ["refuses", "hangs"])
def test_the_next_address_of_a_host_is_tried(caller: Caller, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = socket.getaddrinfo

    def lookup_several(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "several.test":
            return lookup(host, port, *args, **kwargs)
        return [lookup(each, port, type=socket.SOCK_STREAM)[0] for each in ("127.0.0.3", "127.0.0.2")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup_several)
    with serving(answering(GOOD), host="127.0.0.2") as place, patient(3):
        url = f"http://several.test:{place.port}/"
        if first == "refuses":
            assert caller.fetch(url, connect=1) == (200, b"ok")
        else:
            with hanging("127.0.0.3", place.port):
                assert caller.fetch(url, connect=1) == (200, b"ok")
        assert place.made == 1


# TLS


def test_a_certificate_of_no_known_authority_is_never_sent(is_async: bool) -> None:
    with (
        serving(answering(GOOD), tls=True) as place,
        calling(is_async=is_async, ssl_context=ssl.create_default_context()) as caller,
    ):
        error = error_of(caller, place.url)
    assert type(error) is httpx.ConnectError
    assert "self-signed" in str(error)


def test_a_certificate_for_another_name_is_never_sent(caller: Caller) -> None:
    with serving(answering(GOOD), tls=True) as place:
        assert was_never_sent(error_of(caller, place.url.replace("127.0.0.1", "127.0.0.2")))


def test_a_connection_with_tls_is_used_again(caller: Caller) -> None:
    with serving(answering(CHUNKED + b"2\r\nok\r\n0\r\n\r\n"), tls=True) as place:
        assert [caller.fetch(place.url) for _ in range(3)] == [(200, b"ok")] * 3
        assert place.made == 1


def resetting(connection: socket.socket, _: int) -> None:
    connection.recv(10)
    reset(connection)


def closing(connection: socket.socket, _: int) -> None:
    connection.recv(65536)


def without_tls(connection: socket.socket, _: int) -> None:
    connection.recv(65536)
    connection.sendall(GOOD)


def never(connection: socket.socket, _: int) -> None:
    while connection.recv(65536):
        pass


@pytest.mark.parametrize(
    ("handle", "kind"),
    [
        (resetting, httpx.ConnectError),
        (closing, httpx.ConnectError),
        (without_tls, httpx.ConnectError),
        (never, httpx.ConnectTimeout),
    ],
)
def test_a_handshake_that_fails_is_never_sent(
    caller: Caller, handle: Handler, kind: type[httpx.TransportError]
) -> None:
    with serving(handle) as place:
        for _ in range(2):
            assert type(error_of(caller, place.url.replace("http:", "https:"), connect=0.3)) is kind
        until(lambda: place.open == 0)


# The deadline of the whole call


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("data", [HEAD + b"x: " + b"a" * 500, b"HTTP/1.1 103 E\r\nx: y\r\n\r\n" * 50])
def test_headers_that_drip_end_in_time(caller: Caller, data: bytes, *, tls: bool) -> None:
    with serving(dripping(data), tls=tls) as place, patient(1.5):
        error_of(caller, place.url, total=0.3)


@pytest.mark.parametrize("tls", [False, True])
def test_a_body_that_is_read_slowly_ends_in_time(caller: Caller, *, tls: bool) -> None:
    def handle(connection: socket.socket, _: int) -> None:
        while connection.recv(4096):
            time.sleep(0.02)

    with serving(handle, tls=tls) as place, patient(2):
        error_of(caller, place.url, b"x" * 20 * MB, total=0.5)


# Threads


def test_a_stream_may_be_collected_while_its_thread_takes_a_connection() -> None:
    with serving(answering(CHUNKED + b"2\r\nok\r\n")) as place, calling(is_async=False) as caller:
        opened = caller.open(place.url)
        take = connections._FreeLanes.take

        def collect(*args: Any) -> Any:
            opened.close()
            return take(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connections._FreeLanes, "take", collect)
            assert caller.fetch(place.url) == (200, b"ok")


def test_two_streams_are_read_by_turns_in_one_thread(is_async: bool) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(CHUNKED)
        for _ in range(50):
            connection.sendall(b"1\r\n%d\r\n" % number)
        connection.sendall(b"0\r\n\r\n")
        connection.recv(1)

    with serving(handle) as place, calling(is_async=is_async) as caller:
        first, second = caller.open(place.url), caller.open(place.url)
        pairs = list(zip(first, second, strict=True))
        assert (b"".join(one for one, _ in pairs), b"".join(two for _, two in pairs)) == (b"1" * 50, b"2" * 50)
        first.close()
        second.close()


def test_two_hundred_threads_share_a_few_connections(server: ScriptServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    server.always = Answer(chunks=(b"o", b"k"), end="keep-alive")
    with calling(is_async=False) as caller:
        together = threading.Barrier(200)

        def ask(number: int) -> set[tuple[int, bytes]]:
            together.wait(20)
            if number % 10 == 0:
                caller.open(server.url, total=30).close()
            return {caller.fetch(server.url, total=30) for _ in range(3)}

        with ThreadPoolExecutor(200) as threads:
            assert set().union(*threads.map(ask, range(200))) == {(200, b"ok")}
        assert server.open_connections <= 20


def test_closing_disturbs_nobody(server: ScriptServer) -> None:
    server.always = Answer(chunks=(b"o", b"k"), end="keep-alive")
    with calling(is_async=False) as caller:
        transport = caller.client._transport
        done = threading.Event()

        def close() -> None:
            while not done.wait(0.001):
                transport.close()

        thread = threading.Thread(target=close)
        thread.start()
        with ThreadPoolExecutor(20) as threads:
            assert set(threads.map(partial(caller.fetch, total=30), [server.url] * 300)) == {(200, b"ok")}
        done.set()
        thread.join()
    until(lambda: server.open_connections == 0)
