"""Errors inside an answer that began with HTTP 200."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.scenarios.table import (
    HELLO,
    HELLO_REPLY,
    HELLO_STREAM,
    ROLE,
    Expect,
    Fails,
    Scenario,
    chunk,
    reply,
)
from tests.script_server import Answer, json_answer, sse


def _stream(name: str, why: str, stream: Answer, expect: Expect | Fails, **more: Any) -> Scenario:
    return Scenario(name=name, why=why, blocking=None, stream=stream, expect=expect, **more)


def _first(name: str, why: str, error: Any, expect: Fails, *, requests: int = 1) -> Scenario:
    """The error is a blocking answer's body with status 200, and a stream's first event."""
    return Scenario(
        name=name, why=why, blocking=json_answer(error), stream=sse(error), expect=expect, requests=requests
    )


def _amid(name: str, why: str, error: Mapping[str, Any] | str | bytes, expect: Fails) -> Scenario:
    return _stream(name, why, sse(ROLE, chunk("Hel"), error, done=False), expect)


ERROR_FIRST = (
    _first(
        "error-rate-limit-code",
        "OpenRouter: HTTP 200 with an error object; the code says which.",
        {"error": {"message": "Slow down, please", "type": "requests", "code": "rate_limit_exceeded"}},
        Fails(error="RateLimitError", code="rate_limit_exceeded", says=("Slow down, please",)),
        requests=3,
    ),
    _first(
        "error-status-as-code",
        "OpenRouter: the status as the error's code.",
        {"error": {"message": "Slow down, please", "code": 429}},
        Fails(error="RateLimitError", status=429, says=("Slow down, please",)),
        requests=3,
    ),
    _first(
        "error-status-as-text",
        "LiteLLM: the status as text.",
        {"error": {"message": "Slow down, please", "code": "429"}},
        Fails(error="RateLimitError", status=429, says=("Slow down, please",)),
        requests=3,
    ),
    _first(
        "error-server-type",
        "AACFlow: `server_error` is 500.",
        {"error": {"message": "Worker died", "type": "server_error", "code": None}},
        Fails(error="ServerError", says=("Worker died",)),
        requests=3,
    ),
    _first(
        "error-unavailable",
        "OpenRouter: 503 as the error's code.",
        {"error": {"message": "No worker online", "code": 503}},
        Fails(error="ServiceUnavailableError", status=503, says=("No worker online",)),
        requests=3,
    ),
    _first(
        "error-bad-key",
        "AKI.IO: `invalid_api_key` is 401.",
        {"error": {"message": "Wrong key", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}},
        Fails(error="AuthenticationError", code="invalid_api_key", says=("Wrong key",)),
    ),
    _first(
        "error-no-credits",
        "AACFlow: `insufficient_credits` is 402.",
        {"error": {"message": "Top up", "type": "insufficient_quota", "code": "insufficient_credits"}},
        Fails(error="InsufficientCreditsError", code="insufficient_credits", says=("Top up",)),
    ),
    _first(
        "error-text",
        "AK AI CORE: the error is a text; nothing says which.",
        {"error": "Something is odd"},
        Fails(error="APIStatusError", says=("Something is odd",)),
    ),
    _first(
        "error-vllm",
        "vLLM's older envelope.",
        {
            "object": "error",
            "message": "top_p must be in (0, 1]",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        Fails(error="BadRequestError", status=400, says=("top_p must be in (0, 1]",)),
    ),
    _first(
        "error-description",
        "AKI.IO: the framework's envelope, here with HTTP 200.",
        {"description": "Service Unavailable", "status": 503, "message": "Response Timeout"},
        Fails(error="ServiceUnavailableError", says=("Response Timeout",)),
        requests=3,
    ),
    _first(
        "error-overflow",
        "OpenRouter: a context-length error inside a good answer.",
        {"error": {"message": "This model's maximum context length is 8192 tokens.", "code": 400}},
        Fails(error="ContextOverflowError", says=("8192 tokens",)),
    ),
    _first(
        "error-in-a-message",
        "OpenRouter: the error stands where the message would be.",
        reply("", error={"message": "Slow down, please", "code": 429}),
        Fails(error="RateLimitError", status=429, says=("Slow down, please",)),
        requests=3,
    ),
    Scenario(
        name="error-then-good",
        why="Our rule on retries: a stream whose first event is a retryable error is asked again.",
        blocking=json_answer({"error": {"message": "busy", "code": 503}}),
        stream=sse(b": waiting\n\n", {"error": {"message": "busy", "code": 503}}),
        expect=HELLO,
        requests=2,
        then=(HELLO_REPLY,),
        then_stream=(HELLO_STREAM,),
    ),
    _stream(
        "error-event-first",
        "Anthropic: `event: error` as the first event.",
        sse(
            b'event: error\ndata: {"error":{"message":"Overloaded","type":"overloaded_error","code":503}}\n\n',
            done=False,
        ),
        Fails(error="ServiceUnavailableError", says=("Overloaded",)),
        requests=3,
    ),
    _stream(
        "error-event-bare",
        "Any server: `event: error` with a bare message, ignored by peers.",
        sse(b'event: error\ndata: {"message":"Worker died"}\n\n', done=False),
        Fails(error="APIStatusError", says=("Worker died",)),
    ),
    _stream(
        "error-event-text",
        "Any server: `event: error` whose data is no JSON.",
        sse(b"event: error\ndata: Worker died\n\n", done=False),
        Fails(error="APIStatusError", says=("Worker died",)),
    ),
    _stream(
        "error-as-json-to-a-stream",
        "OpenRouter: HTTP 200, `application/json`, an error in place of the stream.",
        json_answer({"error": {"message": "Wrong key", "code": "invalid_api_key"}}),
        Fails(error="AuthenticationError", says=("Wrong key",)),
    ),
)

ERROR_AMID = (
    _amid(
        "error-amid-text",
        "vLLM, LiteLLM: an error object inside a stream; Mistral's client returns the half text.",
        {"error": {"message": "Worker died", "type": "server_error", "code": 500}},
        Fails(error="ServerError", says=("Worker died",)),
    ),
    _amid(
        "error-amid-text-rate-limit",
        "Our rule on retries: retryable or not, nothing is retried after the first payload.",
        {"error": {"message": "Slow down, please", "code": "rate_limit_exceeded"}},
        Fails(error="RateLimitError", says=("Slow down, please",)),
    ),
    _amid(
        "error-amid-text-as-text",
        "AK AI CORE: the error is a text.",
        {"error": "Something is odd"},
        Fails(error="APIStatusError", says=("Something is odd",)),
    ),
    _amid(
        "error-amid-text-event",
        "Anthropic: `event: error` inside a stream.",
        b'event: error\ndata: {"message":"Worker died"}\n\n',
        Fails(error="APIStatusError", says=("Worker died",)),
    ),
    _amid(
        "error-amid-text-beside-choices",
        "OpenRouter's shape: the error stands beside choices whose finish reason is `error`.",
        chunk("", finish="error", top={"error": {"message": "Provider disconnected", "code": "server_error"}}),
        Fails(error="ServerError", says=("Provider disconnected",)),
    ),
    _stream(
        "error-amid-text-then-done",
        "vLLM: the terminator behind the error does not make the answer complete.",
        sse(ROLE, chunk("Hel"), {"error": {"message": "Worker died", "code": 500}}),
        Fails(error="ServerError", says=("Worker died",)),
    ),
    _stream(
        "error-after-role",
        "Our rule on retries: the role alone is a payload; no second attempt.",
        sse(ROLE, {"error": {"message": "Worker died", "code": 503}}),
        Fails(error="ServiceUnavailableError", says=("Worker died",)),
    ),
)

ROWS = (*ERROR_FIRST, *ERROR_AMID)
