"""What a run may leave behind: descriptors, threads, tasks, and what the event loop complains of."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_OPEN = Path("/proc/self/fd")
_SOON = 30.0  # seconds until what is going away has gone, on a very busy machine


def descriptors() -> frozenset[str]:
    """What is open, with the numbers of sockets and pipes, which are never used again."""
    found = set()
    for entry in _OPEN.iterdir():
        with suppress(FileNotFoundError):  # the one of the listing itself
            found.add(f"{entry.name} {entry.readlink()}")
    return frozenset(found)


@dataclass(slots=True)
class Left:
    """Notes what was there before, and tells what else is there afterwards."""

    descriptors: frozenset[str] = field(default_factory=descriptors)
    threads: frozenset[threading.Thread] = field(default_factory=lambda: frozenset(threading.enumerate()))
    tasks: list[str] = field(default_factory=list)

    def behind(self) -> list[str]:
        """What is left over; given a moment, for the other end and what was told to end take one."""

        def over() -> list[str]:
            threads = (thread.name for thread in threading.enumerate() if thread not in self.threads)
            return [*(descriptors() - self.descriptors), *threads]

        until(lambda: not over())
        return [*over(), *self.tasks]

    async def watch(self) -> None:
        """Note what the loop complains of from now on."""
        asyncio.get_running_loop().set_exception_handler(lambda _, found: self.tasks.append(found["message"]))

    async def note_tasks(self) -> None:
        """Note the tasks of the loop that are still there, a moment later."""
        end = time.monotonic() + _SOON
        while (others := asyncio.all_tasks() - {asyncio.current_task()}) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self.tasks += [repr(task) for task in others]


def until(so: Callable[[], bool]) -> None:
    """Wait until it is so, but not for ever."""
    end = time.monotonic() + _SOON
    while not so() and time.monotonic() < end:
        time.sleep(0.005)
