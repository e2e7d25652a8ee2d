"""What a process holds, and how long its event loop is held up."""

from __future__ import annotations

import asyncio
import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from tests.tools.benchmarks.memory import memory_mb

_LOOKS = 120  # at least so many over all, so that a short run has some in its first part too
_TICK = 0.01


@dataclass(frozen=True, slots=True)
class Look:
    """The process at one moment: resident memory in MB, open descriptors."""

    at: float
    memory: float
    descriptors: int


class Watch:
    """Looks at this process again and again, from a thread of its own.

    Args:
        seconds: For how long it will be needed.
    """

    def __init__(self, seconds: float) -> None:
        self._every = min(1.0, seconds / _LOOKS)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.looks: list[Look] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            descriptors = len(list(Path("/proc/self/fd").iterdir()))
            self.looks.append(Look(monotonic(), memory_mb("VmRSS"), descriptors))


def first_and_last(looks: Sequence[Look], window: float) -> tuple[Look, Look]:
    """The medians of the first so many seconds, and of the last."""
    start, end = looks[0].at + window, looks[-1].at - window
    parts = [look for look in looks if look.at <= start], [look for look in looks if look.at >= end]
    first, last = (
        Look(
            part[0].at,
            statistics.median(look.memory for look in part),
            round(statistics.median(look.descriptors for look in part)),
        )
        for part in parts
    )
    return first, last


class Pauses:
    """How long the running loop was held up, at most."""

    longest = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            began = monotonic()
            await asyncio.sleep(_TICK)
            self.longest = max(self.longest, monotonic() - began - _TICK)
