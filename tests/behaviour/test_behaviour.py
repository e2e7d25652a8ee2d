"""One table of behaviours, over every provider, protocol and class, sync and async, blocking and streamed."""

from __future__ import annotations

import pytest

from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings
from tests.behaviour import rows, rows_of_jobs
from tests.behaviour.checks import check
from tests.behaviour.faces import FACES
from tests.behaviour.running import Run, runs, time_limits, try_out
from tests.behaviour.table import Row

ROWS = (*rows.ROWS, *rows_of_jobs.ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_behaviour_is_as_the_table_says(row: Row, emulator, caplog, subtests):
    cells = runs(row)
    assert cells
    if not row.afresh:
        for face in FACES:
            face.learn(emulator)
    for run in cells:
        with subtests.test(str(run)):
            try:
                _try(run, emulator, caplog)
            except AssertionError:
                # A short time limit can pass on a busy machine before what it is to strike at has happened.
                if not time_limits(run):
                    raise
                _try(run, emulator, caplog, longer=8)


def _try(run: Run, emulator: Emulator, caplog: pytest.LogCaptureFixture, longer: int = 1) -> None:
    if run.row.afresh:
        forget_listings()
    emulator.reset()
    caplog.clear()
    check(run, try_out(run, emulator, longer), emulator, caplog.text)
