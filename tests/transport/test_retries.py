"""How often a call is sent, and how long is waited in between; the scenarios have each status and header."""

import email.utils
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import errors
from aki_transport.transport import retry
from tests.script_server import Answer, json_answer, text_answer
from tests.transport.asking import client_for, in_every_way

REFUSED = {"error": {"message": "Not now", "type": None, "code": None}}


@pytest.mark.parametrize(("max_retries", "pauses"), [(0, []), (1, [0.5]), (6, [0.5, 1, 2, 4, 8, 8])])
@in_every_way
def test_a_failure_is_repeated_exactly_as_often_as_asked_after_pauses_that_double(
    way, max_retries, pauses, server, clock
):
    server.always = json_answer(REFUSED, 503)
    with pytest.raises(errors.ServiceUnavailableError, match="Not now"):
        way.ask(client_for(server, max_retries=max_retries))
    assert (len(server.requests), clock.pauses) == (1 + max_retries, pauses)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=429, headers={"content-type": "application/json"}, chunks=(b'{"er',), end="reset"),
        Answer(status=503, headers={"content-type": "application/json"}, chunks=(b'{"er',), end="cut"),
        text_answer("<title>Bad Gateway</title>" + "x" * 2**21, 502, content_type="text/html"),
    ],
    ids=["reset", "cut", "huge"],
)
@in_every_way
def test_a_bad_status_counts_although_its_words_are_lost(way, answer, server):
    server.always = answer
    with pytest.raises(errors.APIStatusError) as caught:
        way.ask(client_for(server))
    assert caught.value.status_code == answer.status
    assert ("Bad Gateway" in str(caught.value)) == (answer.status == 502)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "seconds", "attempts"),
    [*((status, seconds, n) for status in (500, 503, 504) for seconds, n in ((29, 3), (31, 1))), (429, 60, 3)],
)
@in_every_way
def test_a_5xx_that_comes_late_is_final(way, status, seconds, attempts, server, clock):
    def late(_: Any) -> Answer:
        clock.passed += seconds
        return json_answer(REFUSED, status)

    server.always = late
    with pytest.raises(errors.APIStatusError, match="Not now"):
        way.ask(client_for(server))
    assert len(server.requests) == attempts


@given(st.integers(1, 1000), st.floats(0, 60), st.floats(0, 1))
def test_jitter_is_full_and_not_added_to_what_the_server_asks(attempt, seconds, dice):
    assert 0 <= retry.pause_before(attempt, None, dice) <= min(8, 0.5 * 2.0 ** min(attempt - 1, 10))
    assert retry.pause_before(attempt, None, 0.0) == 0
    assert retry.pause_before(attempt, seconds, dice) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (email.utils.formatdate(1_000_020, usegmt=True), 20),
        *((value, None) for value in ("soon", "", "-1", "nan", "inf", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT")),
    ],
)
def test_a_retry_after_is_a_number_or_a_date(value, seconds):
    assert retry.retry_after_seconds({"retry-after": value}, 1_000_000) == seconds


@pytest.mark.parametrize(
    ("error", "repeatable", "never_sent", "again"),
    [
        (errors.APIConnectionError("x"), False, True, True),
        (errors.APIConnectionError("x"), False, False, False),
        (errors.APIConnectionError("x"), True, False, True),
        (errors.APITimeoutError("x"), True, False, False),
        (errors.APITimeoutError("x"), True, True, True),
        (errors.ServerError("x", status_code=503), False, False, False),
        (errors.ServiceUnavailableError("x", status_code=503), False, False, True),
        (errors.ServiceUnavailableError("the worker timed out", status_code=503), False, False, False),
        (errors.RateLimitError("x", status_code=429), False, False, True),
        (errors.RateLimitError("x", status_code=429, retry_after=60), False, False, True),
        (errors.RateLimitError("x", status_code=429, retry_after=61), True, False, False),
        (errors.InvalidResponseError("x"), True, True, False),
    ],
)
def test_what_may_have_been_billed_is_sent_again_only_if_it_never_started(error, repeatable, never_sent, again):
    assert retry.may_repeat(error, repeatable=repeatable, never_sent=never_sent, seconds=0) is again
