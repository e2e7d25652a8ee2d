"""One table of faults, over every kind of request, sync and async, blocking and streamed.

A connection is the transport's: one framework is asked at every place, the other at the first. `make faults` asks both
at all of them.
"""

from __future__ import annotations

import pytest

from tests.faults.checks import check
from tests.faults.injected_faults import MB
from tests.faults.running import BOUNDS, CELLS, FAULTS, PLACES, READERS, Cell, Service, try_out
from tests.faults.table import Fault


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_ends_as_the_table_says(fault: Fault, service: Service, subtests):
    cells = [cell for cell in CELLS if cell.fault is fault and cell.applies]
    assert cells
    for cell in cells:
        if cell.reader is READERS[0] or cell.place is PLACES[0]:
            with subtests.test(str(cell)):
                _try(cell, service)


def _try(cell: Cell, service: Service) -> None:
    """A short time limit can pass on a busy machine before what it is to strike at has happened: then a longer one."""
    try:
        check(cell, try_out(cell, service))
    except Exception:
        if cell.fault.patience is None:
            raise
        check(cell, try_out(cell, service, longer=8))


def test_the_bounds_that_are_lowered_here_are_those_of_the_documentation():
    assert BOUNDS == {"MAX_BODY": 64 * MB, "MAX_EVENT": 16 * MB}


def test_whatever_is_not_tried_has_its_reason():
    left_out = [cell for cell in CELLS if not cell.applies]
    assert len(CELLS) == len(FAULTS) * len(PLACES) * len(READERS) * 4
    assert all(cell.result.why for cell in left_out)
