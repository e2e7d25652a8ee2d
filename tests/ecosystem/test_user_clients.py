"""Clients that users pass: httpx's, httpx2's, and those with a transport that is no network."""

import asyncio
import json
from dataclasses import replace

import httpx
import httpx2
import pytest

from aki_transport import AKIError, APIConnectionError, APITimeoutError, StreamInterruptedError, Timeout
from tests.ecosystem.calls import ANSWER, LISTING, answer, events, in_every_way, mocked
from tests.scenarios.refusals import envelope
from tests.script_server import Answer, sse, text_answer
from tests.transport.asking import patient

pytestmark = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
TLS = httpx.create_ssl_context()  # making one takes longer than a test


def ask(way, library, transport=None, on_response=(), **options):
    """Call through a client of that library, which is open as long as the call."""
    hooks = {"response": list(on_response)}
    kind = getattr(library, "AsyncClient" if way.is_async else "Client")
    client = kind(transport=transport, verify=TLS, event_hooks=hooks)
    if not way.is_async:
        with client:
            return way.call(way.make(http_client=client, **options))

    async def call():
        async with client:
            reply = await way.acall(way.make(http_async_client=client, **options))
            assert not client.is_closed
            return reply

    return asyncio.run(call())


@in_every_way
def test_a_call_is_answered_after_our_repetition(way, library, server):
    server.say(text_answer("try again", 503, end="keep-alive"), answer(ANSWER, stream=way.stream))
    assert ask(way, library, base_url=server.openai_url).text == ANSWER
    assert (len(server.requests), len(server.listings)) == (2, 1)
    assert server.requests[0].headers["authorization"] == "Bearer sk-test"


@in_every_way
def test_a_hook_that_raises_for_a_status_changes_nothing(way, library, server):
    """httpx's own way to have a bad status raised: https://github.com/encode/httpx/issues/752."""

    async def araise(response):
        await response.aread()
        response.raise_for_status()

    def read_and_raise(response):
        response.read()
        response.raise_for_status()

    hook = araise if way.is_async else read_and_raise
    server.say(text_answer("try again", 503, end="keep-alive"), answer(ANSWER, stream=way.stream))
    assert ask(way, library, on_response=[hook], base_url=server.openai_url).text == ANSWER
    error = failure(library, way, server, envelope(401, "No such key"), on_response=[hook])
    assert (error.status_code, "No such key" in str(error)) == (401, True)


@in_every_way
def test_any_failure_of_a_request_is_one_of_a_connection(way, library):
    def fail(request):
        raise library.RequestError("out of order", request=request)

    with pytest.raises(APIConnectionError, match="out of order"):
        ask(way, library, library.MockTransport(fail), model_listing=False, max_retries=0)


def failure(library, way, server, answer, **options):
    """The error of a call that this answer ends."""
    server.always = answer
    with pytest.raises(AKIError) as caught:
        ask(way, library, **{"base_url": server.openai_url, "max_retries": 0, "model_listing": False, **options})
    return caught.value


@in_every_way
def test_what_a_client_raises_is_our_error_and_keeps_none_of_the_library_s(way, library, server):
    error = failure(library, way, server, text_answer("out of order", 500, end="keep-alive", x_request_id="req_7"))
    assert (type(error).__name__, error.status_code, error.request_id) == ("ServerError", 500, "req_7")
    assert "out of order" in str(error)
    cut = Answer(headers={"content-type": "application/json"}, chunks=(b'{"id":',), end="cut")
    rows = [
        (APIConnectionError, "cannot connect", Answer(), {"base_url": "http://127.0.0.1:9/v1"}),
        (APITimeoutError, "ReadTimeout", Answer(end="hang"), {"timeout": Timeout(answer=0.1, chunk=0.1)}),
        (StreamInterruptedError, "", sse(*events(ANSWER)[:2], done=False, end="cut"), {})
        if way.stream
        else (APIConnectionError, "in the middle of the answer", cut, {}),
    ]
    for kind, words, answered, options in rows:
        error = failure(library, way, server, answered, **options)
        assert isinstance(error, kind)
        assert words in str(error)
        assert getattr(error, "partial_text", "6 *") == "6 *"
        inner = error
        while inner is not None:
            assert not type(inner).__module__.startswith("http")
            inner = inner.__cause__ or inner.__context__


@in_every_way
def test_an_answer_that_drips_ends_with_the_time_of_the_call(way, library, server):
    answers = [replace(sse(*[b": wait\n\n"] * 400), chunk_delay=0.05)] if way.stream else []
    for drips in (*answers, replace(text_answer("", end="cut"), chunks=(b" ",) * 400, chunk_delay=0.05)):
        with patient(5):
            error = failure(library, way, server, drips, total_timeout=0.5)
        assert isinstance(error, APITimeoutError | StreamInterruptedError)
        assert "total_timeout passed" in str(error)


@in_every_way
def test_a_mock_transport_answers(way, library):
    sent = []

    def handle(request):
        sent.append((request.method, request.url.path))
        if request.method == "GET":
            return library.Response(200, json=LISTING)
        assert json.loads(request.content)["model"] == "qwen3.6-35b"
        return library.Response(200, **mocked("It is mocked.", stream=way.stream))

    assert ask(way, library, library.MockTransport(handle)).text == "It is mocked."
    assert sent == [("GET", "/v1/models"), ("POST", "/v1/chat/completions")]


@in_every_way
def test_the_members_of_a_group_of_exceptions_have_no_frames(way, library):
    def fail(request):
        try:
            request.headers["never-sent"]
        except KeyError as error:
            raise ExceptionGroup("in a task group", [error]) from error

    with pytest.raises(ExceptionGroup) as caught:
        ask(way, library, library.MockTransport(fail), model_listing=False, max_retries=0)
    (member,) = caught.value.exceptions
    assert member.__traceback__ is caught.value.__cause__ is caught.value.__context__ is None
