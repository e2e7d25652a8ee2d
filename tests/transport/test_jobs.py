"""A job is started once, looked at in time and without haste, and canceled when nobody waits for it any more."""

import asyncio
import json
import traceback
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import Client, JobProgress, errors
from aki_transport.transport import Timeout, polling
from aki_transport.transport.polling import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE_STREAMED, pause
from aki_transport.wire import _job
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.transport.asking import KEY, Clock, in_every_chat, in_every_stream, in_every_way, patient, request_for, run
from tests.transport.native_says import CHAT, STARTED, Worker, done, refused, working


def native(server: ScriptServer, **fields: Any) -> Client:
    return Client(protocol="native", base_url=f"{server.url}/api", **{"api_key": KEY, **fields})


@given(st.floats(0, 1e9), st.booleans())
def test_no_pause_is_none_and_none_is_long(age, stream):
    longest = LONGEST_PAUSE_STREAMED if stream else LONGEST_PAUSE
    assert FIRST_PAUSE <= pause(age, stream=stream) <= longest


@pytest.mark.parametrize(("seconds", "most"), [(1, 30), (10, 50), (590, 350)])
@in_every_chat
def test_a_long_job_is_looked_at_seldom(chat_way, seconds, most, clock):
    worker = Worker(lambda: done() if clock.passed >= seconds else working())
    assert chat_way.ask(worker.client(), request_for(CHAT)).text == "Hello"
    assert len(worker.looks) <= most
    assert seconds <= clock.passed <= seconds + 2.5


@in_every_stream
def test_someone_who_reads_along_waits_less_for_each_piece(stream_way, clock):
    worker = Worker(*[working()] * 100, done())
    stream_way.ask(worker.client(), request_for(CHAT))
    assert max(clock.pauses) == LONGEST_PAUSE_STREAMED
    assert len(clock.pauses) == 101


def late(worker: Worker, clock: Clock, seconds: float) -> None:
    """Have so many seconds pass before each answer."""
    answer = worker.answer

    def respond(request: httpx.Request) -> httpx.Response:
        clock.passed += seconds
        return answer(request)

    worker.answer = respond  # type: ignore[method-assign]


def response(status: int, message: str = "no worker") -> httpx.Response:
    return httpx.Response(status, json={"message": message})


@pytest.mark.parametrize(
    ("failure", "cls", "seconds"),
    [
        # A client of the user's is not believed that the job never began.
        (httpx.ConnectError("refused"), errors.APIConnectionError, 0),
        (httpx.ConnectTimeout("late"), errors.APIConnectionError, 0),
        (httpx.WriteError("broken pipe"), errors.APIConnectionError, 0),
        (httpx.ReadTimeout("late"), errors.APITimeoutError, 0),
        *((response(status), errors.ServerError, 0) for status in (500, 502, 504)),
        (response(408), errors.APIStatusError, 0),
        *((response(503), errors.ServerError, seconds) for seconds in (5.5, 60)),
        *(
            (response(503, words), errors.ServerError, 0)
            for words in ("timeout", "timed out", "time-out", "deadline exceeded")
        ),
        (httpx.Response(200, text="{"), errors.InvalidResponseError, 0),
        (refused(401, "no"), errors.AuthenticationError, 0),
    ],
)
@in_every_way
def test_a_job_that_may_have_begun_is_not_started_again(way, failure, cls, seconds, clock):
    worker = Worker(done(), start=(failure, STARTED))
    late(worker, clock, seconds)
    with pytest.raises(cls):
        way.ask(worker.client(max_retries=5), request_for(CHAT))
    assert (len(worker.starts), worker.looks, clock.pauses) == (1, [], [])


LOST = (httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.ReadTimeout("slow"))
REFUSED = (*map(httpx.Response, (429, 500, 503)), refused(200, "Job queue reached max length 1!"))


@pytest.mark.parametrize(
    ("failure", "times"), [*((failure, 12) for failure in LOST), *((failure, 2) for failure in REFUSED)]
)
@in_every_way
def test_a_look_that_fails_is_repeated(way, failure, times, clock, monkeypatch):
    monkeypatch.setattr(polling, "LONGEST_OUTAGE", 60.0)
    worker = Worker(working("Hel"), *[failure] * times, working("Hello"), failure, done())
    assert way.ask(worker.client(), request_for(CHAT)).text == "Hello"
    assert (len(worker.starts), len(worker.looks), worker.cancels) == (1, times + 4, [])
    assert times == 2 or clock.passed > 3


GONE = httpx.ConnectError("refused")
HEL = (working("Hel"), working("Hello"))
LONG = (*HEL, working("Hello w"))
BOUNDS = Timeout(answer=10, chunk=1)
# What each look finds, the bounds of the call, and what is raised when, after which text.
TOO_LONG = {
    "out of sight for too long": ((*HEL, GONE), {}, errors.APIConnectionError, "refused", (55, 70), "Hel"),
    "out of sight until the end": ((*HEL, GONE), {"timeout": 20}, errors.APITimeoutError, "refused", (15, 20), "Hel"),
    "timeout": ((working(),), {"timeout": BOUNDS}, errors.APITimeoutError, "s, which timeout=", (7, 10), ""),
    "total_timeout": (LONG, {"total_timeout": 5}, errors.APITimeoutError, "total_timeout= allows", (0, 5), "Hello w"),
}


@pytest.mark.parametrize("row", TOO_LONG)
@in_every_way
def test_a_job_for_which_the_time_is_up_is_canceled(way, row, clock, monkeypatch):
    states, bounds, cls, words, seconds, text = TOO_LONG[row]
    monkeypatch.setattr(polling, "LONGEST_OUTAGE", 60.0)
    worker = Worker(*states)
    with pytest.raises(errors.APIConnectionError, match=words) as caught:
        way.ask(worker.client(**bounds), request_for(CHAT))
    assert seconds[0] <= clock.passed <= seconds[1]
    assert (len(worker.starts), len(worker.cancels)) == (1, 1)
    assert caught.value.provider == "AKI.IO"
    if way.streamed and text:
        assert isinstance(caught.value, errors.StreamInterruptedError)
        assert caught.value.partial_text == text
    else:
        assert type(caught.value) is cls


@in_every_chat
def test_without_any_bound_a_job_may_take_a_day(chat_way, clock):
    worker = Worker(*[working()] * 144, done())
    late(worker, clock, 600)
    client = worker.client(timeout=Timeout(connect=None, answer=None, chunk=None))
    assert chat_way.ask(client, request_for(CHAT)).text == "Hello"
    assert clock.passed > 86_400


@in_every_chat
def test_a_look_that_hangs_is_taken_again(chat_way, server, monkeypatch):
    monkeypatch.setattr(_job, "_POLL_TIMEOUT", Timeout(answer=0.5))
    server.say(json_answer(STARTED, end="keep-alive"), Answer(end="hang"), json_answer(done()))
    with patient(5):
        assert chat_way.ask(native(server), request_for(CHAT)).text == "Hello"
    assert [request.path.split("/")[2] for request in server.requests] == ["call", "progress", "progress"]
    assert "cancel" not in server.requests[-1].json


@in_every_chat
def test_a_cancel_that_hangs_holds_nobody_up_for_long(chat_way, server, monkeypatch):
    monkeypatch.setattr("aki_transport.transport.polling._TO_CANCEL", 0.1)
    cancels = []

    def answer(request: Request) -> Answer:
        if not request.json.get("cancel"):
            return json_answer(working(), end="keep-alive")
        cancels.append(request)
        return Answer(end="hang")

    server.always = answer
    # The time may end between two looks or within one; a busy machine decides which.
    with patient(30), pytest.raises(errors.APITimeoutError):
        chat_way.ask(native(server, total_timeout=0.5), request_for(CHAT))
    assert len(cancels) == 1


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("fault", [ZeroDivisionError, KeyboardInterrupt, errors.AKIError, TimeoutError])
@in_every_way
def test_what_on_progress_raises_ends_the_call_and_the_job(way, fault):
    seen: list[JobProgress] = []

    def on_progress(progress: JobProgress) -> None:
        seen.append(progress)
        if len(seen) == 2:
            raise fault("enough")

    worker = Worker(working(progress=1), working(progress=2), working(progress=3), done())
    with pytest.raises(fault, match="enough") as caught:
        way.ask(worker.client(on_progress=on_progress), request_for(CHAT))
    assert (len(seen), len(worker.starts), len(worker.cancels)) == (2, 1, 1)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if "aki_transport" in frame.f_code.co_filename]
    assert len(ours) >= 3  # the client, the job, the wire
    assert not [frame for frame in ours if KEY in repr(frame.f_locals)]


@pytest.mark.usefixtures("clock")
def test_reading_the_last_piece_and_no_further_cancels_nothing():
    worker = Worker(done())
    for delta in worker.client().stream(request_for(CHAT)):
        if delta.reply is not None:
            break
    assert worker.cancels == []


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "answer", [httpx.ConnectError("refused"), httpx.Response(500), refused(402, "no such job"), refused(200, "no")]
)
@in_every_way
def test_a_cancel_that_fails_hides_no_error(way, answer, caplog):
    caplog.set_level("INFO", "aki_transport")
    worker = Worker(httpx.Response(200, text="{"), cancel=answer)
    with pytest.raises(errors.InvalidResponseError, match="not JSON"):
        way.ask(worker.client(), request_for(CHAT))
    assert len(worker.cancels) == 1
    is_taken = isinstance(answer, httpx.Response) and answer.is_success
    assert any("the job could not be canceled" in message for message in caplog.messages) is not is_taken


def test_jobs_side_by_side_keep_their_own(server):
    """Each job's answer is its own number, whatever the order of the looks."""

    def answer(request: Request) -> Answer:
        if "/call/" in request.path:
            job = {**STARTED, "job_id": f"JID#{json.loads(request.json['chat_context'])[0]['content']}"}
        else:
            job = {**done(request.json["job_id"]), "job_id": request.json["job_id"]}
        return json_answer(job, end="keep-alive")

    server.always = answer

    async def ask_many() -> list[str]:
        async with native(server) as client:
            replies = await asyncio.gather(*(client.achat(request_for(CHAT, str(number))) for number in range(20)))
        return [reply.text for reply in replies]

    assert run(ask_many()) == [f"JID#{number}" for number in range(20)]


def test_an_event_loop_of_another_library_is_refused_with_what_to_do():
    worker = Worker(done())
    client = worker.client()
    stream = anext(client.astream(request_for(CHAT)))
    calls: list[Any] = [client.achat(request_for(CHAT)), stream, client.arefresh_models(), client.aclose()]
    for call in calls:
        with pytest.raises(errors.ConfigurationError, match="asyncio"):  # no loop of asyncio's runs this coroutine
            call.__await__().__next__()
    assert worker.starts == []
