"""`python -m tests.tools.faults`: what comes of each fault, counted; exits with 1 if not all is as the table says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.behaviour.running import Run, time_limits
from tests.faults.checks import check
from tests.faults.running import CELLS, ROWS, Happened, Service, applies, try_out, undisturbed
from tests.tools.faults.report import NAMES, Found, reasons, table, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.faults", description=__doc__)
    parser.add_argument("--only", metavar="FAULT", choices=NAMES, help=f"one of: {', '.join(NAMES)}")
    only = parser.parse_args(arguments).only
    faults = [fault for fault in ROWS if only in (None, fault.name)]
    with Service() as service, undisturbed():
        found = [_tried(cell, service) for cell in CELLS if cell.row in faults and applies(cell)]
    why = "\n".join(f"{count} not applicable: {reason}." for reason, count in reasons(faults).items())
    failures = wrong(found)
    sys.stdout.write("".join(f"{words}\n\n" for words in (table(faults, found), why, failures) if words))
    return 1 if failures else 0


def _tried(cell: Run, service: Service) -> Found:
    happened = try_out(cell, service)
    wrong = _wrong(cell, happened)
    if wrong is not None and time_limits(cell):
        happened = try_out(cell, service, longer=8)
        wrong = _wrong(cell, happened)
    return Found(cell, happened, wrong)


def _wrong(cell: Run, happened: Happened) -> str | None:
    try:
        check(cell, happened)
    except Exception as error:  # noqa: BLE001  whatever it is, it is told
        first = next(iter(str(error).splitlines()), "")
        return f"{type(error).__name__} {first}; came: {happened}"[:600]
    return None


if __name__ == "__main__":
    sys.exit(main())
