"""Faults of answers that arrive: framed wrongly, of another kind, too large, unreadable."""

from __future__ import annotations

from tests.behaviour.table import By, Expect, Fails
from tests.faults import injected_faults as strikes
from tests.faults.outcomes import GIVEN, NO_EVENTS, NO_STREAM, NO_TEXT, NO_TOOLS, TRIES, fails, fails_at_last
from tests.faults.places import LOOKS, TEXT
from tests.faults.table import Fault

_REPLACED = TEXT.replace("1, 2", "1�2")
_IN_MEMORY = 14 * strikes.MB  # the body, once more as the text that is made of it, and what the server sends

ROWS = (
    Fault(
        "content length too long",
        By(
            {
                "start": Fails("APIConnectionError"),
                "look": Fails("APIConnectionError", requests=TRIES, cancels=True),
                "stream": Expect(text=TEXT),
                "": Fails("APIConnectionError"),
            }
        ),
        strike=strikes.too_long_a_length,
    ),
    Fault(
        "content length too short",
        By(
            {
                "start": Fails("InvalidResponseError"),
                "look": Fails("InvalidResponseError", cancels=True),
                "stream": Fails("StreamInterruptedError", part_of=TEXT),
                "": Fails("InvalidResponseError"),
            }
        ),
        strike=strikes.too_short_a_length,
    ),
    Fault(
        "an answer behind the answer",
        By({"look": Expect(text=TEXT, requests=2 * LOOKS), "": Expect(text=TEXT, requests=2)}),
        strike=strikes.followed,
        asks=2,
    ),
    Fault("100 Continue", GIVEN, strike=strikes.continued),
    Fault("1xx: hints", GIVEN, strike=strikes.hinted),
    Fault("1xx: another protocol", fails_at_last("APIConnectionError"), strike=strikes.switching),
    Fault("204", fails("InvalidResponseError"), strike=strikes.without_content),
    Fault("redirect", fails("APIStatusError"), strike=strikes.elsewhere),
    Fault("HTML error: 502", fails_at_last("ServerError"), strike=strikes.page(502)),
    Fault(
        "HTML error: 503",
        By(
            {
                "look": Fails("ServiceUnavailableError", requests=TRIES, cancels=True),
                "": Fails("ServiceUnavailableError", requests=TRIES),
            }
        ),
        strike=strikes.page(503),
    ),
    Fault("HTML in a good answer", fails("InvalidResponseError"), strike=strikes.page(200)),
    Fault("gzip bomb", fails("InvalidResponseError"), strike=strikes.bomb, most=_IN_MEMORY),
    Fault("gzip bomb in an error", fails("BadRequestError"), strike=strikes.bomb_in_an_error, most=_IN_MEMORY),
    Fault(
        "oversized event",
        By({"start": NO_EVENTS, "look": NO_EVENTS, "blocking": NO_STREAM, "": fails("InvalidResponseError")}),
        strike=strikes.too_large_an_event,
        most=_IN_MEMORY,
    ),
    Fault("oversized body", fails("InvalidResponseError"), strike=strikes.too_large_a_body, most=_IN_MEMORY),
    Fault(
        "invalid UTF-8",
        By(
            {
                "start": Expect(text=TEXT),
                "look": Fails("InvalidResponseError", cancels=True),
                "stream": Expect(text=_REPLACED),
                "": Fails("InvalidResponseError"),
            }
        ),
        strike=strikes.no_utf8,
    ),
    Fault("invalid JSON", fails("InvalidResponseError"), strike=strikes.no_json),
    Fault("NaN", GIVEN, strike=strikes.with_field(b"NaN")),
    Fault("NaN for every count", GIVEN, strike=strikes.with_numbers(b"NaN")),
    Fault("Infinity for every count", GIVEN, strike=strikes.with_numbers(b"-Infinity")),
    Fault("deep nesting", fails("InvalidResponseError"), strike=strikes.with_field(strikes.NESTED)),
    Fault("deep nesting in an error", fails("BadRequestError"), strike=strikes.nested_error),
    Fault(
        "deep nesting in a tool's arguments",
        By({"start": NO_TOOLS, "look": NO_TOOLS, "anthropic blocking": NO_TEXT, "": Expect(text="")}),
        strike=strikes.nested_arguments,
        tools=True,
    ),
    Fault("duplicate keys", GIVEN, strike=strikes.said_twice),
)
