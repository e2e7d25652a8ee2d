"""Tool calls: what stands for the arguments."""

from __future__ import annotations

import json

from tests.scenarios.table import ABSENT
from tests.scenarios.tool_calls import ADDED, IN_PARIS, PARIS, SUM, asked, asked_in, call, tool_row

_ANYWHERE: tuple[str, dict[str, str]] = ("get_weather", {})

ROWS = (
    tool_row(
        "arguments-object",
        "Ollama: arguments as an object; peers raise a ValidationError.",
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
            ("empty", "OpenAI, DeepSeek: arguments of no characters.", ""),
            ("null", "Any server: arguments null.", None),
            ("missing", "Any server: the field is left out.", ABSENT),
            ("empty-object", "Ollama: an object without members.", {}),
            ("empty-json", "OpenAI: a function without parameters, called as documented.", "{}"),
        )
    ),
    tool_row(
        "arguments-null-then-pieces",
        "SGLang: null in the first piece, the text in later ones.",
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
            ("encoded-twice", "vLLM's parsers, Zhipu: what is JSON already is encoded again.", json.dumps(PARIS)),
            ("in-a-fence", "Any server: models write a fence.", f"```json\n{PARIS}\n```"),
            ("before-a-fence", "Any server: models close a fence that they did not open.", f"{PARIS}\n```"),
            (
                "before-mistral-tokens",
                "vLLM with Mistral's template: its tokens are left behind.",
                f"{PARIS}[/TOOL_CALLS]",
            ),
            (
                "before-deepseek-tokens",
                "SGLang with DeepSeek's template: the same, with bars of another kind.",
                f"{PARIS}<\uff5ctool▁call▁end\uff5c>",
            ),
            ("null-then-pieces-of-blanks", "Any server: blanks before the object.", f"  \n {PARIS}"),
        )
    ),
    *(
        tool_row(
            f"arguments-{name}",
            "Llama's templates say `parameters`, Anthropic `input`: the field's name is handed on.",
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
            ("empty-list", "Gateways in PHP: an empty list is made of an empty object.", []),
            ("null-as-text", "Any server: null that was encoded twice, behind an entry that is null itself.", "null"),
        )
    ),
    tool_row(
        "arguments-letter-by-letter",
        "Any server: an event for each character.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", "", index=0, call_id="call_1")], *([call(arguments=c, index=0)] for c in PARIS)
        ),
    ),
    tool_row(
        "arguments-escaped",
        "Any server: quotes, line ends and characters outside the first plane, cut inside an escape.",
        ("get_weather", {"city": 'Saint "Denis"\n🌍'}),
        blocking=asked(call("get_weather", r'{"city": "Saint \"Denis\"\n\ud83c\udf0d"}', call_id="call_1")),
        stream=asked_in(
            [call("get_weather", r'{"city": "Saint \"Denis\"\n\ud83c\ud', index=0, call_id="call_1")],
            [call(arguments='f0d"}', index=0)],
        ),
    ),
    tool_row(
        "arguments-invalid",
        "Any server: what is no JSON is handed on as it came, not dropped.",
        invalid_tool_calls=(("get_weather", '{"city": Paris}'),),
        blocking=asked(call("get_weather", '{"city": Paris}', call_id="call_1")),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")], [call(arguments=" Paris}", index=0)]
        ),
    ),
    tool_row(
        "arguments-of-a-custom-tool",
        "OpenAI: a custom tool's input is any text.",
        invalid_tool_calls=(("get_weather", "Paris, please"),),
        blocking=asked({"id": "call_1", "type": "custom", "custom": {"name": "get_weather", "input": "Paris, please"}}),
        stream=asked_in(
            [{"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "get_weather", "input": ""}}],
            *([{"index": 0, "custom": {"input": piece}}] for piece in ("Paris, ", "please")),
        ),
    ),
    tool_row(
        "arguments-invalid-beside-valid",
        "Any server: the good call beside a bad one is kept.",
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
        "Any server: JSON that is no object cannot be a function's arguments.",
        invalid_tool_calls=(("get_weather", '["Paris"]'),),
        blocking=asked(call("get_weather", '["Paris"]', call_id="call_1")),
        stream=asked_in([call("get_weather", '["Paris"]', index=0, call_id="call_1")]),
    ),
    tool_row(
        "arguments-cut",
        "OpenAI, vLLM: the maximum output is reached inside the arguments.",
        finish_reason="length",
        invalid_tool_calls=(("get_weather", '{"city": "Par'),),
        blocking=asked(call("get_weather", '{"city": "Par', call_id="call_1"), finish="length"),
        stream=asked_in([call("get_weather", '{"city": "Par', index=0, call_id="call_1")], finish="length"),
    ),
)
