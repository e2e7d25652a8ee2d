"""Every fault at every place, with the chat class of each framework, in every mode."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from aki_transport.transport import attempts, body, polling, sse
from tests.behaviour import in_langchain, in_llama_index
from tests.behaviour.answers import Reader
from tests.behaviour.table import MODES, Mode, Row, of
from tests.faults import rows_of_answers, rows_of_connections, unreachable
from tests.faults.left import Left, until
from tests.faults.places import PLACES, Place, kind_of, right
from tests.faults.table import Fault, NotHere, Result
from tests.scenarios import KEY, MODEL
from tests.script_server import Answer, Request, ScriptServer

FAULTS = (*rows_of_connections.ROWS, *rows_of_answers.ROWS)
READERS: tuple[Reader, ...] = (in_langchain.Chat(), in_llama_index.Chat())
_FROM_OUTSIDE = ("AKI_", "LANGCHAIN_", "LANGSMITH_", "LC_")
_BOUNDED = ((body, "MAX_BODY"), (sse, "MAX_EVENT"))
BOUNDS = {name: getattr(module, name) for module, name in _BOUNDED}
"""Bytes at which reading stops, before they are lowered."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A fault at one place of the table."""

    fault: Fault
    place: Place
    reader: Reader
    mode: Mode

    @property
    def tags(self) -> frozenset[str]:
        """What the row may ask for."""
        return self.place.tags | self.reader.tags | self.mode.tags

    @property
    def result(self) -> Result:
        """What must come of it here."""
        result: Any = self.fault.result
        while hasattr(result, "of"):
            result = result.of(self.tags)
        return result

    @property
    def kept(self) -> int:
        """How many connections a struck answer leaves alive: that of the looks at a job, where its start was struck."""
        return self.place.name == "native start"

    @property
    def applies(self) -> bool:
        """Whether the fault makes sense here."""
        return not isinstance(self.result, NotHere)

    def __str__(self) -> str:
        return f"{self.fault.name}-{self.place.name}-{self.reader.name}-{self.mode.waits} {self.mode.comes}"


CELLS = tuple(
    Cell(fault, place, reader, mode) for fault in FAULTS for place in PLACES for reader in READERS for mode in MODES
)


@dataclass(slots=True, kw_only=True)
class Happened:
    """What came of a cell.

    Attributes:
        answers: What came for each question, as far as it came.
        error: What was raised in the end.
        warned: The warnings that came with it.
        seen: How often the service saw each kind of request.
        tries: How often the call was sent or tried to be, by its own log.
        seconds: How long all of it took.
        most: Bytes that were held at most.
        left: What is left behind.
    """

    answers: list[list[Any]] = field(default_factory=list)
    error: BaseException | None = None
    warned: tuple[str, ...] = ()
    seen: Counter[str] = field(default_factory=Counter)
    tries: int = 1
    seconds: float = 0.0
    most: int = 0
    left: list[str] = field(default_factory=list)


class Scene:
    """Plays one cell: the right answers, but for the requests that the fault strikes."""

    def __init__(self, cell: Cell) -> None:
        self._fault, self._strikes = cell.fault, cell.place.strikes
        first = of(cell.fault.at, cell.tags)
        self._struck = range(first, first + cell.fault.times)
        self._seen: Counter[str] = Counter()
        self._looks = 0

    def answer(self, request: Request) -> Answer:
        """What is said to the request."""
        kind = kind_of(request)
        self._seen[kind] += 1
        if kind == "call":
            self._looks = 0  # those at a new job
        self._looks += kind == "look"
        said = right(request, self._looks, tools=self._fault.tools)
        if self._fault.strike and kind == self._strikes and self._seen[kind] in self._struck:
            return self._fault.strike(said)
        return said

    def hangs_up(self, head: Request) -> bool:
        """Whether the connection is reset before the request's body is read."""
        kind = kind_of(head)
        if self._fault.hangs_up and kind == self._strikes and self._seen[kind] + 1 in self._struck:
            self._seen[kind] += 1
            return True
        return False


class Service(ScriptServer):
    """The server of all cells, one after the other."""

    key = KEY

    def __init__(self) -> None:
        super().__init__(models=[{"id": MODEL, "object": "model", "max_model_len": 0}])

    def play(self, cell: Cell) -> None:
        """Play this cell from now on."""
        scene = Scene(cell)
        self.always, self.hangs_up = scene.answer, scene.hangs_up
        self.requests.clear()


class _Tries(logging.Handler):
    """Counts the repetitions that the transport tells of."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.count = 1

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
        patch.setattr(attempts, "pause_before", lambda *_: 0.0)
        for name in list(os.environ):
            if name.startswith(_FROM_OUTSIDE) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        yield


def try_out(cell: Cell, service: Service, longer: int = 1) -> Happened:
    """Ask, and keep what comes; no error gets out. Time limits that are met are this many times longer."""
    happened = Happened()
    fault = cell.fault
    service.play(cell)
    outside = nullcontext(service) if fault.outside is None else unreachable.place(fault.outside)
    with outside as where, _told() as tries, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        left = Left()
        if fault.most is not None:
            tracemalloc.start()
        began = time.monotonic()
        try:
            _ask(cell, where, happened, left, longer)
        except Exception as error:  # noqa: BLE001  whatever it is, it is compared
            happened.error = error
        happened.seconds = time.monotonic() - began
        if fault.most is not None:
            happened.most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        until(lambda: not service.open_connections)
        happened.left = left.behind()
    happened.warned = tuple(str(each.message) for each in warned)
    happened.seen = Counter(map(kind_of, service.requests))
    happened.tries = tries.count
    return happened


@contextmanager
def _told() -> Iterator[_Tries]:
    log = logging.getLogger("aki_transport")
    tries, level = _Tries(), log.level
    log.setLevel(logging.INFO)
    log.addHandler(tries)
    try:
        yield tries
    finally:
        log.removeHandler(tries)
        log.setLevel(level)


def _ask(cell: Cell, where: Any, happened: Happened, left: Left, longer: int) -> None:
    fault, stream = cell.fault, cell.mode.comes == "stream"
    given = fault.given(fault.patience * longer) if fault.given and fault.patience else {}
    model = cell.reader.make(**cell.place.face.connection(where), model=cell.place.model, **given)
    row = Row(name=fault.name, asked=fault.asked, tools=(add,) if fault.tools else (), result=NotHere)
    if cell.mode.waits == "async":
        asyncio.run(_awaited(cell, where, model, row, happened, left))
        return
    try:
        for _ in range(fault.asks):
            happened.answers.append(items := [])
            for item in cell.reader.items(model, row, stream=stream):
                items.append(item)  # noqa: PERF402  what came before an error counts
            if fault.rests:
                until(lambda: where.open_connections <= cell.kept)
    finally:
        model.close()


async def _awaited(cell: Cell, where: Any, model: Any, row: Row, happened: Happened, left: Left) -> None:
    await left.watch()
    try:
        for _ in range(cell.fault.asks):
            happened.answers.append(items := [])
            coming: AsyncIterator[Any] = cell.reader.aitems(model, row, stream=cell.mode.comes == "stream")
            async with aclosing(coming):
                async for item in coming:
                    items.append(item)  # noqa: PERF401  same
            if cell.fault.rests:
                await asyncio.to_thread(until, lambda: where.open_connections <= cell.kept)
                await asyncio.sleep(0.02)  # for the loop to hear of it
    finally:
        await model.aclose()
        await left.note_tasks()


def add(a: int) -> int:
    """Add one."""
    return a + 1
