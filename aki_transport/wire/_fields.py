"""Reads fields of answers, under any name and type that services use: counts, tokens, texts, and all others."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping
from typing import Any

from aki_transport.messages import Usage

# Names of counts: OpenAI, Anthropic, Bedrock, Gemini, Ollama.
_PROMPT = ("prompt_tokens", "input_tokens", "inputTokens", "promptTokenCount", "prompt_eval_count")
_COMPLETION = ("completion_tokens", "output_tokens", "outputTokens", "candidatesTokenCount", "eval_count")
_CACHED = (
    *("cache_read_input_tokens", "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens"),
    *("cacheReadInputTokens", "cachedContentTokenCount"),
)
_TOTALS = frozenset({"prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens"})
_NOTHING: tuple[Any, ...] = ("", [], {})
_LARGEST = sys.float_info.max  # integers in JSON may be larger
_MAX_DIGITS = 18  # of a number in a text


def unwrapped(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The payload without an object around it, as some gateways put one around an object that has this field."""
    inner = [value for value in payload.values() if isinstance(value, dict) and name in value]
    if len(inner) != 1:
        return payload
    return {**{key: value for key, value in payload.items() if value is not inner[0] and key != name}, **inner[0]}


def count_in(fields: Any, *names: str) -> int | None:
    """The first of these fields that is a finite number, at least 0, as an integer."""
    number = number_in(fields, *names)
    return None if number is None else int(number)


def number_in(fields: Any, *names: str) -> float | None:
    """The first of these fields that is a finite number, at least 0."""
    if fields and isinstance(fields, dict):
        for name in names:
            value = fields.get(name)
            if isinstance(value, str) and value.isdecimal() and len(value) <= _MAX_DIGITS:
                value = int(value)
            if (type(value) is int or type(value) is float) and 0 <= value <= _LARGEST:
                return float(value)
    return None


def read_usage(fields: Any, *, cached_are_apart: bool = False) -> Usage | None:
    """The tokens, under any of the names that services use; None if none of the names is known.

    Anthropic counts cached tokens beside its `input_tokens`, all others count them within.
    """
    prompt = count_in(fields, *_PROMPT)
    completion = count_in(fields, *_COMPLETION)
    total = count_in(fields, "total_tokens", "totalTokens", "totalTokenCount")
    if prompt is None and completion is None and total is None:
        return None
    details = _usage_details(fields) if fields.keys() - _TOTALS else {}  # most have the three counts alone
    prompt = prompt or 0
    if cached_are_apart and details and "input_tokens" in fields:
        prompt += (details["cached_tokens"] or 0) + (details["cache_creation_tokens"] or 0)
        total = None
    completion = completion or 0
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=max(prompt + completion, total or 0),
        **details,
    )


def _usage_details(fields: Mapping[str, Any]) -> dict[str, Any]:
    prompt = fields.get("prompt_tokens_details") or fields.get("input_tokens_details")
    completion = fields.get("completion_tokens_details") or fields.get("output_tokens_details")
    lifetimes = fields.get("cache_creation")
    extra = {name: count for name in lifetimes or () if (count := count_in(lifetimes, name)) is not None}
    return {
        "cached_tokens": _first_count(count_in(prompt, "cached_tokens"), count_in(fields, *_CACHED)),
        "cache_creation_tokens": _first_count(
            count_in(prompt, "cache_creation_tokens", "cache_write_tokens"),
            count_in(fields, "cache_creation_input_tokens", "cacheWriteInputTokens"),
            sum(extra.values()) if extra else None,
        ),
        "reasoning_tokens": _first_count(
            count_in(completion, "reasoning_tokens", "thinking_tokens"),
            count_in(fields, "reasoning_tokens", "thoughtsTokenCount"),
        ),
        "audio_input_tokens": count_in(prompt, "audio_tokens"),
        "audio_output_tokens": count_in(completion, "audio_tokens"),
        "extra": extra,
    }


def _first_count(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def kept(fields: Mapping[str, Any], known: Container[str]) -> dict[str, Any]:
    """The fields without a name of ours that hold something."""
    return {
        name: value
        for name, value in fields.items()
        if name not in known and value is not None and value not in _NOTHING
    }


def text_or_none(value: Any) -> str | None:
    """The value if it is text."""
    return value if isinstance(value, str) else None
