"""Every fault at every place, with the chat class of each framework, in every mode."""

import asyncio
import logging
import os
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aki_transport.transport import attempts, body, polling, sse
from tests.behaviour import running
from tests.behaviour.running import Run, aask, ask, make, time_limits
from tests.behaviour.table import MODES, of
from tests.faults import unreachable
from tests.faults.places import PLACES, kind_of, right
from tests.faults.rows import ROWS
from tests.faults.table import NotHere
from tests.scenarios import KEY, MODEL
from tests.script_server import Answer, Request, ScriptServer

READERS = tuple(reader for reader in running.READERS if "chat" in reader.tags)
CELLS = tuple(Run(row, place, reader, mode) for row in ROWS for place in PLACES for reader in READERS for mode in MODES)
_BOUNDED = ((body, "MAX_BODY"), (sse, "MAX_EVENT"))
BOUNDS = {name: getattr(module, name) for module, name in _BOUNDED}
"""Bytes at which reading stops, before they are lowered."""
_OPEN = Path("/proc/self/fd")
_SOON = 30.0  # seconds until what is going away has gone, on a very busy machine


def applies(cell: Run) -> bool:
    return not isinstance(cell.result, NotHere)


@dataclass(slots=True, kw_only=True)
class Happened(running.Happened):
    answers: list[list[Any]] = field(default_factory=list)  # the items that came for each question
    seen: Counter[str] = field(default_factory=Counter)  # how often the service saw each kind of request
    tries: int = 1  # how often the call was sent or tried to be, by its own log
    seconds: float = 0.0
    most: int = 0  # bytes that were held at most
    left: list[str] = field(default_factory=list)  # what is left behind


class Service(ScriptServer):
    """The server of all cells, one after the other: right answers, but for the requests that the fault strikes."""

    key = KEY

    def __init__(self) -> None:
        super().__init__(models=[{"id": MODEL, "object": "model", "max_model_len": 0}])
        self.always, self.hangs_up = self._struck_answer, self._struck_head

    def play(self, cell: Run) -> None:
        self._cell, self._seen, self._looks = cell, Counter[str](), 0
        self.requests.clear()

    def _is_struck(self, kind: str, number: int) -> bool:
        first = of(self._cell.row.at, self._cell.tags)
        return kind == self._cell.face.strikes and first <= number < first + self._cell.row.times

    def _struck_answer(self, request: Request) -> Answer:
        fault, kind = self._cell.row, kind_of(request)
        self._seen[kind] += 1
        self._looks = 0 if kind == "call" else self._looks + (kind == "look")  # those at a new job
        answer = right(request, self._looks, tools=bool(fault.tools))
        return fault.strike(answer) if fault.strike and self._is_struck(kind, self._seen[kind]) else answer

    def _struck_head(self, head: Request) -> bool:
        kind = kind_of(head)
        is_struck = self._cell.row.hangs_up and self._is_struck(kind, self._seen[kind] + 1)
        self._seen[kind] += is_struck
        return is_struck


class _Tries(logging.Handler):
    """Counts the attempts of a call, by the repetitions that the transport logs."""

    count = 1

    def emit(self, record: logging.LogRecord) -> None:
        self.count += "attempt %d follows" in str(record.msg)


@contextmanager
def undisturbed() -> Iterator[None]:
    """No pauses, bounds of a sixteenth, and nothing from outside."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in _BOUNDED:
            patch.setattr(module, name, BOUNDS[name] // 16)
        patch.setattr(polling, "pause", lambda *_, **__: 0.0)
        patch.setattr(polling, "_TO_START", 0.1)
        patch.setattr(polling, "LONGEST_OUTAGE", 0.0)
        patch.setattr(attempts, "pause_before", lambda *_: 0.0)
        for name in list(os.environ):
            if name.startswith(("AKI_", "LANGCHAIN_", "LANGSMITH_", "LC_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        yield


@dataclass(slots=True)
class Left:
    """Notes which descriptors and threads there were before, and tells which others are there afterwards."""

    descriptors: frozenset[str] = field(default_factory=lambda: frozenset(_descriptors()))
    threads: frozenset[threading.Thread] = field(default_factory=lambda: frozenset(threading.enumerate()))
    tasks: list[str] = field(default_factory=list)

    def behind(self) -> list[str]:
        """What is left over; given a moment, for the other end and what was told to end take one."""

        def over() -> list[str]:
            threads = (thread.name for thread in threading.enumerate() if thread not in self.threads)
            return [*(_descriptors() - self.descriptors), *threads]

        until(lambda: not over())
        return [*over(), *self.tasks]

    async def note_tasks(self) -> None:
        """Note the tasks of the loop that are still there, a moment later."""
        end = time.monotonic() + _SOON
        while (others := asyncio.all_tasks() - {asyncio.current_task()}) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self.tasks += [repr(task) for task in others]


def try_out(cell: Run, service: Service, longer: int = 1) -> Happened:
    """Ask, and keep what comes; no error gets out. Time limits that are met are this many times longer."""
    happened, fault = Happened(), cell.row
    service.play(cell)
    with (
        nullcontext(service) if fault.outside is None else unreachable.place(fault.outside) as where,
        _tries() as tries,
    ):
        left = Left()
        if fault.most is not None:
            tracemalloc.start()
        began = time.monotonic()
        with happened.keep():
            model = make(cell, where, **time_limits(cell, longer))
            if cell.mode.waits == "async":
                asyncio.run(_awaited(cell, where, model, happened, left))
            else:
                _asked(cell, where, model, happened)
        happened.seconds = time.monotonic() - began
        if fault.most is not None:
            happened.most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        until(lambda: not service.open_connections)
        happened.left = left.behind()
    happened.seen = Counter(map(kind_of, service.requests))
    happened.tries = tries.count
    return happened


@contextmanager
def _tries() -> Iterator[_Tries]:
    log, tries = logging.getLogger("aki_transport"), _Tries()
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(tries)
    try:
        yield tries
    finally:
        log.removeHandler(tries)
        log.setLevel(level)


def _questions(cell: Run, happened: Happened) -> Iterator[list[Any]]:
    for _ in range(cell.row.asks):
        happened.items = []
        happened.answers.append(happened.items)
        yield happened.items


def _is_at_rest(cell: Run, where: Any) -> bool:
    """Whether all connections have gone but that of the looks at a job whose start was struck."""
    return not cell.row.rests or where.open_connections <= (cell.face.name == "native start")


def _asked(cell: Run, where: Any, model: Any, happened: Happened) -> None:
    try:
        for items in _questions(cell, happened):
            ask(cell, model, items)
            until(lambda: _is_at_rest(cell, where))
    finally:
        model.close()


async def _awaited(cell: Run, where: Any, model: Any, happened: Happened, left: Left) -> None:
    # What the loop complains of is left behind, too.
    asyncio.get_running_loop().set_exception_handler(lambda _, found: left.tasks.append(found["message"]))
    try:
        for items in _questions(cell, happened):
            await aask(cell, model, items)
            if cell.row.rests:
                await asyncio.to_thread(until, lambda: _is_at_rest(cell, where))
                await asyncio.sleep(0.02)  # for the loop to hear of it
    finally:
        await model.aclose()
        await left.note_tasks()


def _descriptors() -> set[str]:
    """What is open, with the numbers of sockets and pipes, which are never used again."""
    names = set()
    for entry in _OPEN.iterdir():
        with suppress(FileNotFoundError):  # the one of the listing itself
            names.add(f"{entry.name} {entry.readlink()}")
    return names


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + _SOON
    while not is_so() and time.monotonic() < end:
        time.sleep(0.005)
