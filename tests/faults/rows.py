"""Every fault: of connections that are never there, slow, silent or lost, then of answers that arrive."""

from aki_transport.transport.call import Timeout
from tests.behaviour.table import By, Expect, Fails
from tests.faults import injected_faults as strikes
from tests.faults.places import LOOKS, TEXT
from tests.faults.table import (
    GIVEN,
    GIVEN_AT_LAST,
    IN_THE_MIDDLE,
    NO_EVENTS,
    NO_STREAM,
    NO_TEXT,
    NO_TOOLS,
    TRIES,
    Fault,
    breaks,
    breaks_body,
    breaks_stream,
    by,
    fails,
    fails_at_last,
    fails_to_connect,
)

_LONG = "Count. " * 600_000  # more than the buffers of a connection hold
_IMPATIENT = {"timeout": Timeout(answer=0.15, chunk=0.15)}
_REPLACED = TEXT.replace("1, 2", "1�2")
_IN_MEMORY = 14 * strikes.MB  # the body, once more as the text that is made of it, and what the server sends


def add(a: int) -> int:
    """Add one."""
    return a + 1


ROWS = (
    # Of connections.
    Fault("connect refused", fails_to_connect("APIConnectionError"), outside="refusing"),
    Fault("DNS failure", fails_to_connect("APIConnectionError"), outside="unknown"),
    Fault("TLS failure: no TLS there", fails_to_connect("APIConnectionError"), outside="plain"),
    Fault("TLS failure: unknown certificate", fails_to_connect("APIConnectionError"), outside="stranger"),
    Fault(
        "connect timeout", fails_to_connect("APITimeoutError"), outside="full", given={"timeout": Timeout(connect=0.05)}
    ),
    Fault("slow headers", GIVEN, strike=strikes.late),
    Fault("headers too late", fails("APITimeoutError"), strike=strikes.silent, given=_IMPATIENT),
    Fault(
        "headers without end",
        fails("APITimeoutError"),
        strike=strikes.headers_without_end,
        given={"total_timeout": 0.2},
    ),
    Fault("slow chunks", GIVEN, strike=strikes.slow),
    Fault(
        "chunks without end",
        By(
            {
                "look stream": Fails("StreamInterruptedError", requests=LOOKS, cancels=True, part_of=TEXT),
                "look": Fails("APITimeoutError", requests=LOOKS, cancels=True),
                "start": Fails("APITimeoutError"),
                "stream": Fails("StreamInterruptedError", part_of=TEXT),
                "": Fails("APITimeoutError"),
            }
        ),
        strike=strikes.dripping,
        given={"total_timeout": 0.25},
        at=IN_THE_MIDDLE,
    ),
    Fault("stall mid-body", breaks_body("APITimeoutError", looks=1), strike=strikes.stalled, given=_IMPATIENT),
    Fault("stall mid-stream", breaks_stream(looks=1), strike=strikes.stalled, given=_IMPATIENT, at=IN_THE_MIDDLE),
    Fault("reset before headers", fails_at_last("APIConnectionError"), strike=strikes.reset_at_once),
    Fault(
        "reset before headers, once",
        by(GIVEN_AT_LAST, start=Fails("APIConnectionError")),
        strike=strikes.reset_at_once,
        times=1,
    ),
    Fault("closed before headers", fails_at_last("APIConnectionError"), strike=strikes.closed_at_once),
    Fault(
        "reset after headers",
        breaks("APIConnectionError", looks=TRIES, stream=Fails("APIConnectionError", requests=TRIES)),
        strike=strikes.reset_after_headers,
    ),
    Fault("reset mid-body", breaks_body("APIConnectionError", looks=TRIES), strike=strikes.reset),
    Fault("reset mid-stream", breaks_stream(looks=TRIES), strike=strikes.reset, at=IN_THE_MIDDLE),
    Fault("truncated body", breaks_body("APIConnectionError", looks=TRIES), strike=strikes.truncated),
    Fault("truncated stream", breaks_stream(looks=TRIES), strike=strikes.truncated, at=IN_THE_MIDDLE),
    Fault(
        "keep-alive closed while we write",
        by(
            Expect(text=TEXT, requests=3),
            start=Fails("APIConnectionError", requests=2),
            look=Expect(text=TEXT, requests=2 * LOOKS + 1),
        ),
        hangs_up=True,
        asked=_LONG,
        asks=2,
        at=by(2, look=LOOKS + 1),
        times=1,
    ),
    Fault(
        "keep-alive closed while idle",
        by(Expect(text=TEXT, requests=2), look=Expect(text=TEXT, requests=2 * LOOKS)),
        strike=strikes.closed_after,
        asks=2,
        rests=True,
    ),
    # Of answers.
    Fault(
        "content length too long",
        breaks("APIConnectionError", looks=TRIES, stream=Expect(text=TEXT)),
        strike=strikes.too_long_a_length,
    ),
    Fault(
        "content length too short",
        by(
            Fails("InvalidResponseError"),
            start=Fails("InvalidResponseError"),
            look=Fails("InvalidResponseError", cancels=True),
            stream=Fails("StreamInterruptedError", part_of=TEXT),
        ),
        strike=strikes.too_short_a_length,
    ),
    Fault(
        "an answer behind the answer",
        by(Expect(text=TEXT, requests=2), look=Expect(text=TEXT, requests=2 * LOOKS)),
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
        by(
            Fails("ServiceUnavailableError", requests=TRIES),
            look=Fails("ServiceUnavailableError", requests=TRIES, cancels=True),
        ),
        strike=strikes.page(503),
    ),
    Fault("HTML in a good answer", fails("InvalidResponseError"), strike=strikes.page(200)),
    Fault("gzip bomb", fails("InvalidResponseError"), strike=strikes.bomb, most=_IN_MEMORY),
    Fault("gzip bomb in an error", fails("BadRequestError"), strike=strikes.bomb_in_an_error, most=_IN_MEMORY),
    Fault(
        "oversized event",
        by(fails("InvalidResponseError"), start=NO_EVENTS, look=NO_EVENTS, blocking=NO_STREAM),
        strike=strikes.too_large_an_event,
        most=_IN_MEMORY,
    ),
    Fault("oversized body", fails("InvalidResponseError"), strike=strikes.too_large_a_body, most=_IN_MEMORY),
    Fault(
        "invalid UTF-8",
        by(
            Fails("InvalidResponseError"),
            start=Expect(text=TEXT),
            look=Fails("InvalidResponseError", cancels=True),
            stream=Expect(text=_REPLACED),
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
        tools=(add,),
    ),
    Fault("duplicate keys", GIVEN, strike=strikes.said_twice),
)
