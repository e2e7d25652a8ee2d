"""Faults of answers that arrive: framed wrongly, of another kind, too large, unreadable."""

from __future__ import annotations

from tests.behaviour.table import By, Expect, Fails
from tests.faults import injected_faults as strikes
from tests.faults.outcomes import (
    GIVEN,
    NO_EVENTS,
    NO_STREAM,
    NO_TEXT,
    NO_TOOLS,
    TRIES,
    fails,
    fails_at_last,
)
from tests.faults.places import LOOKS, TEXT
from tests.faults.table import Fault

_REPLACED = TEXT.replace("1, 2", "1�2")
_IN_MEMORY = 14 * strikes.MB  # the body, once more as the text that is made of it, and what the server sends

ROWS = (
    Fault(
        name="content length too long",
        strike=strikes.too_long_a_length,
        result=By(
            {
                "start": Fails(error="APIConnectionError"),
                "look": Fails(error="APIConnectionError", requests=TRIES, cancels=True),
                "stream": Expect(text=TEXT),
                "": Fails(error="APIConnectionError"),
            }
        ),
    ),
    Fault(
        name="content length too short",
        strike=strikes.too_short_a_length,
        result=By(
            {
                "start": Fails(error="InvalidResponseError"),
                "look": Fails(error="InvalidResponseError", cancels=True),
                "stream": Fails(error="StreamInterruptedError", part_of=TEXT),
                "": Fails(error="InvalidResponseError"),
            }
        ),
    ),
    Fault(
        name="an answer behind the answer",
        strike=strikes.followed,
        asks=2,
        result=By({"look": Expect(text=TEXT, requests=2 * LOOKS), "": Expect(text=TEXT, requests=2)}),
    ),
    Fault(name="100 Continue", strike=strikes.continued, result=GIVEN),
    Fault(name="1xx: hints", strike=strikes.hinted, result=GIVEN),
    Fault(name="1xx: another protocol", strike=strikes.switching, result=fails_at_last("APIConnectionError")),
    Fault(name="204", strike=strikes.without_content, result=fails("InvalidResponseError")),
    Fault(name="redirect", strike=strikes.elsewhere, result=fails("APIStatusError")),
    Fault(name="HTML error: 502", strike=strikes.page(502), result=fails_at_last("ServerError")),
    Fault(
        name="HTML error: 503",
        strike=strikes.page(503),
        result=By(
            {
                "look": Fails(error="ServiceUnavailableError", requests=TRIES, cancels=True),
                "": Fails(error="ServiceUnavailableError", requests=TRIES),
            }
        ),
    ),
    Fault(name="HTML in a good answer", strike=strikes.page(200), result=fails("InvalidResponseError")),
    Fault(name="gzip bomb", strike=strikes.bomb, most=_IN_MEMORY, result=fails("InvalidResponseError")),
    Fault(
        name="gzip bomb in an error", strike=strikes.bomb_in_an_error, most=_IN_MEMORY, result=fails("BadRequestError")
    ),
    Fault(
        name="oversized event",
        strike=strikes.too_large_an_event,
        most=_IN_MEMORY,
        result=By({"start": NO_EVENTS, "look": NO_EVENTS, "blocking": NO_STREAM, "": fails("InvalidResponseError")}),
    ),
    Fault(
        name="oversized body", strike=strikes.too_large_a_body, most=_IN_MEMORY, result=fails("InvalidResponseError")
    ),
    Fault(
        name="invalid UTF-8",
        strike=strikes.no_utf8,
        result=By(
            {
                "start": Expect(text=TEXT),
                "look": Fails(error="InvalidResponseError", cancels=True),
                "stream": Expect(text=_REPLACED),
                "": Fails(error="InvalidResponseError"),
            }
        ),
    ),
    Fault(name="invalid JSON", strike=strikes.no_json, result=fails("InvalidResponseError")),
    Fault(name="NaN", strike=strikes.with_field(b"NaN"), result=GIVEN),
    Fault(name="NaN for every count", strike=strikes.with_numbers(b"NaN"), result=GIVEN),
    Fault(name="Infinity for every count", strike=strikes.with_numbers(b"-Infinity"), result=GIVEN),
    Fault(
        name="deep nesting",
        strike=strikes.with_field(strikes.NESTED),
        result=fails("InvalidResponseError"),
    ),
    Fault(name="deep nesting in an error", strike=strikes.nested_error, result=fails("BadRequestError")),
    Fault(
        name="deep nesting in a tool's arguments",
        strike=strikes.nested_arguments,
        tools=True,
        result=By({"start": NO_TOOLS, "look": NO_TOOLS, "anthropic blocking": NO_TEXT, "": Expect(text="")}),
    ),
    Fault(name="duplicate keys", strike=strikes.said_twice, result=GIVEN),
)
