"""A job is started once, looked at in time and without haste, and canceled when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
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
    AuthenticationError,
    Client,
    ConfigurationError,
    InvalidResponseError,
    JobError,
    JobProgress,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from aki_transport.transport import Timeout, polling
from aki_transport.transport.polling import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE_STREAMED, pause
from aki_transport.wire import _job
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases
from tests.transport.asking import (
    KEY,
    WAYS,
    Way,
    added_up,
    in_every_chat,
    in_every_stream,
    in_every_way,
    patient,
    request_for,
    run,
    true,
)
from tests.transport.native_says import CHAT, JOB, STARTED, JobClock, Worker, done, refused, working

ASYNC_WAYS = [way for way in WAYS if way.is_async]
QUEUE_FULL = refused(400, "Job queue reached max length 1000!")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> JobClock:
    return JobClock(monkeypatch)


def script(
    server: ScriptServer, *states: Any, start: tuple[Any, ...] = (STARTED,)
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Have a server on a real socket play a job; what it is asked: starts, looks and cancels."""
    starts: list[dict[str, Any]] = []
    looks: list[dict[str, Any]] = []
    cancels: list[dict[str, Any]] = []

    def answer(request: Request) -> Answer:
        if "/call/" in request.path:
            starts.append(request.json)
            said = start[min(len(starts), len(start)) - 1]
        elif request.json.get("cancel"):
            cancels.append(request.json)
            said = STARTED
        else:
            looks.append(request.json)
            said = states[min(len(looks), len(states)) - 1]
        return said if isinstance(said, Answer) else json_answer(said, end="keep-alive")

    server.always = answer
    return starts, looks, cancels


def native(server: ScriptServer, **fields: Any) -> Client:
    return Client(protocol="native", base_url=f"{server.url}/api", **{"api_key": KEY, **fields})


# The pauses between two looks


@given(st.floats(0, 1e9), st.booleans())
def test_no_pause_is_none_and_none_is_long(age: float, stream: bool) -> None:
    longest = LONGEST_PAUSE_STREAMED if stream else LONGEST_PAUSE
    assert FIRST_PAUSE <= pause(age, stream=stream) <= longest


@pytest.mark.parametrize(("seconds", "most"), [(1, 30), (10, 50), (100, 100), (590, 350)])
@in_every_chat
def test_a_long_job_is_looked_at_seldom(chat_way: Way, seconds: float, most: int, clock: JobClock) -> None:
    worker = Worker(working())
    answer = worker.answer

    def respond(request: httpx.Request) -> httpx.Response:
        if clock.passed >= seconds:
            worker._states.appendleft(done())
        return answer(request)

    worker.answer = respond
    assert chat_way.ask(worker.client(), request_for(CHAT)).text == "Hello"
    assert len(worker.looks) <= most
    assert seconds <= clock.passed <= seconds + 2.5


@in_every_stream
def test_someone_who_reads_along_waits_less_for_each_piece(stream_way: Way, clock: JobClock) -> None:
    worker = Worker(*[working()] * 100, done())
    stream_way.ask(worker.client(), request_for(CHAT))
    assert max(clock.pauses) == LONGEST_PAUSE_STREAMED
    assert len(clock.pauses) == 101


# Started once


@pytest.mark.parametrize(
    ("failure", "cls"),
    [
        (httpx.ReadError("reset"), APIConnectionError),
        (httpx.RemoteProtocolError("gone"), APIConnectionError),
        (httpx.WriteError("broken pipe"), APIConnectionError),
        (httpx.ReadTimeout("late"), APITimeoutError),
        (refused(500, "oh"), ServerError),
        (httpx.Response(502), ServerError),
        (httpx.Response(200, text="{"), InvalidResponseError),
        (httpx.Response(200, json={"success": True}), InvalidResponseError),
        (refused(401, "no"), AuthenticationError),
    ],
)
@in_every_way
def test_a_job_that_may_have_begun_is_not_started_again(
    way: Way, failure: Any, cls: type[AKIError], clock: JobClock
) -> None:
    worker = Worker(done(), start=(failure, STARTED))
    with pytest.raises(cls):
        way.ask(worker.client(max_retries=5), request_for(CHAT))
    assert (len(worker.starts), worker.looks, clock.pauses) == (1, [], [])


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429, json={"message": "slow down"}),
        QUEUE_FULL,
        refused(200, "Job queue reached max length 1000!"),
        httpx.Response(503, json={"message": "no worker"}),
    ],
)
@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_job_that_never_began_is_started_again(way: Way, failure: Any) -> None:
    worker = Worker(done(), start=(failure, failure, STARTED))
    assert way.ask(worker.client(), request_for(CHAT)).text == "Hello"
    assert len(worker.starts) == 3
    assert len(worker.looks) == 1


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("late")])
@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_client_of_the_users_is_not_believed_that_a_job_never_began(way: Way, failure: Any) -> None:
    worker = Worker(done(), start=(failure, STARTED))
    with pytest.raises(APIConnectionError):
        way.ask(worker.client(), request_for(CHAT))
    assert len(worker.starts) == 1


@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_queue_that_stays_full_is_a_rate_limit(way: Way) -> None:
    worker = Worker(start=(QUEUE_FULL,))
    with pytest.raises(RateLimitError, match="max length 1000"):
        way.ask(worker.client(max_retries=1), request_for(CHAT))
    assert len(worker.starts) == 2


@pytest.mark.parametrize("end", ["reset", "cut"])
@in_every_way
def test_a_start_whose_answer_is_lost_on_a_real_socket_is_not_sent_again(
    way: Way, end: Any, server: ScriptServer
) -> None:
    starts, looks, cancels = script(server, done(), start=(Answer(end=end), STARTED))
    with pytest.raises(APIConnectionError):
        way.ask(native(server), request_for(CHAT))
    assert (len(starts), looks, cancels) == (1, [], [])


@pytest.mark.parametrize(
    ("status", "message", "seconds"),
    [
        (503, "no worker", 60),
        (503, "no worker", 6),
        (503, "timeout", 0),
        (503, "The job timed out.", 0),
        (503, "upstream time-out", 0),
        (503, "deadline exceeded", 0),
        (504, "no worker", 0),
        (408, "no worker", 0),
    ],
)
@in_every_way
def test_an_answer_that_does_not_prove_that_nothing_began_starts_no_second_job(
    way: Way, clock: JobClock, status: int, message: str, seconds: float
) -> None:
    worker = Worker(done(), start=(httpx.Response(status, json={"message": message}), STARTED))
    answer = worker.answer

    def late(request: httpx.Request) -> httpx.Response:
        clock.passed += seconds
        return answer(request)

    worker.answer = late
    with pytest.raises(APIStatusError):
        way.ask(worker.client(), request_for(CHAT))
    assert len(worker.starts) == 1


# Looks that fail


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(503),
        refused(200, "Job queue reached max length 1!"),
    ],
)
@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_look_that_fails_is_repeated(way: Way, failure: Any) -> None:
    worker = Worker(working("Hel"), failure, failure, working("Hello"), failure, done())
    assert way.ask(worker.client(), request_for(CHAT)).text == "Hello"
    assert (len(worker.starts), len(worker.looks), worker.cancels) == (1, 6, [])


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.ReadTimeout("slow")]
)
@in_every_way
def test_a_job_is_polled_through_lost_connections(
    way: Way, failure: Any, clock: JobClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "LONGEST_OUTAGE", 60.0)
    worker = Worker(working("Hel"), *[failure] * 40, working("Hello"), done())
    assert way.ask(worker.client(), request_for(CHAT)).text == "Hello"
    assert clock.passed > 3
    assert (len(worker.starts), worker.cancels) == (1, [])


@in_every_way
def test_a_job_that_is_out_of_sight_for_too_long_is_canceled(
    way: Way, clock: JobClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "LONGEST_OUTAGE", 60.0)
    worker = Worker(working("Hel"), working("Hello"), httpx.ConnectError("refused"))
    with pytest.raises(StreamInterruptedError if way.streamed else APIConnectionError, match="refused"):
        way.ask(worker.client(), request_for(CHAT))
    assert 55 < clock.passed <= 70
    assert (len(worker.starts), len(worker.cancels)) == (1, 1)


@in_every_way
def test_a_job_that_is_out_of_sight_until_the_time_is_up_is_canceled(
    way: Way, clock: JobClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "LONGEST_OUTAGE", 60.0)
    worker = Worker(working("Hel"), working("Hello"), httpx.ConnectError("refused"))
    with pytest.raises(StreamInterruptedError if way.streamed else APITimeoutError, match="refused") as caught:
        way.ask(worker.client(timeout=20), request_for(CHAT))
    assert 15 < clock.passed <= 20
    assert (len(worker.starts), len(worker.cancels)) == (1, 1)
    assert caught.value.provider == "AKI.IO"
    if isinstance(caught.value, StreamInterruptedError):
        assert caught.value.partial_text == "Hel"


@in_every_way
def test_a_lost_result_is_said_so(way: Way, server: ScriptServer) -> None:
    lost = {"success": True, "job_id": JOB, "job_state": "done"}
    starts, looks, cancels = script(server, working("Hel"), Answer(end="reset"), lost)
    with pytest.raises(JobError, match="delivered before and is lost") as caught:
        way.ask(native(server), request_for(CHAT))
    assert (caught.value.job_id, len(starts), len(looks), cancels) == (JOB, 1, 3, [])


# Time


@in_every_way
def test_a_job_has_the_time_of_a_blocking_answer(way: Way, clock: JobClock) -> None:
    worker = Worker(working())
    with pytest.raises(APITimeoutError, match=r"AKI\.IO: the job was not done after (9|10) s, which timeout= allows"):
        way.ask(worker.client(timeout=Timeout(answer=10, chunk=1)), request_for(CHAT))
    assert 7 <= clock.passed <= 10
    assert (len(worker.starts), len(worker.cancels)) == (1, 1)


@in_every_way
def test_total_timeout_bounds_it_too(way: Way, clock: JobClock) -> None:
    worker = Worker(working("Hel"), working("Hello"), working("Hello w"))
    with pytest.raises(
        StreamInterruptedError if way.streamed else APITimeoutError, match="which total_timeout= allows"
    ) as caught:
        way.ask(worker.client(total_timeout=5), request_for(CHAT))
    assert clock.passed <= 5
    assert len(worker.cancels) == 1
    if isinstance(caught.value, StreamInterruptedError):
        assert caught.value.partial_text == "Hello w"


@in_every_chat
def test_without_any_bound_a_job_may_take_a_day(chat_way: Way, clock: JobClock) -> None:
    worker = Worker(working())
    answer = worker.answer

    def respond(request: httpx.Request) -> httpx.Response:
        clock.passed += 600
        if clock.passed > 86_400:
            worker._states.appendleft(done())
        return answer(request)

    worker.answer = respond
    client = worker.client(timeout=Timeout(connect=None, answer=None, chunk=None))
    assert chat_way.ask(client, request_for(CHAT)).text == "Hello"


@in_every_way
def test_the_time_holds_on_a_real_socket(way: Way, server: ScriptServer) -> None:
    _, looks, cancels = script(server, working())
    with patient(5), pytest.raises(APITimeoutError):
        way.ask(native(server, total_timeout=0.3), request_for(CHAT))
    assert 2 <= len(looks) <= 10
    assert len(cancels) == 1


@in_every_way
def test_a_look_that_hangs_ends_with_the_call_s_time(way: Way, server: ScriptServer) -> None:
    _, looks, cancels = script(server, Answer(end="hang"))
    with patient(5), pytest.raises(APITimeoutError):
        way.ask(native(server, total_timeout=0.3), request_for(CHAT))
    assert (len(looks), len(cancels)) == (1, 1)


@in_every_way
def test_a_look_that_hangs_is_taken_again(way: Way, server: ScriptServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_job, "_POLL_TIMEOUT", Timeout(answer=0.2))
    starts, looks, cancels = script(server, Answer(end="hang"), done("Hello"))
    with patient(5):
        assert way.ask(native(server), request_for(CHAT)).text == "Hello"
    assert (len(starts), len(looks), len(cancels)) == (1, 2, 0)


@in_every_way
def test_a_cancel_that_hangs_holds_nobody_up_for_long(
    way: Way, server: ScriptServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aki_transport.transport.polling._TO_CANCEL", 0.3)
    cancels = []

    def answer(request: Request) -> Answer:
        if not request.json.get("cancel"):
            return json_answer(working(), end="keep-alive")
        cancels.append(request)
        return Answer(end="hang")

    server.always = answer
    # The time may end between two looks or within one; a busy machine decides which.
    with patient(30), pytest.raises(APITimeoutError):
        way.ask(native(server, total_timeout=0.5), request_for(CHAT))
    assert len(cancels) == 1


@in_every_way
def test_all_looks_share_a_connection(way: Way, server: ScriptServer) -> None:
    script(server, working(), working(), done())
    with native(server) as client:
        way.ask(client, request_for(CHAT))
        for _ in range(100):  # the server may learn of an end later
            if server.open_connections <= 1:
                break
            time.sleep(0.05)
        assert server.open_connections <= 1


# Cancelling


@pytest.mark.usefixtures("clock")
def test_whoever_stops_reading_cancels_the_job() -> None:
    worker = Worker(working("Hel"), working("Hello"), working("Hello w"), done())
    deltas = worker.client().stream(request_for(CHAT))
    assert next(deltas).text == "Hel"
    assert worker.cancels == []
    deltas.close()
    assert worker.cancels == [{"job_id": JOB, "cancel": True, "key": KEY}]
    assert len(worker.starts) == 1


@pytest.mark.usefixtures("clock")
def test_whoever_stops_reading_async_cancels_the_job() -> None:
    worker = Worker(working("Hel"), working("Hello"), working("Hello w"), done())

    async def some() -> None:
        deltas = worker.client().astream(request_for(CHAT))
        async for delta in deltas:
            assert delta.text == "Hel"
            break
        await deltas.aclose()

    run(some())
    assert [body["job_id"] for body in worker.cancels] == [JOB]


@subcases("way", ASYNC_WAYS)
def test_a_task_that_is_canceled_cancels_its_job(way: Way, server: ScriptServer) -> None:
    starts, looks, cancels = script(server, working())

    async def give_up() -> None:
        task = asyncio.create_task(way.aask(native(server), request_for(CHAT)))
        await true(lambda: len(looks) >= 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(give_up())
    assert (len(starts), [body["job_id"] for body in cancels]) == (1, [JOB])


@subcases("way", ASYNC_WAYS)
def test_a_job_is_canceled_where_the_time_is_the_caller_s(way: Way, server: ScriptServer) -> None:
    _, _, cancels = script(server, working())

    async def hurry() -> None:
        async with asyncio.timeout(0.3):
            await way.aask(native(server), request_for(CHAT))

    with pytest.raises(TimeoutError):
        run(hurry())
    assert len(cancels) == 1


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("fault", [ZeroDivisionError, KeyboardInterrupt, AKIError, TimeoutError])
@in_every_way
def test_what_on_progress_raises_ends_the_call_and_the_job(way: Way, fault: type[BaseException]) -> None:
    seen: list[JobProgress] = []

    def on_progress(progress: JobProgress) -> None:
        seen.append(progress)
        if len(seen) == 2:
            raise fault("enough")

    worker = Worker(working(progress=1), working(progress=2), working(progress=3), done())
    with pytest.raises(fault, match="enough"):
        way.ask(worker.client(on_progress=on_progress), request_for(CHAT))
    assert (len(seen), len(worker.starts), len(worker.cancels)) == (2, 1, 1)


@pytest.mark.usefixtures("clock")
@in_every_way
def test_no_variable_on_the_way_of_what_on_progress_raises_holds_the_key(way: Way) -> None:
    def on_progress(_: JobProgress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        way.ask(Worker(working("Hel")).client(on_progress=on_progress), request_for(CHAT))
    ours = [
        frame
        for frame, _ in traceback.walk_tb(caught.value.__traceback__)
        if "aki_transport" in frame.f_code.co_filename
    ]
    assert len(ours) >= 3  # the client, the job, the wire
    assert not [frame for frame in ours if KEY in repr(frame.f_locals)]


@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_job_that_is_over_is_not_canceled(way: Way) -> None:
    worker = Worker(working("Hel"), done())
    way.ask(worker.client(), request_for(CHAT))
    assert worker.cancels == []


@pytest.mark.usefixtures("clock")
def test_reading_the_last_piece_and_no_further_cancels_nothing() -> None:
    worker = Worker(done())
    for delta in worker.client().stream(request_for(CHAT)):
        if delta.reply is not None:
            break
    assert worker.cancels == []


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(500),
        refused(402, "Client has no job with this job_id!"),
        refused(200, "no"),
    ],
)
@in_every_way
def test_a_cancel_that_fails_hides_no_error(way: Way, answer: Any) -> None:
    worker = Worker(httpx.Response(200, text="{"), cancel=answer)
    with pytest.raises(InvalidResponseError, match="not JSON"):
        way.ask(worker.client(), request_for(CHAT))
    assert len(worker.cancels) == 1


def test_jobs_side_by_side_keep_their_own(server: ScriptServer) -> None:
    """Each job's answer is its own number, whatever the order of the looks."""

    def answer(request: Request) -> Answer:
        if "/call/" in request.path:
            said = json.loads(request.json["chat_context"])[0]["content"]
            return json_answer({**STARTED, "job_id": f"JID#{said}"}, end="keep-alive")
        job_id = request.json["job_id"]
        return json_answer({**done(job_id), "job_id": job_id}, end="keep-alive")

    server.always = answer

    async def ask_many() -> list[str]:
        client = native(server)
        asked = (client.achat(request_for(CHAT, str(number))) for number in range(50))
        replies = await asyncio.gather(*asked)
        await client.aclose()
        return [reply.text for reply in replies]

    assert run(ask_many()) == [f"JID#{number}" for number in range(50)]


def test_a_stream_comes_as_the_worker_writes(server: ScriptServer) -> None:
    """On a real socket and by the true clock: pieces arrive while the job runs, not at its end."""
    begun = time.monotonic()
    words = "one two three four five six"

    def answer(request: Request) -> Answer:
        if "/call/" in request.path:
            return json_answer(STARTED, end="keep-alive")
        age = time.monotonic() - begun
        return json_answer(done(words) if age > 1 else working(words[: int(age * len(words))]), end="keep-alive")

    server.always = answer
    deltas = list(native(server).stream(request_for(CHAT)))
    assert added_up(deltas).text == words
    assert len([delta for delta in deltas if delta.text]) >= 4


@pytest.mark.usefixtures("clock")
@in_every_way
def test_a_failed_job_s_error_knows_which_one_it_was(way: Way) -> None:
    with pytest.raises(JobError) as caught:
        way.ask(Worker(done(error="no")).client(), request_for(CHAT))
    assert (caught.value.job_id, caught.value.state) == (JOB, "failed")


# Other event loops


def test_an_event_loop_of_another_library_is_refused_with_what_to_do() -> None:
    worker = Worker(done())
    calls: list[Any] = [worker.client().achat(request_for(CHAT)), anext(worker.client().astream(request_for(CHAT)))]
    for call in calls:
        with pytest.raises(ConfigurationError, match="asyncio"):  # no loop of asyncio's runs this coroutine
            call.__await__().__next__()
    assert worker.starts == []
