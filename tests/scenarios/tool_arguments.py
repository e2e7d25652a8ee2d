"""Tool calls: what stands for the arguments."""

from __future__ import annotations

import json

from tests.scenarios.table import ABSENT
from tests.scenarios.tool_calls import ADDED, PARIS, SUM, adding, asked, asked_in, more, one, tool_row, weather

_ANYWHERE: tuple[str, dict[str, str]] = ("get_weather", {})

ROWS = (
    # Seen at gateways: arguments as an object; peers raise a ValidationError.
    one(
        "arguments-object", blocking=asked(weather({"city": "Paris"})), stream=asked_in([weather({"city": "Paris"}, 0)])
    ),
    *(
        tool_row(
            f"arguments-{name}",
            _ANYWHERE,
            tool_ids=("call_1",),
            blocking=asked(weather(arguments)),
            stream=asked_in([weather(arguments, 0)]),
        )
        for name, arguments in (
            # Seen at gateways: arguments of no characters.
            ("empty", ""),
            # Seen at gateways: arguments null.
            ("null", None),
            # Seen at gateways: the field is left out.
            ("missing", ABSENT),
            # Seen at gateways: an object without members.
            ("empty-object", {}),
            # A function without parameters, called as documented.
            ("empty-json", "{}"),
        )
    ),
    # Null in the first piece, the text in later ones.
    one("arguments-null-then-pieces", stream=asked_in([weather(None, 0)], [more(PARIS, 0)])),
    *(
        one(
            f"arguments-{name}",
            blocking=asked(weather(text)),
            stream=asked_in([weather(text[:4], 0)], [more(text[4:], 0)]),
        )
        for name, text in (
            # Parsers of servers encode what is JSON already.
            ("encoded-twice", json.dumps(PARIS)),
            # Models write a fence.
            ("in-a-fence", f"```json\n{PARIS}\n```"),
            # Models close a fence that they did not open.
            ("before-a-fence", f"{PARIS}\n```"),
            # Templates leave their tokens behind.
            ("before-mistral-tokens", f"{PARIS}[/TOOL_CALLS]"),
            # The same, with bars of another kind.
            ("before-deepseek-tokens", f"{PARIS}<\uff5ctool▁call▁end\uff5c>"),
            # Blanks before the object.
            ("null-then-pieces-of-blanks", f"  \n {PARIS}"),
        )
    ),
    *(
        # Gateways hand on the field's name that the model's template has.
        one(
            f"arguments-{name}",
            blocking=asked({"id": "call_1", "function": {"name": "get_weather", name: value}}),
            stream=asked_in([{"id": "call_1", "index": 0, "function": {"name": "get_weather", name: value}}]),
        )
        for name, value in (("parameters", {"city": "Paris"}), ("input", PARIS))
    ),
    *(
        tool_row(
            f"arguments-{name}",
            _ANYWHERE,
            tool_ids=("call_1",),
            blocking=asked(None, weather(arguments)),
            stream=asked_in([None, weather(arguments, 0)]),
        )
        for name, arguments in (
            # PHP makes an empty list of an empty object.
            ("empty-list", []),
            # Null that was encoded twice, behind an entry that is null itself.
            ("null-as-text", "null"),
        )
    ),
    # An event for each character.
    one("arguments-letter-by-letter", stream=asked_in([weather("", 0)], *([more(c, 0)] for c in PARIS))),
    # Quotes, line ends and characters outside the first plane, cut inside an escape.
    tool_row(
        "arguments-escaped",
        ("get_weather", {"city": 'Saint "Denis"\n🌍'}),
        blocking=asked(weather(r'{"city": "Saint \"Denis\"\n\ud83c\udf0d"}')),
        stream=asked_in([weather(r'{"city": "Saint \"Denis\"\n\ud83c\ud', 0)], [more('f0d"}', 0)]),
    ),
    # What is no JSON is handed on as it came, not dropped.
    tool_row(
        "arguments-invalid",
        invalid_tool_calls=(("get_weather", '{"city": Paris}'),),
        blocking=asked(weather('{"city": Paris}')),
        stream=asked_in([weather('{"city":', 0)], [more(" Paris}", 0)]),
    ),
    # The good call beside a bad one is kept.
    tool_row(
        "arguments-invalid-beside-valid",
        ADDED,
        tool_ids=("call_2",),
        invalid_tool_calls=(("get_weather", "Paris"),),
        blocking=asked(weather("Paris"), adding(SUM)),
        stream=asked_in([weather("Paris", 0)], [adding(SUM, 1)]),
    ),
    # JSON that is no object cannot be a function's arguments.
    tool_row(
        "arguments-list",
        invalid_tool_calls=(("get_weather", '["Paris"]'),),
        blocking=asked(weather('["Paris"]')),
        stream=asked_in([weather('["Paris"]', 0)]),
    ),
    # The maximum output is reached inside the arguments.
    tool_row(
        "arguments-cut",
        finish_reason="length",
        invalid_tool_calls=(("get_weather", '{"city": "Par'),),
        blocking=asked(weather('{"city": "Par'), finish="length"),
        stream=asked_in([weather('{"city": "Par', 0)], finish="length"),
    ),
)
