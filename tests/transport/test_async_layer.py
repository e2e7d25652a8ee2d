"""httpx on aiohttp: what goes wrong comes out under the right name, and nothing is read or kept that should not be."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import httpx
import pytest
from aki_transport.transport.outgoing import Outgoing

from aki_transport import (
    AKIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    Client,
    ConfigurationError,
    InvalidResponseError,
    Timeout,
)
from aki_transport.transport.connections import _ssl_context
from aki_transport.transport.failures import NEVER_SENT
from tests.scenarios import replied, split_everywhere, streamed
from tests.script_server import Answer, ScriptServer, text_answer
from tests.transport.asking import KEY, Clock, Way, alive, client_for, request_for, run, true


async def sent(url: str, **options: object) -> bytes:
    from aki_transport.transport.aio import AiohttpTransport  # noqa: PLC0415  as late as the package does

    transport = AiohttpTransport(_ssl_context(), max_connections=10, keepalive=1)
    timeout = {"connect": 1.0, "read": 1.0, "write": 1.0, "pool": None, **options}
    try:
        response = await transport.send(Outgoing("POST", httpx.URL(url), {}, b"{}", {"timeout": timeout}))
        try:
            return b"".join([piece async for piece in response.aiter_raw()])
        finally:
            await response.aclose()
    finally:
        await transport.aclose()


@contextmanager
def saying(*answers: bytes, reset: bool = False) -> Iterator[str]:
    """A server that says these bytes to the requests of its connections, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(5)


def test_refused_is_never_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(httpx.ConnectError) as caught:
        run(sent(f"http://127.0.0.1:{port}/"))
    assert isinstance(caught.value, NEVER_SENT)


def test_a_name_that_is_not_known_is_never_sent() -> None:
    with pytest.raises(httpx.ConnectError) as caught:
        run(sent("http://no-such-host.invalid/"))
    assert isinstance(caught.value, NEVER_SENT)


@pytest.mark.parametrize("end", ["reset", "cut"])
def test_lost_after_sending_may_have_arrived(end: str, server: ScriptServer) -> None:
    server.say(Answer(end=end))
    with pytest.raises(httpx.TransportError) as caught:
        run(sent(server.url))
    assert isinstance(caught.value, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
    assert not isinstance(caught.value, NEVER_SENT)


@pytest.mark.parametrize(
    "said",
    [b"HTP/9 what\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"\x16\x03\x01\0\0", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"],
)
def test_a_bad_status_line_is_a_protocol_error(said: bytes) -> None:
    with saying(said) as url, pytest.raises(httpx.RemoteProtocolError):
        run(sent(url))


def test_a_header_of_endless_length_is_a_protocol_error() -> None:
    said = b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000 + b"\r\n\r\n"
    with saying(said) as url, pytest.raises(httpx.TransportError):
        run(sent(url))


@pytest.mark.parametrize("size", [9_000, 20_000])
def test_a_header_that_is_long_costs_no_answer(chat_way: Way, size: int, server: ScriptServer) -> None:
    server.say(Answer(**{**replied().__dict__, "headers": {"content-type": "application/json", "x-long": "a" * size}}))
    assert chat_way.ask(client_for(server)).text == "Hello"


def test_a_truncated_body_is_a_protocol_error() -> None:
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"
    with saying(said) as url, pytest.raises(httpx.RemoteProtocolError):
        run(sent(url))


def test_a_broken_chunk_is_a_protocol_error(way: Way) -> None:
    said = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nzz\r\n{}\r\n"
    with saying(said, said, said) as url, pytest.raises(APIConnectionError):
        way.ask(Client("aacflow", api_key=KEY, base_url=url, max_retries=2 * way.streamed))


def test_a_connect_timeout_is_never_sent() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for other in waiting:
            other.settimeout(0)
            other.connect_ex(address)
        with pytest.raises(httpx.ConnectTimeout) as caught:
            run(sent(f"http://127.0.0.1:{address[1]}/", connect=0.2))
        for other in waiting:
            other.close()
    assert isinstance(caught.value, NEVER_SENT)


def test_a_read_timeout_may_have_arrived(server: ScriptServer) -> None:
    server.say(Answer(end="hang"))
    with pytest.raises(httpx.ReadTimeout):
        run(sent(server.url, read=0.1))


def test_a_read_timeout_within_the_body(server: ScriptServer) -> None:
    server.say(Answer(chunks=(b"half",), end="hang"))
    with pytest.raises(httpx.ReadTimeout):
        run(sent(server.url, read=0.1))


def test_each_exception_of_aiohttp_has_its_name() -> None:
    from aki_transport.transport.aio import as_httpx  # noqa: PLC0415  as late as the package does

    key = aiohttp.client_reqrep.ConnectionKey(
        "h", 1, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
    )
    refused = aiohttp.ClientConnectorError(key, ConnectionRefusedError(111, "refused"))
    assert type(as_httpx(refused, answering=False)) is httpx.ConnectError
    assert type(as_httpx(aiohttp.ClientConnectorDNSError(key, OSError(1, "x")), answering=False)) is httpx.ConnectError
    assert type(as_httpx(aiohttp.ClientOSError(104, "reset"), answering=False)) is httpx.WriteError
    assert type(as_httpx(aiohttp.ClientOSError(104, "reset"), answering=True)) is httpx.ReadError
    assert type(as_httpx(ConnectionResetError(), answering=True)) is httpx.ReadError
    assert type(as_httpx(aiohttp.ServerDisconnectedError(), answering=False)) is httpx.RemoteProtocolError
    assert type(as_httpx(aiohttp.ClientPayloadError("x"), answering=True)) is httpx.RemoteProtocolError
    assert type(as_httpx(aiohttp.SocketTimeoutError("x"), answering=False)) is httpx.ReadTimeout
    assert type(as_httpx(aiohttp.ConnectionTimeoutError("x"), answering=False)) is httpx.ConnectTimeout
    assert type(as_httpx(aiohttp.InvalidURL("x"), answering=False)) is httpx.InvalidURL
    proxy = aiohttp.ClientProxyConnectionError(key, OSError(111, "x"))
    assert type(as_httpx(proxy, answering=False)) is httpx.ProxyError


@contextmanager
def tiny_proxy(target: ScriptServer) -> Iterator[tuple[str, list[str]]]:
    """A proxy that notes the first lines and the credentials it gets, and passes everything on to the target."""
    seen: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while said := source.recv(65536):
                sink.sendall(said)
        except OSError:
            return
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def serve_one(connection: socket.socket) -> None:
        host, port = target.url.removeprefix("http://").split(":")
        with connection, socket.create_connection((host, int(port))) as other:
            head = connection.recv(65536)
            text = head.decode("latin-1").split("\r\n\r\n")[0]
            seen.extend(line for line in text.split("\r\n") if " HTTP/1.1" in line or "proxy-auth" in line.lower())
            first, rest = head.split(b"\r\n", 1)
            method, url, version = first.split(b" ")
            path = b"/" + url.split(b"/", 3)[3] if b"://" in url else url
            other.sendall(b" ".join((method, path, version)) + b"\r\n" + rest)
            back = threading.Thread(target=pump, args=(other, connection), daemon=True)
            back.start()
            pump(connection, other)
            back.join(5)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}", seen


@pytest.fixture
def new_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The thread pool reads the environment when it is made."""
    monkeypatch.setattr("aki_transport.transport.connections._threads", None)
    yield
    from aki_transport.transport import connections as pools  # noqa: PLC0415  its variable, not a copy of it

    if pools._threads is not None:
        pools._threads.close()


@pytest.mark.usefixtures("new_pool")
@pytest.mark.parametrize("written", ["http://{}", "{}", "http://us:pw@{}"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxies_from_the_environment_are_used(
    chat_way: Way, variable: str, written: str, server: ScriptServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.always = replied()
    with tiny_proxy(server) as (address, seen):
        monkeypatch.setenv(variable, written.format(address))
        assert chat_way.ask(client_for(server, base_url="http://target.invalid/v1", allow_insecure=True)).text
    assert any("http://target.invalid/v1/" in line for line in seen)
    assert any("proxy-auth" in line.lower() for line in seen) == ("@" in written)


@pytest.mark.usefixtures("new_pool")
@pytest.mark.parametrize("spared", ["127.0.0.1", "*", "example.com,127.0.0.1", "127.0.0.1:{port}"])
def test_no_proxy_spares_hosts(
    chat_way: Way, spared: str, server: ScriptServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.always = replied()
    with tiny_proxy(server) as (address, seen):
        monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
        monkeypatch.setenv("NO_PROXY", spared.format(port=server.url.rpartition(":")[2]))
        assert chat_way.ask(client_for(server)).text == "Hello"
    assert seen == []


@pytest.mark.usefixtures("new_pool", "clock")
def test_a_proxy_that_refuses_is_said(chat_way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    client = Client("aacflow", api_key=KEY, base_url="http://target.invalid/v1", allow_insecure=True)
    with pytest.raises(APIConnectionError, match="cannot connect"):
        chat_way.ask(client)


@pytest.mark.usefixtures("new_pool", "clock")
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1", "http://"])
def test_a_proxy_that_cannot_be_used_is_an_error_of_ours(
    chat_way: Way, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    client = Client("aacflow", api_key=KEY, base_url="http://target.invalid/v1", allow_insecure=True)
    with pytest.raises((ConfigurationError, APIConnectionError)):
        chat_way.ask(client)


@pytest.mark.usefixtures("new_pool")
def test_netrc_is_not_read(way: Way, server: ScriptServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.always = streamed("Hello") if way.streamed else replied()
    way.ask(client_for(server))
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_no_cookie_is_kept(way: Way, server: ScriptServer) -> None:
    good = streamed("Hello") if way.streamed else replied()
    server.always = Answer(**{**good.__dict__, "headers": {**good.headers, "set-cookie": "session=1; path=/"}})
    client = client_for(server)

    async def twice() -> None:
        await way.aask(client)
        await way.aask(client)

    if way.is_async:
        run(twice())
    else:
        way.ask(client)
        way.ask(client)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


@pytest.mark.parametrize("size", [1, 3, 10**6])
def test_gzip_is_read(way: Way, size: int, server: ScriptServer) -> None:
    good = streamed("Grü", "ße") if way.streamed else replied("Grüße")
    server.say(Answer(**{**split_everywhere(good, size).__dict__, "gzip": True, "chunked": True}))
    assert way.ask(client_for(server)).text == "Grüße"


@pytest.mark.usefixtures("clock")
def test_broken_gzip_is_an_invalid_response(way: Way, server: ScriptServer) -> None:
    server.always = text_answer("no gzip", content_type="application/json", content_encoding="gzip")
    with pytest.raises(InvalidResponseError, match="compression"):
        way.ask(client_for(server))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(way: Way, status: int, server: ScriptServer) -> None:
    with ScriptServer(always=replied()) as other:
        server.always = text_answer("", status, location=f"{other.openai_url}/chat/completions")
        with pytest.raises(APIStatusError) as caught:
            way.ask(client_for(server))
        assert caught.value.status_code == status
        assert other.requests == []
    assert len(server.requests) == 1


def test_a_body_of_some_megabytes_is_sent_without_a_warning(way: Way, server: ScriptServer) -> None:
    server.always = streamed("Hello") if way.streamed else replied()
    assert way.ask(client_for(server), request_for(text="x" * 3 * 2**20)).text == "Hello"


def test_an_early_refusal_of_a_large_body_is_read(way: Way, clock: Clock) -> None:
    page = (
        b"HTTP/1.1 413 Too Large\r\ncontent-type: text/plain\r\ncontent-length: 9\r\nconnection: close\r\n\r\ntoo large"
    )
    with saying(page, page, page) as url, pytest.raises(APIStatusError, match="too large"):
        way.ask(Client("aacflow", api_key=KEY, base_url=url, max_retries=2), request_for(text="x" * 1000))
    assert clock.pauses == []


def test_a_timeout_without_bounds_is_none(chat_way: Way, server: ScriptServer) -> None:
    server.always = alive(replied())
    endless = Timeout(connect=None, answer=None, chunk=None)
    assert chat_way.ask(client_for(server, timeout=endless)).text == "Hello"


@pytest.mark.usefixtures("clock")
def test_a_connect_timeout_is_said(chat_way: Way) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for other in waiting:
            other.settimeout(0)
            other.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(APITimeoutError, match="no connection in time"):
            chat_way.ask(Client("aacflow", api_key=KEY, base_url=url, timeout=Timeout(connect=0.2), max_retries=1))
        for other in waiting:
            other.close()


def test_a_cancelled_call_raises_cancelled_and_nothing_else(server: ScriptServer) -> None:
    server.always = Answer(end="hang")

    async def cancel(ask: Callable[[Client], object]) -> None:
        task = asyncio.ensure_future(ask(client_for(server)))  # type: ignore[arg-type]
        await true(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancel(lambda client: client.achat(request_for())))


@pytest.mark.parametrize("address", ["socks5://me:hunter2@127.0.0.1:1", "http://me:hunter2@127.0.0.1:1"])
@pytest.mark.usefixtures("new_pool", "clock")
def test_a_proxys_password_is_in_no_error(way: Way, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", address)
    client = Client(base_url="http://127.0.0.1:9/v1", api_key=KEY, max_retries=0)
    with warnings.catch_warnings(record=True, action="always") as said, pytest.raises(AKIError) as caught:
        way.ask(client)
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__dict__} {[str(w.message) for w in said]}"


class Iterated(httpx.Response):
    """A response of someone's making, whose body is only iterated: it is no generator, and cannot be closed."""

    def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        inner = super().aiter_raw(chunk_size)

        class Pieces:
            def __aiter__(self) -> AsyncIterator[bytes]:
                return self

            async def __anext__(self) -> bytes:
                return await anext(inner)

        return Pieces()


class Said(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("status", [200, 500])
async def test_a_body_that_can_only_be_iterated_is_read(status: int, *, packed: bool) -> None:
    chunk = b'{"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}'
    body = b"data: " + chunk + b"\n\ndata: [DONE]\n\n" if status == 200 else b'{"error": {"message": "full"}}'

    def respond(_: httpx.Request) -> httpx.Response:
        headers = {"content-type": "text/event-stream" if status == 200 else "application/json"}
        if packed:
            headers["content-encoding"] = "gzip"
        return Iterated(status, headers=headers, stream=Said(gzip.compress(body) if packed else body))

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as mine:
        client = Client("aacflow", api_key=KEY, http_async_client=mine, max_retries=0)
        if status == 200:
            assert "".join([delta.text async for delta in client.astream(request_for())]) == "ok"
        else:
            with pytest.raises(APIStatusError, match="full"):
                await client.achat(request_for())
