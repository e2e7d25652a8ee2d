"""Clients that users pass: httpx's, httpx2's, and those with a transport that is no network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from aki_transport import APIConnectionError, APITimeoutError, StreamInterruptedError, Timeout
from aki_transport.errors import ServerError
from tests.ecosystem.calls import ANSWER, LISTING, WAYS, Reply, Way, answer, events, mocked
from tests.script_server import Answer, sse, text_answer
from tests.subcases import subcases

pytestmark = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
in_every_way = subcases("way", WAYS)


def ask(way: Way, library: ModuleType, transport: Callable[[], Any] | None = None, **options: Any) -> Reply:
    """Call through a client of that library, which is open as long as the call."""
    given = {} if transport is None else {"transport": transport()}
    if not way.is_async:
        with library.Client(**given) as client:
            return way.call(way.make(http_client=client, **options))

    async def call() -> Reply:
        async with library.AsyncClient(**given) as client:
            reply = await way.acall(way.make(http_async_client=client, **options))
            assert not client.is_closed
            return reply

    return asyncio.run(call())


@in_every_way
def test_a_call_is_answered(way: Way, library, server):
    assert ask(way, library, base_url=server.openai_url).text == ANSWER
    assert len(server.requests) == len(server.listings) == 1
    assert server.requests[0].headers["authorization"] == "Bearer sk-test"


@in_every_way
def test_a_refusal_is_repeated_by_us(way: Way, library, server):
    server.say(text_answer("try again", 503, end="keep-alive"), answer(ANSWER, stream=way.stream))
    assert ask(way, library, base_url=server.openai_url).text == ANSWER
    assert len(server.requests) == 2


@in_every_way
def test_an_error_status_is_our_error(way: Way, library, server):
    server.always = text_answer("out of order", 500, end="keep-alive", x_request_id="req_7")
    with pytest.raises(ServerError, match="out of order") as caught:
        ask(way, library, base_url=server.openai_url, max_retries=0, model_listing=False)
    assert (caught.value.status_code, caught.value.request_id) == (500, "req_7")


@in_every_way
def test_a_refused_connection_is_our_error_and_keeps_none_of_the_library_s(way: Way, library):
    with pytest.raises(APIConnectionError, match="cannot connect") as caught:
        ask(way, library, base_url="http://127.0.0.1:9/v1", max_retries=0, model_listing=False)
    error: BaseException | None = caught.value
    while error is not None:
        assert not type(error).__module__.startswith("http")
        error = error.__cause__ or error.__context__


@in_every_way
def test_a_read_timeout_is_our_error(way: Way, library, server):
    server.always = Answer(end="hang")
    timeout = Timeout(answer=0.1, chunk=0.1)
    with pytest.raises(APITimeoutError, match="ReadTimeout"):
        ask(way, library, base_url=server.openai_url, timeout=timeout, max_retries=0, model_listing=False)


@in_every_way
def test_an_answer_that_breaks_off_is_our_error(way: Way, library, server):
    if way.stream:
        server.always = sse(*events(ANSWER)[:2], done=False, end="cut")
        with pytest.raises(StreamInterruptedError) as caught:
            ask(way, library, base_url=server.openai_url, max_retries=0, model_listing=False)
        assert caught.value.partial_text == "6 *"
        return
    server.always = Answer(headers={"content-type": "application/json"}, chunks=(b'{"id":',), end="cut")
    with pytest.raises(APIConnectionError, match="in the middle of the answer"):
        ask(way, library, base_url=server.openai_url, max_retries=0, model_listing=False)


@in_every_way
def test_a_mock_transport_answers(way: Way, library):
    sent = []

    def handle(request: Any) -> Any:
        sent.append((request.method, request.url.path))
        if request.method == "GET":
            return library.Response(200, json=LISTING)
        assert json.loads(request.content)["model"] == "qwen3.6-35b"
        return library.Response(200, **mocked("It is mocked.", stream=way.stream))

    assert ask(way, library, lambda: library.MockTransport(handle)).text == "It is mocked."
    assert sent == [("GET", "/v1/models"), ("POST", "/v1/chat/completions")]


@in_every_way
def test_the_members_of_a_group_of_exceptions_have_no_frames(way: Way, library):
    def fail(request: Any) -> Any:
        try:
            request.headers["never-sent"]
        except KeyError as error:
            raise ExceptionGroup("in a task group", [error]) from error

    with pytest.raises(ExceptionGroup) as caught:
        ask(way, library, lambda: library.MockTransport(fail), model_listing=False, max_retries=0)
    (member,) = caught.value.exceptions
    assert member.__traceback__ is caught.value.__cause__ is caught.value.__context__ is None
