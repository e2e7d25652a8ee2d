"""Many streams at once in one process, each with a question of its own."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from aki_transport.transport.connections import MAX_CONNECTIONS
from tests.behaviour.faces import FACES
from tests.behaviour.running import Happened, Run, make
from tests.behaviour.table import MODES, Expect, Row
from tests.tools.soak.ledger import Ledger
from tests.tools.soak.numbers import numbers
from tests.tools.soak.questions import Asked, about
from tests.tools.soak.service import Service
from tests.tools.soak.watch import Pauses

_PATIENCE = 300.0  # seconds for all of them
_SLOWNESS = 0.0002  # seconds before each piece, for each stream: so that all that may be open at once are
_ROW = Row(name="a stream", result=Expect())
_STREAMED = next(mode for mode in MODES if mode.tags == {"async", "stream"})


@dataclass(frozen=True, slots=True)
class Streams:
    """What came of them.

    Args:
        name: The class that was asked.
        count: How many there were.
        most: How many of them were open at once, at most.
        seconds: How long it took.
        pause: The longest time that the event loop was held up.
        cpu: The CPU seconds that this process took, and those of the service.
        ledger: What was asked and what came of it.
    """

    name: str
    count: int
    most: int
    seconds: float
    pause: float
    cpu: tuple[float, float]
    ledger: Ledger

    @property
    def complaints(self) -> list[str]:
        """What is wrong; empty if nothing is."""
        ledger, bound = self.ledger, min(self.count, MAX_CONNECTIONS)
        found = {
            f"{ledger.wrong} wrong answers": ledger.wrong,
            f"{ledger.lost} lost": ledger.lost,
            f"{ledger.repeated} requests too many": ledger.repeated,
            # A busy machine may end the first before it begins the last.
            f"at most {self.most} were open at once, of {bound}": self.most < bound / 2,
        }
        return [f"{self.name}, streams: {words}" for words, so in found.items() if so] + ledger.words


async def many_streams(service: Service, reader: Any, count: int) -> Streams:
    """Ask for that many at once, read them all, and compare each."""
    face = FACES[0]
    await asyncio.to_thread(face.learn, service)
    before = await asyncio.to_thread(service.tell)
    once = Run(_ROW, face, reader, _STREAMED)
    model = make(Run(replace(_ROW, fault=f"chunk-delay={_SLOWNESS * count:.3f}"), face, reader, _STREAMED), service)
    await _answered(Asked(0, once), make(once, service))  # what one call imports is no pause of many
    gc.collect()
    ledger, counter, open_now = Ledger(), numbers(), _Open()

    async def one() -> None:
        number = next(counter)
        asked = Asked(number, Run(about(_ROW, number, Expect()), face, reader, _STREAMED))
        ledger.begun(asked)
        ledger.ended(asked, await _answered(asked, model, open_now))

    began, cpu = monotonic(), time.process_time()
    async with Pauses() as pauses, asyncio.timeout(_PATIENCE):
        await asyncio.gather(*(one() for _ in range(count)))
    seconds = monotonic() - began
    spent = time.process_time() - cpu
    told = await asyncio.to_thread(service.tell)
    ledger.seen(told.counts)
    await model.aclose()
    return Streams(reader.name, count, open_now.most, seconds, pauses.longest, (spent, told.cpu - before.cpu), ledger)


class _Open:
    """How many streams are open: from their first piece to their last."""

    now = most = 0

    def more(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def less(self) -> None:
        self.now -= 1


async def _answered(asked: Asked, model: Any, open_now: _Open | None = None) -> Happened:
    happened = Happened()
    async for item in asked.run.reader.aitems(model, asked.run.row, stream=True):
        if open_now is not None and not happened.items:
            open_now.more()
        happened.items.append(item)
    if open_now is not None:
        open_now.less()
    return happened
