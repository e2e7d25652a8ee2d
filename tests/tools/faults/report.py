"""The findings as a table: a row for each fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.behaviour.running import Run
from tests.faults.running import CELLS, ROWS, Happened, applies
from tests.faults.table import Fault

_HEADS = ("fault", "cells", "passed", "failed", "not applicable", "requests seen", "expected", "longest, s")


@dataclass(frozen=True, slots=True)
class Found:
    """One cell that was tried.

    Args:
        cell: Which one.
        happened: What came of it.
        wrong: What is wrong with that, in the first line of its error; None if nothing is.
    """

    cell: Run
    happened: Happened
    wrong: str | None

    @property
    def seen(self) -> int:
        """How often the request that is struck was seen, or tried where nobody can see it."""
        outside = self.cell.row.outside is not None
        return self.happened.tries if outside else self.happened.seen[self.cell.face.strikes]


def table(faults: Sequence[Fault], found: Sequence[Found]) -> str:
    """A row for each fault, and one for all; as Markdown."""
    rows = [_row(fault.name, [fault], [each for each in found if each.cell.row is fault]) for fault in faults]
    if len(faults) > 1:
        rows.append(_row("all", faults, found))
    marks = ["---", *["---:"] * (len(_HEADS) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (_HEADS, marks, *rows))


def _row(name: str, faults: Sequence[Fault], found: Sequence[Found]) -> list[str]:
    cells = sum(cell.row in faults for cell in CELLS)
    failed = sum(each.wrong is not None for each in found)
    numbers = (
        cells,
        len(found) - failed,
        failed,
        cells - len(found),
        sum(each.seen for each in found),
        sum(each.cell.result.requests for each in found),
    )
    longest = max((each.happened.seconds for each in found), default=0.0)
    return [name, *map(str, numbers), f"{longest:.2f}"]


def wrong(found: Sequence[Found]) -> str:
    """Every cell that failed, and how; empty if none did."""
    return "\n".join(f"{each.cell}: {each.wrong}" for each in found if each.wrong is not None)


def reasons(faults: Sequence[Fault]) -> Mapping[str, int]:
    """Why cells are not applicable, and how many for each reason."""
    counts: dict[str, int] = {}
    for cell in CELLS:
        if cell.row in faults and not applies(cell):
            counts[cell.result.why] = counts.get(cell.result.why, 0) + 1
    return counts


NAMES = tuple(fault.name for fault in ROWS)
