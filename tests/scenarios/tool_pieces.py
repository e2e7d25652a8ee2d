"""Tool calls: which piece belongs to which call."""

from __future__ import annotations

from tests.scenarios.table import ABSENT
from tests.scenarios.tool_calls import (
    ADDED,
    IN_PARIS,
    IN_ROME,
    PARIS,
    ROME,
    SUM,
    adding,
    asked,
    asked_in,
    call,
    more,
    one,
    tool_row,
    two,
    weather,
)

ROWS = (
    # Seen at gateways: the same index with a new ID is a new call, as Ollama-like gateways send.
    two("index-reused", stream=asked_in([weather(PARIS, 0)], [adding(SUM, 0)])),
    # Seen at gateways: the same within one event.
    two("index-reused-in-one-event", stream=asked_in([weather(PARIS, 0), adding(SUM, 0)])),
    # Seen at gateways: pieces behind a reused index belong to the newer call.
    two(
        "index-reused-then-pieces", stream=asked_in([weather("", 0)], [more(PARIS, 0)], [adding("", 0)], [more(SUM, 0)])
    ),
    # Seen at gateways: no index; the ID tells the calls apart.
    two("index-missing", stream=asked_in([weather('{"city":')], [more(' "Paris"}', call_id="call_1")], [adding(SUM)])),
    # Seen at gateways: a piece with neither name nor index nor ID continues the last call.
    two(
        "index-missing-in-pieces",
        stream=asked_in([weather("")], [more('{"city":')], [more(' "Paris"}')], [adding("")], [more(SUM)]),
    ),
    # Seen at gateways: the index is there and null.
    two("index-null", stream=asked_in([weather(PARIS, None)], [adding(SUM, None)])),
    # Older gateways send the index as text.
    two("index-as-text", stream=asked_in([weather('{"city":', "0")], [more(' "Paris"}', "0")], [adding(SUM, "1")])),
    # Gateways in languages with one kind of number.
    two("index-as-float", stream=asked_in([weather("", 0.0)], [adding("", 1.0)], [more(PARIS, 0.0)], [more(SUM, 1.0)])),
    # Gateways that count the calls, in the ID.
    tool_row(
        "id-as-number",
        IN_PARIS,
        IN_ROME,
        tool_ids=("1", "2"),
        stream=asked_in(
            [weather("", call_id=1)], [weather("", call_id=2)], [more(PARIS, call_id=1)], [more(ROME, call_id=2)]
        ),
    ),
    # A gateway that numbers the pieces, and gives each an ID.
    one(
        "index-of-pieces",
        stream=asked_in(
            [weather("", 0)], [more('{"city":', 1, call_id="call_2")], [more(' "Paris"}', 2, call_id="call_3")]
        ),
    ),
    # A gateway that makes each piece a call of its own; the index tells that it is one.
    one(
        "id-new-and-name-in-each-piece",
        stream=asked_in(*([weather(piece, 0, call_id=f"call_{n}")] for n, piece in enumerate(("", "{", PARIS[1:]), 1))),
    ),
    # A last entry without a name or arguments is no call.
    one(
        "index-without-a-call",
        stream=asked_in([weather(PARIS, 0)], [call("", "", index=1, call_id="")], [{"index": 2}]),
    ),
    # Gateways count from 1, or leave numbers out.
    two("index-from-one", stream=asked_in([weather(PARIS, 1)], [adding(SUM, 3)])),
    # Seen at gateways: no ID, so one is made up.
    tool_row(
        "id-missing",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        blocking=asked(weather(PARIS, call_id=ABSENT), weather(ROME, call_id=ABSENT)),
        stream=asked_in(
            [weather('{"city":', 0, call_id=ABSENT)], [more(' "Paris"}', 0)], [weather(ROME, 1, call_id=ABSENT)]
        ),
    ),
    # Seen at gateways: the ID is there and null, or has no characters.
    tool_row(
        "id-null",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        blocking=asked(weather(PARIS, call_id=None), weather(ROME, call_id="")),
        stream=asked_in([weather(PARIS, 0, call_id=None)], [weather(ROME, 1, call_id="")]),
    ),
    # Seen at gateways: name and ID in every piece; peers glue the name together.
    one("id-repeated", stream=asked_in(*([weather(piece, 0)] for piece in ("", '{"city":', ' "Paris"}')))),
    # Seen at gateways: the name in every piece, the ID in the first.
    one("name-repeated", stream=asked_in([weather('{"city":', 0)], [weather(' "Paris"}', 0, call_id=None)])),
    # Gateways send ID and name without characters in later pieces.
    one(
        "id-and-name-empty-later",
        stream=asked_in([weather('{"city":', 0)], [call("", ' "Paris"}', index=0, call_id="")]),
    ),
    # The same with null.
    one(
        "id-and-name-null-later",
        stream=asked_in([weather('{"city":', 0)], [call(None, ' "Paris"}', index=0, call_id=None)]),
    ),
    # Seen at gateways: neither, in one event: each name is a call.
    tool_row(
        "id-and-index-missing",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        stream=asked_in([weather(PARIS, call_id=ABSENT), weather(ROME, call_id=ABSENT)]),
    ),
    # Seen at gateways: neither; the nameless piece continues the last call.
    tool_row(
        "id-and-index-missing-in-pieces",
        IN_PARIS,
        tool_ids=(None,),
        stream=asked_in([weather('{"city":', call_id=ABSENT)], [more(' "Paris"}')]),
    ),
    # Seen at gateways: neither; another name is another call.
    tool_row(
        "id-and-index-missing-in-two-events",
        IN_PARIS,
        ADDED,
        tool_ids=(None, None),
        stream=asked_in([weather(PARIS, call_id=ABSENT)], [adding(SUM, call_id=ABSENT)]),
    ),
)
