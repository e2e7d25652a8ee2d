"""httpx on urllib3: what goes wrong comes out under the right name, and no connection is lost or used wrongly."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from aki_transport.transport.deadline import cut_off
from aki_transport.transport.outgoing import Outgoing, SyncAnswer
from aki_transport.transport.sync import Urllib3Transport

from aki_transport import Client, ConfigurationError
from aki_transport.transport import connections as pools
from aki_transport.transport.failures import NEVER_SENT
from tests.script_server import Answer, ScriptServer, text_answer
from tests.transport.asking import KEY, Way, patient

MB = 2**20
PEM = Path(__file__).with_name("localhost.pem")  # a key and its certificate, which vouches for itself until 2126
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

Talk: TypeAlias = Callable[[socket.socket, int], None]


@dataclass
class Place:
    """A server of this file, and how many connections were made to it."""

    port: int
    made: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1/chat"


@contextmanager
def serving(talk: Talk, *, tls: bool = False) -> Iterator[Place]:
    """A server that has each of its connections talk in a thread of its own."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
    listener = socket.create_server(("127.0.0.1", 0), backlog=300)
    place = Place(listener.getsockname()[1], scheme="https" if tls else "http")

    def converse(connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError):
            if context is None:
                talk(connection, number)
                return
            with context.wrap_socket(connection, server_side=True) as secret:
                talk(secret, number)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                place.made += 1
                threading.Thread(target=converse, args=(connection, place.made), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield place
        listener.shutdown(socket.SHUT_RDWR)


def heard(connection: socket.socket) -> bytes:
    """The next request; nothing if none comes."""
    said = b""
    while b"\r\n\r\n" not in said:
        more = connection.recv(65536)
        if not more:
            return b""
        said += more
    head, _, body = said.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left = int(lengths[0].partition(b":")[2]) - len(body) if lengths else 0
    pieces = [said]
    while left > 0:
        pieces.append(connection.recv(min(left, MB)))
        left -= len(pieces[-1]) or left
    return b"".join(pieces)


def saying(first: bytes, then: bytes = GOOD, *, stay: bool = True) -> Talk:
    """Answers the first request of all with these bytes and the others well; hangs up after the first unless `stay`."""

    def talk(connection: socket.socket, number: int) -> None:
        answer = first if number == 1 else then
        while heard(connection):
            connection.sendall(answer)
            if answer is first and not stay:
                return
            answer = then

    return talk


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection: socket.socket, _: int) -> None:
    heard(connection)
    connection.recv(1)


@contextmanager
def layer(connections: int = 1, *, keepalive: float = 60, proxy: str | None = None) -> Iterator[Urllib3Transport]:
    context = ssl.create_default_context(cafile=PEM)
    transport = Urllib3Transport(context, max_connections=connections, keepalive=keepalive, proxy=proxy)
    yield transport
    transport.close()


@pytest.fixture
def transport() -> Iterator[Urllib3Transport]:
    """One connection to each host: what loses it shows at the next call."""
    with layer() as transport:
        yield transport


def opened(
    transport: Urllib3Transport, url: str, content: Any = b"{}", *, total: float | None = 10, **times: float | None
) -> SyncAnswer:
    timeout = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": None, **times}
    deadline = None if total is None else time.monotonic() + total
    extensions = {"timeout": timeout, "deadline": deadline}
    return transport.send(Outgoing("POST", httpx.URL(url), {}, content, extensions))


def told(transport: Urllib3Transport, url: str, content: Any = b"{}", **bounds: float | None) -> tuple[int, bytes]:
    """Status and body of the answer."""
    response = opened(transport, url, content, **bounds)
    try:
        return response.status_code, b"".join(response.iter_raw())
    finally:
        response.close()


def raised(transport: Urllib3Transport, url: str, content: Any = b"{}", **bounds: float | None) -> httpx.TransportError:
    with pytest.raises(httpx.TransportError) as caught:
        told(transport, url, content, **bounds)
    return caught.value


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
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 1),
        (HEAD + b"x-folded: a\r\n b\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 1),
        (HEAD + b"x-long: " + b"a" * 60_000 + b"\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 1),
        (HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 2),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 2),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", 101, b"", 2),
    ],
)
def test_a_connection_is_used_again_where_that_is_right(
    transport: Urllib3Transport, answer: bytes, status: int, body: bytes, made: int
) -> None:
    with serving(saying(answer)) as place:
        assert told(transport, place.url) == (status, body)
        assert told(transport, place.url) == (200, b"ok")
        assert place.made == made


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 500 Oh\r\nx: y\r\n"])
def test_a_body_without_a_length_ends_with_its_connection(transport: Urllib3Transport, head: bytes) -> None:
    with serving(saying(head + b"\r\nok", stay=False)) as place:
        assert told(transport, place.url)[1] == b"ok"
        assert told(transport, place.url) == (200, b"ok")
        assert place.made == 2


def test_an_error_without_length_or_body_keeps_its_status(transport: Urllib3Transport) -> None:
    with serving(saying(b"HTTP/1.1 503 No\r\n\r\n", stay=False)) as place:
        assert told(transport, place.url) == (503, b"")


def test_bytes_behind_an_answer_are_not_the_next_one(transport: Urllib3Transport) -> None:
    with serving(saying(GOOD + HEAD + b"content-length: 3\r\n\r\nbad")) as place:
        assert [told(transport, place.url) for _ in range(3)] == [(200, b"ok")] * 3


def test_a_connection_on_which_something_came_unasked_is_not_used(transport: Urllib3Transport) -> None:
    come, asked = threading.Event(), threading.Event()

    def talk(connection: socket.socket, number: int) -> None:
        heard(connection)
        connection.sendall(GOOD)
        if number == 1:
            asked.wait(5)
            connection.sendall(b"HTTP/1.1 408 Too slow\r\ncontent-length: 0\r\n\r\n")
            come.set()
            connection.recv(1)

    with serving(talk) as place:
        assert told(transport, place.url) == (200, b"ok")
        asked.set()
        come.wait(5)
        assert told(transport, place.url) == (200, b"ok")
        assert place.made == 2


def test_idleness_has_an_end_of_its_own_for_each_layer() -> None:
    with serving(saying(GOOD)) as place, layer(keepalive=0) as brief, layer(keepalive=60) as long:
        for _ in range(3):
            told(brief, place.url)
            told(long, place.url)
        assert place.made == 4


def test_a_connection_that_is_lost_while_idle_is_replaced(transport: Urllib3Transport) -> None:
    closed = threading.Event()

    def talk(connection: socket.socket, number: int) -> None:
        heard(connection)
        connection.sendall(GOOD)
        if number == 1:
            connection.shutdown(socket.SHUT_RDWR)
            closed.set()

    with serving(talk) as place:
        told(transport, place.url)
        closed.wait(5)
        assert told(transport, place.url) == (200, b"ok")
        assert place.made == 2


def test_nothing_is_sent_twice_by_itself(transport: Urllib3Transport) -> None:
    requests = []

    def talk(connection: socket.socket, _: int) -> None:
        requests.append(heard(connection))
        connection.sendall(GOOD)
        requests.append(heard(connection))

    with serving(talk) as place:
        told(transport, place.url)
        assert isinstance(raised(transport, place.url), httpx.RemoteProtocolError)
    assert len(requests) == 2


# What goes wrong in an answer, and what is left of it


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "without response"),
        (b"HTP/9 what\r\n\r\n", "what"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "abc"),
        (b"HTTP/2 200 OK\r\n\r\n", "HTTP/2"),
        (b"HTTP/1.1 20", ""),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", "without response"),
        (HEAD + b"x: a", "ended"),
        (HEAD + b"x: a\r\n", "ended"),
        (HEAD + b"content-length: 2", "too early"),
        (HEAD + b"no colon\r\ncontent-length: 2\r\n\r\nok", "colon"),
        (HEAD + b"x: " + b"a" * 70_000 + b"\r\n\r\n", "65536"),
        (HEAD + b"x: a\r\n" * 200 + b"\r\n", "100"),
        (HEAD + b"content-length: 2, 3\r\n\r\nok", "2, 3"),
        (HEAD + b"content-length: 100\r\n\r\nhalf", "96 bytes"),
        (CHUNKED + b"5\r\nha", ""),
        (CHUNKED + b"2\r\nok\r\n", ""),
        (CHUNKED + b"zz\r\nok\r\n0\r\n\r\n", ""),
        (CHUNKED + b"\r\n", ""),
        (CHUNKED + b"-5\r\nok\r\n", ""),
        (CHUNKED + b"2;" + b"x" * 70_000 + b"\r\nok\r\n0\r\n\r\n", "65536"),
    ],
)
def test_a_broken_answer_is_a_protocol_error_and_costs_no_connection(
    transport: Urllib3Transport, answer: bytes, words: str
) -> None:
    with serving(saying(answer, stay=False)) as place:
        error = raised(transport, place.url)
        assert isinstance(error, httpx.RemoteProtocolError)
        assert words in str(error)
        assert len(str(error)) < 200
        assert told(transport, place.url) == (200, b"ok")
        assert place.made == 2


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"content-length: 5\r\n\r\nha", CHUNKED + b"5\r\nha"])
def test_a_reset_may_have_arrived_and_costs_no_connection(transport: Urllib3Transport, said: bytes) -> None:
    def talk(connection: socket.socket, number: int) -> None:
        heard(connection)
        if number > 1:
            connection.sendall(GOOD)
            return
        connection.sendall(said)
        time.sleep(0.05)  # else the reset may overtake what was said
        reset(connection)

    with serving(talk) as place:
        error = raised(transport, place.url)
        assert isinstance(error, httpx.ReadError)
        assert "reset" in str(error)
        assert told(transport, place.url) == (200, b"ok")


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"\r\n", HEAD + b"content-length: 5\r\n\r\nha", CHUNKED + b"5"])
def test_silence_is_a_read_timeout_and_costs_no_connection(transport: Urllib3Transport, said: bytes) -> None:
    def talk(connection: socket.socket, number: int) -> None:
        heard(connection)
        connection.sendall(said if number == 1 else GOOD)
        connection.recv(1)

    with serving(talk) as place:
        error = raised(transport, place.url, read=0.1)
        assert isinstance(error, httpx.ReadTimeout)
        assert told(transport, place.url) == (200, b"ok")


def test_a_stream_that_is_left_half_way_costs_no_connection(transport: Urllib3Transport) -> None:
    with serving(saying(CHUNKED + b"2\r\nok\r\n")) as place:
        response = opened(transport, place.url)
        assert next(response.iter_raw()) == b"ok"
        response.close()
        assert told(transport, place.url) == (200, b"ok")
        assert place.made == 2


def test_an_answer_that_is_not_read_costs_no_connection(transport: Urllib3Transport) -> None:
    with serving(saying(GOOD)) as place:
        opened(transport, place.url).close()
        assert told(transport, place.url) == (200, b"ok")


def test_a_stream_may_be_collected_while_its_thread_takes_a_connection(transport: Urllib3Transport) -> None:
    with serving(saying(CHUNKED + b"2\r\nok\r\n")) as place:
        response = opened(transport, place.url)

        def collect() -> None:
            with transport._pool("127.0.0.1", place.port, "http").pool.mutex:
                response.close()

        collecting = threading.Thread(target=collect, daemon=True)
        collecting.start()
        collecting.join(5)
        assert not collecting.is_alive()
        assert told(transport, place.url) == (200, b"ok")


# Headers and bodies


def test_headers_arrive_as_they_are(transport: Urllib3Transport) -> None:
    said = b"set-cookie: a=1\r\nset-cookie: b=2\r\nX-Odd: \xfc\xff\r\nX-UTF-8: \xc3\xbc\r\nx-empty:\r\n"
    with serving(saying(HEAD + said + b"content-length: 2\r\n\r\nok")) as place:
        headers = opened(transport, place.url).headers
    assert headers["set-cookie"] == "a=1, b=2"
    assert headers["x-odd"] == "üÿ"
    assert headers["x-utf-8"] == "ü"
    assert headers["x-empty"] == ""


def test_headers_are_sent_as_they_are(transport: Urllib3Transport) -> None:
    requests = []

    def talk(connection: socket.socket, _: int) -> None:
        requests.append(heard(connection))
        connection.sendall(GOOD)

    with serving(talk) as place:
        headers = {"X-Odd": "\xfc\xff", "x-utf-8": "ü".encode().decode("latin-1")}
        transport.send(Outgoing("GET", httpx.URL(f"{place.url}?a=%2f&b=ü"), headers, None, {})).close()
    assert requests[0].startswith(b"GET /v1/chat?a=%2F&b=%C3%BC HTTP/1.1\r\n")
    assert b"\r\nX-Odd: \xfc\xff\r\nx-utf-8: \xc3\xbc\r\n" in requests[0]


@pytest.mark.parametrize(("size", "writes"), [(2, 1), (60_000, 1), (200_000, 2)])
def test_a_small_request_is_one_write(
    transport: Urllib3Transport, size: int, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    send = http.client.HTTPConnection.send
    monkeypatch.setattr(
        http.client.HTTPConnection, "send", lambda self, data: (sent.append(bytes(data)), send(self, data))[1]
    )
    with serving(saying(GOOD)) as place:
        assert told(transport, place.url, b"x" * size) == (200, b"ok")
    assert len(sent) == writes
    assert b"".join(sent).endswith(b"\r\n\r\n" + b"x" * size)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("tls", [False, True])
def test_a_large_body_may_take_as_long_as_an_answer(transport: Urllib3Transport, *, warm: bool, tls: bool) -> None:
    def talk(connection: socket.socket, _: int) -> None:
        if warm:
            heard(connection)
            connection.sendall(GOOD)
        time.sleep(0.7)
        if len(heard(connection)) > 20 * MB:
            connection.sendall(GOOD)
            connection.recv(1)

    with serving(talk, tls=tls) as place:
        if warm:
            told(transport, place.url)
        assert told(transport, place.url, b"x" * 20 * MB, connect=0.4) == (200, b"ok")
        assert place.made == 1


def test_a_body_that_nobody_reads_is_a_write_timeout(transport: Urllib3Transport) -> None:
    done = threading.Event()
    with serving(lambda *_: done.wait(5) and None) as place, patient(2):
        error = raised(transport, place.url, b"x" * 20 * MB, write=0.2)
        done.set()
    assert isinstance(error, httpx.WriteTimeout)
    assert not isinstance(error, NEVER_SENT)


def test_a_refusal_before_the_body_was_read_is_the_answer(transport: Urllib3Transport) -> None:
    def talk(connection: socket.socket, _: int) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\nconnection: close\r\n\r\ntoo large")
        time.sleep(0.05)
        reset(connection)

    with serving(talk) as place:
        for _ in range(3):
            assert told(transport, place.url, b"x" * 20 * MB) == (413, b"too large")


def test_without_bounds_there_are_none(transport: Urllib3Transport) -> None:
    with serving(saying(GOOD)) as place:
        for _ in range(2):
            assert told(transport, place.url, connect=None, read=None, write=None, total=None) == (200, b"ok")


# Connecting


def test_refused_is_never_sent(transport: Urllib3Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    for scheme in ("http", "https"):
        for _ in range(2):
            error = raised(transport, f"{scheme}://127.0.0.1:{port}/")
            assert type(error) is httpx.ConnectError
            assert "refused" in str(error)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "bücher.invalid"])
def test_a_name_that_is_not_known_is_never_sent(transport: Urllib3Transport, host: str) -> None:
    for _ in range(2):
        assert type(raised(transport, f"http://{host}/")) is httpx.ConnectError


@pytest.mark.parametrize("url", [f"http://{'a' * 70}.invalid/", "http://a..invalid/", "ftp://127.0.0.1/"])
def test_an_address_that_is_none_is_said(transport: Urllib3Transport, url: str) -> None:
    with pytest.raises(httpx.InvalidURL):
        told(transport, url)


def test_a_connect_timeout_is_never_sent(transport: Urllib3Transport) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for other in waiting:
            other.settimeout(0)
            other.connect_ex(listener.getsockname())
        for _ in range(2):
            error = raised(transport, f"http://127.0.0.1:{listener.getsockname()[1]}/", connect=0.2)
            assert type(error) is httpx.ConnectTimeout
        for other in waiting:
            other.close()


def test_an_address_of_version_6_is_called(transport: Urllib3Transport) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                saying(GOOD, stay=False)(connection, 1)

        threading.Thread(target=serve, daemon=True).start()
        assert told(transport, f"http://[::1]:{listener.getsockname()[1]}/") == (200, b"ok")


def test_a_certificate_that_nobody_vouches_for_is_never_sent() -> None:
    strict = Urllib3Transport(ssl.create_default_context(), max_connections=1, keepalive=60)
    with serving(saying(GOOD), tls=True) as place:
        for _ in range(2):
            error = raised(strict, place.url)
            assert type(error) is httpx.ConnectError
            assert "self-signed" in str(error)
    strict.close()


def test_a_certificate_for_another_name_is_never_sent(transport: Urllib3Transport) -> None:
    with serving(saying(GOOD), tls=True) as place:
        error = raised(transport, place.url.replace("127.0.0.1", "127.0.0.2"))
    assert isinstance(error, NEVER_SENT)


def test_tls_is_spoken_and_its_connection_used_again(transport: Urllib3Transport) -> None:
    with serving(saying(CHUNKED + b"2\r\nok\r\n0\r\n\r\n"), tls=True) as place:
        assert [told(transport, place.url) for _ in range(3)] == [(200, b"ok")] * 3
        assert place.made == 1


def shaken_off(connection: socket.socket, _: int) -> None:
    connection.recv(10)
    reset(connection)


def hung_up(connection: socket.socket, _: int) -> None:
    connection.recv(65536)


def in_plain_words(connection: socket.socket, _: int) -> None:
    connection.recv(65536)
    connection.sendall(GOOD)


@pytest.mark.parametrize(
    ("talk", "kind"),
    [
        (shaken_off, httpx.ConnectError),
        (hung_up, httpx.ConnectError),
        (in_plain_words, httpx.ConnectError),
        (silent, httpx.ConnectTimeout),
    ],
)
def test_a_handshake_that_fails_is_never_sent(
    transport: Urllib3Transport, talk: Talk, kind: type[httpx.TransportError]
) -> None:
    with serving(talk) as place:
        for _ in range(2):
            assert type(raised(transport, place.url.replace("http:", "https:"), connect=0.2)) is kind


def test_a_call_that_finds_no_connection_free_ends_in_time(transport: Urllib3Transport) -> None:
    with serving(saying(GOOD)) as place:
        held = opened(transport, place.url)
        with patient(2):
            error = raised(transport, place.url, total=0.2)
        assert type(error) is httpx.PoolTimeout
        held.close()
        assert told(transport, place.url) == (200, b"ok")


# The deadline of the whole call


def dripping(said: bytes) -> Talk:
    def talk(connection: socket.socket, _: int) -> None:
        connection.recv(65536)
        for byte in said:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    return talk


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("said", [HEAD + b"x: " + b"a" * 500, b"HTTP/1.1 103 E\r\nx: y\r\n\r\n" * 50])
def test_headers_that_drip_end_in_time(transport: Urllib3Transport, said: bytes, *, tls: bool) -> None:
    with serving(dripping(said), tls=tls) as place, patient(1):
        raised(transport, place.url, total=0.3)


def test_a_proxy_s_headers_that_drip_end_in_time() -> None:
    with serving(dripping(HEAD + b"x: " + b"a" * 500)) as place, layer(proxy=place.url) as transport, patient(1):
        error = raised(transport, "https://target.invalid/", total=0.3)
    assert isinstance(error, NEVER_SENT)


@pytest.mark.parametrize("tls", [False, True])
def test_a_body_that_is_read_slowly_ends_in_time(transport: Urllib3Transport, *, tls: bool) -> None:
    def talk(connection: socket.socket, _: int) -> None:
        while connection.recv(4096):
            time.sleep(0.02)

    with serving(talk, tls=tls) as place, patient(1.5):
        raised(transport, place.url, b"x" * 20 * MB, total=0.3)


def test_a_deadline_that_passes_behind_an_answer_cuts_nothing(transport: Urllib3Transport) -> None:
    with serving(saying(GOOD)) as place:
        response = opened(transport, place.url, total=0.1)
        with cut_off(response, 0.05):
            list(response.iter_raw())
            time.sleep(0.15)
        assert told(transport, place.url) == (200, b"ok")
        assert place.made == 1


# Proxies


def proxying(
    seen: list[bytes],
    answer: bytes = b"HTTP/1.1 200 Connected\r\nvia: me\r\n\r\n",
    slow: threading.Event | None = None,
) -> Talk:
    """A proxy that answers plain calls itself, and tunnels to the port that is asked for on this machine."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while said := source.recv(65536):
                for part in [said[at : at + 1] for at in range(len(said))] if slow and slow.is_set() else [said]:
                    sink.sendall(part)
                    time.sleep(0 if part is said else 0.1)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def talk(connection: socket.socket, _: int) -> None:
        while said := heard(connection):
            seen.append(said)
            if not said.startswith(b"CONNECT"):
                connection.sendall(GOOD)
                continue
            connection.sendall(answer)
            if b" 200 " not in answer:
                return
            port = int(said.split(b" ")[1].rpartition(b":")[2])
            with socket.create_connection(("127.0.0.1", port)) as other:
                back = threading.Thread(target=pump, args=(other, connection), daemon=True)
                back.start()
                pump(connection, other)
                back.join(5)
            return

    return talk


@pytest.mark.parametrize("proxy_tls", [False, True])
def test_a_proxy_is_told_the_whole_address_of_a_plain_call(*, proxy_tls: bool) -> None:
    seen: list[bytes] = []
    with serving(proxying(seen), tls=proxy_tls) as place:
        address = place.url.replace("://", "://me:hunt%2Fer-ü@")
        with layer(proxy=address) as transport:
            for _ in range(2):
                assert told(transport, "http://you:secret@target.invalid:81/a?b=c#d") == (200, b"ok")
        assert place.made == 1
    for said in seen:
        assert said.startswith(b"POST http://target.invalid:81/a?b=c HTTP/1.1\r\n")
        assert b"\r\nHost: target.invalid:81\r\n" in said
        assert b"\r\nproxy-authorization: Basic bWU6aHVudC9lci3DvA==\r\n" in said


@pytest.mark.parametrize("proxy_tls", [False, True])
def test_a_proxy_tunnels_what_is_secret(*, proxy_tls: bool) -> None:
    seen: list[bytes] = []
    with (
        serving(saying(GOOD), tls=True) as target,
        serving(proxying(seen), tls=proxy_tls) as place,
        layer(proxy=place.url.replace("://", "://me:hunter2@")) as transport,
    ):
        for _ in range(3):
            assert told(transport, target.url) == (200, b"ok")
        assert (place.made, target.made) == (1, 1)
    assert len(seen) == 1
    assert b"\r\nproxy-authorization: Basic bWU6aHVudGVyMg==\r\n" in seen[0]


@pytest.mark.parametrize("proxy_tls", [False, True])
def test_headers_that_drip_through_a_tunnel_end_in_time(*, proxy_tls: bool) -> None:
    with (
        serving(dripping(HEAD + b"x: " + b"a" * 500), tls=True) as target,
        serving(proxying([]), tls=proxy_tls) as place,
        layer(proxy=place.url) as transport,
        patient(1.5),
    ):
        raised(transport, target.url, total=0.5)


@pytest.mark.parametrize("proxy_tls", [False, True])
def test_a_record_that_drips_through_a_tunnel_ends_in_time(*, proxy_tls: bool) -> None:
    slow = threading.Event()

    def talk(connection: socket.socket, _: int) -> None:
        heard(connection)
        slow.set()
        connection.sendall(GOOD)

    with (
        serving(talk, tls=True) as target,
        serving(proxying([], slow=slow), tls=proxy_tls) as place,
        layer(proxy=place.url) as transport,
        patient(1.5),
    ):
        assert isinstance(raised(transport, target.url, total=0.5), httpx.ReadTimeout)


@pytest.mark.parametrize("refusal", [b"HTTP/1.1 407 Who are you\r\n\r\n", b"HTTP/1.1 502 No\r\n\r\n", b"", b"what"])
def test_a_tunnel_that_is_refused_is_never_sent(refusal: bytes) -> None:
    with (
        serving(proxying([], refusal)) as place,
        layer(proxy=place.url.replace("://", "://me:hunter2@")) as transport,
    ):
        for _ in range(2):
            error = raised(transport, "https://target.invalid/")
            assert isinstance(error, NEVER_SENT)
            assert "hunter2" not in f"{error!r} {error.__context__!r} {error.__cause__!r}"
    assert refusal[9:12].decode() in str(error)


def test_a_proxy_that_is_not_there_is_never_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with layer(proxy=f"http://me:hunter2@127.0.0.1:{port}") as transport:
        for url in ("http://target.invalid/", "https://target.invalid/"):
            error = raised(transport, url)
            assert type(error) is httpx.ProxyError
            assert str(error) == "[Errno 111] Connection refused"


@pytest.mark.parametrize("lost", [lambda _: None, reset])
def test_what_is_lost_behind_a_proxy_may_have_arrived(lost: Callable[[socket.socket], None]) -> None:
    def talk(connection: socket.socket, _: int) -> None:
        heard(connection)
        lost(connection)

    with serving(talk) as place, layer(proxy=place.url) as transport:
        assert not isinstance(raised(transport, "http://target.invalid/"), NEVER_SENT)


def test_a_proxy_that_refuses_a_plain_call_is_its_answer() -> None:
    refusal = b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n"
    with serving(saying(refusal, refusal)) as place, layer(proxy=place.url) as transport:
        assert told(transport, "http://target.invalid/") == (407, b"")


@pytest.mark.parametrize("address", ["http://me:hunter2/x@h:80", "http://me@h:hunter2", "http://me:hunter2@h:99999"])
def test_a_proxy_s_address_that_is_none_is_said_without_it(
    way: Way, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_threads", None)
    monkeypatch.setenv("ALL_PROXY", address)
    client = Client("aacflow", base_url="http://127.0.0.1:9/v1", api_key=KEY, max_retries=0)
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        way.ask(client)
    assert "hunter2" not in f"{caught.value!r} {caught.value}"


# Threads


def test_two_streams_are_read_by_turns_in_one_thread() -> None:
    def talk(connection: socket.socket, number: int) -> None:
        heard(connection)
        connection.sendall(CHUNKED)
        for _ in range(50):
            connection.sendall(b"1\r\n%d\r\n" % number)
            time.sleep(0.001)
        connection.sendall(b"0\r\n\r\n")
        connection.recv(1)

    with serving(talk) as place, layer(2) as transport:
        first, second = opened(transport, place.url), opened(transport, place.url, total=5, read=1)
        said: tuple[list[bytes], list[bytes]] = ([], [])
        for one, other in zip(first.iter_raw(), second.iter_raw(), strict=False):
            said[0].append(one)
            said[1].append(other)
        for response in (first, second):
            response.close()
        assert {b"".join(each)[:1] for each in said} == {b"1", b"2"}
        assert all(len(set(b"".join(each))) == 1 for each in said)


def test_a_stream_is_read_in_another_thread(transport: Urllib3Transport) -> None:
    with serving(saying(CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n")) as place:
        response = opened(transport, place.url)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(list, response.iter_raw()).result(5) == [b"o", b"k"]
        assert told(transport, place.url) == (200, b"ok")
        assert place.made == 1


def test_a_call_in_the_middle_of_another_leaves_it_its_bounds(server: ScriptServer) -> None:
    server.always = text_answer("ok")

    def body() -> Iterator[bytes]:
        with suppress(httpx.TransportError):
            told(transport, server.url, total=0, write=0.001)
        yield b"x" * MB

    with layer(2) as transport:
        assert told(transport, server.url, body(), total=None) == (200, b"ok")
    assert len(server.requests[-1].body) == MB


def test_two_hundred_threads_share_a_few_connections(server: ScriptServer) -> None:
    server.always = Answer(chunks=(b"o", b"k"), end="keep-alive")
    with layer(20) as transport:
        together = threading.Barrier(200)

        def ask(number: int) -> set[tuple[int, bytes]]:
            together.wait(20)
            if number % 10 == 0:
                opened(transport, server.url, total=30).close()
            return {told(transport, server.url, total=30) for _ in range(5)}

        with ThreadPoolExecutor(200) as threads:
            assert set().union(*threads.map(ask, range(200))) == {(200, b"ok")}
        assert server.open_connections <= 20


def test_closing_disturbs_nobody(server: ScriptServer) -> None:
    server.always = Answer(chunks=(b"o", b"k"), end="keep-alive")
    with layer(20) as transport:
        done = threading.Event()

        def close() -> None:
            while not done.wait(0.001):
                transport.close()

        closing = threading.Thread(target=close)
        closing.start()
        with ThreadPoolExecutor(20) as threads:
            assert set(threads.map(partial(told, transport), [server.url] * 500)) == {(200, b"ok")}
        done.set()
        closing.join()
    give_up = time.monotonic() + 5
    while server.open_connections:
        assert time.monotonic() < give_up
        time.sleep(0.005)
