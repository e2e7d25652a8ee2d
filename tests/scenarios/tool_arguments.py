"""Tool calls: what stands for the arguments."""

import json

from tests.scenarios.table import ABSENT, chunk, counted, tokens
from tests.scenarios.tool_calls import ADDED, PARIS, SUM, adding, asked, asked_in, more, one, tool_row, weather
from tests.script_server import sse

_ANYWHERE: tuple[str, dict[str, str]] = ("get_weather", {})

ROWS = (
    # Zhipu (zai-org/GLM-4.5#17): arguments as an object; peers raise a ValidationError.
    one("arguments-object", [weather({"city": "Paris"}, 0)], blocking=asked(weather({"city": "Paris"}))),
    *(
        tool_row(
            f"arguments-{name}",
            _ANYWHERE,
            tool_ids=("call_1",),
            blocking=asked(weather(arguments)),
            stream=asked_in([weather(arguments, 0)]),
        )
        for name, arguments in (
            # Anthropic on OpenRouter (simonw/llm#1164): arguments of no characters.
            ("empty", ""),
            # vLLM (langchain-ai/langchain#34242): arguments null.
            ("null", None),
            # Some services (open-webui/open-webui#24825): the field is left out.
            ("missing", ABSENT),
            # Anthropic behind Envoy (envoyproxy/ai-gateway#1465): an object without members.
            ("empty-object", {}),
            # OpenAI on OpenRouter (simonw/llm#1164): a function without parameters.
            ("empty-json", "{}"),
        )
    ),
    # OpenRouter (langfuse/langfuse-python#1339): null in the first piece, the text in later ones.
    one("arguments-null-then-pieces", [weather(None, 0)], [more(PARIS, 0)]),
    *(
        one(f"arguments-{name}", [weather(text[:4], 0)], [more(text[4:], 0)], blocking=asked(weather(text)))
        for name, text in (
            # vLLM with Granite (vllm-project/vllm#25729): what is JSON already is encoded again.
            ("encoded-twice", json.dumps(PARIS)),
            # DeepSeek behind gateways (earendil-works/pi#8858): models write a fence.
            ("in-a-fence", f"```json\n{PARIS}\n```"),
            # Not seen in public: models close a fence that they did not open.
            ("before-a-fence", f"{PARIS}\n```"),
            # Open models (livekit/agents#5840): tokens of the template are left behind, here Mistral's.
            ("before-mistral-tokens", f"{PARIS}[/TOOL_CALLS]"),
            # DeepSeek on near.ai (nearai/ironclaw#5951): the same, with bars of another kind.
            ("before-deepseek-tokens", f"{PARIS}<\uff5ctool▁call▁end\uff5c>"),
            # Hermes (NousResearch/hermes-agent#79333): the model goes on in words behind the object.
            ("before-words", f"{PARIS} and so on"),
            # vLLM (vllm-project/vllm#51701): a bracket too many, and half a token.
            ("before-a-bracket", f"{PARIS}}}</s"),
            # Not seen in public: blanks before the object.
            ("null-then-pieces-of-blanks", f"  \n {PARIS}"),
        )
    ),
    *(
        # Not seen in public: models say `parameters`, `input` or `args`, and the field's name is handed on.
        one(
            f"arguments-{name}",
            [{"id": "call_1", "index": 0, "function": {"name": "get_weather", name: value}}],
            blocking=asked({"id": "call_1", "function": {"name": "get_weather", name: value}}),
        )
        for name, value in (("parameters", {"city": "Paris"}), ("input", PARIS), ("args", PARIS))
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
            # Not seen in public: PHP makes an empty list of an empty object.
            ("empty-list", []),
            # Not seen in public: null that was encoded twice, behind an entry that is null itself.
            ("null-as-text", "null"),
        )
    ),
    # Codex, Kimi (diegosouzapw/OmniRoute#3762): fragments of one character.
    one("arguments-letter-by-letter", [weather("", 0)], *([more(c, 0)] for c in PARIS)),
    # RFC 8259, section 8.2: quotes, line ends and characters outside the first plane, cut inside an escape.
    tool_row(
        "arguments-escaped",
        ("get_weather", {"city": 'Saint "Denis"\n🌍'}),
        blocking=asked(weather(r'{"city": "Saint \"Denis\"\n\ud83c\udf0d"}')),
        stream=asked_in([weather(r'{"city": "Saint \"Denis\"\n\ud83c\ud', 0)], [more('f0d"}', 0)]),
    ),
    *(
        tool_row(
            f"arguments-{name}",
            finish_reason=finish,
            invalid_tool_calls=(("get_weather", text),),
            blocking=asked(weather(text), finish=finish),
            stream=asked_in([weather(text[:8], 0)], [more(text[8:], 0)], finish=finish),
        )
        for name, text, finish in (
            # OpenAI's specification: the model does not always write valid JSON; it is handed on as it came.
            ("invalid", '{"city": Paris}', "tool_calls"),
            # OpenAI (langchain-ai/langchain#35997): JSON that is no object cannot be a function's arguments.
            ("list", '["Paris"]', "tool_calls"),
            # vLLM (vllm-project/vllm#37937): the maximum output is reached inside the arguments.
            ("cut", '{"city": "Par', "length"),
        )
    ),
    # vLLM (vllm-project/vllm#58228): what was cut at max_tokens is told as calls; the count of tokens shows it.
    tool_row(
        "arguments-cut-and-told-as-calls",
        finish_reason="length",
        usage=(5, 8192, 8197),
        invalid_tool_calls=(("get_weather", '{"city": "Par'),),
        blocking=asked(weather('{"city": "Par'), top={"usage": tokens(5, 8192)}),
        stream=sse(chunk(tool_calls=[weather('{"city": "Par', 0)], finish="tool_calls"), counted(tokens(5, 8192))),
    ),
    # OpenAI's specification: a custom tool's input is any text.
    tool_row(
        "arguments-of-a-custom-tool",
        invalid_tool_calls=(("get_weather", "Paris, please"),),
        blocking=asked({"id": "call_1", "type": "custom", "custom": {"name": "get_weather", "input": "Paris, please"}}),
        stream=asked_in(
            [{"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "get_weather", "input": ""}}],
            *([{"index": 0, "custom": {"input": piece}}] for piece in ("Paris, ", "please")),
        ),
    ),
    # OpenAI's specification, as above: the good call beside a bad one is kept.
    tool_row(
        "arguments-invalid-beside-valid",
        ADDED,
        tool_ids=("call_2",),
        invalid_tool_calls=(("get_weather", "Paris"),),
        blocking=asked(weather("Paris"), adding(SUM)),
        stream=asked_in([weather("Paris", 0)], [adding(SUM, 1)]),
    ),
)
