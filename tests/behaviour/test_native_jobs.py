"""What no table says of jobs: how they are told of, that they hold nothing up, and that they show no key."""

from __future__ import annotations

import asyncio
import gc
import traceback
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from aki_transport.emulator import Emulator
from aki_transport.transport import polling as jobs
from tests.behaviour.running import Run, make, runs
from tests.behaviour.table import Expect, Row
from tests.transport.asking import time_to_run

MANY = 100
COUNTED = Expect(text="1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.")

WAITED_FOR = Row(name="told", fault="queue=2;job-seconds=30", result=COUNTED, needs="native")
SLOW = Row(name="slow", fault="first-byte=0.5;job-seconds=50", result=COUNTED, needs="native async chat")
QUICK = Row(name="quick", fault="job-seconds=10", result=COUNTED, needs="native stream chat")
SECRET = Row(name="secret", fault="job-seconds=20", result=COUNTED, needs="native")
REFUSED = Row(name="refused", fault="lapse;job-seconds=20", result=COUNTED, needs="native")


def of_one_reader(*rows: Row) -> list[Run]:
    """Jobs and clients are the transport's, whichever class asks."""
    return [run for run in runs(*rows) if run.reader.name == "AKI"]


async def answer(run: Run, model: object) -> str:
    """The text, awaited."""
    coming = run.reader.aitems(model, run.row, stream=run.mode.comes == "stream")
    return run.reader.read([item async for item in coming]).text


def answer_now(run: Run, model: object) -> str:
    """The text."""
    if run.mode.waits == "async":
        return asyncio.run(answer(run, model))
    return run.reader.read(list(run.reader.items(model, run.row, stream=run.mode.comes == "stream"))).text


@pytest.mark.parametrize("run", runs(WAITED_FOR), ids=str)
def test_a_job_is_told_of_from_the_queue_to_its_end(run: Run, emulator):
    told = []
    assert answer_now(run, make(run, emulator, on_progress=told.append)) == COUNTED.text
    states = [progress.state for progress in told]
    at_work = [progress.percent for progress in told if progress.state == "processing"]
    assert states == sorted(states, key=["queued", "processing", "done"].index)
    assert [progress.queue_position for progress in told if progress.state == "queued"] == [2, 1]
    assert at_work == sorted(at_work)
    assert at_work
    assert (told[-1].state, told[-1].percent) == ("done", 100.0)
    assert {progress.job_id for progress in told} == {emulator.jobs[0].id}


@pytest.mark.parametrize("run", of_one_reader(SLOW), ids=str)
def test_a_slow_job_does_not_hold_the_event_loop_up(run: Run, emulator, monkeypatch):
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 0.5)

    async def longest_pause() -> float:
        longest = 0.0
        with time_to_run() as passed:
            last = passed()
            while not asked.done():
                await asyncio.sleep(0.005)
                longest, last = max(longest, passed() - last), passed()
        return longest

    async def both() -> tuple[str, float]:
        nonlocal asked
        await make(run, emulator, default_headers=None).arefresh_models()  # opens the connection, imports what it takes
        gc.collect()
        asked = asyncio.create_task(answer(run, make(run, emulator)))
        longest = await longest_pause()
        return await asked, longest

    asked: asyncio.Task[str]
    text, longest = asyncio.run(both())
    assert text == COUNTED.text
    assert longest < 0.4


@pytest.mark.parametrize("run", of_one_reader(QUICK), ids=str)
def test_a_hundred_jobs_are_streamed_at_once(run: Run, caplog):
    caplog.set_level("WARNING")

    async def all_of_them(model: object) -> list[str]:
        return await asyncio.gather(*(answer(run, model) for _ in range(MANY)))

    with Emulator(job_speed=50) as emulator:
        model = make(run, emulator)
        if run.mode.waits == "async":
            texts = asyncio.run(all_of_them(model))
        else:
            with ThreadPoolExecutor(MANY) as pool:
                texts = list(pool.map(lambda _: answer_now(run, model), range(MANY)))
        assert texts == [COUNTED.text] * MANY
        assert sum("/call/" in seen.path for seen in emulator.requests) == MANY
        assert {(job.state, job.cancelled) for job in emulator.jobs} == {("done", False)}
        model.close()


@pytest.mark.parametrize("run", of_one_reader(SECRET, REFUSED), ids=str)
def test_a_users_own_client_shows_no_key_either(run: Run, emulator, caplog):
    told, shown = [], []
    with httpx.Client() as http_client:
        http_async_client = httpx.AsyncClient()
        model = make(
            run, emulator, on_progress=told.append, http_client=http_client, http_async_client=http_async_client
        )

        async def awaited() -> None:
            async with http_async_client:
                coming = run.reader.aitems(model, run.row, stream=run.mode.comes == "stream")
                shown.extend([repr(item) async for item in coming])

        try:
            if run.mode.waits == "async":
                asyncio.run(awaited())
            else:
                shown.extend(map(repr, run.reader.items(model, run.row, stream=run.mode.comes == "stream")))
        except run.reader.error("JobError") as error:
            shown += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    everything = f"{shown} {told} {model!r} {model} {model.model_dump()} {caplog.text}"
    assert "/api/call/" in caplog.text  # httpx tells of every call
    assert emulator.key not in everything
    assert "auth_key" not in everything
    assert "'auth'" not in everything
