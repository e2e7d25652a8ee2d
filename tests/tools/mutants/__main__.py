"""`python -m tests.tools.mutants [MODULE …]`: changes a module in one place after the other, and runs its tests.

Without modules: the listed changes, which once went unnoticed. `all`: every module of the table. A change that the
quick tests of a module do not notice is shown to the slower ones.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence

from tests.tools.mutants.operators import Mutation, mutations
from tests.tools.mutants.table import EQUIVALENT, LISTED, TESTS
from tests.tools.mutants.trial import ROOT, Trial


def try_module(path: str, tests: Sequence[str], skip: int, sample: int, until: float) -> tuple[int, list[str]]:
    """How many changes were tried, and the names of those that no test noticed."""
    changes = list(mutations((ROOT / path).read_text()))[skip:]
    changes = changes[:: max(1, len(changes) // sample)][:sample] if sample else changes
    trials: list[Trial] = []
    tried, survivors = 0, []
    reasons = EQUIVALENT.get(path, {})
    for mutation in changes:
        if time.monotonic() > until:
            sys.stderr.write(f"{path}: time is over; go on with --skip {skip + tried}\n")
            break
        tried += 1
        if not _is_killed(path, tests, trials, mutation):
            survivors.append(mutation.name)
            note = reasons.get(mutation.name)
            sys.stderr.write(f"{path}:{mutation.line}: {mutation.name}{f'  [{note}]' if note else ''}\n")
    return tried, survivors


def _is_killed(path: str, tests: Sequence[str], trials: list[Trial], mutation: Mutation) -> bool:
    """Whether one of the groups of tests notices the change; each is prepared when it is first needed."""
    for number, group in enumerate(tests):
        if number == len(trials):
            trials.append(Trial(ROOT / path, shlex.split(group)))
            failure = trials[number].prepare()
            if failure is not None:
                raise SystemExit(f"{path}: its tests fail without a change\n{failure}")
        if trials[number].is_killed(mutation):
            return True
    return False


def try_listed() -> int:
    """Try each listed change; how many no test noticed."""
    sys.stdout.write("| module | text | changed to | noticed |\n|---|---|---|---|\n")
    survived = 0
    for row in LISTED:
        text = (ROOT / row.path).read_text()
        mutation = Mutation(row.old, 0, text.replace(row.old, row.new))
        trial = Trial(ROOT / row.path, shlex.split(row.tests))
        failure = trial.prepare()
        if text.count(row.old) != 1 or failure is not None:
            raise SystemExit(f"{row.path}: {row.old!r} stands there {text.count(row.old)} times\n{failure or ''}")
        killed = trial.is_killed(mutation)
        survived += not killed
        sys.stdout.write(f"| {row.path} | `{row.old}` | `{row.new}` | {'yes' if killed else '**no**'} |\n")
        sys.stdout.flush()
    return survived


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the command line asks for; how many changes no test noticed, those with a known reason left out."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="paths, or `all`")
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
    for path in TESTS if options.modules == ["all"] else options.modules:
        tests = (options.tests,) if options.tests else TESTS[path]
        tried, survivors = try_module(path, tests, options.skip, options.sample, until)
        known = sum(name in EQUIVALENT.get(path, {}) for name in survivors)
        unexplained += len(survivors) - known
        row = (tried, tried - len(survivors), known, len(survivors) - known)
        sys.stdout.write(f"| {path} | {' | '.join(map(str, row))} |\n")
        sys.stdout.flush()
    return unexplained


if __name__ == "__main__":
    sys.exit(bool(main()))
