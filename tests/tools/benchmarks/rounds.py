"""Runs the modes: one process per contender, asked in turn (A B C, A B C, …) so that noise hits all alike.

A round goes through all modes, so that each is measured all over the run: a host that is slow for a minute is slow in
one round of each, and no figure is compared to one that was taken many minutes earlier.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, TypeAlias

from tests.tools.benchmarks.contenders import ROOT, Contender, modules_alone
from tests.tools.benchmarks.modes import Mode
from tests.tools.benchmarks.worker import Order

Figures: TypeAlias = Mapping[tuple[str, str], Sequence[float]]
"""What was measured in each round, in ms or MB, by the mode's key and the contender's name."""

_FRESH = "from tests.tools.benchmarks.fresh import main; main()"
# What could send a call through a proxy, trace it, or change what a contender does.
_UNWANTED = ("HTTP_", "HTTPS_", "ALL_", "NO_PROXY", "LANGSMITH_", "LANGCHAIN_", "OPENAI_", "AKI_", "PYTHON")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured.

    Args:
        rounds: Of each mode that runs in a process that stays.
        fresh: Of each figure that needs a fresh process.
        calls: Most calls one after the other in a round.
        batches: Most batches of calls at once in a round.
        streams: Most answers in pieces, or batches of those, in a round.
        chunks: Most pieces of a stream.
        concurrency: Most at once.
        models: Made after the first.
    """

    rounds: int
    fresh: int
    calls: int
    streams: int
    batches: int = sys.maxsize
    chunks: int = sys.maxsize
    concurrency: int = sys.maxsize
    models: int = 100

    def of(self, order: Order) -> Order:
        """The order, no larger than this."""
        most = self.streams if order.chunks else self.batches if order.concurrency > 1 else self.calls
        return replace(
            order,
            count=min(order.count, most),
            chunks=min(order.chunks, self.chunks),
            concurrency=min(order.concurrency, self.concurrency),
        )


FULL = Effort(rounds=7, fresh=15, calls=sys.maxsize, streams=sys.maxsize)
QUICK = Effort(rounds=1, fresh=1, calls=200, streams=8, batches=5)
BRIEF = Effort(rounds=1, fresh=1, calls=40, streams=2, batches=3)


class Worker:
    """One contender's process."""

    def __init__(self, contender: Contender, url: str) -> None:
        self._name = contender.name
        self._process = _started(contender, "-m", "tests.tools.benchmarks.worker", contender.name, url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process)

    def await_ready(self) -> None:
        """Wait until it has imported what it needs."""
        self._answer()

    def carry_out(self, order: Order) -> dict[str, float]:
        """What `measure` in its process gives."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{json.dumps(asdict(order))}\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"the process of {self._name} ended; what it said stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def measured(
    modes: Sequence[Mode], contenders: Sequence[Contender], effort: Effort, tell: Callable[[str], object]
) -> Figures:
    """The figures of every mode and contender.

    Args:
        modes: What to measure.
        contenders: Of whom.
        effort: How much.
        tell: Told what is measured now.
    """
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with _server() as url:
        lasting = [mode for mode in modes if mode.measured == "order"]
        with _workers([row for row in contenders if any(row.part in mode.parts for mode in lasting)], url) as workers:
            for turn in range(effort.rounds if lasting else 0):
                tell(f"round {turn + 1} of {effort.rounds}")
                for mode in lasting:
                    if _is_due(turn, effort.rounds, mode.rounds):
                        for row in _taking(mode, contenders):
                            answer = workers[row.name].carry_out(effort.of(mode.orders[0]))
                            found[mode.key, row.name].append(1000 * answer["cpu"])
        fresh = [mode for mode in modes if mode.measured == "fresh"]
        if fresh:
            tell("imports and models in fresh processes")
        for _ in range(effort.fresh if fresh else 0):
            for row in contenders:
                taken = [mode for mode in fresh if row.part in mode.parts]
                figures = _fresh(row, url, effort.models) if taken else {}
                for mode in taken:
                    value = figures[mode.figure]
                    found[mode.key, row.name].append(value if mode.unit == "MB" else 1000 * value)
        for mode in modes:
            if mode.measured in ("peak", "rise"):
                tell(mode.title)
                with _workers(_taking(mode, contenders), url) as workers:
                    for name, worker in workers.items():
                        answers = [worker.carry_out(effort.of(order)) for order in mode.orders]
                        before = answers[0]["held"] if mode.measured == "rise" else 0
                        found[mode.key, name].append(answers[-1]["peak"] - before)
    return found


def _is_due(turn: int, turns: int, most: int) -> bool:
    """Whether a mode that runs in `most` of the turns runs in this one; those are spread evenly."""
    runs = min(turns, most)
    return turn * runs // turns < (turn + 1) * runs // turns


def _taking(mode: Mode, contenders: Sequence[Contender]) -> list[Contender]:
    return [row for row in contenders if row.part in mode.parts]


@contextmanager
def _workers(contenders: Sequence[Contender], url: str) -> Iterator[Mapping[str, Worker]]:
    """A new process for each, by name."""
    with ExitStack() as stack:
        workers = {row.name: stack.enter_context(Worker(row, url)) for row in contenders}
        for worker in workers.values():
            worker.await_ready()
        yield workers


@contextmanager
def _server() -> Iterator[str]:
    process = _started(None, "-m", "tests.tools.benchmarks.server")
    try:
        port = process.stdout.readline().strip() if process.stdout is not None else ""
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


def versions_for(contender: Contender) -> dict[str, str]:
    """What is installed where it runs."""
    with _started(contender, "-m", "tests.tools.benchmarks.versions") as process:
        written, _ = process.communicate()
    versions: dict[str, str] = json.loads(written)
    return versions


def _fresh(contender: Contender, url: str, models: int) -> dict[str, float]:
    # The framework first, in every contender's process: nested in another module's, the same import of it takes up to a
    # tenth more, for how its pages of memory come to lie.
    modules = ",".join(dict.fromkeys((*modules_alone(contender.framework), contender.module)))
    with _started(contender, "-c", _FRESH, modules, contender.name, url, str(models)) as process:
        written, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a fresh process of {contender.name} failed; what it said stands above")
    figures: dict[str, float] = json.loads(written)
    return figures


def _started(contender: Contender | None, *arguments: str) -> subprocess.Popen[str]:
    """Python where the contender runs. Its tree comes first on the path, and this one, with the benchmarks, second."""
    python, tree = (contender.python, contender.tree) if contender else (sys.executable, "")
    return subprocess.Popen(  # noqa: S603  our own modules
        [python, *arguments],
        cwd=ROOT / tree,
        env={**_environment(), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _end(process: subprocess.Popen[str]) -> None:
    """Close its standard input, at which it ends."""
    process.communicate()


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_UNWANTED)}
    return {**kept, "LANGSMITH_TRACING": "false"}
