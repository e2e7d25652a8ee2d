"""What comes of faults, in the words that rows are written in."""

from __future__ import annotations

from tests.behaviour.table import By, Expect, Fails
from tests.faults.places import CUT_AT, LOOKS, TEXT
from tests.faults.table import NotHere, Result

TRIES = 3  # with `max_retries` at its default of 2

GIVEN: By[Result] = By({"look": Expect(text=TEXT, requests=LOOKS), "": Expect(text=TEXT)})
"""The answer, as if nothing had happened."""

GIVEN_AT_LAST: By[Result] = By({"look": Expect(text=TEXT, requests=LOOKS), "": Expect(text=TEXT, requests=2)})
"""The answer, after one repetition; a job goes on meanwhile, whoever looks."""

NO_STREAM = NotHere("a blocking answer has no pieces")
NO_BODY = NotHere("a stream is read as it comes; see the rows of streams")
NO_EVENTS = NotHere("this protocol has no stream of events")
NO_TEXT = NotHere("arguments are no text there; see the other row of deep nesting")
NO_TOOLS = NotHere("this protocol has no tools")
STARTED_ALREADY = NotHere("whoever looks at a job has reached the service to start it")


def fails(error: str) -> By[Result]:
    """The error, at once; a job that was started is canceled."""
    return By({"look": Fails(error, cancels=True), "": Fails(error)})


def fails_at_last(error: str) -> By[Result]:
    """The error, after every repetition; but nothing that starts a job is sent again."""
    return By(
        {"start": Fails(error), "look": Fails(error, requests=TRIES, cancels=True), "": Fails(error, requests=TRIES)}
    )


def fails_to_connect(error: str) -> By[Result]:
    """The error, after every repetition, for nothing can have been started."""
    return By({"look": STARTED_ALREADY, "": Fails(error, requests=TRIES)})


def breaks_body(error: str, *, looks: int) -> By[Result]:
    """The error where the body is read as a whole; looking at a job may be repeated."""
    return By(
        {"start": Fails(error), "look": Fails(error, requests=looks, cancels=True), "stream": NO_BODY, "": Fails(error)}
    )


def breaks_stream(*, looks: int) -> By[Result]:
    """A stream that has begun is never asked for again, and the error holds what had come."""
    error = "StreamInterruptedError"
    return By(
        {
            "blocking": NO_STREAM,
            "start": NO_EVENTS,
            "look": Fails(error, requests=CUT_AT - 1 + looks, cancels=True, part_of=TEXT),
            "": Fails(error, part_of=TEXT),
        }
    )
