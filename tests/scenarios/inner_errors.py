"""Errors inside an answer that began with HTTP 200."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.scenarios.table import HELLO, HELLO_REPLY, HELLO_STREAM, ROLE, Fails, Scenario, chunk, in_stream, reply
from tests.script_server import json_answer, sse


def _error(message: str, code: Any = None, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields, "code": code}}


def _says(error: str, message: str, code: Any = None) -> Fails:
    """The error, with its words and what its code tells: the status, if it is a number."""
    is_number = str(code).isdecimal()
    return Fails(error, says=(message,), status=int(code) if is_number else None, code=None if is_number else code)


def _first(
    name: str, error: str, message: str, code: Any = None, *, body: Any = None, requests: int = 1, **fields: Any
) -> Scenario:
    """The error is a blocking answer's body with status 200, and a stream's first event."""
    said = _error(message, code, **fields) if body is None else body
    return Scenario(name, json_answer(said), sse(said), _says(error, message, code), requests=requests)


def _amid(name: str, said: Mapping[str, Any] | bytes, error: str, message: str = "Worker died") -> Scenario:
    return in_stream(name, sse(ROLE, chunk("Hel"), said, done=False), _says(error, message))


_SLOW_DOWN = "Slow down, please"
ERROR_FIRST = (
    # OpenRouter (digiogithub/pando#8): `rate_limit_exceeded`, here with HTTP 200.
    _first("error-rate-limit-code", "RateLimitError", _SLOW_DOWN, "rate_limit_exceeded", type="requests", requests=3),
    # OpenRouter (UKGovernmentBEIS/inspect_ai#1534): the status as the error's code.
    _first("error-status-as-code", "RateLimitError", _SLOW_DOWN, 429, requests=3),
    # LiteLLM (BerriAI/litellm#6578): the status as text.
    _first("error-status-as-text", "RateLimitError", _SLOW_DOWN, "429", requests=3),
    # AACFlow's page: `server_error` is 500.
    _first("error-server-type", "ServerError", "Worker died", type="server_error", requests=3),
    # OpenRouter (dcdpr/jp#978): 503 as the error's code.
    _first("error-unavailable", "ServiceUnavailableError", "No worker online", 503, requests=3),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): `invalid_api_key` is 401.
    _first(
        "error-bad-key", "AuthenticationError", "Wrong key", "invalid_api_key", type="invalid_request_error", param=None
    ),
    # AACFlow's page: `insufficient_credits` is 402.
    _first("error-no-credits", "InsufficientCreditsError", "Top up", "insufficient_credits", type="insufficient_quota"),
    # AK AI CORE's page: the error is a text; nothing says which.
    _first("error-text", "APIStatusError", "Something is odd", body={"error": "Something is odd"}),
    # vLLM (vllm-project/vllm#965), Mistral (editor-code-assistant/eca#233): no `error`, the fields at the top.
    _first(
        "error-vllm",
        "BadRequestError",
        "top_p must be in (0, 1]",
        400,
        body={"object": "error", **_error("top_p must be in (0, 1]", 400, type="BadRequestError", param=None)["error"]},
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server), tried: its framework's envelope, here with HTTP 200.
    _first(
        "error-description",
        "ServiceUnavailableError",
        "Response Timeout",
        503,
        body={"description": "Service Unavailable", "status": 503, "message": "Response Timeout"},
        requests=3,
    ),
    # OpenRouter (dcdpr/jp#978): a context-length error inside a good answer.
    _first("error-overflow", "ContextOverflowError", "This model's maximum context length is 8192 tokens.", 400),
    # Not seen in public: the error stands where the message would be.
    _first(
        "error-in-a-message", "RateLimitError", _SLOW_DOWN, 429, body=reply("", **_error(_SLOW_DOWN, 429)), requests=3
    ),
    # Our rule on retries: a stream whose first event is a retryable error is asked again.
    Scenario(
        "error-then-good",
        json_answer(_error("busy", 503)),
        sse(b": waiting\n\n", _error("busy", 503)),
        HELLO,
        requests=2,
        then=(HELLO_REPLY,),
        then_stream=(HELLO_STREAM,),
    ),
    # Anthropic (anthropics/anthropic-sdk-typescript#998): `event: error`, here as the first event.
    in_stream(
        "error-event-first",
        sse(_error("Overloaded", 503, type="overloaded_error"), prefix="event: error\ndata: ", done=False),
        _says("ServiceUnavailableError", "Overloaded"),
        requests=3,
    ),
    # Not seen in public: `event: error` with a bare message, ignored by peers.
    in_stream(
        "error-event-bare",
        sse(b'event: error\ndata: {"message":"Worker died"}\n\n', done=False),
        _says("APIStatusError", "Worker died"),
    ),
    # Not seen in public: `event: error` whose data is no JSON.
    in_stream(
        "error-event-text",
        sse(b"event: error\ndata: Worker died\n\n", done=False),
        _says("APIStatusError", "Worker died"),
    ),
    # llama.cpp until 2025 (ggml-org/llama.cpp#16109): a field `error` in place of an event, then the terminator.
    in_stream(
        "error-field-first",
        sse(b'error: {"code":400,"message":"the request exceeds the available context size"}\n\n'),
        _says("ContextOverflowError", "available context size"),
    ),
    # Lemonade (lemonade-sdk/lemonade#2826): the error's JSON without any field's name.
    in_stream(
        "error-without-a-field",
        sse(b'{"error":{"code":400,"message":"request (9 tokens) exceeds the available context size"}}', done=False),
        _says("ContextOverflowError", "available context size"),
    ),
    # Not seen in public: HTTP 200, `application/json`, an error in place of the stream.
    in_stream(
        "error-as-json-to-a-stream",
        json_answer(_error("Wrong key", "invalid_api_key")),
        _says("AuthenticationError", "Wrong key"),
    ),
)

ERROR_AMID = (
    # LiteLLM (BerriAI/litellm#39748), vLLM (yoloyash/overtchat#40): an error object inside a stream.
    _amid("error-amid-text", _error("Worker died", 500, type="server_error"), "ServerError"),
    # Our rule on retries: retryable or not, nothing is retried after the first payload.
    _amid("error-amid-text-rate-limit", _error(_SLOW_DOWN, "rate_limit_exceeded"), "RateLimitError", _SLOW_DOWN),
    # AK AI CORE's page: the error is a text.
    _amid("error-amid-text-as-text", {"error": "Something is odd"}, "APIStatusError", "Something is odd"),
    # Anthropic (anthropics/anthropic-sdk-typescript#998): `event: error` inside a stream.
    _amid("error-amid-text-event", b'event: error\ndata: {"message":"Worker died"}\n\n', "APIStatusError"),
    # llama.cpp until 2025 (ggml-org/llama.cpp#16109): a field `error`, which is no event, then the terminator.
    in_stream(
        "error-amid-text-as-field",
        sse(ROLE, chunk("Hel"), b'error: {"code":500,"message":"Worker died","type":"server_error"}\n\n'),
        _says("ServerError", "Worker died"),
    ),
    # OpenRouter (diegosouzapw/OmniRoute#8210): the error beside choices, here with the finish reason `error`.
    _amid(
        "error-amid-text-beside-choices",
        chunk("", finish="error", top=_error("Provider disconnected", "server_error")),
        "ServerError",
        "Provider disconnected",
    ),
    # vLLM (vllm-project/vllm#40986): the terminator behind the error does not make the answer complete.
    in_stream(
        "error-amid-text-then-done",
        sse(ROLE, chunk("Hel"), _error("Worker died", 500)),
        _says("ServerError", "Worker died"),
    ),
    # Our rule on retries: the role alone is a payload; no second attempt.
    in_stream(
        "error-after-role", sse(ROLE, _error("Worker died", 503)), _says("ServiceUnavailableError", "Worker died")
    ),
)

ROWS = (*ERROR_FIRST, *ERROR_AMID)
