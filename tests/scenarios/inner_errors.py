"""Errors inside an answer that began with HTTP 200."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.scenarios.table import HELLO, HELLO_REPLY, HELLO_STREAM, ROLE, Expect, Fails, Scenario, chunk, reply
from tests.script_server import Answer, json_answer, sse


def _stream(name: str, stream: Answer, expect: Expect | Fails, **more: Any) -> Scenario:
    return Scenario(name, None, stream, expect, **more)


def _first(name: str, error: Any, expect: Fails, *, requests: int = 1) -> Scenario:
    """The error is a blocking answer's body with status 200, and a stream's first event."""
    return Scenario(name, json_answer(error), sse(error), expect, requests=requests)


def _amid(name: str, error: Mapping[str, Any] | str | bytes, expect: Fails) -> Scenario:
    return _stream(name, sse(ROLE, chunk("Hel"), error, done=False), expect)


ERROR_FIRST = (
    # OpenRouter (digiogithub/pando#8): `rate_limit_exceeded`, here with HTTP 200.
    _first(
        "error-rate-limit-code",
        {"error": {"message": "Slow down, please", "type": "requests", "code": "rate_limit_exceeded"}},
        Fails("RateLimitError", code="rate_limit_exceeded", says=("Slow down, please",)),
        requests=3,
    ),
    # OpenRouter (UKGovernmentBEIS/inspect_ai#1534): the status as the error's code.
    _first(
        "error-status-as-code",
        {"error": {"message": "Slow down, please", "code": 429}},
        Fails("RateLimitError", status=429, says=("Slow down, please",)),
        requests=3,
    ),
    # LiteLLM (BerriAI/litellm#6578): the status as text.
    _first(
        "error-status-as-text",
        {"error": {"message": "Slow down, please", "code": "429"}},
        Fails("RateLimitError", status=429, says=("Slow down, please",)),
        requests=3,
    ),
    # AACFlow's page: `server_error` is 500.
    _first(
        "error-server-type",
        {"error": {"message": "Worker died", "type": "server_error", "code": None}},
        Fails("ServerError", says=("Worker died",)),
        requests=3,
    ),
    # OpenRouter (dcdpr/jp#978): 503 as the error's code.
    _first(
        "error-unavailable",
        {"error": {"message": "No worker online", "code": 503}},
        Fails("ServiceUnavailableError", status=503, says=("No worker online",)),
        requests=3,
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): `invalid_api_key` is 401.
    _first(
        "error-bad-key",
        {"error": {"message": "Wrong key", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}},
        Fails("AuthenticationError", code="invalid_api_key", says=("Wrong key",)),
    ),
    # AACFlow's page: `insufficient_credits` is 402.
    _first(
        "error-no-credits",
        {"error": {"message": "Top up", "type": "insufficient_quota", "code": "insufficient_credits"}},
        Fails("InsufficientCreditsError", code="insufficient_credits", says=("Top up",)),
    ),
    # AK AI CORE's page: the error is a text; nothing says which.
    _first("error-text", {"error": "Something is odd"}, Fails("APIStatusError", says=("Something is odd",))),
    # vLLM (vllm-project/vllm#965), Mistral (editor-code-assistant/eca#233): no `error`, the fields at the top.
    _first(
        "error-vllm",
        {
            "object": "error",
            "message": "top_p must be in (0, 1]",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        Fails("BadRequestError", status=400, says=("top_p must be in (0, 1]",)),
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server), tried: its framework's envelope, here with HTTP 200.
    _first(
        "error-description",
        {"description": "Service Unavailable", "status": 503, "message": "Response Timeout"},
        Fails("ServiceUnavailableError", says=("Response Timeout",)),
        requests=3,
    ),
    # OpenRouter (dcdpr/jp#978): a context-length error inside a good answer.
    _first(
        "error-overflow",
        {"error": {"message": "This model's maximum context length is 8192 tokens.", "code": 400}},
        Fails("ContextOverflowError", says=("8192 tokens",)),
    ),
    # Not seen in public: the error stands where the message would be.
    _first(
        "error-in-a-message",
        reply("", error={"message": "Slow down, please", "code": 429}),
        Fails("RateLimitError", status=429, says=("Slow down, please",)),
        requests=3,
    ),
    # Our rule on retries: a stream whose first event is a retryable error is asked again.
    Scenario(
        "error-then-good",
        json_answer({"error": {"message": "busy", "code": 503}}),
        sse(b": waiting\n\n", {"error": {"message": "busy", "code": 503}}),
        HELLO,
        requests=2,
        then=(HELLO_REPLY,),
        then_stream=(HELLO_STREAM,),
    ),
    # Anthropic (anthropics/anthropic-sdk-typescript#998): `event: error`, here as the first event.
    _stream(
        "error-event-first",
        sse(
            b'event: error\ndata: {"error":{"message":"Overloaded","type":"overloaded_error","code":503}}\n\n',
            done=False,
        ),
        Fails("ServiceUnavailableError", says=("Overloaded",)),
        requests=3,
    ),
    # Not seen in public: `event: error` with a bare message, ignored by peers.
    _stream(
        "error-event-bare",
        sse(b'event: error\ndata: {"message":"Worker died"}\n\n', done=False),
        Fails("APIStatusError", says=("Worker died",)),
    ),
    # Not seen in public: `event: error` whose data is no JSON.
    _stream(
        "error-event-text",
        sse(b"event: error\ndata: Worker died\n\n", done=False),
        Fails("APIStatusError", says=("Worker died",)),
    ),
    # llama.cpp until 2025 (ggml-org/llama.cpp#16109): a field `error` in place of an event, then the terminator.
    _stream(
        "error-field-first",
        sse(b'error: {"code":400,"message":"the request exceeds the available context size"}\n\n'),
        Fails("ContextOverflowError", says=("available context size",)),
    ),
    # Lemonade (lemonade-sdk/lemonade#2826): the error's JSON without any field's name.
    _stream(
        "error-without-a-field",
        sse(b'{"error":{"code":400,"message":"request (9 tokens) exceeds the available context size"}}', done=False),
        Fails("ContextOverflowError", says=("available context size",)),
    ),
    # Not seen in public: HTTP 200, `application/json`, an error in place of the stream.
    _stream(
        "error-as-json-to-a-stream",
        json_answer({"error": {"message": "Wrong key", "code": "invalid_api_key"}}),
        Fails("AuthenticationError", says=("Wrong key",)),
    ),
)

ERROR_AMID = (
    # LiteLLM (BerriAI/litellm#39748), vLLM (yoloyash/overtchat#40): an error object inside a stream.
    _amid(
        "error-amid-text",
        {"error": {"message": "Worker died", "type": "server_error", "code": 500}},
        Fails("ServerError", says=("Worker died",)),
    ),
    # Our rule on retries: retryable or not, nothing is retried after the first payload.
    _amid(
        "error-amid-text-rate-limit",
        {"error": {"message": "Slow down, please", "code": "rate_limit_exceeded"}},
        Fails("RateLimitError", says=("Slow down, please",)),
    ),
    # AK AI CORE's page: the error is a text.
    _amid(
        "error-amid-text-as-text", {"error": "Something is odd"}, Fails("APIStatusError", says=("Something is odd",))
    ),
    # Anthropic (anthropics/anthropic-sdk-typescript#998): `event: error` inside a stream.
    _amid(
        "error-amid-text-event",
        b'event: error\ndata: {"message":"Worker died"}\n\n',
        Fails("APIStatusError", says=("Worker died",)),
    ),
    # llama.cpp until 2025 (ggml-org/llama.cpp#16109): a field `error`, which is no event, then the terminator.
    _stream(
        "error-amid-text-as-field",
        sse(ROLE, chunk("Hel"), b'error: {"code":500,"message":"Worker died","type":"server_error"}\n\n'),
        Fails("ServerError", says=("Worker died",)),
    ),
    # OpenRouter (diegosouzapw/OmniRoute#8210): the error beside choices, here with the finish reason `error`.
    _amid(
        "error-amid-text-beside-choices",
        chunk("", finish="error", top={"error": {"message": "Provider disconnected", "code": "server_error"}}),
        Fails("ServerError", says=("Provider disconnected",)),
    ),
    # vLLM (vllm-project/vllm#40986): the terminator behind the error does not make the answer complete.
    _stream(
        "error-amid-text-then-done",
        sse(ROLE, chunk("Hel"), {"error": {"message": "Worker died", "code": 500}}),
        Fails("ServerError", says=("Worker died",)),
    ),
    # Our rule on retries: the role alone is a payload; no second attempt.
    _stream(
        "error-after-role",
        sse(ROLE, {"error": {"message": "Worker died", "code": 503}}),
        Fails("ServiceUnavailableError", says=("Worker died",)),
    ),
)

ROWS = (*ERROR_FIRST, *ERROR_AMID)
