"""Questions that are asked once each, the one right answer to each, and what comes of asking."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass, replace
from typing import Any

from tests.behaviour import running
from tests.behaviour.checks import check_answer, check_error
from tests.behaviour.running import Happened, Run
from tests.behaviour.table import Expect, Fails, Left, Row
from tests.tools.soak.numbers import STEP

_SHORTEST, _LENGTHS = 12, 20


def counting(number: int) -> str:
    """The question of this number."""
    return f"Count from {number} to {_last(number)}."


def counted(number: int) -> str:
    """Its answer."""
    return ", ".join(map(str, range(number, _last(number) + 1))) + "."


def _last(number: int) -> int:
    return number + _SHORTEST + number // STEP % _LENGTHS - 1


def about(row: Row, number: int, result: Expect | Fails | Left, fault: str = "") -> Row:
    """The row, asked with this number; its result and its fault are those of the place where it is asked."""
    match result:
        case Expect():
            result = replace(result, text=counted(number))
        case Fails() if result.part_of is not None:
            result = replace(result, part_of=counted(number) + " ")
    tagged = f"{fault};tag={number}" if fault else ""  # `times` counts for this question alone
    return replace(row, asked=counting(number), result=result, fault=tagged)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way, and how many requests the service gets for it at least and at most."""

    number: int
    run: Run
    is_cut_short: bool = False

    @property
    def requests(self) -> range:
        """The counts that are right."""
        result = self.run.result
        most = 1 if isinstance(result, Left) else result.requests
        return range(0 if self.is_cut_short else most, most + 1)


def ask(asked: Asked, model: Any) -> Happened:
    """Ask, and keep what comes; no error gets out."""
    happened = Happened()
    try:
        running.ask(asked.run, model, happened.items)
    except Exception as error:  # noqa: BLE001  whatever it is, it is compared
        happened.error = error
    return happened


async def aask(asked: Asked, model: Any) -> Happened:
    """`ask`, async."""
    happened = Happened()
    try:
        await running.aask(asked.run, model, happened.items)
    except Exception as error:  # noqa: BLE001  whatever it is, it is compared
        happened.error = error
    return happened


async def aask_for(asked: Asked, model: Any, seconds: float) -> Happened:
    """`aask`, given up after so long."""
    task = asyncio.create_task(aask(asked, model))
    _, waiting = await asyncio.wait([task], timeout=seconds)
    if waiting:
        task.cancel()
        await asyncio.wait([task])
    return Happened() if task.cancelled() else task.result()


def complaint(asked: Asked, happened: Happened) -> str | None:
    """What is wrong with what came; None if nothing is."""
    result = asked.run.result
    words = f"question {asked.number}, {asked.run}: {happened.error!r}"
    try:
        match result:
            case Fails():
                check_error(asked.run, happened, result)
            case _ if happened.error is not None:
                return words
            case Expect() if not happened.items:
                return None if asked.is_cut_short else f"{words}: nothing came"
            case Expect():
                check_answer(asked.run, asked.run.reader.read(happened.items), result)
    except AssertionError as error:
        where = traceback.extract_tb(error.__traceback__)[-1].line
        return f"{words}, {happened.items[-3:]}: not so: {where}"
    return None
