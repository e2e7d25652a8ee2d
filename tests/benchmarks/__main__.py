"""`python -m tests.benchmarks`: measure, and print one table. It reports; no figure makes it fail."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.contenders import CONTENDERS, left_out
from tests.benchmarks.modes import MODES, chosen
from tests.benchmarks.report import as_json, circumstances, lines_of, table
from tests.benchmarks.rounds import FULL, QUICK, measured


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, for a look rather than for figures")
    parser.add_argument("--only", metavar="MODE", choices=[mode.key for mode in MODES], help=f"one of: {_keys()}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every round's figures there too")
    given = parser.parse_args(arguments)
    modes, effort = MODES if given.only is None else chosen([given.only]), QUICK if given.quick else FULL
    start = time.monotonic()
    contenders, missing = [row for row in CONTENDERS if row.is_here], left_out(CONTENDERS)
    if missing:
        _tell(missing)
    lines = lines_of(modes, contenders, measured(modes, contenders, effort, lambda title: _tell(f"… {title}")))
    around = {
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": effort.rounds,
        "quick": given.quick,
        "seconds": round(time.monotonic() - start),
        **circumstances(contenders),
    }
    _say(table(lines))
    _say(
        f"\nCPU in the contender's process, medians of {effort.rounds} interleaved rounds, GC on; memory resident."
        " floor: httpx + json and the framework alone, added up (import: what the framework's row imports)."
        f"\n{around['date']}, {around['cores']} cores, {around['system']}, Python {around['python']};"
        f" {around['seconds']} s in all."
    )
    for environment, versions in around["versions"].items():
        _say(f"{environment or 'here'}: {', '.join(f'{name} {version}' for name, version in versions.items())}.")
    if missing:
        _say(missing)
    if given.quick:
        _say("A quick run: one round is a look, whether an aim is met says only the full one.")
    if given.json is not None:
        given.json.write_text(f"{json.dumps({**around, 'figures': as_json(lines)}, indent=1)}\n")


def _keys() -> str:
    return ", ".join(mode.key for mode in MODES)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
