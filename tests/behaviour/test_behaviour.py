"""One table of behaviours, over every provider, protocol and class, sync and async, blocking and streamed."""

import logging
from collections.abc import Iterator

import pytest

from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings
from aki_transport.transport import polling
from tests.behaviour.checks import check
from tests.behaviour.faces import FACES
from tests.behaviour.rows import ROWS
from tests.behaviour.running import in_time, runs, try_out
from tests.behaviour.table import Row
from tests.transport.asking import Clock


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    """250 seconds of its jobs pass in one of a pause."""
    with Emulator(job_speed=250) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator, one_loop: None, monkeypatch, caplog) -> Emulator:  # noqa: ARG001  behind `running`
    """Pauses take no time. Its jobs go on in them, and in nothing else, however fast the machine is; all is logged."""
    clock = Clock(monkeypatch)
    monkeypatch.setattr(running._jobs, "_clock", lambda: clock.passed)
    monkeypatch.setattr(polling, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(polling, "_TO_START", 0.3)  # a start that takes a minute is not waited for here
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="aki_transport")
    return running


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_behaviour_is_as_the_table_says(row: Row, emulator, caplog, subtests):
    cells = runs(row)
    assert cells
    if not row.afresh:
        for face in FACES:
            face.learn(emulator)

    def attempt(longer: int) -> None:
        if row.afresh:
            forget_listings()
        emulator.reset()
        caplog.clear()
        check(run, try_out(run, emulator, longer), emulator, caplog.text)

    for run in cells:
        with subtests.test(str(run)):
            in_time(run, attempt)
