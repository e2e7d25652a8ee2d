"""What came of a run, compared with what the table says."""

import asyncio
import pickle

import pytest

from aki_transport.emulator import Emulator
from tests.behaviour.running import Happened, Run, has_let_go
from tests.behaviour.table import Answer, Expect, Fails, Left, of

_FULL = 100.0  # dollars that the emulator's accounts hold at first


def check(run: Run, happened: Happened, emulator: Emulator, log: str) -> None:
    result = run.result
    match result:
        case Expect():
            if happened.error is not None:
                raise happened.error
            check_answer(run, run.reader.read(happened.items), result)
        case Fails():
            check_error(run, happened, result)
        case Left():
            assert isinstance(happened.error, asyncio.CancelledError if result.by == "cancel" else type(None))
            assert has_let_go(emulator)
    check_calls(run, happened, emulator)
    check_secrets(run, happened, emulator, log)


def check_answer(run: Run, answer: Answer, expect: Expect) -> None:
    known, streams = answer.known, run.mode.comes == "stream"
    assert answer.text == expect.text
    assert "".join(answer.pieces) == expect.text
    if expect.text:
        assert len(list(filter(None, answer.pieces))) >= (expect.pieces if streams else 1)
    assert answer.whole
    assert bool(answer.reasoning) is expect.reasons
    assert answer.calls == expect.calls
    assert known["finish_reason"] == expect.finish
    assert known["model_name"] == run.face.models[expect.served]
    assert known["model_provider"] == run.face.provider
    assert known["request_id"]
    if expect.usage:
        read, written, both = answer.usage
        assert read > 0
        assert written > 0 or not (answer.text or answer.calls)
        assert both == read + written
        assert expect.output_tokens in (None, written)
    if "credits" in run.tags:
        assert 0 < known["credits_used"] < 1
        assert known["credits_remaining"] == pytest.approx(_FULL - known["credits_used"], abs=1e-6)
    else:
        assert "credits_used" not in known


def check_error(run: Run, happened: Happened, fails: Fails) -> None:
    error = happened.error
    assert type(error) is run.reader.error(fails.error), repr(error)
    assert fails.says in str(error)
    for name, value in fails.has.items():
        assert getattr(error, name) == value
    if fails.part_of is not None:
        given = "".join(map(run.reader.text_of, happened.items))
        assert error.partial_text == given
        assert fails.part_of.startswith(given)
        assert 0 < len(given) < len(fails.part_of)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  our own


def check_calls(run: Run, happened: Happened, emulator: Emulator) -> None:
    result = run.result
    calls = [seen for seen in emulator.requests if run.face.call in seen.path]
    assert len(calls) == (1 if isinstance(result, Left) else result.requests)
    assert [job.cancelled for job in emulator.jobs] == [result.cancels] * len(emulator.jobs)
    assert len(emulator.jobs) <= 1
    if isinstance(result, Left):
        return
    queued = [each.queue_position for each in happened.progress if each.state == "queued"]
    assert tuple(queued) == result.queue
    if isinstance(result, Expect) and emulator.jobs:
        check_progress(happened, result, emulator.jobs[0].id)
    assert [words for words in happened.warned if result.warns is None or result.warns not in words] == []
    assert bool(happened.warned) is (result.warns is not None)


def check_progress(happened: Happened, result: Expect, job_id: str) -> None:
    told = happened.progress
    states = [each.state for each in told]
    at_work = [each.percent for each in told if each.state == "processing"]
    assert {each.job_id for each in told} == {job_id}
    assert states == sorted(states, key=["queued", "processing", "done"].index)
    assert at_work == sorted(at_work)
    assert at_work or not result.queue
    assert result.cancels or (told[-1].state, told[-1].percent) == ("done", 100.0)


def check_secrets(run: Run, happened: Happened, emulator: Emulator, log: str) -> None:
    error = happened.error
    told = f"{error!r} {error} {vars(error)}" if error is not None else ""
    shown = f"{happened.items!r} {happened.progress!r} {happened.warned} {told} {log}"
    assert getattr(emulator, run.face.key) not in shown
    assert of(run.row.given, run.tags).get("api_key", "no key at all") not in shown
    assert "auth_key" not in shown
    assert "'auth'" not in shown
