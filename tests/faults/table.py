"""What a fault is, and what comes of it, in the terms that rows are written in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.behaviour.table import By, Expect, Fails, Row
from tests.faults.places import CUT_AT, LOOKS, TEXT
from tests.script_server import Answer


@dataclass(frozen=True, slots=True)
class NotHere:
    """Nothing: the fault makes no sense there, and why."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Row):
    """One thing that goes wrong. Its `requests` counts those that can be struck."""

    asked: str = "Count from 1 to 4."
    strike: Callable[[Answer], Answer] | None = None  # makes the wrong answer from the right one
    at: int | By[int] = 1  # which of the requests that can be struck is the first that is
    times: int = 10**6  # how many of them are
    hangs_up: bool = False  # whether the connection is reset once a struck request's head is there, its body unread
    outside: str | None = None  # where the model is sent, if that is not the server: a place of `unreachable.py`
    asks: int = 1  # how often the same model is asked
    rests: bool = False  # whether every connection has gone before it is asked again
    most: int | None = None  # bytes that may be held meanwhile; None does not count them


IN_THE_MIDDLE: By[int] = By({"look": CUT_AT, "": 1})
"""The request whose answer comes when some text was given out already."""

TRIES = 3  # with `max_retries` at its default of 2

GIVEN: By = By({"look": Expect(text=TEXT, requests=LOOKS), "": Expect(text=TEXT)})
"""The answer, as if nothing had happened."""

GIVEN_AT_LAST: By = By({"look": Expect(text=TEXT, requests=LOOKS), "": Expect(text=TEXT, requests=2)})
"""The answer, after one repetition; a job goes on meanwhile, whoever looks."""

NO_STREAM = NotHere("a blocking answer has no pieces")
NO_BODY = NotHere("a stream is read as it comes; see the rows of streams")
NO_EVENTS = NotHere("this protocol has no stream of events")
NO_TEXT = NotHere("arguments are no text there; see the other row of deep nesting")
NO_TOOLS = NotHere("this protocol has no tools")
STARTED_ALREADY = NotHere("whoever looks at a job has reached the service to start it")


def by(other: Any, **parts: Any) -> By:
    """This at the places with a tag, the first of them that fits; else the other."""
    return By({**parts, "": other})


def fails(error: str) -> By:
    """The error, at once; a job that was started is canceled."""
    return by(Fails(error), look=Fails(error, cancels=True))


def fails_at_last(error: str) -> By:
    """The error, after every repetition; but nothing that starts a job is sent again."""
    return by(Fails(error, requests=TRIES), start=Fails(error), look=Fails(error, requests=TRIES, cancels=True))


def fails_to_connect(error: str) -> By:
    """The error, after every repetition, for nothing can have been started."""
    return by(Fails(error, requests=TRIES), look=STARTED_ALREADY)


def breaks_body(error: str, *, looks: int) -> By:
    """The error where the body is read as a whole; looking at a job may be repeated."""
    return breaks(error, looks=looks, stream=NO_BODY)


def breaks(error: str, *, looks: int, stream: Any) -> By:
    """The error of an answer that was begun, which is not asked for again; looking at a job may be repeated."""
    return by(Fails(error), start=Fails(error), look=Fails(error, requests=looks, cancels=True), stream=stream)


def breaks_stream(*, looks: int) -> By:
    """A stream that has begun is never asked for again, and the error holds what had come."""
    error = "StreamInterruptedError"
    look = Fails(error, requests=CUT_AT - 1 + looks, cancels=True, part_of=TEXT)
    return by(Fails(error, part_of=TEXT), blocking=NO_STREAM, start=NO_EVENTS, look=look)
