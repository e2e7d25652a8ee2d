"""Runs the recipe in Ray's environment on rows with known answers, kills a worker, and looks at what is left.

The emulator is here, outside of Ray, so that what was really asked is known from somebody who has no part in it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aki_transport.emulator import Emulator
from tests.tools.benchmarks.memory import memory_mb

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv" / "ray" / "bin" / "python"
MODEL = "apertus-chat-70b"
AT_ONCE = 4
LATENCY = 0.3  # seconds until the first byte of an answer
_LONGEST = 300  # seconds
# Nothing else: no key, no proxy and no Ray cluster of whoever runs it.
_KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one run.

    Args:
        said: The counts that the recipe printed.
        answers: What stands in `answers.parquet`, row by row.
        asked: How often the emulator was asked each row's question.
        killed: The worker that was killed, or None.
        listening: Addresses that Ray listened on.
        left: Processes that outlived the command.
        memory: Resident MB of the largest worker when one of them was killed.
        seconds: From the start of the command to its end.
        rate: Calls begun in a second while all actors were at work.
    """

    said: dict[str, int]
    answers: list[dict[str, Any]]
    asked: Counter[str]
    killed: int | None
    listening: set[str]
    left: list[int]
    memory: float | None
    seconds: float
    rate: float

    def right(self, questions: Sequence[str]) -> int:
        """How many answers are right."""
        return sum(
            row["answer"] is not None and known_answer(questions[row["id"]]) in row["answer"].replace(",", "")
            for row in self.answers
        )


def questions(count: int, too_long: Sequence[int] = ()) -> list[str]:
    """Questions with known answers; those of the given numbers do not fit into the model's context window."""
    asked = [f"What is {number + 1} * {count - number}?" for number in range(count)]
    for number in too_long:
        asked[number] = f"{'word ' * 70_000}\n\n{asked[number]}"
    return asked


def known_answer(question: str) -> str:
    """What is right."""
    left, _, right = question.rpartition("What is ")[2].rstrip("?").partition(" * ")
    return str(int(left) * int(right))


def write_rows(path: Path, asked: Sequence[str]) -> None:
    """The questions as a Parquet file."""
    pq.write_table(pa.table({"id": range(len(asked)), "question": list(asked)}), path)


def play(
    service: Emulator, framework: str, folder: Path, *, actors: int, batch: int, kill_after: int | None = None
) -> Outcome:
    """Run the recipe on `folder/rows.parquet`, and kill a worker once so many calls were begun."""
    service.reset()
    start = time.monotonic()
    with _started(service, framework, folder, actors=actors, batch=batch) as process:
        killed, memory = (None, None) if kill_after is None else _kill(process, folder, kill_after)
        family = _family(process.pid)
        listening = _listening(family)
        written, _ = process.communicate(timeout=_LONGEST)
    if process.returncode:
        raise RuntimeError(f"the recipe ended with {process.returncode}; what it said stands above")
    asked = [seen.body["messages"][-1]["content"] for seen in service.requests if seen.path.endswith("/completions")]
    return Outcome(
        said=json.loads(written.splitlines()[-1]),
        answers=pq.read_table(folder / "out" / "answers.parquet").to_pylist(),
        asked=Counter(asked),
        killed=killed,
        listening=listening,
        left=_left(family),
        memory=memory,
        seconds=time.monotonic() - start,
        rate=_rate(folder),
    )


@contextmanager
def _started(
    service: Emulator, framework: str, folder: Path, *, actors: int, batch: int
) -> Iterator[subprocess.Popen[str]]:
    fields = {"base_url": service.openai_url, "default_headers": {"x-emulator-fault": f"first-byte={LATENCY}"}}
    options = {
        "--model": MODEL,
        "--framework": framework,
        "--fields": json.dumps(fields),
        "--prompt": "{question}",
        "--actors": actors,
        "--at-once": AT_ONCE,
        "--batch": batch,
    }
    given = [str(word) for option in options.items() for word in option]
    process = subprocess.Popen(  # noqa: S603  our own module
        [PYTHON, "-m", "notebooks.at_scale", folder / "rows.parquet", folder / "out", *given],
        cwd=ROOT,
        env={**{name: os.environ[name] for name in _KEPT if name in os.environ}, "AKI_API_KEY": service.key},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()  # at which Ray ends its own processes
            process.wait(timeout=60)


def _kill(process: subprocess.Popen[str], folder: Path, after: int) -> tuple[int, float]:
    """End a worker with calls under way by SIGKILL; its process ID, and the MB of the largest until then."""
    limit = time.monotonic() + _LONGEST
    while sum(map(len, _begun(folder).values())) < after:
        if process.poll() is not None or time.monotonic() > limit:
            raise RuntimeError(f"no worker was killed: fewer than {after} calls were begun")
        time.sleep(0.02)
    # The one that began a call last: it waits for the answer.
    begun = {int(name.rsplit("-", 2)[1]): times[-1] for name, times in _begun(folder).items()}
    workers = {each: moment for each, moment in begun.items() if _is_rays(each)}
    newest = max(workers, key=lambda each: workers[each])
    memory = max(memory_mb("VmRSS", each) for each in workers)
    os.kill(newest, signal.SIGKILL)
    return newest, memory


def _is_rays(process: int) -> bool:
    """Whether it is one of Ray's workers, and no process that answered rows before."""
    return Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::")


def _begun(folder: Path) -> dict[str, list[float]]:
    """When each worker began its calls."""
    files = (folder / "out" / "calls").glob("*.txt")
    begun = {file.stem: [float(line.split()[0]) for line in file.read_text().splitlines()] for file in files}
    return {worker: times for worker, times in begun.items() if times}


def _rate(folder: Path) -> float:
    workers = _begun(folder).values()
    first, last = max(times[0] for times in workers), min(times[-1] for times in workers)
    begun = sum(first < moment <= last for times in workers for moment in times)
    return begun / (last - first) if last > first else 0.0


def _listening(family: Sequence[int]) -> set[str]:
    """The addresses that processes listen on, as Linux writes them."""
    inodes = {inode for process in family for inode in _sockets(process)}
    rows = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def _family(root: int) -> list[int]:
    """A process and those below it."""
    below: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        for file in Path(f"/proc/{root}/task").glob("*/children"):
            below += [int(child) for child in file.read_text().split()]
    return [root, *(each for child in below for each in _family(child))]


def _sockets(process: int) -> Iterator[str]:
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        for link in Path(f"/proc/{process}/fd").iterdir():
            target = str(link.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]


def _left(family: Sequence[int]) -> list[int]:
    """Those that do not end within some seconds."""
    limit = time.monotonic() + 15
    while (left := [process for process in family if Path(f"/proc/{process}").exists()]) and time.monotonic() < limit:
        time.sleep(0.1)
    return left
