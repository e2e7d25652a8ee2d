"""Tool calls: what stands for the arguments."""

from __future__ import annotations

import json

from tests.scenarios.table import ABSENT
from tests.scenarios.tool_calls import ADDED, IN_PARIS, PARIS, SUM, asked, asked_in, call, tool_row

_ANYWHERE: tuple[str, dict[str, str]] = ("get_weather", {})

ROWS = (
    tool_row(
        "arguments-object",
        "Seen at gateways: arguments as an object; peers raise a ValidationError.",
        IN_PARIS,
        tool_ids=("call_1",),
        blocking=asked(call("get_weather", {"city": "Paris"}, call_id="call_1")),
        stream=asked_in([call("get_weather", {"city": "Paris"}, index=0, call_id="call_1")]),
    ),
    *(
        tool_row(
            f"arguments-{name}",
            why,
            _ANYWHERE,
            tool_ids=("call_1",),
            blocking=asked(call("get_weather", arguments, call_id="call_1")),
            stream=asked_in([call("get_weather", arguments, index=0, call_id="call_1")]),
        )
        for name, why, arguments in (
            ("empty", "Seen at gateways: arguments of no characters.", ""),
            ("null", "Seen at gateways: arguments null.", None),
            ("missing", "Seen at gateways: the field is left out.", ABSENT),
            ("empty-object", "Seen at gateways: an object without members.", {}),
            ("empty-json", "A function without parameters, called as documented.", "{}"),
        )
    ),
    tool_row(
        "arguments-null-then-pieces",
        "Null in the first piece, the text in later ones.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in([call("get_weather", None, index=0, call_id="call_1")], [call(arguments=PARIS, index=0)]),
    ),
    *(
        tool_row(
            f"arguments-{name}",
            why,
            IN_PARIS,
            tool_ids=("call_1",),
            blocking=asked(call("get_weather", text, call_id="call_1")),
            stream=asked_in(
                [call("get_weather", text[:4], index=0, call_id="call_1")], [call(arguments=text[4:], index=0)]
            ),
        )
        for name, why, text in (
            ("encoded-twice", "Parsers of servers encode what is JSON already.", json.dumps(PARIS)),
            ("in-a-fence", "Models write a fence.", f"```json\n{PARIS}\n```"),
            ("before-a-fence", "Models close a fence that they did not open.", f"{PARIS}\n```"),
            ("before-mistral-tokens", "Templates leave their tokens behind.", f"{PARIS}[/TOOL_CALLS]"),
            ("before-deepseek-tokens", "The same, with bars of another kind.", f"{PARIS}<\uff5ctool▁call▁end\uff5c>"),
            ("null-then-pieces-of-blanks", "Blanks before the object.", f"  \n {PARIS}"),
        )
    ),
    *(
        tool_row(
            f"arguments-{name}",
            "Gateways hand on the field's name that the model's template has.",
            IN_PARIS,
            tool_ids=("call_1",),
            blocking=asked({"id": "call_1", "function": {"name": "get_weather", name: value}}),
            stream=asked_in([{"id": "call_1", "index": 0, "function": {"name": "get_weather", name: value}}]),
        )
        for name, value in (("parameters", {"city": "Paris"}), ("input", PARIS))
    ),
    *(
        tool_row(
            f"arguments-{name}",
            why,
            _ANYWHERE,
            tool_ids=("call_1",),
            blocking=asked(None, call("get_weather", arguments, call_id="call_1")),
            stream=asked_in([None, call("get_weather", arguments, index=0, call_id="call_1")]),
        )
        for name, why, arguments in (
            ("empty-list", "PHP makes an empty list of an empty object.", []),
            ("null-as-text", "Null that was encoded twice, behind an entry that is null itself.", "null"),
        )
    ),
    tool_row(
        "arguments-letter-by-letter",
        "An event for each character.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", "", index=0, call_id="call_1")], *([call(arguments=c, index=0)] for c in PARIS)
        ),
    ),
    tool_row(
        "arguments-escaped",
        "Quotes, line ends and characters outside the first plane, cut inside an escape.",
        ("get_weather", {"city": 'Saint "Denis"\n🌍'}),
        blocking=asked(call("get_weather", r'{"city": "Saint \"Denis\"\n\ud83c\udf0d"}', call_id="call_1")),
        stream=asked_in(
            [call("get_weather", r'{"city": "Saint \"Denis\"\n\ud83c\ud', index=0, call_id="call_1")],
            [call(arguments='f0d"}', index=0)],
        ),
    ),
    tool_row(
        "arguments-invalid",
        "What is no JSON is handed on as it came, not dropped.",
        invalid_tool_calls=(("get_weather", '{"city": Paris}'),),
        blocking=asked(call("get_weather", '{"city": Paris}', call_id="call_1")),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")], [call(arguments=" Paris}", index=0)]
        ),
    ),
    tool_row(
        "arguments-invalid-beside-valid",
        "The good call beside a bad one is kept.",
        ADDED,
        tool_ids=("call_2",),
        invalid_tool_calls=(("get_weather", "Paris"),),
        blocking=asked(call("get_weather", "Paris", call_id="call_1"), call("add", SUM, call_id="call_2")),
        stream=asked_in(
            [call("get_weather", "Paris", index=0, call_id="call_1")], [call("add", SUM, index=1, call_id="call_2")]
        ),
    ),
    tool_row(
        "arguments-list",
        "JSON that is no object cannot be a function's arguments.",
        invalid_tool_calls=(("get_weather", '["Paris"]'),),
        blocking=asked(call("get_weather", '["Paris"]', call_id="call_1")),
        stream=asked_in([call("get_weather", '["Paris"]', index=0, call_id="call_1")]),
    ),
    tool_row(
        "arguments-cut",
        "The maximum output is reached inside the arguments.",
        finish_reason="length",
        invalid_tool_calls=(("get_weather", '{"city": "Par'),),
        blocking=asked(call("get_weather", '{"city": "Par', call_id="call_1"), finish="length"),
        stream=asked_in([call("get_weather", '{"city": "Par', index=0, call_id="call_1")], finish="length"),
    ),
)
