"""`python -m tests.tools.mutants [MODULE …]`: changes a module in one place after the other, and runs its tests.

Without modules: the listed changes, which once went unnoticed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.tools.mutants.operators import Mutation, mutations
from tests.tools.mutants.table import EQUIVALENT, GROUPS, LISTED, tests_of
from tests.tools.mutants.trial import ROOT, Trial


def try_module(path: str, trials: Trials, skip: int, sample: int, until: float) -> tuple[int, list[str]]:
    """How many changes were tried, and the names of those that no test noticed."""
    changes = list(mutations((ROOT / path).read_text()))[skip:]
    changes = changes[:: max(1, len(changes) // sample)][:sample] if sample else changes
    tried, survivors = 0, []
    reasons = EQUIVALENT.get(path, {})
    for mutation in changes:
        if time.monotonic() > until:
            sys.stderr.write(f"{path}: time is over; go on with --skip {skip + tried}\n")
            break
        tried += 1
        outcome = "noticed"
        if not trials.is_killed(path, mutation):
            survivors.append(mutation.name)
            outcome = f"equivalent: {reasons[mutation.name]}" if mutation.name in reasons else "NOT NOTICED"
        sys.stderr.write(f"{path}:{mutation.line}: {mutation.name}  [{outcome}]\n")
        sys.stderr.flush()
    return tried, survivors


class Trials:
    """The tests of the modules, prepared once for all modules that have the same."""

    def __init__(self, paths: Sequence[str], tests: str | None) -> None:
        self._tests = {path: tests or tests_of(path) for path in paths}
        self._prepared: dict[str, Trial] = {}

    def is_killed(self, path: str, mutation: Mutation) -> bool:
        """Whether a test notices the change."""
        tests = self._tests[path]
        if tests not in self._prepared:
            paths = [ROOT / each for each, of_it in self._tests.items() if of_it == tests]
            self._prepared[tests] = _prepare(tests, paths)
        return self._prepared[tests].is_killed(ROOT / path, mutation)


def _prepare(tests: str, paths: Sequence[Path]) -> Trial:
    trial = Trial(shlex.split(tests), paths)
    failure = trial.prepare()
    if failure is not None:
        raise SystemExit(f"{tests}: fails without a change\n{failure}")
    return trial


def try_listed() -> int:
    """Try each listed change; how many no test noticed."""
    sys.stdout.write("| module | text | changed to | noticed |\n|---|---|---|---|\n")
    survived = 0
    for row in LISTED:
        text = (ROOT / row.path).read_text()
        mutation = Mutation(row.old, 0, text.replace(row.old, row.new))
        if text.count(row.old) != 1:
            raise SystemExit(f"{row.path}: {row.old!r} stands there {text.count(row.old)} times")
        killed = _prepare(row.tests, [ROOT / row.path]).is_killed(ROOT / row.path, mutation)
        survived += not killed
        sys.stdout.write(f"| {row.path} | `{row.old}` | `{row.new}` | {'yes' if killed else '**no**'} |\n")
        sys.stdout.flush()
    return survived


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the command line asks for; how many changes no test noticed, those with a known reason left out."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="paths, or names of groups in table.py")
    parser.add_argument("--tests", help="arguments for pytest instead of the table's")
    parser.add_argument("--skip", type=int, default=0, help="changes of the module to leave out at its beginning")
    parser.add_argument("--sample", type=int, default=0, help="so many changes of each module, evenly spread")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for all modules together")
    options = parser.parse_args(arguments)
    if not options.modules:
        return try_listed()
    until = time.monotonic() + options.seconds
    unexplained = 0
    sys.stdout.write("| module | changes | noticed | equivalent | unnoticed |\n|---|---|---|---|---|\n")
    paths = [path for each in options.modules for path in (GROUPS.get(each) or (each,))]
    trials = Trials(paths, options.tests)
    for path in paths:
        tried, survivors = try_module(path, trials, options.skip, options.sample, until)
        known = sum(name in EQUIVALENT.get(path, {}) for name in survivors)
        unexplained += len(survivors) - known
        row = (tried, tried - len(survivors), known, len(survivors) - known)
        sys.stdout.write(f"| {path} | {' | '.join(map(str, row))} |\n")
        sys.stdout.flush()
    return unexplained


if __name__ == "__main__":
    sys.exit(bool(main()))
