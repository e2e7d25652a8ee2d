from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from aki_transport import errors
from tests.scenarios import ERRORS, SCENARIOS, Expect, Fails, Scenario, split_everywhere, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer, sse, text_answer
from tests.subcases import subcases

ROWS = (*SCENARIOS, *ERRORS)
WHOLE = Answer(chunks=(b"Hel", b"lo"))


@pytest.fixture
def server() -> Iterator[ScriptServer]:
    with ScriptServer() as server:
        yield server


@pytest.fixture
def client(server: ScriptServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.openai_url, timeout=5, trust_env=False) as client:
        yield client


@contextmanager
def asked(server: ScriptServer, *, path: str = "/v1/chat/completions") -> Iterator[socket.socket]:
    """A bare connection on which one request was sent."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        yield connection


def heard(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def until_closed(server: ScriptServer) -> None:
    tick = threading.Event()
    for _ in range(500):
        if not server.open_connections:
            return
        tick.wait(0.01)
    pytest.fail(f"{server.open_connections} connections are still open")


def test_answers_come_in_the_order_of_the_script(server: ScriptServer, client: httpx.Client) -> None:
    server.say(json_answer({"n": 1}), text_answer("two", 404, retry_after="7"))
    assert client.post("/chat/completions").json() == {"n": 1}
    second = client.post("/chat/completions")
    assert (second.status_code, second.text, second.headers["retry-after"]) == (404, "two", "7")
    assert server.unplayed == 0


def test_a_script_that_is_played_says_so(client: httpx.Client) -> None:
    answer = client.post("/chat/completions")
    assert (answer.status_code, answer.text) == (418, "the script has no answer to request 1")


def test_always_answers_behind_the_script() -> None:
    with ScriptServer(json_answer(1), always=json_answer(2)) as server:
        assert [httpx.post(server.url, trust_env=False).json() for _ in range(3)] == [1, 2, 2]


def test_requests_are_recorded(server: ScriptServer, client: httpx.Client) -> None:
    server.say(WHOLE, WHOLE)
    client.post("/chat/completions?a=1", json={"model": "x"}, headers={"X-Odd-Case": "Kept"})
    client.post("/images/edits", content=b"\xff")
    first, second = server.requests
    assert (first.method, first.path, first.query) == ("POST", "/v1/chat/completions", "a=1")
    assert (first.json, first.headers["x-odd-case"]) == ({"model": "x"}, "Kept")
    assert (second.body, second.json) == (b"\xff", None)


def test_a_body_sent_in_chunks_is_read(server: ScriptServer, client: httpx.Client) -> None:
    server.say(WHOLE)
    client.post("/chat/completions", content=iter([b'{"a":', b"1}"]))
    assert server.requests[0].json == {"a": 1}


def test_an_answer_may_depend_on_the_request(server: ScriptServer, client: httpx.Client) -> None:
    server.say(lambda request: json_answer(request.json["model"]))
    assert client.post("/chat/completions", json={"model": "x"}).json() == "x"


def test_a_fault_in_a_scripted_function_reaches_the_test() -> None:
    def faulty(request: Request) -> Answer:
        raise LookupError(request.path)

    def ask() -> None:
        with ScriptServer(faulty) as server, pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.openai_url}/x", trust_env=False)

    with pytest.raises(LookupError, match="/v1/x"):
        ask()


def test_the_listing_is_answered_and_counted_apart(server: ScriptServer, client: httpx.Client) -> None:
    server.say(WHOLE)
    listed = client.get("/models").json()
    assert [row["id"] for row in listed["data"]] == [
        "qwen3.6-35b",
        "llama3-chat-70b",
        "minimax-m2.5-230b",
        "gpt-oss-120b",
    ]
    assert {row["max_model_len"] for row in listed["data"]} == {0}
    assert (len(server.listings), server.requests, server.unplayed) == (1, [], 1)


def test_the_listing_follows_the_models(server: ScriptServer, client: httpx.Client) -> None:
    server.models[:] = [{"id": "new"}]
    assert client.get("/models").json()["data"] == [{"id": "new"}]


def test_the_listing_may_fail(server: ScriptServer, client: httpx.Client) -> None:
    server.listing = text_answer("<html>", 503)
    assert client.get("/models").status_code == 503
    server.listing = Answer(end="reset")
    with pytest.raises(httpx.ReadError):
        client.get("/models")
    server.listing = Answer(end="hang")
    with pytest.raises(httpx.ReadTimeout):
        client.get("/models", timeout=0.05)
    assert len(server.listings) == 3


def test_keep_alive_keeps_the_connection(server: ScriptServer, client: httpx.Client) -> None:
    server.say(*[replace(WHOLE, end="keep-alive")] * 3)
    assert [client.post("/chat/completions").text for _ in range(3)] == ["Hello"] * 3
    assert server.open_connections == 1


def test_close_closes_the_connection(server: ScriptServer, client: httpx.Client) -> None:
    server.say(WHOLE)
    assert client.post("/chat/completions").headers["connection"] == "close"
    until_closed(server)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("gzip", [True, False])
def test_every_framing_gives_the_body(server: ScriptServer, client: httpx.Client, *, chunked: bool, gzip: bool) -> None:
    server.say(replace(WHOLE, chunked=chunked, gzip=gzip))
    answer = client.post("/chat/completions")
    assert answer.text == "Hello"
    assert ("transfer-encoding" in answer.headers, "content-length" in answer.headers) == (chunked, not chunked)
    assert ("content-encoding" in answer.headers) == gzip


def test_each_chunk_goes_out_on_its_own(server: ScriptServer) -> None:
    server.say(WHOLE)
    with asked(server) as connection:
        said = heard(connection)
    assert said.endswith(b"\r\n\r\n3\r\nHel\r\n2\r\nlo\r\n0\r\n\r\n")


def test_gzip_is_flushed_with_each_chunk(server: ScriptServer, client: httpx.Client) -> None:
    server.say(replace(WHOLE, gzip=True, end="hang"))
    unpacked = zlib.decompressobj(wbits=31)
    with client.stream("POST", "/chat/completions") as answer:
        pieces = answer.iter_raw()
        assert [unpacked.decompress(next(pieces)) for _ in range(2)] == [b"Hel", b"lo"]


@pytest.mark.parametrize("end", ["reset", "cut"])
def test_an_end_without_chunks_says_nothing(server: ScriptServer, end: str) -> None:
    server.say(replace(WHOLE, chunks=(), end=end))
    with asked(server) as connection:
        if end == "reset":
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        else:
            assert heard(connection) == b""


@pytest.mark.parametrize("end", ["reset", "cut"])
@pytest.mark.parametrize("chunked", [True, False])
def test_an_unfinished_body_is_given_and_then_lost(
    server: ScriptServer, client: httpx.Client, end: str, *, chunked: bool
) -> None:
    server.say(replace(WHOLE, end=end, chunked=chunked))
    got: list[bytes] = []
    lost = httpx.ReadError if end == "reset" else httpx.RemoteProtocolError
    with pytest.raises(lost), client.stream("POST", "/chat/completions") as answer:
        got.extend(answer.iter_raw())
    assert b"".join(got) == b"Hello"


def test_an_empty_chunk_stands_for_the_headers_alone(server: ScriptServer) -> None:
    server.say(Answer(chunks=(b"",), end="cut"))
    with asked(server) as connection:
        said = heard(connection)
    assert said == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_hang_leaves_the_connection_open_until_the_client_goes(server: ScriptServer, client: httpx.Client) -> None:
    server.say(replace(WHOLE, end="hang"))
    with client.stream("POST", "/chat/completions") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"Hel"
        assert server.open_connections == 1
    until_closed(server)


@pytest.mark.parametrize("answer", [replace(WHOLE, delay=60), replace(WHOLE, chunk_delay=60), Answer(end="hang")])
def test_a_client_that_gives_up_frees_its_connection(server: ScriptServer, answer: Answer) -> None:
    server.say(answer)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(server.url, timeout=0.05, trust_env=False)
    until_closed(server)


def test_stop_ends_what_hangs_and_leaks_nothing() -> None:
    threads = threading.active_count()
    with ScriptServer(always=Answer(end="hang")) as server:
        connections = [asked(server) for _ in range(5)]
        sockets = [connection.__enter__() for connection in connections]
        while len(server.requests) < 5:
            threading.Event().wait(0.001)
    for open_socket in sockets:
        assert open_socket.recv(1) == b""
        open_socket.close()
    assert server.open_connections == 0
    assert threading.active_count() <= threads  # fewer, where an earlier test's ended meanwhile
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, trust_env=False)
    gc.collect()


def test_stop_is_quick_after_a_start_without_requests() -> None:
    for _ in range(20):
        with ScriptServer():
            pass
    gc.collect()


def test_five_hundred_connections_at_once() -> None:
    together = threading.Barrier(500)

    def ask(server: ScriptServer) -> bytes:
        together.wait(30)
        with asked(server) as connection:
            return heard(connection)[-5:]

    with ScriptServer(always=replace(WHOLE, chunked=False)) as server, ThreadPoolExecutor(500) as pool:
        assert set(pool.map(ask, [server] * 500)) == {b"Hello"}
        assert len(server.requests) == 500


async def test_five_hundred_connections_are_alive_together() -> None:
    with ScriptServer(always=replace(WHOLE, end="hang")) as server:
        host, port = server.url.removeprefix("http://").split(":")
        streams = await asyncio.gather(*(asyncio.open_connection(host, int(port)) for _ in range(500)))
        for _, writer in streams:
            writer.write(b"POST / HTTP/1.1\r\n\r\n")
        await asyncio.gather(*(reader.readuntil(b"lo\r\n") for reader, _ in streams))
        assert server.open_connections == 500
        for _, writer in streams:
            writer.close()
            await writer.wait_closed()
        await asyncio.to_thread(until_closed, server)


def test_sse_writes_events() -> None:
    answer = sse({"a": "ü"}, "text", b": comment\n\n", newline="\r\n", prefix="data:")
    assert answer.chunks == (
        'data:{"a":"ü"}\r\n\r\n'.encode(),
        b"data:text\r\n\r\n",
        b": comment\n\n",
        b"data:[DONE]\r\n\r\n",
    )
    assert answer.headers["content-type"] == "text/event-stream"
    assert sse("x", done=False).chunks == (b"data: x\n\n",)


def test_split_everywhere_changes_the_pieces_only() -> None:
    whole = streamed("Grüße")
    for size in (1, 3, 10_000):
        pieces = split_everywhere(whole, size).chunks
        assert b"".join(pieces) == b"".join(whole.chunks)
        assert {len(piece) for piece in pieces[:-1]} <= {size}


def test_names_of_scenarios_are_unique() -> None:
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []


@subcases("row", ROWS)
def test_a_scenario_holds_together(row: Scenario) -> None:
    ways = [streamed for streamed in (False, True) if row.applies(streamed=streamed)]
    assert ways
    assert row.why.endswith(".")
    for way in ways:
        assert len(row.script(streamed=way)) == row.attempts(streamed=way)
        match row.outcome(streamed=way):
            case Expect() as expect:
                assert len(expect.tool_ids) in (0, len(expect.tool_calls))
                assert not (expect.tool_calls or expect.invalid_tool_calls) or row.tools
                assert expect.warns is None or hasattr(errors, expect.warns)
            case Fails() as fails:
                assert issubclass(getattr(errors, fails.error), errors.AKIError)


@subcases("row", ERRORS)
def test_an_error_s_words_are_in_the_answer(row: Scenario, server: ScriptServer, client: httpx.Client) -> None:
    server.say(*row.script(streamed=False))
    answers = [client.post("/chat/completions") for _ in range(row.requests)]
    expect = row.outcome(streamed=False)
    if isinstance(expect, Fails):
        last = answers[-1]
        assert last.status_code == expect.status
        said = f"{last.status_code} {last.text}"
        assert all(words in said or json.dumps(words)[1:-1] in said for words in expect.says)
    assert server.unplayed == 0
