"""One table of faults, over every kind of request, both frameworks, sync and async, blocking and streamed."""

from __future__ import annotations

import pytest

from tests.faults.checks import check
from tests.faults.running import CELLS, FAULTS, PLACES, READERS, Cell, Service, try_out


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.applies], ids=str)
def test_a_fault_ends_as_the_table_says(cell: Cell, service: Service):
    check(cell, try_out(cell, service))


def test_whatever_is_not_tried_has_its_reason():
    left_out = [cell for cell in CELLS if not cell.applies]
    assert len(CELLS) == len(FAULTS) * len(PLACES) * len(READERS) * 4
    assert all(cell.result.why for cell in left_out)
    assert all(any(cell.applies for cell in CELLS if cell.fault is fault) for fault in FAULTS)
