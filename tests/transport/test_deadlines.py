"""`total_timeout` bounds the whole call, whatever takes the time."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest

from aki_transport import Client, Timeout, errors
from aki_transport.messages import JsonSchema
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, ScriptServer, json_answer, sse
from tests.transport.asking import (
    Way,
    alive,
    client_for,
    good,
    in_every_chat,
    in_every_stream,
    in_every_way,
    patient,
    request_for,
)

TOTAL = 0.5
BOUND = 5.0  # half of what the slowest of these answers take, so that a busy machine may be late


@pytest.fixture(autouse=True, scope="module")
def first_call() -> None:
    """The first call of a process reads certificates, for which these bounds are too short on a busy machine."""
    with ScriptServer(always=replied()) as server:
        client_for(server).chat(request_for())


EVENT_STREAM = {"content-type": "text/event-stream"}
TRICKLE = Answer(headers=EVENT_STREAM, chunks=sse(chunk("x"), done=False).chunks * 200, chunk_delay=0.05)
NO_FORMAT = json_answer({"error": {"message": "response_format is not supported"}}, 400)


@pytest.mark.parametrize(
    ("answer", "cls", "requests"),
    [
        (Answer(status=400, chunks=(b"x",) * 200, chunk_delay=0.05), errors.AKIError, range(1, 2)),
        (TRICKLE, errors.APIConnectionError, range(1, 2)),
        (json_answer({"error": {"message": "Not now"}}, 429, retry_after="60"), errors.RateLimitError, range(1, 2)),
        (Answer(status=503, headers={"retry-after": "0.05"}, chunks=(b"",), delay=0.2), errors.AKIError, range(1, 5)),
        (replace(NO_FORMAT, delay=TOTAL), errors.AKIError, range(1, 2)),
    ],
    ids=["trickling error", "trickling stream", "a pause", "attempts share it", "another way of asking"],
)
@in_every_way
def test_an_answer_that_takes_too_long(way, answer, cls, requests, server):
    server.always = answer
    wanted = JsonSchema(name="x", schema={"type": "object"})
    total = 30 if cls is errors.RateLimitError else TOTAL  # that pause is not begun
    client = client_for(server, total_timeout=total, max_retries=50, model_listing=False)
    with patient(BOUND), pytest.raises(cls) as caught:
        way.ask(client, request_for(response_format=wanted))
    assert len(server.requests) in requests
    if cls in (errors.APITimeoutError, errors.APIConnectionError):
        assert "AKI.IO: total_timeout passed" in str(caught.value)
    if answer is TRICKLE and way.streamed:
        assert isinstance(caught.value, errors.StreamInterruptedError)
        assert 1 <= len(caught.value.partial_text) < 200


@in_every_chat
def test_a_listing_that_hangs_counts_too(chat_way, server):
    server.listing = Answer(end="hang")
    server.always = good
    with patient(BOUND), pytest.warns(UserWarning, match="listing"), pytest.raises(errors.APITimeoutError):
        chat_way.ask(client_for(server, total_timeout=TOTAL))


def test_a_deadline_that_passes_between_calls_cuts_nothing(server):
    server.always = alive(replied())
    client = client_for(server, total_timeout=TOTAL, model_listing=False)  # which holds the connection
    client.chat(request_for())
    server.say(replace(replied(), delay=TOTAL + 0.1))
    assert client_for(server).chat(request_for()).text == "Hello"


@in_every_stream
def test_what_drips_behind_the_end_of_a_stream_is_not_waited_for(stream_way, server):
    complete = streamed("Hel", "lo")
    server.always = replace(complete, chunks=(*complete.chunks, *(b": more\n\n",) * 500), chunk_delay=0.02)
    with patient(BOUND):
        assert stream_way.ask(client_for(server, total_timeout=None)).text == "Hello"


def read_slowly(way: Way, client: Client, pause: float, after: int = 1) -> Iterator[str]:
    """The answer's texts, by someone who takes a pause after one of them."""
    if not way.is_async:
        for number, delta in enumerate(client.stream(request_for())):
            yield delta.text
            time.sleep(pause if number == after else 0)
        return
    with asyncio.Runner() as runner:
        deltas = client.astream(request_for())
        with suppress(StopAsyncIteration):
            for number in count():
                yield runner.run(anext(deltas)).text
                runner.run(asyncio.sleep(pause if number == after else 0))


@pytest.mark.parametrize(("after", "delay"), [(0, 0.02), (1, 0.1)])
@in_every_stream
def test_a_reader_may_take_longer_than_a_piece(stream_way, server, after, delay):
    server.always = replace(streamed("A", "B", "C", "D", "E"), chunk_delay=delay)
    client = client_for(server, timeout=Timeout(chunk=0.25))
    assert "".join(read_slowly(stream_way, client, 0.4, after)) == "ABCDE"


@pytest.mark.parametrize("delay", [0.01, 0.1])
def test_a_loop_that_is_busy_for_longer_loses_nothing(server, delay):
    server.always = replace(streamed(*"ABCDEFGHIJ"), chunk_delay=delay)

    async def main() -> str:
        asyncio.get_running_loop().call_later(0.25, time.sleep, 0.5)
        deltas = client_for(server, timeout=Timeout(chunk=0.3)).astream(request_for())
        return "".join([delta.text async for delta in deltas])

    assert asyncio.run(main()) == "ABCDEFGHIJ"


@in_every_stream
def test_silence_after_some_pieces_ends_in_time_also_for_a_slow_reader(stream_way, server):
    pieces = streamed("A", "B", "C").chunks[:4]
    server.always = Answer(headers=EVENT_STREAM, chunks=pieces, chunk_delay=0.02, end="hang")
    with patient(BOUND), pytest.raises(errors.StreamInterruptedError) as caught:
        list(read_slowly(stream_way, client_for(server, timeout=Timeout(chunk=0.2)), 0.3))
    assert caught.value.partial_text == "ABC"
