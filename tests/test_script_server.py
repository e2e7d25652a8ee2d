from __future__ import annotations

import json
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from aki_transport import errors
from tests.scenarios import ERRORS, SCENARIOS, Expect, Fails, Scenario, split_everywhere, streamed
from tests.script_server import Answer, Request, ScriptServer
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


def test_a_fault_in_a_scripted_function_reaches_the_test() -> None:
    def faulty(request: Request) -> Answer:
        raise LookupError(request.path)

    def ask() -> None:
        with ScriptServer(faulty) as server, pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.openai_url}/x", trust_env=False)

    with pytest.raises(LookupError, match="/v1/x"):
        ask()


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
