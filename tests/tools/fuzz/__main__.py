"""`python -m tests.tools.fuzz`: every parser under a coverage-guided fuzzer, and a table of what came of it."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.tools.fuzz.targets import TARGETS, Target

_LONGEST = 256  # bytes of an input
_PATIENCE = 20  # seconds for one input, which would be a fall too
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_COVERED = re.compile(r"cov: (\d+)")


@dataclass
class Found:
    """What came of one target.

    Attributes:
        inputs: How many were tried.
        covered: Branches of our code that they reached.
        falls: Each kind of fall: what was raised, where, and the input.
    """

    target: Target
    inputs: int = 0
    covered: int = 0
    falls: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    def line(self) -> str:
        """Its line of the table."""
        return f"| {self.target.name} | {self.inputs:,} | {self.covered:,} | {len(self.falls)} |"


def fuzz(target: Target, inputs: int, seconds: int) -> Found:
    """Feed it in a process of its own, until either is reached."""
    options = (
        f"-runs={inputs}",
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        f"-timeout={_PATIENCE}",
        "-rss_limit_mb=2048",
        "-len_control=0",
        "-print_final_stats=1",
        "-seed=1",
        f"-artifact_prefix={tempfile.gettempdir()}/",
    )
    command = [sys.executable, "-m", "tests.tools.fuzz.worker", target.name, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    found = Found(target)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            fall = json.loads(line)
            found.falls.setdefault(tuple(fall["kind"]), fall)
    runs, covered = _RUNS.search(done.stderr), _COVERED.findall(done.stderr)
    found.inputs = int(runs[1]) if runs else 0
    found.covered = int(covered[-1]) if covered else 0
    if done.returncode or not found.inputs:
        found.falls["ended", done.returncode] = {"words": done.stderr[-3000:], "input": ""}
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Feed what the command line asks for; how many kinds of fall there were."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000, help="for each parser")
    parser.add_argument("--seconds", type=int, default=60, help="for each parser, at most")
    parser.add_argument("--only", metavar="WORDS", default="", help="parsers whose names hold these words")
    given = parser.parse_args(arguments)
    sys.stdout.write("| parser | inputs tried | branches reached | crashes |\n|---|---|---|---|\n")
    crashes = 0
    for target in TARGETS:
        if given.only not in target.name:
            continue
        found = fuzz(target, given.inputs, given.seconds)
        sys.stdout.write(f"{found.line()}\n")
        sys.stdout.flush()
        crashes += len(found.falls)
        for fall in found.falls.values():
            sys.stderr.write(f"{json.dumps(fall, indent=1)}\n{fall.get('trace', '')}\n")
    return crashes


if __name__ == "__main__":
    sys.exit(bool(main()))
