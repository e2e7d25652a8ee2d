"""`with_fallbacks`, `with_retry` and `batch` when calls fail: who is asked, and exactly how often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core import exceptions as lc
from langchain_core.messages import AIMessage
from pydantic import BaseModel

import langchain_aki.errors as ours
from tests.langchain.asking import WAYS, Way, ask, is_streamed, model_at, pieces_of
from tests.scenarios import FALLBACK, chunk, replied, streamed
from tests.scenarios.table import ROLE, broken
from tests.script_server import Answer, Request, ScriptServer, json_answer, sse, text_answer
from tests.subcases import subcases

STREAMS: tuple[Way, ...] = ("stream", "astream")
BUSY = json_answer({"error": {"message": "busy", "code": None}}, 503)
TOO_MANY = json_answer({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429)
WRONG_KEY = json_answer({"error": {"message": "bad key", "code": "invalid_api_key"}}, 401)
MAY_PASS = (lc.ModelRateLimitError, lc.ModelAPIError, lc.ModelConnectionError, lc.ModelTimeoutError)


class City(BaseModel):
    """A city."""

    name: str


@pytest.fixture
def second() -> Iterator[ScriptServer]:
    """Another service, which answers."""
    with ScriptServer(always=lambda request: good(request, "second")) as second:
        yield second


def good(request: Request, text: str = "Hello") -> Answer:
    return streamed(text) if request.json.get("stream") else replied(text)


FIRST_FAILS: dict[str, tuple[dict[str, Any], Answer | None, int]] = {
    "503": ({}, BUSY, 1),
    "429": ({}, TOO_MANY, 1),
    "401": ({}, WRONG_KEY, 1),
    "402": ({}, json_answer({"error": "no credits"}, 402), 1),
    "a page": ({}, text_answer("<html>", content_type="text/html"), 1),
    "another model": ({}, replied("no", top={"model": FALLBACK}), 1),
    "unknown model": ({"model": "qwen3.6-36b"}, None, 0),
    "no key": ({"api_key": None}, None, 0),
    "nobody there": ({"base_url": "http://127.0.0.1:9/v1"}, None, 0),  # the port that discards
}


@pytest.mark.filterwarnings("ignore:.*the model listing could not be read")
@subcases("way", WAYS)
@pytest.mark.parametrize("case", FIRST_FAILS)
def test_any_error_of_the_first_model_leads_to_one_request_of_the_second(
    server: ScriptServer, second: ScriptServer, case: str, way: Way
):
    given, answer, requests = FIRST_FAILS[case]
    if case == "another model" and is_streamed(way):
        answer = sse(chunk("no", top={"model": FALLBACK}))
    server.always = answer
    model = model_at(server, **{"max_retries": 0, **given}).with_fallbacks([model_at(second)])
    assert ask(model, way, "hi").text == "second"
    assert (len(server.requests), len(second.requests)) == (requests, 1)


@subcases("way", WAYS)
@pytest.mark.parametrize(
    ("given", "answer", "error", "requests"),
    [
        ({}, WRONG_KEY, ours.AuthenticationError, 1),
        ({}, json_answer({"error": "no credits"}, 402), ours.InsufficientCreditsError, 1),
        ({"api_key": None}, None, ours.ConfigurationError, 0),
        ({"model": "qwen3.6-36b"}, None, ours.ModelNotFoundError, 0),
    ],
    ids=["401", "402", "no key", "unknown model"],
)
def test_fallbacks_for_passing_troubles_leave_mistakes_to_the_caller(
    server: ScriptServer,
    second: ScriptServer,
    given: dict[str, Any],
    answer: Answer,
    error: Any,
    requests: int,
    way: Way,
):
    server.always = answer
    model = model_at(server, **given).with_fallbacks([model_at(second)], exceptions_to_handle=MAY_PASS)
    with pytest.raises(error):
        ask(model, way, "hi")
    assert (len(server.requests), len(second.requests)) == (requests, 0)


@pytest.mark.usefixtures("no_waiting")
@subcases("way", WAYS)
def test_the_models_own_repetitions_come_before_the_fallback(server: ScriptServer, second: ScriptServer, way: Way):
    server.always = BUSY
    model = model_at(server, max_retries=2).with_fallbacks([model_at(second)], exceptions_to_handle=MAY_PASS)
    assert ask(model, way, "hi").text == "second"
    assert (len(server.requests), len(second.requests)) == (3, 1)


@subcases("way", WAYS)
def test_the_first_models_error_is_raised_when_all_fail(server: ScriptServer, second: ScriptServer, way: Way):
    server.always, second.always = BUSY, TOO_MANY
    model = model_at(server, max_retries=0).with_fallbacks([model_at(second, max_retries=0)])
    with pytest.raises(ours.ServiceUnavailableError):
        ask(model, way, "hi")
    assert (len(server.requests), len(second.requests)) == (1, 1)


NOTHING_YET: dict[str, Answer] = {
    "headers alone": Answer(headers={"content-type": "text/event-stream"}, chunks=(b"",), end="cut"),
    "a comment": sse(b": hello\n\n", done=False, end="cut"),
    "the role": sse(ROLE, done=False, end="cut"),
    "the role, and its end": broken(),
    "an error after the role": sse(ROLE, {"error": {"message": "Worker died", "code": 500}}),
}


@subcases("way", STREAMS)
@pytest.mark.parametrize("case", NOTHING_YET)
def test_a_stream_that_breaks_before_any_text_falls_back(
    server: ScriptServer, second: ScriptServer, case: str, way: Way
):
    server.always = NOTHING_YET[case]
    model = model_at(server, max_retries=0).with_fallbacks([model_at(second)])
    assert ask(model, way, "hi").text == "second"
    assert (len(server.requests), len(second.requests)) == (1, 1)


@pytest.mark.usefixtures("no_waiting")
@subcases("way", STREAMS)
def test_a_stream_without_a_first_event_is_repeated_before_it_falls_back(
    server: ScriptServer, second: ScriptServer, way: Way
):
    server.always = NOTHING_YET["headers alone"]
    model = model_at(server, max_retries=1).with_fallbacks([model_at(second)])
    assert ask(model, way, "hi").text == "second"
    assert (len(server.requests), len(second.requests)) == (2, 1)


@subcases("way", STREAMS)
def test_a_stream_that_breaks_after_its_first_text_does_not_start_over(
    server: ScriptServer, second: ScriptServer, way: Way
):
    server.always = broken("Hel")
    model = model_at(server).with_fallbacks([model_at(second)])
    with pytest.raises(ours.StreamInterruptedError) as found:
        pieces_of(model, way, "hi")
    assert found.value.partial_text == "Hel"
    assert (len(server.requests), len(second.requests)) == (1, 0)


@subcases("way", ["invoke", "ainvoke"])
def test_a_whole_answer_made_of_a_broken_stream_falls_back(server: ScriptServer, second: ScriptServer, way: Way):
    server.always = broken("Hel")
    model = model_at(server, streaming=True).with_fallbacks([model_at(second)])
    assert ask(model, way, "hi").text == "second"
    assert (len(server.requests), len(second.requests)) == (1, 1)


@subcases("way", ["invoke", "ainvoke"])
def test_an_object_that_never_fits_falls_back(server: ScriptServer, second: ScriptServer, way: Way):
    server.always = replied('{"town": 1}')
    second.always = replied('{"name": "Leipzig"}')
    method = {"method": "json_schema"}
    first = model_at(server).with_structured_output(City, **method)
    model = first.with_fallbacks([model_at(second).with_structured_output(City, **method)])
    assert pieces_of(model, way, "hi") == [City(name="Leipzig")]
    assert len(second.requests) == 1


@subcases("way", WAYS)
def test_tools_are_bound_to_every_model_of_the_fallbacks(server: ScriptServer, second: ScriptServer, way: Way):
    server.always = BUSY
    model = model_at(server, max_retries=0).with_fallbacks([model_at(second)]).bind_tools([City])
    assert ask(model, way, "hi").text == "second"
    (first,), (other,) = server.requests, second.requests
    assert first.json["tools"] == other.json["tools"]
    assert first.json["tools"][0]["function"]["name"] == "City"


# Batches


def by_word(request: Request) -> Answer:
    """Whoever says "key" has a wrong one; the word "busy" is answered by 503."""
    said = request.json["messages"][-1]["content"]
    return {"key": WRONG_KEY, "busy": BUSY}.get(said) or replied(said.upper())


def batched(model: Any, how: str, questions: list[str], **given: Any) -> list[Any]:
    if how == "batch":
        return model.batch(questions, **given)
    return asyncio.run(model.abatch(questions, **given))


def told(results: list[Any]) -> list[Any]:
    return [found.text if isinstance(found, AIMessage) else type(found) for found in results]


@pytest.mark.parametrize("how", ["batch", "abatch"])
def test_a_batch_gives_answers_and_errors_in_the_order_asked(server: ScriptServer, how: str):
    server.always = by_word
    found = batched(model_at(server, max_retries=0), how, ["a", "key", "b", "busy", "c"], return_exceptions=True)
    assert told(found) == ["A", ours.AuthenticationError, "B", ours.ServiceUnavailableError, "C"]
    assert len(server.requests) == 5
    assert [isinstance(error, lc.ModelError) for error in found] == [False, True, False, True, False]


@pytest.mark.parametrize("how", ["batch", "abatch"])
def test_only_what_failed_of_a_batch_falls_back(server: ScriptServer, second: ScriptServer, how: str):
    server.always = by_word
    model = model_at(server, max_retries=0).with_fallbacks([model_at(second)], exceptions_to_handle=MAY_PASS)
    found = batched(model, how, ["a", "busy", "key", "b"], return_exceptions=True)
    assert told(found) == ["A", "second", ours.AuthenticationError, "B"]
    assert (len(server.requests), len(second.requests)) == (4, 1)


@pytest.mark.parametrize("how", ["batch", "abatch"])
def test_what_was_answered_of_a_batch_is_not_asked_again(server: ScriptServer, how: str):
    server.always = by_word
    model = model_at(server, max_retries=0).with_retry(
        retry_if_exception_type=MAY_PASS, stop_after_attempt=3, wait_exponential_jitter=False
    )
    found = batched(model, how, ["a", "busy", "b"], return_exceptions=True)
    assert told(found) == ["A", ours.ServiceUnavailableError, "B"]
    said = sorted(request.json["messages"][-1]["content"] for request in server.requests)
    assert said == ["a", "b", "busy", "busy", "busy"]


# `with_retry`


@pytest.mark.usefixtures("no_waiting")
@subcases("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    ("answer", "own", "requests"),
    [(BUSY, 0, 2), (BUSY, 2, 6), (TOO_MANY, 1, 4), (WRONG_KEY, 2, 1)],
    ids=["503", "503 with ours", "429 with ours", "401"],
)
def test_with_retry_and_the_models_own_repetitions_multiply(
    server: ScriptServer, answer: Answer, own: int, requests: int, way: Way
):
    server.always = answer
    model = model_at(server, max_retries=own).with_retry(
        retry_if_exception_type=MAY_PASS, stop_after_attempt=2, wait_exponential_jitter=False
    )
    with pytest.raises(ours.APIStatusError):
        ask(model, way, "hi")
    assert len(server.requests) == requests


@subcases("way", ["invoke", "ainvoke"])
def test_with_retry_asks_anew_for_an_answer_whose_stream_broke(server: ScriptServer, way: Way):
    server.say(broken("Hel"), streamed("Hello"))
    model = model_at(server, streaming=True).with_retry(
        retry_if_exception_type=MAY_PASS, stop_after_attempt=2, wait_exponential_jitter=False
    )
    assert ask(model, way, "hi").text == "Hello"
    assert len(server.requests) == 2
