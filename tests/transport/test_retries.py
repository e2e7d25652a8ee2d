"""How often a call is sent, and how long is waited in between."""

from __future__ import annotations

import email.utils
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import (
    AKIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    Client,
    InvalidResponseError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
)
from aki_transport.transport import retry
from aki_transport.transport.call import Call
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, ScriptServer, json_answer, sse, text_answer
from tests.transport.asking import KEY, Clock, Way, client_for, in_every_stream, in_every_way, run

REFUSED = {"error": {"message": "Not now", "type": None, "code": None}}


def good(way: Way) -> Answer:
    return streamed("Hel", "lo") if way.streamed else replied()


@pytest.mark.parametrize(
    ("status", "max_retries"), [*((status, 1) for status in (408, 429, 500, 502, 503, 504, 529)), (503, 0), (503, 5)]
)
@in_every_way
def test_a_passing_failure_is_tried_again_exactly_as_often_as_asked(
    way: Way, status: int, max_retries: int, server: ScriptServer, clock: Clock
) -> None:
    server.always = json_answer(REFUSED, status)
    with pytest.raises(APIStatusError, match="Not now"):
        way.ask(client_for(server, max_retries=max_retries))
    assert len(server.requests) == 1 + max_retries
    assert len(clock.pauses) == max_retries


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 413, 418, 422])
@in_every_way
def test_a_refusal_is_not_tried_again(way: Way, status: int, server: ScriptServer, clock: Clock) -> None:
    server.always = json_answer(REFUSED, status)
    with pytest.raises(APIStatusError, match="Not now"):
        way.ask(client_for(server))
    assert (len(server.requests), clock.pauses) == (1, [])


@pytest.mark.usefixtures("clock")
@in_every_way
def test_what_a_later_attempt_answers_is_the_answer(way: Way, server: ScriptServer) -> None:
    server.say(json_answer(REFUSED, 429), Answer(end="reset"), good(way))
    assert way.ask(client_for(server)).text == "Hello"
    assert len(server.requests) == 3


class Refusing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Counts what is sent to a port on which nobody listens."""

    def __init__(self) -> None:
        self.sent = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        raise httpx.ConnectError("refused", request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


@in_every_way
def test_a_refused_connection_is_tried_again(way: Way, clock: Clock) -> None:
    transport = Refusing()
    client = Client(
        "aacflow",
        api_key=KEY,
        max_retries=5,
        model_listing=False,
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
    )
    with pytest.raises(APIConnectionError, match="refused"):
        way.ask(client)
    assert (transport.sent, len(clock.pauses)) == (6, 5)


@pytest.mark.parametrize(("end", "max_retries"), [("reset", 0), ("cut", 2)])
@in_every_way
def test_a_loss_before_the_first_byte_is_tried_again(
    way: Way, end: str, max_retries: int, server: ScriptServer, clock: Clock
) -> None:
    server.always = Answer(end=end)
    with pytest.raises(APIConnectionError, match="before any answer") as caught:
        way.ask(client_for(server, max_retries=max_retries))
    assert type(caught.value) is APIConnectionError
    assert (len(server.requests), len(clock.pauses)) == (1 + max_retries, max_retries)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("end", ["reset", "cut"])
@in_every_stream
def test_a_stream_lost_before_its_first_payload_is_tried_again(stream_way: Way, end: str, server: ScriptServer) -> None:
    server.say(Answer(headers={"content-type": "text/event-stream"}, chunks=(b": wait\n\n",), end=end))
    server.say(streamed("Hello"))
    assert stream_way.ask(client_for(server)).text == "Hello"
    assert len(server.requests) == 2


@in_every_way
def test_an_answer_that_is_no_answer_is_final(way: Way, server: ScriptServer, clock: Clock) -> None:
    server.always = text_answer("<html>Welcome</html>", content_type="text/html")
    with pytest.raises(InvalidResponseError):
        way.ask(client_for(server))
    assert (len(server.requests), clock.pauses) == (1, [])


@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_failed_worker_s_empty_answer_is_tried_again(way: Way, server: ScriptServer) -> None:
    usage = {"usage": {"prompt_tokens": 5, "completion_tokens": 0}}
    empty = sse(chunk("", finish="stop", top=usage)) if way.streamed else replied("", top=usage)
    server.say(empty, good(way))
    assert way.ask(client_for(server)).text == "Hello"
    assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "end"), [(429, "reset"), (503, "cut")])
@in_every_way
def test_a_bad_status_counts_although_its_words_are_lost(
    way: Way, status: int, end: str, server: ScriptServer, clock: Clock
) -> None:
    server.always = Answer(status=status, headers={"content-type": "application/json"}, chunks=(b'{"er',), end=end)
    with pytest.raises(APIStatusError) as caught:
        way.ask(client_for(server))
    assert caught.value.status_code == status
    assert (len(server.requests), len(clock.pauses)) == (3, 2)


@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_bad_status_counts_although_its_page_is_huge(way: Way, server: ScriptServer) -> None:
    server.always = text_answer("<title>Bad Gateway</title>" + "x" * 2**21, 502, content_type="text/html")
    with pytest.raises(ServerError, match="Bad Gateway"):
        way.ask(client_for(server))
    assert len(server.requests) == 3


class Slow:
    """Answers after a time that passes on the patched clock alone."""

    def __init__(self, clock: Clock, seconds: float, answer: Answer) -> None:
        self._clock, self._seconds, self._answer = clock, seconds, answer

    def __call__(self, _: Any) -> Answer:
        self._clock.passed += self._seconds
        return self._answer


@pytest.mark.parametrize(("seconds", "attempts"), [(29.0, 3), (31.0, 1), (60.0, 1)])
@pytest.mark.parametrize("status", [500, 503, 504])
@in_every_way
def test_a_5xx_that_comes_late_is_final(
    way: Way, status: int, seconds: float, attempts: int, server: ScriptServer, clock: Clock
) -> None:
    server.always = Slow(clock, seconds, json_answer(REFUSED, status))
    with pytest.raises(ServerError):
        way.ask(client_for(server))
    assert len(server.requests) == attempts


@in_every_way
def test_a_late_429_is_tried_again(way: Way, server: ScriptServer, clock: Clock) -> None:
    server.always = Slow(clock, 60, json_answer(REFUSED, 429))
    with pytest.raises(RateLimitError):
        way.ask(client_for(server))
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.25"}, 0.25),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "60"}, 60),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "2"}, 1.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
@in_every_way
def test_retry_after_is_slept_exactly(
    way: Way, headers: dict[str, str], seconds: float, status: int, server: ScriptServer, clock: Clock
) -> None:
    server.say(json_answer(REFUSED, status, **headers), good(way))
    assert way.ask(client_for(server)).text == "Hello"
    assert clock.pauses == [seconds]


@in_every_way
def test_retry_after_may_be_a_date(way: Way, server: ScriptServer, clock: Clock) -> None:
    def later(_: Any) -> Answer:
        date = email.utils.formatdate(time.time() + 20, usegmt=True)
        return json_answer(REFUSED, 429, retry_after=date)

    server.say(later, good(way))
    way.ask(client_for(server))
    assert len(clock.pauses) == 1
    assert 18 <= clock.pauses[0] <= 20


@pytest.mark.parametrize("headers", [{"retry_after": "61"}, {"retry_after_ms": "61000"}, {"retry_after": "1e9"}])
@in_every_way
def test_a_longer_retry_after_is_raised_at_once_with_the_number(
    way: Way, headers: dict[str, str], server: ScriptServer, clock: Clock
) -> None:
    server.always = json_answer(REFUSED, 429, **headers)
    with pytest.raises(RateLimitError, match="retry after") as caught:
        way.ask(client_for(server))
    assert caught.value.retry_after in (61, 1e9)
    assert f"{caught.value.retry_after:g} s" in str(caught.value)
    assert (len(server.requests), clock.pauses) == (1, [])


@in_every_way
def test_without_retry_after_the_bounds_double(way: Way, server: ScriptServer, clock: Clock) -> None:
    server.always = json_answer(REFUSED, 503)
    with pytest.raises(ServiceUnavailableError):
        way.ask(client_for(server, max_retries=6))
    assert clock.pauses == [0.5, 1, 2, 4, 8, 8]


@given(st.integers(1, 1000), st.floats(0, 1))
def test_jitter_is_full(attempt: int, dice: float) -> None:
    pause = retry.pause_before(attempt, None, dice)
    assert 0 <= pause <= 8
    assert pause <= 0.5 * 2.0 ** min(attempt - 1, 10)
    assert retry.pause_before(attempt, None, 0.0) == 0


@given(st.integers(1, 1000), st.floats(0, 60), st.floats(0, 1))
def test_jitter_is_not_added_to_what_the_server_asks(attempt: int, seconds: float, dice: float) -> None:
    assert retry.pause_before(attempt, seconds, dice) == seconds


_DATES = st.one_of(
    st.datetimes().map(email.utils.format_datetime),
    st.builds(
        "{}, {:02} {} {} {:02}:{:02}:{:02} {}".format,
        st.sampled_from(["Wed", "", "Xyz"]),
        st.integers(0, 99),
        st.sampled_from(["Jan", "Dez", "Dec"]),
        st.one_of(st.integers(0, 10000), st.just(10**30)),
        st.integers(0, 99),
        st.integers(0, 99),
        st.integers(0, 99),
        st.sampled_from(["GMT", "-0000", "+9999", "+99999999", ""]),
    ),
)


@given(st.one_of(st.text(), _DATES, st.floats().map(str), st.integers().map(str)), st.booleans())
def test_any_retry_after_gives_seconds_or_nothing(said: str, ms: bool) -> None:
    seconds = retry.retry_after_seconds({"retry-after-ms" if ms else "retry-after": said}, time.time())
    assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize("said", ["soon", "", "-1", "nan", "inf", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"])
@pytest.mark.usefixtures("clock")
@in_every_way
def test_an_unreadable_retry_after_is_as_good_as_none(way: Way, said: str, server: ScriptServer) -> None:
    server.say(json_answer(REFUSED, 429, retry_after=said), good(way))
    assert way.ask(client_for(server)).text == "Hello"


@pytest.mark.parametrize(
    ("error", "repeatable", "never_sent", "again"),
    [
        (APIConnectionError("x"), False, True, True),
        (APIConnectionError("x"), False, False, False),
        (APIConnectionError("x"), True, False, True),
        (APITimeoutError("x"), True, False, False),
        (APITimeoutError("x"), True, True, True),
        (ServerError("x", status_code=503), False, False, False),
        (RateLimitError("x", status_code=429), False, False, True),
        (InvalidResponseError("x"), True, True, False),
    ],
)
def test_what_may_have_been_billed_is_sent_again_only_if_it_never_started(
    error: AKIError, *, repeatable: bool, never_sent: bool, again: bool
) -> None:
    assert retry.may_repeat(error, repeatable=repeatable, never_sent=never_sent, seconds=0) is again


@in_every_way
def test_a_call_that_starts_a_billed_job_is_sent_once(way: Way, server: ScriptServer, clock: Clock) -> None:
    server.always = Answer(end="reset")
    transport = client_for(server)._transport
    call = Call(path="/images", body={}, repeatable=False)

    def send() -> bytes:
        read = lambda _, body: body  # noqa: E731  the shortest reader
        if way.is_async:
            return run(transport.afetch(call, read, deadline=None))
        return transport.fetch(call, read, deadline=None)

    with pytest.raises(APIConnectionError):
        send()
    assert (len(server.requests), clock.pauses) == (1, [])
