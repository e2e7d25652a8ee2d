"""One table of behaviours, over every provider, protocol and class, sync and async, blocking and streamed."""

from __future__ import annotations

import pytest

from aki_transport.models.listing import forget_listings
from tests.behaviour import rows, rows_of_jobs
from tests.behaviour.checks import check
from tests.behaviour.running import Run, runs, try_out


@pytest.mark.parametrize("run", runs(*rows.ROWS, *rows_of_jobs.ROWS), ids=str)
def test_a_behaviour_is_as_the_table_says(run: Run, emulator, caplog):
    if run.row.afresh:
        forget_listings()
    else:
        run.face.learn(emulator)
    emulator.reset()
    caplog.clear()
    happened = try_out(run, emulator)
    check(run, happened, emulator, caplog.text)
