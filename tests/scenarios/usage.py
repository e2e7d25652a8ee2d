"""Oddities of how tokens are counted."""

from __future__ import annotations

from dataclasses import replace

from tests.scenarios.table import (
    ABSENT,
    COUNT,
    HELLO,
    STOP,
    Scenario,
    chunk,
    replied,
    tokens,
)
from tests.script_server import json_answer, sse

ROWS = (
    Scenario(
        name="usage-cumulative",
        why="vLLM: with `continuous_usage_stats`, usage on every event, cumulative; peers add it up.",
        blocking=None,
        stream=sse(
            chunk("Hel", top={"usage": tokens(5, 1)}),
            chunk("lo", top={"usage": tokens(5, 2)}),
            chunk(finish="stop", top={"usage": tokens(5, 3)}),
        ),
        expect=HELLO,
    ),
    Scenario(
        name="usage-cumulative-then-again",
        why="vLLM: the same, and once more in a last event with empty choices.",
        blocking=None,
        stream=sse(chunk("Hello", top={"usage": tokens(5, 2)}), chunk(finish="stop", top={"usage": tokens()}), COUNT),
        expect=HELLO,
    ),
    Scenario(
        name="usage-null-after-all",
        why="Any server: a later null does not take back what was counted.",
        blocking=None,
        stream=sse(chunk("Hello", top={"usage": tokens()}), chunk(finish="stop", top={"usage": None})),
        expect=HELLO,
    ),
    Scenario(
        name="usage-with-choices-null",
        why="Any server: the last event has the usage and `choices` null.",
        blocking=None,
        stream=sse(chunk("Hello"), STOP, chunk(top={"choices": None, "usage": tokens()})),
        expect=HELLO,
    ),
    Scenario(
        name="usage-null",
        why="OpenAI: usage null in each event, and here no other.",
        blocking=replied(top={"usage": None}),
        stream=sse(chunk("Hello", top={"usage": None}), chunk(finish="stop", top={"usage": None})),
        expect=replace(HELLO, usage=None),
    ),
    Scenario(
        name="usage-missing",
        why="AKI.IO's open-source server: no usage event, even when asked.",
        blocking=replied(top={"usage": ABSENT}),
        stream=sse(chunk("Hello"), STOP),
        expect=replace(HELLO, usage=None),
    ),
    Scenario(
        name="usage-without-total",
        why="Anthropic, Ollama: no total; here a gateway passes the two counts on.",
        blocking=replied(top={"usage": tokens(total_tokens=ABSENT)}),
        stream=sse(chunk("Hello"), STOP, chunk(top={"choices": [], "usage": tokens(total_tokens=ABSENT)})),
        expect=HELLO,
    ),
    Scenario(
        name="usage-details",
        why="OpenAI's details: tokens from the cache and tokens of reasoning.",
        blocking=replied(
            top={
                "usage": tokens(
                    prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 2}
                )
            }
        ),
        stream=sse(
            chunk("Hello"),
            STOP,
            chunk(
                top={
                    "choices": [],
                    "usage": tokens(
                        prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 2}
                    ),
                }
            ),
        ),
        expect=replace(HELLO, cached_tokens=4, reasoning_tokens=2),
    ),
    *(
        Scenario(
            name=f"usage-of-{name}",
            why="Gateways pass the counts of Anthropic, Bedrock, Gemini or a proxy on under the names that those have.",
            blocking=replied(top={"usage": usage}),
            stream=sse(chunk("Hello"), STOP, chunk(top={"choices": [], "usage": usage})),
            expect=replace(HELLO, cached_tokens=4),
        )
        for name, usage in (
            ("anthropic", {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 4}),
            ("bedrock", {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8, "cacheReadInputTokens": 4}),
            ("gemini", {"promptTokenCount": 5, "candidatesTokenCount": 3, "cachedContentTokenCount": 4}),
            ("a-proxy", {**tokens(), "num_cached_tokens": 4}),
            ("a-proxy-as-text", {"prompt_tokens": "5", "completion_tokens": "3", "cached_tokens": "4"}),
        )
    ),
    Scenario(
        name="usage-of-unknown-names",
        why="Any server: counts under names that nobody knows are no zeros.",
        blocking=replied(top={"usage": {"in": 5, "out": 3}}),
        stream=sse(chunk("Hello"), STOP, chunk(top={"choices": [], "usage": {"in": 5, "out": 3}})),
        expect=replace(HELLO, usage=None),
    ),
    Scenario(
        name="usage-below-zero",
        why="Any server: a count of -1 is one that is not known.",
        blocking=replied(top={"usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": -1}}),
        stream=None,
        expect=HELLO,
    ),
    Scenario(
        name="usage-details-null",
        why="vLLM sends the details as null where it does not count them.",
        blocking=replied(
            top={"usage": tokens(prompt_tokens_details=None, completion_tokens_details={"reasoning_tokens": None})}
        ),
        stream=sse(chunk("Hello"), STOP, chunk(top={"choices": [], "usage": tokens(prompt_tokens_details=None)})),
        expect=HELLO,
    ),
    Scenario(
        name="stream-options-refused",
        why="Our rule on answers: a server that does not know `stream_options` is asked again without it.",
        blocking=None,
        stream=json_answer(
            {
                "error": {
                    "message": "Unrecognized request argument supplied: stream_options",
                    "type": "invalid_request_error",
                }
            },
            status=400,
        ),
        expect=replace(HELLO, usage=None),
        requests=2,
        then=(sse(chunk("Hello"), STOP),),
    ),
)
