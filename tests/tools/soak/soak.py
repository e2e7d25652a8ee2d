"""Mixed traffic for some minutes, from threads and from one event loop, at a steady rate."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from tests.tools.soak.ledger import Ledger
from tests.tools.soak.questions import aask, aask_for, ask
from tests.tools.soak.service import Service, Told
from tests.tools.soak.traffic import FAULTS, Traffic
from tests.tools.soak.watch import Look, Pauses, Watch, first_and_last

_THREADS, _TASKS = 6, 18
_BOOKING = 5.0  # seconds between two looks at what the service saw
_LAST_ANSWERS = 60.0  # seconds that those who still wait have in the end
_CANCELED_WITHIN = 0.3  # seconds
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is still right.

    Args:
        memory: How many MB more may be resident in the end than at first.
        descriptors: How many more may be open.
        pause: For how many seconds the event loop may be held up.
    """

    memory: float = 24.0
    descriptors: int = _THREADS + _TASKS  # each may have a connection open
    pause: float = 5.0  # on a machine that has other work to do


@dataclass(frozen=True, slots=True)
class Soak:
    """What came of it.

    Args:
        ledger: What was asked and what came of it.
        seconds: How long it went on.
        first: This process at first.
        last: This process in the end.
        pause: The longest time that the event loop was held up.
        jobs: How many jobs the service was still at, though nobody waited for them.
        cpu: The CPU seconds that this process took, and those of the service.
        noise: What was said where no caller could hear it: exceptions in finalizers, threads, loops.
        bounds: What is still right.
    """

    ledger: Ledger
    seconds: float
    first: Look
    last: Look
    pause: float
    jobs: int
    cpu: tuple[float, float]
    noise: list[str]
    bounds: Bounds

    @property
    def faults(self) -> int:
        """How many questions were sent with a fault."""
        return sum(self.ledger.by_name[name] for name in FAULTS)

    @property
    def complaints(self) -> list[str]:
        """What is wrong; empty if nothing is."""
        ledger, bounds = self.ledger, self.bounds
        memory = self.last.memory - self.first.memory
        descriptors = self.last.descriptors - self.first.descriptors
        found = {
            f"{ledger.wrong} wrong answers": ledger.wrong,
            f"{ledger.lost} lost": ledger.lost,
            f"{ledger.repeated} requests too many": ledger.repeated,
            f"{self.jobs} jobs go on that nobody waits for": self.jobs,
            f"memory grew by {memory:.0f} MB, {bounds.memory:.0f} are right": memory > bounds.memory,
            f"{descriptors} descriptors more, {bounds.descriptors} are right": descriptors > bounds.descriptors,
            f"the loop paused for {self.pause:.1f} s, {bounds.pause:.1f} are right": self.pause > bounds.pause,
        }
        return [f"soak: {words}" for words, so in found.items() if so] + ledger.words + self.noise


async def soaked(service: Service, *, seconds: float, rate: float, seed: int, bounds: Bounds, noise: list[str]) -> Soak:
    """Ask for so many seconds, `rate` questions a second at most; and book what came of it."""
    traffic, ledger = await asyncio.to_thread(Traffic, service, seed), Ledger()
    began, cpu, service_cpu = monotonic(), time.process_time(), (await asyncio.to_thread(service.tell)).cpu
    end = began + seconds
    pace = (_THREADS + _TASKS) / rate
    threads = [threading.Thread(target=_ask, args=(traffic, ledger, end, pace), daemon=True) for _ in range(_THREADS)]
    with Watch(seconds) as watch:
        async with Pauses() as pauses:
            for thread in threads:
                thread.start()
            tasks = [asyncio.create_task(_aask(traffic, ledger, end, pace)) for _ in range(_TASKS)]
            booking = asyncio.create_task(_book(service, ledger, over := asyncio.Event()))
            _, hanging = await asyncio.wait(tasks, timeout=seconds + _LAST_ANSWERS)
            for thread in threads:
                await asyncio.to_thread(thread.join, _LAST_ANSWERS)
        took = monotonic() - began
    over.set()
    await booking
    for task in hanging:
        task.cancel()
    told = await _booked(service, ledger)
    first, last = first_and_last(watch.looks, min(_MINUTE, seconds / 4))
    spent = time.process_time() - cpu, told.cpu - service_cpu
    return Soak(ledger, took, first, last, pauses.longest, told.jobs, spent, noise, bounds)


def _ask(traffic: Traffic, ledger: Ledger, end: float, pace: float) -> None:
    while (began := monotonic()) < end:
        asked, model = traffic.next("sync")
        ledger.begun(asked)
        ledger.ended(asked, ask(asked, model))
        time.sleep(max(0.0, began + pace - monotonic()))


async def _aask(traffic: Traffic, ledger: Ledger, end: float, pace: float) -> None:
    dice = random.Random()  # noqa: S311  no secret
    while (began := monotonic()) < end:
        asked, model = traffic.next("async")
        ledger.begun(asked)
        if asked.is_cut_short:
            happened = await aask_for(asked, model, dice.uniform(0, _CANCELED_WITHIN))
        else:
            happened = await aask(asked, model)
        ledger.ended(asked, happened)
        await asyncio.sleep(max(0.0, began + pace - monotonic()))


async def _book(service: Service, ledger: Ledger, over: asyncio.Event) -> None:
    while not over.is_set():
        await _booked(service, ledger)
        with suppress(TimeoutError):
            async with asyncio.timeout(_BOOKING):
                await over.wait()


async def _booked(service: Service, ledger: Ledger) -> Told:
    told = await asyncio.to_thread(service.tell)
    ledger.seen(told.counts)
    return told
