"""Every row, tried on every face with every class in every mode that it fits; `tests/faults` tries its rows so too."""

import asyncio
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from aki_transport.emulator import Emulator
from aki_transport.messages import JobProgress
from tests.behaviour import in_langchain, in_llama_index
from tests.behaviour.faces import FACES
from tests.behaviour.table import MODES, Left, Mode, Result, Row, of
from tests.transport.asking import patient

READERS = (in_langchain.Chat(), in_langchain.Raw(), in_llama_index.Chat(), in_llama_index.Raw())
_SOON = 3.0  # seconds until what has to happen at once has happened
_AT_LAST = 60.0  # the same on a machine that is ever so busy


@dataclass(frozen=True, slots=True)
class Run:
    """A row at one place of the table."""

    row: Any
    face: Any
    reader: Any
    mode: Mode

    @property
    def tags(self) -> frozenset[str]:
        return self.face.tags | self.reader.tags | self.mode.tags

    @property
    def result(self) -> Result:
        return of(self.row.result, self.tags)

    def __str__(self) -> str:
        return f"{self.row.name}-{self.face.name}-{self.reader.name}-{self.mode.waits} {self.mode.comes}"


@dataclass(slots=True, kw_only=True)
class Happened:
    items: list[Any] = field(default_factory=list)
    error: BaseException | None = None
    warned: tuple[str, ...] = ()
    progress: list[JobProgress] = field(default_factory=list)

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Keep the warnings and the error of the block; none gets out."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                yield
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  whatever it is, it is compared
                self.error = error
        self.warned = tuple(str(each.message) for each in warned)


def runs(*rows: Row) -> list[Run]:
    every = (Run(row, face, reader, mode) for row in rows for face in FACES for reader in READERS for mode in MODES)
    return [run for run in every if run.row.fits(run.tags)]


def in_time(run: Run, attempt: Callable[[int], None]) -> None:
    """Make an attempt, with time limits as they are; with longer ones if it fails by an assertion or an error.

    A short time limit can pass on a busy machine before what it is to strike at has happened.
    """
    try:
        attempt(1)
    except Exception:
        if not time_limits(run):
            raise
        attempt(8)


def time_limits(run: Run, longer: int = 1) -> dict[str, Any]:
    given = of(run.row.given, run.tags)
    return {name: _times(given[name], longer) for name in ("timeout", "total_timeout") if name in given}


def _times(limit: Any, longer: int) -> Any:
    if not is_dataclass(limit):
        return limit * longer
    seconds = {each.name: getattr(limit, each.name) for each in fields(limit)}
    return replace(limit, **{name: value and value * longer for name, value in seconds.items()})


def make(run: Run, where: Any, **given: Any) -> Any:
    fault = of(run.row.fault, run.tags)
    return run.reader.make(
        **{
            **run.face.connection(where),
            "model": run.face.models[run.row.model],
            "default_headers": {"x-emulator-fault": fault} if fault else None,
            **of(run.row.given, run.tags),
            **given,
        }
    )


def ask(run: Run, model: Any, items: list[Any]) -> None:
    """Ask, and add what comes to the items; a stream that is left is closed after its first text."""
    leaves = isinstance(run.result, Left)
    with closing(run.reader.items(model, run.row, stream=run.mode.comes == "stream")) as coming:
        for item in coming:
            items.append(item)
            if leaves and run.reader.text_of(item):
                break


async def aask(run: Run, model: Any, items: list[Any]) -> None:
    leaves = isinstance(run.result, Left) and run.result.by == "close"
    async with aclosing(run.reader.aitems(model, run.row, stream=run.mode.comes == "stream")) as coming:
        async for item in coming:
            items.append(item)
            if leaves and run.reader.text_of(item):
                break


def try_out(run: Run, emulator: Emulator, longer: int = 1) -> Happened:
    """Make the model, ask it, and keep what comes; no error gets out. Time limits are this many times longer."""
    happened = Happened()
    model = make(run, emulator, on_progress=happened.progress.append, **time_limits(run, longer))
    with happened.keep():
        if run.mode.waits == "async":
            asyncio.run(_awaited(run, model, emulator, happened.items))
        else:
            ask(run, model, happened.items)
            if isinstance(run.result, Left):
                end = time.monotonic() + _AT_LAST
                while not has_let_go(emulator) and time.monotonic() < end:
                    time.sleep(0.005)
    return happened


async def _awaited(run: Run, model: Any, emulator: Emulator, items: list[Any]) -> None:
    result = run.result
    asking = asyncio.create_task(aask(run, model, items))
    if isinstance(result, Left) and result.by == "cancel":
        awaited = run.face.awaited(result.looked_at)
        await soon(lambda: any(awaited in seen.path for seen in emulator.requests))
        asking.cancel()
    try:
        with patient(_SOON) if asking.cancelling() else nullcontext():
            await asking
    finally:
        if isinstance(result, Left):
            # Within the loop, whose end would close its connections in any case.
            await soon(lambda: has_let_go(emulator))


async def soon(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(_AT_LAST):
        while not is_so():  # noqa: ASYNC110  another thread makes it so
            await asyncio.sleep(0.005)


def has_let_go(emulator: Emulator) -> bool:
    """Whether the emulator answers nobody any more, and works at no job; each answer under way is a task of it."""
    at_work = any(job.state in ("queued", "processing") for job in emulator.jobs)
    return not at_work and len(asyncio.all_tasks(emulator._loop)) == 1
