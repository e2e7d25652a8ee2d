"""One table of faults, over every kind of request, sync and async, blocking and streamed.

A connection is the transport's: one framework is asked at every place, the other at the first and of no time limit.
`make faults` asks both of all at all of them.
"""

import gc
from collections.abc import Iterator

import pytest

from tests.behaviour.running import in_time, time_limits
from tests.faults.checks import check
from tests.faults.injected_faults import MB
from tests.faults.running import BOUNDS, CELLS, PLACES, READERS, ROWS, Service, applies, try_out, undisturbed
from tests.faults.table import Fault


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    gc.collect()  # the clients of earlier tests, kept by tracebacks: their pools stay open
    with undisturbed(), Service() as service:
        yield service


@pytest.mark.parametrize("fault", ROWS, ids=[fault.name for fault in ROWS])
def test_a_fault_ends_as_the_table_says(fault: Fault, service: Service, subtests):
    cells = [cell for cell in CELLS if cell.row is fault and applies(cell)]
    assert cells
    for cell in cells:
        if cell.reader is READERS[0] or (cell.face is PLACES[0] and not time_limits(cell)):
            with subtests.test(str(cell)):
                in_time(cell, lambda longer, cell=cell: check(cell, try_out(cell, service, longer)))


def test_the_bounds_that_are_lowered_here_are_those_of_the_documentation():
    assert BOUNDS == {"MAX_BODY": 64 * MB, "MAX_EVENT": 16 * MB}


def test_whatever_is_not_tried_has_its_reason():
    left_out = [cell for cell in CELLS if not applies(cell)]
    assert len(CELLS) == len(ROWS) * len(PLACES) * len(READERS) * 4
    assert all(cell.result.why for cell in left_out)
