"""Tool calls: which piece belongs to which call."""

from __future__ import annotations

from tests.scenarios.tool_calls import ADDED, IN_PARIS, IN_ROME, PARIS, ROME, SUM, asked, asked_in, call, tool_row

ROWS = (
    tool_row(
        "index-reused",
        "Seen at gateways: the same index with a new ID is a new call, as Ollama-like gateways send.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id="call_1")], [call("add", SUM, index=0, call_id="call_2")]
        ),
    ),
    tool_row(
        "index-reused-in-one-event",
        "Seen at gateways: the same within one event.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id="call_1"), call("add", SUM, index=0, call_id="call_2")]
        ),
    ),
    tool_row(
        "index-reused-then-pieces",
        "Seen at gateways: pieces behind a reused index belong to the newer call.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", "", index=0, call_id="call_1")],
            [call(arguments=PARIS, index=0)],
            [call("add", "", index=0, call_id="call_2")],
            [call(arguments=SUM, index=0)],
        ),
    ),
    tool_row(
        "index-missing",
        "Seen at gateways: no index; the ID tells the calls apart.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", '{"city":', call_id="call_1")],
            [call(arguments=' "Paris"}', call_id="call_1")],
            [call("add", SUM, call_id="call_2")],
        ),
    ),
    tool_row(
        "index-missing-in-pieces",
        "Seen at gateways: a piece with neither name nor index nor ID continues the last call.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", "", call_id="call_1")],
            [call(arguments='{"city":')],
            [call(arguments=' "Paris"}')],
            [call("add", "", call_id="call_2")],
            [call(arguments=SUM)],
        ),
    ),
    tool_row(
        "index-null",
        "Seen at gateways: the index is there and null.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=None, call_id="call_1")], [call("add", SUM, index=None, call_id="call_2")]
        ),
    ),
    tool_row(
        "index-as-text",
        "Older gateways send the index as text.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", '{"city":', index="0", call_id="call_1")],
            [call(arguments=' "Paris"}', index="0")],
            [call("add", SUM, index="1", call_id="call_2")],
        ),
    ),
    tool_row(
        "index-as-float",
        "Gateways in languages with one kind of number.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", "", index=0.0, call_id="call_1")],
            [call("add", "", index=1.0, call_id="call_2")],
            [call(arguments=PARIS, index=0.0)],
            [call(arguments=SUM, index=1.0)],
        ),
    ),
    tool_row(
        "id-as-number",
        "Gateways that count the calls, in the ID.",
        IN_PARIS,
        IN_ROME,
        tool_ids=("1", "2"),
        stream=asked_in(
            [call("get_weather", "", call_id=1)],
            [call("get_weather", "", call_id=2)],
            [call(arguments=PARIS, call_id=1)],
            [call(arguments=ROME, call_id=2)],
        ),
    ),
    tool_row(
        "index-of-pieces",
        "A gateway that numbers the pieces, and gives each an ID.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", "", index=0, call_id="call_1")],
            [call(arguments='{"city":', index=1, call_id="call_2")],
            [call(arguments=' "Paris"}', index=2, call_id="call_3")],
        ),
    ),
    tool_row(
        "id-new-and-name-in-each-piece",
        "A gateway that makes each piece a call of its own; the index tells that it is one.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            *(
                [call("get_weather", piece, index=0, call_id=f"call_{n}")]
                for n, piece in enumerate(("", "{", PARIS[1:]), 1)
            )
        ),
    ),
    tool_row(
        "index-without-a-call",
        "A last entry without a name or arguments is no call.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id="call_1")], [call("", "", index=1, call_id="")], [{"index": 2}]
        ),
    ),
    tool_row(
        "index-from-one",
        "Gateways count from 1, or leave numbers out.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=1, call_id="call_1")], [call("add", SUM, index=3, call_id="call_2")]
        ),
    ),
    tool_row(
        "id-missing",
        "Seen at gateways: no ID, so one is made up.",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        blocking=asked(call("get_weather", PARIS), call("get_weather", ROME)),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0)],
            [call(arguments=' "Paris"}', index=0)],
            [call("get_weather", ROME, index=1)],
        ),
    ),
    tool_row(
        "id-null",
        "Seen at gateways: the ID is there and null, or has no characters.",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        blocking=asked(call("get_weather", PARIS, call_id=None), call("get_weather", ROME, call_id="")),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id=None)], [call("get_weather", ROME, index=1, call_id="")]
        ),
    ),
    tool_row(
        "id-repeated",
        "Seen at gateways: name and ID in every piece; peers glue the name together.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            *([call("get_weather", piece, index=0, call_id="call_1")] for piece in ("", '{"city":', ' "Paris"}'))
        ),
    ),
    tool_row(
        "name-repeated",
        "Seen at gateways: the name in every piece, the ID in the first.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")],
            [call("get_weather", ' "Paris"}', index=0, call_id=None)],
        ),
    ),
    tool_row(
        "id-and-name-empty-later",
        "Gateways send ID and name without characters in later pieces.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")], [call("", ' "Paris"}', index=0, call_id="")]
        ),
    ),
    tool_row(
        "id-and-name-null-later",
        "The same with null.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")],
            [call(None, ' "Paris"}', index=0, call_id=None)],
        ),
    ),
    tool_row(
        "id-and-index-missing",
        "Seen at gateways: neither, in one event: each name is a call.",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        stream=asked_in([call("get_weather", PARIS), call("get_weather", ROME)]),
    ),
    tool_row(
        "id-and-index-missing-in-pieces",
        "Seen at gateways: neither; the nameless piece continues the last call.",
        IN_PARIS,
        tool_ids=(None,),
        stream=asked_in([call("get_weather", '{"city":')], [call(arguments=' "Paris"}')]),
    ),
    tool_row(
        "id-and-index-missing-in-two-events",
        "Seen at gateways: neither; another name is another call.",
        IN_PARIS,
        ADDED,
        tool_ids=(None, None),
        stream=asked_in([call("get_weather", PARIS)], [call("add", SUM)]),
    ),
)
