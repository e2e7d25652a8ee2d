"""One table of behaviours, over every provider, protocol and class, sync and async, blocking and streamed."""

from __future__ import annotations

import pytest

from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings
from tests.behaviour.checks import check
from tests.behaviour.faces import FACES
from tests.behaviour.rows import ROWS
from tests.behaviour.running import in_time, runs, try_out
from tests.behaviour.table import Row
from tests.transport.asking import Clock


@pytest.fixture(autouse=True)
def clock(running: Emulator, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Pauses take no time. The emulator's jobs go on in them, and in nothing else, whatever the machine does."""
    clock = Clock(monkeypatch)
    monkeypatch.setattr(running._jobs, "_clock", lambda: clock.passed)
    return clock


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
