"""Faults of connections: never there, slow, silent, lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aki_transport.transport.call import Timeout
from tests.behaviour.table import By, Expect, Fails
from tests.faults import injected_faults as strikes
from tests.faults.outcomes import (
    GIVEN,
    GIVEN_AT_LAST,
    TRIES,
    breaks_body,
    breaks_stream,
    fails,
    fails_at_last,
    fails_to_connect,
)
from tests.faults.places import LOOKS, TEXT
from tests.faults.table import IN_THE_MIDDLE, Fault

LONG = "Count. " * 600_000  # more than the buffers of a connection hold


def _impatient(seconds: float) -> Mapping[str, Any]:
    return {"timeout": Timeout(connect=10, answer=seconds, chunk=seconds)}


def _in_all(seconds: float) -> Mapping[str, Any]:
    return {"total_timeout": seconds}


ROWS = (
    Fault("connect refused", fails_to_connect("APIConnectionError"), outside="refusing"),
    Fault("DNS failure", fails_to_connect("APIConnectionError"), outside="unknown"),
    Fault("TLS failure: no TLS there", fails_to_connect("APIConnectionError"), outside="plain"),
    Fault("TLS failure: unknown certificate", fails_to_connect("APIConnectionError"), outside="stranger"),
    Fault(
        "connect timeout",
        fails_to_connect("APITimeoutError"),
        outside="full",
        patience=0.05,
        given=lambda seconds: {"timeout": Timeout(connect=seconds)},
    ),
    Fault("slow headers", GIVEN, strike=strikes.late),
    Fault("headers too late", fails("APITimeoutError"), strike=strikes.silent, patience=0.15, given=_impatient),
    Fault(
        "headers without end", fails("APITimeoutError"), strike=strikes.headers_without_end, patience=0.2, given=_in_all
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
        patience=0.25,
        given=_in_all,
        at=IN_THE_MIDDLE,
    ),
    Fault(
        "stall mid-body",
        breaks_body("APITimeoutError", looks=1),
        strike=strikes.stalled,
        patience=0.15,
        given=_impatient,
    ),
    Fault(
        "stall mid-stream",
        breaks_stream(looks=1),
        strike=strikes.stalled,
        patience=0.15,
        given=_impatient,
        at=IN_THE_MIDDLE,
    ),
    Fault("reset before headers", fails_at_last("APIConnectionError"), strike=strikes.reset_at_once),
    Fault(
        "reset before headers, once",
        By({"start": Fails("APIConnectionError"), "": GIVEN_AT_LAST}),
        strike=strikes.reset_at_once,
        times=1,
    ),
    Fault("closed before headers", fails_at_last("APIConnectionError"), strike=strikes.closed_at_once),
    Fault(
        "reset after headers",
        By(
            {
                "start": Fails("APIConnectionError"),
                "look": Fails("APIConnectionError", requests=TRIES, cancels=True),
                "stream": Fails("APIConnectionError", requests=TRIES),
                "": Fails("APIConnectionError"),
            }
        ),
        strike=strikes.reset_after_headers,
    ),
    Fault("reset mid-body", breaks_body("APIConnectionError", looks=TRIES), strike=strikes.reset),
    Fault("reset mid-stream", breaks_stream(looks=TRIES), strike=strikes.reset, at=IN_THE_MIDDLE),
    Fault("truncated body", breaks_body("APIConnectionError", looks=TRIES), strike=strikes.truncated),
    Fault("truncated stream", breaks_stream(looks=TRIES), strike=strikes.truncated, at=IN_THE_MIDDLE),
    Fault(
        "keep-alive closed while we write",
        By(
            {
                "start": Fails("APIConnectionError", requests=2),
                "look": Expect(text=TEXT, requests=2 * LOOKS + 1),
                "": Expect(text=TEXT, requests=3),
            }
        ),
        hangs_up=True,
        asked=LONG,
        asks=2,
        at=By({"look": LOOKS + 1, "": 2}),
        times=1,
    ),
    Fault(
        "keep-alive closed while idle",
        By({"look": Expect(text=TEXT, requests=2 * LOOKS), "": Expect(text=TEXT, requests=2)}),
        strike=strikes.closed_after,
        asks=2,
        rests=True,
    ),
)
