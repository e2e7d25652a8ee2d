"""Oddities of how tokens are counted."""

from dataclasses import replace
from typing import Any

from tests.scenarios.refusals import envelope
from tests.scenarios.table import (
    ABSENT,
    COUNT,
    HELLO,
    STOP,
    Expect,
    Scenario,
    at_once,
    chunk,
    counted,
    in_stream,
    replied,
    tokens,
)
from tests.script_server import sse

_UNCOUNTED = replace(HELLO, usage=None)


def _with(usage: Any, text: Any = ABSENT, *, finish: Any = None) -> dict[str, Any]:
    return chunk(text, finish=finish, top={"usage": usage})


def _last(usage: Any) -> dict[str, Any]:
    return _with(usage, finish="stop")


def _whole(name: str, usage: Any, expect: Expect = HELLO) -> Scenario:
    """This usage in a blocking answer, and in the last event of a stream."""
    return Scenario(name, replied(top={"usage": usage}), sse(chunk("Hello"), STOP, counted(usage)), expect)


ROWS = (
    # vLLM (vllm-project/vllm#9357): `continuous_usage_stats`, cumulative on every event; peers add it up.
    in_stream("usage-cumulative", sse(_with(tokens(5, 1), "Hel"), _with(tokens(5, 2), "lo"), _last(tokens(5, 3)))),
    # vLLM (pydantic/pydantic-ai#4056): the same, and once more in a last event with empty choices.
    in_stream("usage-cumulative-then-again", sse(_with(tokens(5, 2), "Hello"), _last(tokens()), COUNT)),
    # Not seen in public: the prompt is counted in one event and the answer in another, each with zeros for the other.
    in_stream("usage-in-two-events", sse(_with(tokens(5, 0), "Hello"), _last(tokens(0, 3)))),
    # Not seen in public: a later null does not take back what was counted.
    in_stream("usage-null-after-all", sse(_with(tokens(), "Hello"), _last(None))),
    # Some services (pydantic/pydantic-ai#5170): `choices` null, here in the event with the usage.
    in_stream("usage-with-choices-null", sse(chunk("Hello"), STOP, chunk(top={"choices": None, "usage": tokens()}))),
    # OpenAI's specification: usage null in each event but the last, and here there too.
    Scenario("usage-null", replied(top={"usage": None}), sse(_with(None, "Hello"), _last(None)), _UNCOUNTED),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): no usage event.
    Scenario("usage-missing", replied(top={"usage": ABSENT}), sse(chunk("Hello"), STOP), _UNCOUNTED),
    # Anthropic (tensorzero/tensorzero#5481): no total; here a gateway passes the two counts on.
    _whole("usage-without-total", tokens(total_tokens=ABSENT)),
    # OpenRouter (sugarforever/chat-ollama#695): tokens from the cache and tokens of reasoning.
    _whole(
        "usage-details",
        tokens(prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 2}),
        replace(HELLO, cached_tokens=4, reasoning_tokens=2),
    ),
    *(
        # Anthropic's (tensorzero/tensorzero#5481), Moonshot's (AstrBotDevs/AstrBot#6614) and other names, handed on.
        _whole(f"usage-of-{name}", usage, replace(HELLO, cached_tokens=4, usage=(5, 3, total)))
        for name, total, usage in (
            ("anthropic", 8, {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 4}),
            ("bedrock", 9, {"inputTokens": 5, "outputTokens": 3, "totalTokens": 9, "cacheReadInputTokens": 4}),
            (
                "gemini",
                9,
                {"promptTokenCount": 5, "candidatesTokenCount": 3, "cachedContentTokenCount": 4, "totalTokenCount": 9},
            ),
            ("a-proxy", 8, {**tokens(), "num_cached_tokens": 4}),
            ("a-proxy-as-text", 8, {"prompt_tokens": "5", "completion_tokens": "3", "cached_tokens": "4"}),
        )
    ),
    # Not seen in public: counts under names that nobody knows are no zeros.
    _whole("usage-of-unknown-names", {"in": 5, "out": 3}, _UNCOUNTED),
    # Not seen in public: a count of -1 is one that is not known.
    at_once("usage-below-zero", replied(top={"usage": tokens(total_tokens=-1)})),
    # LiteLLM (BerriAI/litellm#8448): the details are null where they are not counted.
    _whole(
        "usage-details-null", tokens(prompt_tokens_details=None, completion_tokens_details={"reasoning_tokens": None})
    ),
    # Not seen in public: details as a list, as PHP writes an empty object, or one without names.
    _whole("usage-details-list", tokens(prompt_tokens_details=[], completion_tokens_details=[2])),
    # Groq (vercel/ai#1578): a server that does not know `stream_options` is asked again without it.
    in_stream(
        "stream-options-refused",
        envelope(400, "Unrecognized request argument supplied: stream_options", "invalid_request_error"),
        _UNCOUNTED,
        requests=2,
        then=(sse(chunk("Hello"), STOP),),
    ),
)
