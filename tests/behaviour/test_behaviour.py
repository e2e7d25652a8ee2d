"""One table of behaviours, over every provider, protocol and class, sync and async, blocking and streamed."""

from __future__ import annotations

import pytest

from aki_transport.models.listing import forget_listings
from tests.behaviour import rows, rows_of_jobs
from tests.behaviour.checks import check
from tests.behaviour.running import runs, try_out
from tests.behaviour.table import Row

ROWS = (*rows.ROWS, *rows_of_jobs.ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_behaviour_is_as_the_table_says(row: Row, emulator, caplog, subtests):
    cells = runs(row)
    assert cells
    for run in cells:
        with subtests.test(str(run)):
            if row.afresh:
                forget_listings()
            else:
                run.face.learn(emulator)
            emulator.reset()
            caplog.clear()
            check(run, try_out(run, emulator), emulator, caplog.text)
