"""`with_fallbacks` and `with_retry` when calls fail: who is asked, and exactly how often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core import exceptions as lc

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


@pytest.fixture
def second() -> Iterator[ScriptServer]:
    """Another service, which answers."""
    with ScriptServer(always=lambda request: good(request, "second")) as second:
        yield second


def good(request: Request, text: str = "Hello") -> Answer:
    return streamed(text) if request.json.get("stream") else replied(text)


# How the first model is made, what it is answered, how often it is asked, and its error where another try cannot help.
FIRST_FAILS: dict[str, tuple[dict[str, Any], Answer | None, int, type[Exception] | None]] = {
    "503": ({}, BUSY, 1, None),
    "429": ({}, TOO_MANY, 1, None),
    "401": ({}, WRONG_KEY, 1, ours.AuthenticationError),
    "402": ({}, json_answer({"error": "no credits"}, 402), 1, ours.InsufficientCreditsError),
    "a page": ({}, text_answer("<html>", content_type="text/html"), 1, ours.InvalidResponseError),
    "another model": ({}, replied("no", top={"model": FALLBACK}), 1, ours.ModelFallbackError),
    "unknown model": ({"model": "qwen3.6-36b"}, None, 0, ours.ModelNotFoundError),
    "no key": ({"api_key": None}, None, 0, ours.ConfigurationError),
    "nobody there": ({"base_url": "http://127.0.0.1:9/v1"}, None, 0, None),  # the port that discards
}


@pytest.mark.filterwarnings("ignore:.*the model listing could not be read")
@subcases("way", WAYS)
@pytest.mark.parametrize("case", FIRST_FAILS)
def test_an_error_of_the_first_model_leads_to_one_request_of_the_second_or_to_the_caller(
    server: ScriptServer, second: ScriptServer, case: str, way: Way
):
    given, answer, requests, mistake = FIRST_FAILS[case]
    if case == "another model" and is_streamed(way):
        answer = sse(chunk("no", top={"model": FALLBACK}))
    server.always = answer
    first, other = model_at(server, **{"max_retries": 0, **given}), model_at(second)
    assert ask(first.with_fallbacks([other]), way, "hi").text == "second"
    assert (len(server.requests), len(second.requests)) == (requests, 1)
    for_what_may_pass = first.with_fallbacks([other], exceptions_to_handle=MAY_PASS)
    if mistake is None:
        assert ask(for_what_may_pass, way, "hi").text == "second"
    else:
        with pytest.raises(mistake):
            ask(for_what_may_pass, way, "hi")
    assert (len(server.requests), len(second.requests)) == (2 * requests, 1 if mistake else 2)


@pytest.mark.usefixtures("no_waiting")
@subcases("way", WAYS)
def test_the_models_own_repetitions_come_before_the_fallback_and_its_error_when_all_fail(
    server: ScriptServer, second: ScriptServer, way: Way
):
    server.always = BUSY
    model = model_at(server, max_retries=2).with_fallbacks([model_at(second, max_retries=0)])
    assert ask(model, way, "hi").text == "second"
    assert (len(server.requests), len(second.requests)) == (3, 1)
    second.always = TOO_MANY
    with pytest.raises(ours.ServiceUnavailableError):
        ask(model, way, "hi")


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


@subcases("way", WAYS)
def test_what_breaks_after_its_first_text_falls_back_only_as_a_whole_answer(
    server: ScriptServer, second: ScriptServer, way: Way
):
    server.always = broken("Hel")
    model = model_at(server, streaming=True).with_fallbacks([model_at(second)])
    if is_streamed(way):
        with pytest.raises(ours.StreamInterruptedError) as found:
            pieces_of(model, way, "hi")
        assert found.value.partial_text == "Hel"
    else:
        assert ask(model, way, "hi").text == "second"
    assert (len(server.requests), len(second.requests)) == (1, 0 if is_streamed(way) else 1)


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
