"""Tool calls: what stands for the arguments."""

from __future__ import annotations

import json

from tests.scenarios.table import ABSENT
from tests.scenarios.tool_calls import ADDED, PARIS, SUM, adding, asked, asked_in, more, one, tool_row, weather

_ANYWHERE: tuple[str, dict[str, str]] = ("get_weather", {})

ROWS = (
    # Ollama: arguments as an object; peers raise a ValidationError.
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
            # OpenAI, DeepSeek: arguments of no characters.
            ("empty", ""),
            # Any server: arguments null.
            ("null", None),
            # Any server: the field is left out.
            ("missing", ABSENT),
            # Ollama: an object without members.
            ("empty-object", {}),
            # OpenAI: a function without parameters, called as documented.
            ("empty-json", "{}"),
        )
    ),
    # SGLang: null in the first piece, the text in later ones.
    one("arguments-null-then-pieces", stream=asked_in([weather(None, 0)], [more(PARIS, 0)])),
    *(
        one(
            f"arguments-{name}",
            blocking=asked(weather(text)),
            stream=asked_in([weather(text[:4], 0)], [more(text[4:], 0)]),
        )
        for name, text in (
            # vLLM's parsers, Zhipu: what is JSON already is encoded again.
            ("encoded-twice", json.dumps(PARIS)),
            # Any server: models write a fence.
            ("in-a-fence", f"```json\n{PARIS}\n```"),
            # Any server: models close a fence that they did not open.
            ("before-a-fence", f"{PARIS}\n```"),
            # vLLM with Mistral's template: its tokens are left behind.
            ("before-mistral-tokens", f"{PARIS}[/TOOL_CALLS]"),
            # SGLang with DeepSeek's template: the same, with bars of another kind.
            ("before-deepseek-tokens", f"{PARIS}<\uff5ctool▁call▁end\uff5c>"),
            # Any server: blanks before the object.
            ("null-then-pieces-of-blanks", f"  \n {PARIS}"),
        )
    ),
    *(
        # Llama's templates say `parameters`, Anthropic `input`: the field's name is handed on.
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
            # Gateways in PHP: an empty list is made of an empty object.
            ("empty-list", []),
            # Any server: null that was encoded twice, behind an entry that is null itself.
            ("null-as-text", "null"),
        )
    ),
    # Any server: an event for each character.
    one("arguments-letter-by-letter", stream=asked_in([weather("", 0)], *([more(c, 0)] for c in PARIS))),
    # Any server: quotes, line ends and characters outside the first plane, cut inside an escape.
    tool_row(
        "arguments-escaped",
        ("get_weather", {"city": 'Saint "Denis"\n🌍'}),
        blocking=asked(weather(r'{"city": "Saint \"Denis\"\n\ud83c\udf0d"}')),
        stream=asked_in([weather(r'{"city": "Saint \"Denis\"\n\ud83c\ud', 0)], [more('f0d"}', 0)]),
    ),
    # Any server: what is no JSON is handed on as it came, not dropped.
    tool_row(
        "arguments-invalid",
        invalid_tool_calls=(("get_weather", '{"city": Paris}'),),
        blocking=asked(weather('{"city": Paris}')),
        stream=asked_in([weather('{"city":', 0)], [more(" Paris}", 0)]),
    ),
    # OpenAI: a custom tool's input is any text.
    tool_row(
        "arguments-of-a-custom-tool",
        invalid_tool_calls=(("get_weather", "Paris, please"),),
        blocking=asked({"id": "call_1", "type": "custom", "custom": {"name": "get_weather", "input": "Paris, please"}}),
        stream=asked_in(
            [{"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "get_weather", "input": ""}}],
            *([{"index": 0, "custom": {"input": piece}}] for piece in ("Paris, ", "please")),
        ),
    ),
    # Any server: the good call beside a bad one is kept.
    tool_row(
        "arguments-invalid-beside-valid",
        ADDED,
        tool_ids=("call_2",),
        invalid_tool_calls=(("get_weather", "Paris"),),
        blocking=asked(weather("Paris"), adding(SUM)),
        stream=asked_in([weather("Paris", 0)], [adding(SUM, 1)]),
    ),
    # Any server: JSON that is no object cannot be a function's arguments.
    tool_row(
        "arguments-list",
        invalid_tool_calls=(("get_weather", '["Paris"]'),),
        blocking=asked(weather('["Paris"]')),
        stream=asked_in([weather('["Paris"]', 0)]),
    ),
    # OpenAI, vLLM: the maximum output is reached inside the arguments.
    tool_row(
        "arguments-cut",
        finish_reason="length",
        invalid_tool_calls=(("get_weather", '{"city": "Par'),),
        blocking=asked(weather('{"city": "Par'), finish="length"),
        stream=asked_in([weather('{"city": "Par', 0)], finish="length"),
    ),
)
