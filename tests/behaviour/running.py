"""Every row, tried on every face with every class in every mode that it fits."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from aki_transport.emulator import Emulator
from aki_transport.messages import JobProgress
from tests.behaviour import in_langchain, in_llama_index
from tests.behaviour.answers import Reader
from tests.behaviour.faces import FACES, Face
from tests.behaviour.table import MODES, Left, Mode, Result, Row, of
from tests.transport.asking import patient

READERS: tuple[Reader, ...] = (in_langchain.Chat(), in_langchain.Raw(), in_llama_index.Chat(), in_llama_index.Raw())
_SOON = 3.0  # seconds until what has to happen at once has happened
_AT_LAST = 60.0  # the same on a machine that is ever so busy


@dataclass(frozen=True, slots=True)
class Run:
    """A row at one place of the table."""

    row: Row
    face: Face
    reader: Reader
    mode: Mode

    @property
    def tags(self) -> frozenset[str]:
        """What the row may ask for."""
        return self.face.tags | self.reader.tags | self.mode.tags

    @property
    def result(self) -> Result:
        """What must come of it here."""
        return of(self.row.result, self.tags)

    def __str__(self) -> str:
        return f"{self.row.name}-{self.face.name}-{self.reader.name}-{self.mode.waits} {self.mode.comes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What came of a run."""

    items: list[Any] = field(default_factory=list)
    error: BaseException | None = None
    warned: tuple[str, ...] = ()
    progress: list[JobProgress] = field(default_factory=list)


def runs(*rows: Row) -> list[Run]:
    """Each row wherever it fits."""
    every = (Run(row, face, reader, mode) for row in rows for face in FACES for reader in READERS for mode in MODES)
    return [run for run in every if run.row.fits(run.tags)]


def try_out(run: Run, emulator: Emulator, longer: int = 1) -> Happened:
    """Make the model, ask it, and keep what comes; no error gets out. Time limits are this many times longer."""
    happened = Happened()
    limits = {name: seconds * longer for name, seconds in time_limits(run).items()}
    model = make(run, emulator, on_progress=happened.progress.append, **limits)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            if run.mode.waits == "async":
                asyncio.run(_awaited(run, model, emulator, happened.items))
            else:
                _asked(run, model, emulator, happened.items)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  whatever it is, it is compared
            happened = replace(happened, error=error)
    return replace(happened, warned=tuple(str(each.message) for each in warned))


def time_limits(run: Run) -> dict[str, float]:
    """The time limits that the row sets, in seconds."""
    given = of(run.row.given, run.tags)
    return {name: given[name] for name in ("timeout", "total_timeout") if name in given}


def make(run: Run, emulator: Emulator, **given: Any) -> Any:
    """The model that the row asks."""
    fault = of(run.row.fault, run.tags)
    return run.reader.make(
        **{
            **run.face.connection(emulator),
            "model": run.face.models[run.row.model],
            "default_headers": {"x-emulator-fault": fault} if fault else None,
            **of(run.row.given, run.tags),
            **given,
        }
    )


def _asked(run: Run, model: Any, emulator: Emulator, items: list[Any]) -> None:
    coming = run.reader.items(model, run.row, stream=run.mode.comes == "stream")
    if not isinstance(run.result, Left):
        items.extend(coming)
        return
    for item in coming:
        items.append(item)
        if run.reader.text_of(item):
            break
    coming.close()
    end = time.monotonic() + _AT_LAST
    while not has_let_go(emulator) and time.monotonic() < end:
        time.sleep(0.005)


async def _awaited(run: Run, model: Any, emulator: Emulator, items: list[Any]) -> None:
    coming = run.reader.aitems(model, run.row, stream=run.mode.comes == "stream")
    match run.result:
        case Left(by="cancel", looked_at=looked_at):
            task = asyncio.create_task(_collect(coming, items))
            await soon(lambda: any(run.face.awaited(looked_at) in seen.path for seen in emulator.requests))
            task.cancel()
            try:
                with patient(_SOON):
                    await task
            finally:
                # Within the loop, whose end would close its connections in any case.
                await soon(lambda: has_let_go(emulator))
        case Left():
            async with aclosing(coming):
                async for item in coming:
                    items.append(item)
                    if run.reader.text_of(item):
                        break
            await soon(lambda: has_let_go(emulator))
        case _:
            await _collect(coming, items)


async def _collect(coming: AsyncIterator[Any], items: list[Any]) -> None:
    async with aclosing(coming):
        async for item in coming:
            items.append(item)  # noqa: PERF401  what came before an error counts


async def soon(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(_AT_LAST):
        while not is_so():  # noqa: ASYNC110  another thread makes it so
            await asyncio.sleep(0.005)


def has_let_go(emulator: Emulator) -> bool:
    """Whether the emulator answers nobody any more, and works at no job; each answer under way is a task of it."""
    at_work = any(job.state in ("queued", "processing") for job in emulator.jobs)
    return not at_work and len(asyncio.all_tasks(emulator._loop)) == 1
