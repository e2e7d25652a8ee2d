"""`python -m tests.tools.benchmarks`: measure, and print one table. It reports; no figure makes it fail."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.tools.benchmarks.contenders import CONTENDERS, left_out
from tests.tools.benchmarks.curves import OF_CURVES, curve_table
from tests.tools.benchmarks.modes import BRIEF_PARTS, MODES, Mode, chosen
from tests.tools.benchmarks.plot import FORMATS, plot
from tests.tools.benchmarks.report import as_json, circumstances, lines_of, table
from tests.tools.benchmarks.rounds import BRIEF, FULL, QUICK, measured


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for."""
    given = _read(arguments)
    effort = BRIEF if given.brief else QUICK if given.quick else FULL
    modes = _modes(given)
    start = time.monotonic()
    asked = [
        row
        for row in CONTENDERS
        if (given.before or row.part != "before") and (not given.brief or row.part in BRIEF_PARTS)
    ]
    contenders, missing = [row for row in asked if row.is_here], left_out(asked)
    if missing:
        _tell(missing)
    lines = lines_of(modes, contenders, measured(modes, contenders, effort, lambda title: _tell(f"… {title}")))
    around = {
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": effort.rounds,
        "quick": effort is not FULL,
        "seconds": round(time.monotonic() - start),
        **circumstances(contenders),
    }
    _say(table(lines))
    curves = curve_table(lines)
    if curves:
        _say(f"\n{curves}")
    _say(
        f"\nCPU in the contender's process, medians of {effort.rounds} interleaved rounds (fewer of what takes long),"
        " GC on; memory resident. floor: httpx + json and the framework alone, added up (import: what the framework's"
        f" row imports).\n{around['date']}, {around['cores']} cores, {around['system']}, Python {around['python']};"
        f" {around['seconds']} s in all."
    )
    for environment, versions in around["versions"].items():
        _say(f"{environment or 'here'}: {', '.join(f'{name} {version}' for name, version in versions.items())}.")
    if missing:
        _say(missing)
    if effort is not FULL:
        _say("A quick run: one round is a look, whether an aim is met says only the full one.")
    if given.json is not None:
        given.json.write_text(f"{json.dumps({**around, 'figures': as_json(lines)}, indent=1)}\n")
    if given.plot is not None:
        plot(lines, given.plot)


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.benchmarks", description=__doc__)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="one round, for a look rather than for figures")
    effort.add_argument("--brief", action="store_true", help="less than that, in some 20 s: few calls of few modes")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only", metavar="MODE", choices=[mode.key for mode in MODES], help=f"one of: {_keys()}")
    what.add_argument("--curves", action="store_true", help="only what shows how costs grow")
    parser.add_argument("--before", action="store_true", help="ours as it was over urllib3 and aiohttp, side by side")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every round's figures there too")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="draw the curves there, as .png or .svg")
    given = parser.parse_args(arguments)
    if given.brief and (given.only or given.curves):
        parser.error("--brief has modes of its own; leave out --only and --curves, or take --quick")
    if given.plot is not None and (given.only or given.brief):
        parser.error("--plot draws what --curves or a run of everything measures")
    if given.plot is not None and given.plot.suffix not in FORMATS:
        parser.error(f"--plot writes {' or '.join(FORMATS)}")
    return given


def _modes(given: argparse.Namespace) -> Sequence[Mode]:
    if given.brief:
        return [mode for mode in MODES if mode.is_brief]
    if given.curves:
        return chosen(OF_CURVES)
    return MODES if given.only is None else chosen([given.only])


def _keys() -> str:
    return ", ".join(mode.key for mode in MODES)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
