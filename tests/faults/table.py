"""The kinds of things that stand in the table: what goes wrong, where it strikes, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeAlias

from tests.behaviour.table import By, Expect, Fails
from tests.faults.places import CUT_AT
from tests.script_server import Answer

MANY = 10**6  # more requests than any call makes


@dataclass(frozen=True, slots=True)
class NotHere:
    """Nothing: the fault makes no sense there.

    Args:
        why: The reason.
    """

    why: str


Result: TypeAlias = Expect | Fails | NotHere
"""`Expect.text` and `Fails.error` are looked at, with `part_of`; `requests` counts those that can be struck."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        name: What it is, in words.
        result: What must come of it.
        strike: Makes the wrong answer from the right one; None where no answer is to blame.
        at: Which of the requests that can be struck is the first that is; the others get right answers.
        times: How many of them are struck.
        hangs_up: Whether the connection is reset as soon as a struck request's head is there, its body unread.
        outside: Where the model is sent, if that is not the server: the name of a place in `unreachable.py`.
        asked: The question.
        asks: How often it is asked, by the same model.
        rests: Whether every connection has gone before it is asked again.
        tools: Whether the right answer asks for a tool.
        patience: Seconds after which it is given up, with `given`; None where no time limit is met.
        given: Makes arguments of the constructor from the patience.
        most: Bytes that may be held meanwhile; None does not count them.
    """

    name: str
    result: Result | By[Result]
    _: KW_ONLY
    strike: Callable[[Answer], Answer] | None = None
    at: int | By[int] = 1
    times: int = MANY
    hangs_up: bool = False
    outside: str | None = None
    asked: str = "Count from 1 to 4."
    asks: int = 1
    rests: bool = False
    tools: bool = False
    patience: float | None = None
    given: Callable[[float], Mapping[str, Any]] | None = None
    most: int | None = None


IN_THE_MIDDLE: By[int] = By({"look": CUT_AT, "": 1})
"""The request whose answer comes when some text was given out already."""
