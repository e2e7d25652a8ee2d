"""The emulator's process, seen from the one that asks it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Told:
    """What the service tells of itself.

    Args:
        counts: The requests since it told the last time, by the number of their question.
        jobs: How many jobs it is at that someone has asked for.
        cpu: The CPU seconds it took so far.
    """

    counts: Mapping[int, int]
    jobs: int
    cpu: float


class Service:
    """Starts the process, and ends it with `with`. Has the addresses that an `Emulator` has."""

    openai_url: str
    anthropic_url: str
    native_url: str
    key: str

    def __enter__(self) -> Self:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.soak.server"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.__dict__.update(self._line())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def tell(self) -> Told:
        """Ask it."""
        with self._turn:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            said = self._line()
        counts = {int(number): count for number, count in said["counts"].items()}
        return Told(counts, said["jobs"], said["cpu"])

    def _line(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the emulator's process has ended")
        return json.loads(line)
