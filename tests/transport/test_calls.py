"""What a call through the default clients keeps, follows, reads and leaves behind."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import httpx
import pytest

from aki_transport import (
    AKIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    Client,
    InvalidResponseError,
    Timeout,
)
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, ScriptServer, sse, text_answer
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
from tests.transport.raw_server import HEAD, answering, hanging, refusing, serving

STREAM = HEAD + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@in_every_way
def test_netrc_is_not_read(way: Way, server: ScriptServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.always = good
    way.ask(client_for(server))
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
@in_every_way
def test_no_cookie_is_kept(way: Way, engine: str, server: ScriptServer) -> None:
    cookie = {"content-type": "text/event-stream" if way.streamed else "application/json", "set-cookie": "a=1; path=/"}
    server.always = lambda request: replace(good(request), headers=cookie)
    client = client_for(server, http_engine=engine)
    with way.on_one_loop() as ask:
        ask(client)
        ask(client)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


@pytest.mark.usefixtures("clock")
@in_every_way
def test_broken_gzip_is_an_invalid_response(way: Way, server: ScriptServer) -> None:
    server.always = text_answer("no gzip", content_type="application/json", content_encoding="gzip")
    with pytest.raises(InvalidResponseError, match="compression"):
        way.ask(client_for(server))


@pytest.mark.parametrize("behind", ["same write", "later", "open chunk", "more events"])
@in_every_stream
def test_bytes_behind_a_stream_s_end_are_not_the_next_answer(stream_way: Way, behind: str) -> None:
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
def test_a_timeout_without_bounds_is_none(chat_way: Way, server: ScriptServer) -> None:
    server.always = alive(replied())
    endless = Timeout(connect=None, answer=None, chunk=None)
    assert chat_way.ask(client_for(server, timeout=endless)).text == "Hello"


@pytest.mark.usefixtures("clock")
@in_every_chat
def test_a_connect_timeout_says_so(chat_way: Way) -> None:
    with hanging() as port:
        url = f"http://127.0.0.1:{port}/v1"
        client = Client("aacflow", api_key=KEY, base_url=url, timeout=Timeout(connect=0.2), max_retries=1)
        with pytest.raises(APITimeoutError, match="no connection in time"):
            chat_way.ask(client)


# No frame of a library, and no exception of one, leaves with ours


def chain_of(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in seen:
            seen.append(each)
            waiting += [each.__cause__, each.__context__]
    return iter(seen)


def frames_of(trace: TracebackType | None) -> Iterator[FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def check_frames(error: BaseException) -> None:
    for each in chain_of(error):
        assert not type(each).__module__.startswith(("httpx", "httpcore", "h11", "anyio")), each
        for frame in frames_of(each.__traceback__):
            name = frame.f_globals["__name__"]
            assert not name.startswith(("httpx", "httpcore", "h11", "anyio", "ssl", "http")), (each, name)
            assert not name.startswith("aki_transport.transport.") or name.endswith(("sender", "attempts", "polling"))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "answer",
    [
        Answer(end="hang"),
        Answer(end="reset"),
        Answer(status=400, chunks=(b"no",)),
        Answer(chunks=(b"x",), end="reset"),
        text_answer("no gzip", content_type="application/json", content_encoding="gzip"),
        sse(chunk("Hel"), done=False, end="hang"),
        sse(chunk("Hel"), done=False, end="reset"),
    ],
    ids=["hang", "reset", "400", "reset in the body", "gzip", "stream hangs", "stream resets"],
)
@pytest.mark.parametrize("bounds", [{"timeout": 0.2}, {"total_timeout": 0.2}], ids=["timeout", "total"])
@in_every_way
def test_no_frame_of_a_library_leaves_with_an_error(
    way: Way, answer: Answer, bounds: dict[str, Any], server: ScriptServer
) -> None:
    server.always = answer
    with pytest.raises(AKIError) as caught:
        way.ask(client_for(server, max_retries=1, model_listing=False, **bounds))
    check_frames(caught.value)


@pytest.mark.usefixtures("clock")
@in_every_way
def test_no_frame_of_a_library_leaves_with_a_failure_to_connect(way: Way) -> None:
    with refusing() as port:
        url = f"https://127.0.0.1:{port}/v1"
        client = Client("aacflow", api_key=KEY, base_url=url, max_retries=1, model_listing=False)
        with pytest.raises(APIConnectionError) as caught:
            way.ask(client)
    check_frames(caught.value)


@pytest.mark.parametrize("by", ["cancel", "timeout"])
@in_every_async_way
def test_a_cancelled_call_raises_that_alone(way: Way, by: str, server: ScriptServer) -> None:
    server.always = sse(chunk("Hel"), done=False, end="hang") if way.streamed else Answer(end="hang")
    raised: list[BaseException] = []

    async def ask() -> None:
        try:
            await way.aask(client_for(server, model_listing=False))
        except BaseException as error:
            raised.append(error)
            raise

    async def cancel() -> None:
        task = asyncio.create_task(ask())
        await true(lambda: bool(server.requests))
        await asyncio.sleep(0.05)
        if by == "timeout":
            await asyncio.wait_for(task, 0.1)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError if by == "cancel" else TimeoutError):
        run(cancel())
    (error,) = raised
    assert type(error) is asyncio.CancelledError
    check_frames(error)


@pytest.mark.parametrize("streamed_", [False, True])
def test_an_interrupt_leaves_no_frame_of_a_library(
    server: ScriptServer, monkeypatch: pytest.MonkeyPatch, *, streamed_: bool
) -> None:
    from httpcore import SyncBackend  # noqa: PLC0415  the class that it patches

    server.always = good
    way, client = Way(streamed=streamed_, is_async=False), client_for(server, model_listing=False)

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    client.close()  # the next call connects
    monkeypatch.setattr("aki_transport.transport.lifetime._threads", None)
    monkeypatch.setattr(SyncBackend, "connect_tcp", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        way.ask(client)
    check_frames(caught.value)


# Responses of someone else's making


class Iterated(httpx.Response):
    """A response whose body is only iterated: it is no generator, and cannot be closed."""

    def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        inner = super().aiter_raw(chunk_size)

        class Pieces:
            def __aiter__(self) -> AsyncIterator[bytes]:
                return self

            async def __anext__(self) -> bytes:
                return await anext(inner)

        return Pieces()


class OneChunk(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("status", [200, 500])
async def test_a_body_that_can_only_be_iterated_is_read(status: int, *, packed: bool) -> None:
    piece = b'{"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}'
    body = b"data: " + piece + b"\n\ndata: [DONE]\n\n" if status == 200 else b'{"error": {"message": "full"}}'

    def respond(_: httpx.Request) -> httpx.Response:
        headers = {"content-type": "text/event-stream" if status == 200 else "application/json"}
        if packed:
            headers["content-encoding"] = "gzip"
        return Iterated(status, headers=headers, stream=OneChunk(gzip.compress(body) if packed else body))

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as mine:
        client = Client("aacflow", api_key=KEY, http_async_client=mine, max_retries=0)
        if status == 200:
            assert "".join([delta.text async for delta in client.astream(request_for())]) == "ok"
        else:
            with pytest.raises(APIStatusError, match="full"):
                await client.achat(request_for())


def test_a_long_error_that_comes_in_one_piece_keeps_its_beginning() -> None:
    body = "the grammar is wrong " + "x" * 2**21
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(400, text=body))) as mine:
        client = Client(api_key=KEY, http_client=mine, model_listing=False)
        with pytest.raises(APIStatusError, match="the grammar is wrong"):
            client.chat(request_for())
