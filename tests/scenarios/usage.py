"""Oddities of how tokens are counted."""

from __future__ import annotations

from dataclasses import replace

from tests.scenarios.table import ABSENT, COUNT, HELLO, STOP, Scenario, chunk, counted, replied, tokens
from tests.script_server import json_answer, sse

ROWS = (
    # vLLM (vllm-project/vllm#9357): `continuous_usage_stats`, cumulative on every event; peers add it up.
    Scenario(
        "usage-cumulative",
        None,
        sse(
            chunk("Hel", top={"usage": tokens(5, 1)}),
            chunk("lo", top={"usage": tokens(5, 2)}),
            chunk(finish="stop", top={"usage": tokens(5, 3)}),
        ),
        HELLO,
    ),
    # vLLM (pydantic/pydantic-ai#4056): the same, and once more in a last event with empty choices.
    Scenario(
        "usage-cumulative-then-again",
        None,
        sse(chunk("Hello", top={"usage": tokens(5, 2)}), chunk(finish="stop", top={"usage": tokens()}), COUNT),
        HELLO,
    ),
    # Not seen in public: the prompt is counted in one event and the answer in another, each with zeros for the other.
    Scenario(
        "usage-in-two-events",
        None,
        sse(chunk("Hello", top={"usage": tokens(5, 0)}), chunk(finish="stop", top={"usage": tokens(0, 3)})),
        HELLO,
    ),
    # Not seen in public: a later null does not take back what was counted.
    Scenario(
        "usage-null-after-all",
        None,
        sse(chunk("Hello", top={"usage": tokens()}), chunk(finish="stop", top={"usage": None})),
        HELLO,
    ),
    # Some services (pydantic/pydantic-ai#5170): `choices` null, here in the event with the usage.
    Scenario(
        "usage-with-choices-null",
        None,
        sse(chunk("Hello"), STOP, chunk(top={"choices": None, "usage": tokens()})),
        HELLO,
    ),
    # OpenAI's specification: usage null in each event but the last, and here there too.
    Scenario(
        "usage-null",
        replied(top={"usage": None}),
        sse(chunk("Hello", top={"usage": None}), chunk(finish="stop", top={"usage": None})),
        replace(HELLO, usage=None),
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): no usage event.
    Scenario("usage-missing", replied(top={"usage": ABSENT}), sse(chunk("Hello"), STOP), replace(HELLO, usage=None)),
    # Anthropic (tensorzero/tensorzero#5481): no total; here a gateway passes the two counts on.
    Scenario(
        "usage-without-total",
        replied(top={"usage": tokens(total_tokens=ABSENT)}),
        sse(chunk("Hello"), STOP, counted(tokens(total_tokens=ABSENT))),
        HELLO,
    ),
    # OpenRouter (sugarforever/chat-ollama#695): tokens from the cache and tokens of reasoning.
    Scenario(
        "usage-details",
        replied(
            top={
                "usage": tokens(
                    prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 2}
                )
            }
        ),
        sse(
            chunk("Hello"),
            STOP,
            counted(
                tokens(prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 2})
            ),
        ),
        replace(HELLO, cached_tokens=4, reasoning_tokens=2),
    ),
    *(
        # Anthropic's (tensorzero/tensorzero#5481), Moonshot's (AstrBotDevs/AstrBot#6614) and other names, handed on.
        Scenario(
            f"usage-of-{name}",
            replied(top={"usage": usage}),
            sse(chunk("Hello"), STOP, counted(usage)),
            replace(HELLO, cached_tokens=4),
        )
        for name, usage in (
            ("anthropic", {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 4}),
            ("bedrock", {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8, "cacheReadInputTokens": 4}),
            ("gemini", {"promptTokenCount": 5, "candidatesTokenCount": 3, "cachedContentTokenCount": 4}),
            ("a-proxy", {**tokens(), "num_cached_tokens": 4}),
            ("a-proxy-as-text", {"prompt_tokens": "5", "completion_tokens": "3", "cached_tokens": "4"}),
        )
    ),
    # Not seen in public: counts under names that nobody knows are no zeros.
    Scenario(
        "usage-of-unknown-names",
        replied(top={"usage": {"in": 5, "out": 3}}),
        sse(chunk("Hello"), STOP, counted({"in": 5, "out": 3})),
        replace(HELLO, usage=None),
    ),
    # Not seen in public: a count of -1 is one that is not known.
    Scenario(
        "usage-below-zero",
        replied(top={"usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": -1}}),
        None,
        HELLO,
    ),
    # LiteLLM (BerriAI/litellm#8448): the details are null where they are not counted.
    Scenario(
        "usage-details-null",
        replied(
            top={"usage": tokens(prompt_tokens_details=None, completion_tokens_details={"reasoning_tokens": None})}
        ),
        sse(chunk("Hello"), STOP, counted(tokens(prompt_tokens_details=None))),
        HELLO,
    ),
    # Groq (vercel/ai#1578): a server that does not know `stream_options` is asked again without it.
    Scenario(
        "stream-options-refused",
        None,
        json_answer(
            {
                "error": {
                    "message": "Unrecognized request argument supplied: stream_options",
                    "type": "invalid_request_error",
                }
            },
            status=400,
        ),
        replace(HELLO, usage=None),
        requests=2,
        then=(sse(chunk("Hello"), STOP),),
    ),
)
