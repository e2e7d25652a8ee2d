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
    Fault(name="connect refused", outside="refusing", result=fails_to_connect("APIConnectionError")),
    Fault(name="DNS failure", outside="unknown", result=fails_to_connect("APIConnectionError")),
    Fault(name="TLS failure: no TLS there", outside="plain", result=fails_to_connect("APIConnectionError")),
    Fault(name="TLS failure: unknown certificate", outside="stranger", result=fails_to_connect("APIConnectionError")),
    Fault(
        name="connect timeout",
        outside="full",
        patience=0.05,
        given=lambda seconds: {"timeout": Timeout(connect=seconds)},
        result=fails_to_connect("APITimeoutError"),
    ),
    Fault(name="slow headers", strike=strikes.late, result=GIVEN),
    Fault(
        name="headers too late",
        strike=strikes.silent,
        patience=0.15,
        given=_impatient,
        result=fails("APITimeoutError"),
    ),
    Fault(
        name="headers without end",
        strike=strikes.headers_without_end,
        patience=0.2,
        given=_in_all,
        result=fails("APITimeoutError"),
    ),
    Fault(name="slow chunks", strike=strikes.slow, result=GIVEN),
    Fault(
        name="chunks without end",
        strike=strikes.dripping,
        patience=0.25,
        given=_in_all,
        at=IN_THE_MIDDLE,
        result=By(
            {
                "look stream": Fails(error="StreamInterruptedError", requests=LOOKS, cancels=True, part_of=TEXT),
                "look": Fails(error="APITimeoutError", requests=LOOKS, cancels=True),
                "start": Fails(error="APITimeoutError"),
                "stream": Fails(error="StreamInterruptedError", part_of=TEXT),
                "": Fails(error="APITimeoutError"),
            }
        ),
    ),
    Fault(
        name="stall mid-body",
        strike=strikes.stalled,
        patience=0.15,
        given=_impatient,
        result=breaks_body("APITimeoutError", looks=1),
    ),
    Fault(
        name="stall mid-stream",
        strike=strikes.stalled,
        patience=0.15,
        given=_impatient,
        at=IN_THE_MIDDLE,
        result=breaks_stream(looks=1),
    ),
    Fault(name="reset before headers", strike=strikes.reset_at_once, result=fails_at_last("APIConnectionError")),
    Fault(
        name="reset before headers, once",
        strike=strikes.reset_at_once,
        times=1,
        result=By({"start": Fails(error="APIConnectionError"), "": GIVEN_AT_LAST}),
    ),
    Fault(name="closed before headers", strike=strikes.closed_at_once, result=fails_at_last("APIConnectionError")),
    Fault(
        name="reset after headers",
        strike=strikes.reset_after_headers,
        result=By(
            {
                "start": Fails(error="APIConnectionError"),
                "look": Fails(error="APIConnectionError", requests=TRIES, cancels=True),
                "stream": Fails(error="APIConnectionError", requests=TRIES),
                "": Fails(error="APIConnectionError"),
            }
        ),
    ),
    Fault(name="reset mid-body", strike=strikes.reset, result=breaks_body("APIConnectionError", looks=TRIES)),
    Fault(name="reset mid-stream", strike=strikes.reset, at=IN_THE_MIDDLE, result=breaks_stream(looks=TRIES)),
    Fault(name="truncated body", strike=strikes.truncated, result=breaks_body("APIConnectionError", looks=TRIES)),
    Fault(name="truncated stream", strike=strikes.truncated, at=IN_THE_MIDDLE, result=breaks_stream(looks=TRIES)),
    Fault(
        name="keep-alive closed while we write",
        hangs_up=True,
        asked=LONG,
        asks=2,
        at=By({"look": LOOKS + 1, "": 2}),
        times=1,
        result=By(
            {
                "start": Fails(error="APIConnectionError", requests=2),
                "look": Expect(text=TEXT, requests=2 * LOOKS + 1),
                "": Expect(text=TEXT, requests=3),
            }
        ),
    ),
    Fault(
        name="keep-alive closed while idle",
        strike=strikes.closed_after,
        asks=2,
        rests=True,
        result=By({"look": Expect(text=TEXT, requests=2 * LOOKS), "": Expect(text=TEXT, requests=2)}),
    ),
)
