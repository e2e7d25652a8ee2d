"""Errors, repetitions and clients of the user's own: what integrations of other services are tested for."""

from __future__ import annotations

import pickle
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

import aki_transport.errors as ours
from tests.llama_index.asking import PROMPT_WAYS, WAYS, ask, is_streamed, model_at
from tests.scenarios import KEY, chunk, replied, streamed
from tests.script_server import Answer, ScriptServer, json_answer, sse
from tests.subcases import subcases

ALL: tuple[Any, ...] = (*WAYS, *PROMPT_WAYS)
BUSY = {"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}


def good(way: str) -> Answer:
    return streamed("Hello") if is_streamed(way) else replied()


def text_of(response: Any) -> str:
    return response.text if hasattr(response, "text") else response.message.content


@pytest.mark.usefixtures("no_waiting")
@subcases("way", ALL)
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_failure_that_may_pass_is_asked_again_and_the_answer_comes(server: ScriptServer, way: Any, status: int):
    server.say(json_answer(BUSY, status), json_answer(BUSY, status), good(way))
    assert text_of(ask(model_at(server), way, "hi")) == "Hello"
    assert len(server.requests) == 3


@pytest.mark.usefixtures("no_waiting")
@subcases("way", ALL)
@pytest.mark.parametrize("retries", [0, 1, 4])
def test_attempts_are_counted_exactly(server: ScriptServer, way: Any, retries: int):
    server.always = json_answer(BUSY, 429)
    with pytest.raises(ours.RateLimitError, match="slow down"):
        ask(model_at(server, max_retries=retries), way, "hi")
    assert len(server.requests) == 1 + retries


STATUSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    402: "InsufficientCreditsError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    422: "BadRequestError",
}


@subcases("way", ALL)
@pytest.mark.parametrize("status", STATUSES)
def test_a_failure_that_stays_is_an_error_of_its_class_at_once(server: ScriptServer, way: Any, status: int):
    server.always = json_answer({"error": {"message": "no way", "code": "nope"}}, status, x_request_id="req-1")
    with pytest.raises(getattr(ours, STATUSES[status])) as found:
        ask(model_at(server), way, "hi")
    error = found.value
    assert type(error) is getattr(ours, STATUSES[status])
    assert (error.status_code, error.request_id) == (status, "req-1")
    assert error.message.startswith("no way")
    assert (error.message == "no way") == (status != 401)  # which tells where the key came from
    assert KEY not in f"{error!r} {error} {vars(error)} {pickle.dumps(error)!r}"
    assert len(server.requests) == 1


@pytest.mark.parametrize("header", [{"retry_after": "0"}, {"retry_after_ms": "1"}])
@subcases("way", ALL)
def test_a_pause_the_server_asks_for_is_kept(server: ScriptServer, way: Any, header: dict[str, str]):
    server.say(json_answer(BUSY, 429, **header), good(way))
    assert text_of(ask(model_at(server), way, "hi")) == "Hello"
    assert len(server.requests) == 2


@subcases("way", ALL)
def test_a_pause_longer_than_a_minute_is_an_error_with_the_number(server: ScriptServer, way: Any):
    server.always = json_answer(BUSY, 429, retry_after="3600")
    with pytest.raises(ours.RateLimitError) as found:
        ask(model_at(server), way, "hi")
    assert found.value.retry_after == 3600
    assert "3600" in str(found.value)
    assert len(server.requests) == 1


def test_a_pause_may_be_a_date(server: ScriptServer):
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    later = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    server.always = json_answer(BUSY, 429, retry_after=later)
    with pytest.raises(ours.RateLimitError) as found:
        ask(model_at(server), "chat", "hi")
    assert 7100 < found.value.retry_after <= 7200


@subcases("way", [way for way in ALL if is_streamed(way)])
def test_a_stream_is_not_asked_for_again_once_something_came(server: ScriptServer, way: Any):
    server.always = sse(chunk("Hel"), done=False, end="cut")
    with pytest.raises(ours.StreamInterruptedError) as found:
        ask(model_at(server), way, "hi")
    assert found.value.partial_text == "Hel"
    assert len(server.requests) == 1


@subcases("way", [way for way in ALL if not way.startswith("a")])
def test_a_client_of_the_users_carries_the_calls(way: Any):
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path.endswith("/models"):
            return httpx.Response(200, json={"data": [{"id": "qwen3.6-35b"}]})
        said = good(way)
        return httpx.Response(200, headers=dict(said.headers), content=b"".join(said.chunks))

    from llama_index_aki import AKI  # noqa: PLC0415

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        llm = AKI(model="qwen3.6-35b", api_key=KEY, http_client=client)
        assert text_of(ask(llm, way, "hi")) == "Hello"
        assert not client.is_closed
    assert {request.url.host for request in seen} == {"aki.io"}
    assert {request.headers["authorization"] for request in seen} == {f"Bearer {KEY}"}


def test_another_models_answer_is_an_error_before_any_text(server: ScriptServer):
    for way in WAYS:
        answer = streamed("Hello") if is_streamed(way) else replied()
        body = tuple(piece.replace(b"qwen3.6-35b", b"minimax-m2.5-230b") for piece in answer.chunks)
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        server.say(Answer(headers=headers, chunks=body))
        with pytest.raises(ours.ModelFallbackError) as found:
            ask(model_at(server), way, "hi")
        assert (found.value.requested, found.value.served) == ("qwen3.6-35b", "minimax-m2.5-230b")


def test_a_model_that_there_is_not_is_an_error_before_anything_is_sent(server: ScriptServer):
    for way in ALL:
        with pytest.raises(ours.ModelNotFoundError, match=r"qwen3\.6-35b"):
            ask(model_at(server, model="qwen3.6-35"), way, "hi")
    assert not server.requests
