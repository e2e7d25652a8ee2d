"""What a call through the default clients keeps, follows, reads and leaves behind."""

import asyncio
import socket
import threading
import traceback
from dataclasses import replace
from typing import Any

import httpcore
import httpx
import pytest

from aki_transport import Client, Timeout, errors
from aki_transport.transport import lifetime
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, sse, text_answer
from tests.transport.asking import (
    KEY,
    Way,
    alive,
    client_for,
    good,
    in_every_async_way,
    in_every_chat,
    in_every_stream,
    in_every_way,
    request_for,
    run,
    true,
)
from tests.transport.raw_server import HEAD, answering, hanging, read_request, refusing, serving
from tests.transport.test_decoding import Pieces

STREAM = HEAD + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
@in_every_way
def test_no_cookie_is_kept(way, engine, server):
    cookie = {"content-type": "text/event-stream" if way.streamed else "application/json", "set-cookie": "a=1; path=/"}
    server.always = lambda request: replace(good(request), headers=cookie)
    client = client_for(server, http_engine=engine)
    with way.on_one_loop() as ask:
        ask(client)
        ask(client)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


def ask_over_aiohttp(way, url):
    """The error of a call that is repeated over aiohttp; it is no timeout, and holds no header."""
    options = {"http_engine": "aiohttp", "model_listing": False}
    with pytest.raises(errors.APIConnectionError) as caught:
        way.ask(Client(base_url=url, api_key=KEY, **options))
    assert not isinstance(caught.value, errors.APITimeoutError)
    check_frames(caught.value)
    return caught.value


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("answer", [b"HTP/9 what\r\n\r\n", HEAD + b"content-length: -1\r\n\r\n", b"HTTP/1.1 20", b""])
@in_every_async_way
def test_an_answer_that_is_broken_for_aiohttp_is_a_lost_connection(way, answer):
    def handle(connection: socket.socket, _: int) -> None:
        read_request(connection)
        connection.sendall(answer)

    with serving(handle) as place:
        assert "lost before any answer" in str(ask_over_aiohttp(way, place.url.removesuffix("/chat")))
        assert place.made == 3


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "https://nowhere.invalid/v1", "https://localhost:{}/v1"])
@in_every_async_way
def test_what_aiohttp_cannot_connect_to_is_said(way, url):
    with serving(answering(), tls=True) as place:
        assert "cannot connect" in str(ask_over_aiohttp(way, url.format(place.port)))


@pytest.mark.usefixtures("own_client")
@pytest.mark.parametrize("text", [None, "no certificate"])
@in_every_way
def test_a_file_of_certificates_that_cannot_be_read_is_named(way, text, monkeypatch, tmp_path):
    file = tmp_path / "authorities.pem"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    lifetime._ssl_context.cache_clear()
    with pytest.raises(errors.ConfigurationError, match=r"cannot be read .*authorities\.pem"):
        way.ask(Client(base_url="https://127.0.0.1:9/v1", api_key=KEY, model_listing=False))


@in_every_async_way
def test_large_bodies_and_headers_are_fine_with_aiohttp_too(way, server):
    """https://github.com/bentoml/BentoML/issues/4346 has what it says of a header with more than 8190 bytes."""
    long = {"x-long": "x" * 60_000}
    server.always = lambda request: replace(good(request), headers={**good(request).headers, **long})
    assert way.ask(client_for(server, http_engine="aiohttp"), request_for(text="x" * 2_000_000)).text == "Hello"
    assert server.requests[0].headers["content-length"] == str(len(server.requests[0].body))


@pytest.mark.parametrize("behind", ["same write", "later", "open chunk", "more events"])
@in_every_stream
def test_bytes_behind_a_stream_s_end_are_not_the_next_answer(stream_way, behind):
    payloads = b"".join(streamed("Hello").chunks)
    data = STREAM + b"%x\r\n%b\r\n" % (len(payloads), payloads)
    bad = HEAD + b"content-type: text/event-stream\r\ncontent-length: 3\r\n\r\nbad"
    writes = {
        "same write": [data + b"0\r\n\r\n" + bad],
        "later": [data, b"0\r\n\r\n", bad],
        "open chunk": [data + b"5\r\n: "],
        "more events": [data + b'10\r\ndata: {"a": 1}\n\r\n'],
    }[behind]
    whole = data + b"0\r\n\r\n"
    written = threading.Event()
    with serving(answering(*writes, then=whole, written=written)) as place:
        client = Client("aacflow", api_key=KEY, base_url=place.url, max_retries=0, model_listing=False)
        with stream_way.on_one_loop() as ask:
            for _ in range(3):
                assert ask(client).text == "Hello"
                # What arrives between the look at a connection and the next request counts as that one's answer.
                assert written.wait(10)
        assert place.made == 2


@in_every_chat
def test_a_timeout_without_bounds_is_none(chat_way, server):
    server.always = alive(replied())
    endless = Timeout(connect=None, answer=None, chunk=None)
    assert chat_way.ask(client_for(server, timeout=endless)).text == "Hello"


# No frame of a library, and no exception of one, leaves with ours


def check_frames(error: BaseException | None) -> None:
    if error is None:
        return
    assert not type(error).__module__.startswith(("httpx", "httpcore", "h11", "anyio", "aiohttp")), error
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_globals["__name__"]
        assert not name.startswith(("httpx", "httpcore", "h11", "anyio", "aiohttp", "ssl", "http")), (error, name)
        assert not name.startswith("aki_transport.transport.") or name.endswith(("sender", "attempts", "polling"))
    for other in (error.__cause__, error.__context__):
        check_frames(other)


GZIP = text_answer("no gzip", content_type="application/json", content_encoding="gzip")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("answer", "bounds"),
    [
        (Answer(end="hang"), {"timeout": 0.1}),
        (Answer(end="hang"), {"total_timeout": 0.1}),
        (Answer(end="reset"), {}),
        (Answer(status=400, chunks=(b"no",)), {"total_timeout": 60}),
        (Answer(chunks=(b"x",), end="reset"), {"total_timeout": 60}),
        (GZIP, {}),
        (sse(chunk("Hel"), done=False, end="hang"), {"timeout": 0.1}),
        (sse(chunk("Hel"), done=False, end="hang"), {"total_timeout": 0.1}),
        (sse(chunk("Hel"), done=False, end="reset"), {}),
    ],
)
@in_every_way
def test_no_frame_of_a_library_leaves_with_an_error(way, answer, bounds, server):
    server.always = answer
    with pytest.raises(errors.InvalidResponseError if answer is GZIP else errors.AKIError) as caught:
        way.ask(client_for(server, max_retries=1, model_listing=False, **bounds))
    assert answer is not GZIP or "compression" in str(caught.value)
    check_frames(caught.value)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("port_that", "scheme", "cls", "words"),
    [
        (refusing, "https", errors.APIConnectionError, "cannot connect"),
        (hanging, "http", errors.APITimeoutError, "no connection in time"),
    ],
)
@in_every_chat
def test_a_failure_to_connect_says_so(chat_way, port_that, scheme, cls, words):
    fields: dict[str, Any] = {"timeout": Timeout(connect=0.2), "max_retries": 1, "model_listing": False}
    with port_that() as port, pytest.raises(cls, match=words) as caught:
        chat_way.ask(Client("aacflow", api_key=KEY, base_url=f"{scheme}://127.0.0.1:{port}/v1", **fields))
    check_frames(caught.value)


@in_every_async_way
def test_a_cancelled_call_raises_that_alone(way, server):
    server.always = sse(chunk("Hel"), done=False, end="hang") if way.streamed else Answer(end="hang")

    async def ask() -> None:
        with pytest.raises(asyncio.CancelledError) as caught:
            await way.aask(client_for(server, model_listing=False))
        assert type(caught.value) is asyncio.CancelledError
        check_frames(caught.value)

    async def cancel() -> None:
        task = asyncio.create_task(ask())
        await true(lambda: bool(server.requests))
        await asyncio.sleep(0.05)  # in which a stream may have begun
        task.cancel()
        await task

    run(cancel())


@pytest.mark.usefixtures("own_client")
@pytest.mark.parametrize("streamed", [False, True])
def test_an_interrupt_leaves_no_frame_of_a_library(server, monkeypatch, streamed):
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        Way(streamed=streamed, is_async=False).ask(client_for(server, model_listing=False))
    check_frames(caught.value)


class OnlyIterated:
    """The pieces of a body of someone else's making: no generator, and nothing that can be closed."""

    def __init__(self, pieces: Any) -> None:
        self._pieces = pieces

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)


class OwnResponse(httpx.Response):
    def aiter_raw(self, chunk_size: int | None = None) -> Any:
        return OnlyIterated(super().aiter_raw(chunk_size))


@in_every_async_way
def test_a_body_that_can_only_be_iterated_is_read(way):
    answer = streamed("Hello") if way.streamed else replied()

    def respond(_: httpx.Request) -> httpx.Response:
        return OwnResponse(200, headers=answer.headers, stream=Pieces(b"".join(answer.chunks), [5]))

    mine = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    assert way.ask(Client(api_key=KEY, http_async_client=mine, model_listing=False)).text == "Hello"


def test_a_long_error_that_comes_in_one_piece_keeps_its_beginning():
    body = "the grammar is wrong " + "x" * 2**21
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(400, text=body))) as mine:
        client = Client(api_key=KEY, http_client=mine, model_listing=False)
        with pytest.raises(errors.APIStatusError, match="the grammar is wrong"):
            client.chat(request_for())
