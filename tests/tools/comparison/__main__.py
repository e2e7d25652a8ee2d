"""`python -m tests.tools.comparison`: what the generic clients give beside ours. It reports, and judges nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.tools.comparison.clients import CLIENTS
from tests.tools.comparison.lines import LINES
from tests.tools.comparison.playing import played
from tests.tools.comparison.report import missing, tables, versions


def main(arguments: Sequence[str] | None = None) -> None:
    """Play what the command line asks for, and print it."""
    keys = [line.key for line in LINES]
    parser = argparse.ArgumentParser(prog="python -m tests.tools.comparison", description=__doc__)
    parser.add_argument("--only", metavar="KEY", choices=keys, help=f"one of: {', '.join(keys)}")
    only = parser.parse_args(arguments).only
    lines = [line for line in LINES if only in (None, line.key)]
    found = played(lines, [row for row in CLIENTS if row.is_here])
    said = (tables(lines, found), versions(found), missing(found), "CPU per streamed chunk: `make bench` measures it.")
    sys.stdout.write("".join(f"{words}\n\n" for words in said if words))


if __name__ == "__main__":
    main()
