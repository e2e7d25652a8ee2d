"""Errors inside an answer that began with HTTP 200."""

from collections.abc import Mapping
from typing import Any

from tests.scenarios.table import (
    COUNT,
    HELLO,
    ROLE,
    STOP,
    Fails,
    Scenario,
    chunk,
    in_stream,
    reply,
    then_good,
)
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


def _amid(
    name: str, said: Mapping[str, Any] | bytes, error: str, message: str = "Worker died", *, done: bool = False
) -> Scenario:
    return in_stream(name, sse(ROLE, chunk("Hel"), said, done=done), _says(error, message))


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
    then_good("error-then-good", json_answer(_error("busy", 503)), sse(b": waiting\n\n", _error("busy", 503))),
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
    _amid("error-amid-text-then-done", _error("Worker died", 500), "ServerError", done=True),
    # Our rule on retries: the role alone is a payload; no second attempt.
    in_stream(
        "error-after-role", sse(ROLE, _error("Worker died", 503)), _says("ServiceUnavailableError", "Worker died")
    ),
)

_OTHER_FORMS: tuple[tuple[str, dict[str, Any], str, int], ...] = (
    # DashScope (QwenLM/Qwen-Agent qwen_agent/llm/qwen_dashscope.py): code and message at the top, in its own spelling.
    ("of-dashscope", {"code": "InvalidApiKey", "message": "No such key", "request_id": "1"}, "AuthenticationError", 1),
    # DashScope (QwenLM/Qwen-Agent qwen_agent/llm/qwen_dashscope.py): what passes is asked again.
    ("of-dashscope-busy", {"code": "Throttling.RateQuota", "message": "Slow down"}, "RateLimitError", 3),
    # FastAPI (fastapi/fastapi fastapi/exceptions.py): a detail.
    ("detail", {"detail": "Worker died"}, "APIStatusError", 1),
    # Anthropic (anthropics/anthropic-sdk-typescript#998): a type at the top.
    (
        "of-anthropic",
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        "ServiceUnavailableError",
        3,
    ),
    # SGLang (sgl-project/sglang python/sglang/srt/entrypoints/openai/protocol.py): an object with a type and no status.
    ("of-sglang", {"object": "error", "message": "Bad top_p", "type": "BadRequestError"}, "BadRequestError", 1),
    # MiniMax (edenai/edenai-apis#360): the status of the call in an object of its own.
    (
        "of-minimax",
        {"id": "1", "choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail: invalid api key"}},
        "AuthenticationError",
        1,
    ),
    # Qianfan (langchain-ai/langchain libs/community): names with a prefix.
    ("of-qianfan", {"error_code": 17, "error_msg": "Daily limit reached"}, "APIStatusError", 1),
    # Cloudflare (cloudflare/workers-sdk packages/wrangler/src/cfetch/internal.ts): a list of errors.
    (
        "of-cloudflare",
        {"success": False, "errors": [{"code": 7009, "message": "Upstream died"}], "result": None},
        "APIStatusError",
        1,
    ),
    # Not seen in public: a flag and a message, and a status for the error.
    ("flag", {"error": True, "message": "Worker died", "status": 503}, "ServiceUnavailableError", 3),
    # Not seen in public: a service behind a service says it.
    ("twice", {"error": {"error": {"message": "Slow down", "code": 429}}}, "RateLimitError", 3),
)


def _words(value: Any) -> str:
    """The service's message in any of these forms."""
    match value:
        case {"message": str(text)} | {"detail": str(text)} | {"status_msg": str(text)} | {"error_msg": str(text)}:
            return text
        case {"error": inner} | {"base_resp": inner} | {"errors": [inner]}:
            return _words(inner)
    raise AssertionError(value)


_BUSY = {"id": "1", "choices": None, "base_resp": {"status_code": 1002, "status_msg": "trigger rate limit"}}

OTHER_FORMS = (
    # MiniMax (MiniMax-AI/MiniMax-01#45): its own status for 429; in a stream an answer might have followed.
    Scenario(
        "error-of-minimax-busy",
        json_answer(_BUSY),
        sse(_BUSY),
        _says("RateLimitError", "trigger rate limit"),
        requests=3,
        requests_stream=1,
    ),
    *(
        _first(f"error-{name}", cls, _words(error), body=error, requests=requests)
        for name, error, cls, requests in _OTHER_FORMS
    ),
    *(_amid(f"error-amid-text-{name}", error, cls, _words(error)) for name, error, cls, _ in _OTHER_FORMS),
    # Not seen in public: the terminator behind such an error does not make the answer complete.
    _amid("error-detail-then-done", {"detail": "Worker died"}, "APIStatusError", done=True),
    # Not seen in public: words amid an answer that goes on are no error.
    in_stream(
        "message-amid-text",
        sse(
            {"message": "You are next", "status": "queued"},
            ROLE,
            chunk("Hel"),
            {"message": "still here"},
            chunk("lo"),
            STOP,
            COUNT,
        ),
        HELLO,
    ),
    # Not seen in public: `event: error` whose data is text, behind some of the answer.
    _amid("error-amid-text-event-text", b"event: error\ndata: Worker died\n\n", "APIStatusError"),
    # Lemonade (lemonade-sdk/lemonade#2826): JSON without any field's name, here in several lines, or without `error`.
    *(
        _amid(f"error-without-a-field-{name}", line, "APIStatusError")
        for name, line in (
            ("in-lines", b'{\n  "error": {\n    "message": "Worker died"\n  }\n}\n\n'),
            ("as-detail", b'{"detail": "Worker died"}\n\n'),
            ("spaced", b'{ "error" : "Worker died" }'),
        )
    ),
    # Not seen in public: a stream of events in name, and words of a proxy in fact.
    in_stream(
        "text-in-place-of-events",
        sse(b"upstream connect error\n", done=False),
        _says("InvalidResponseError", "upstream connect error"),
    ),
)

ROWS = (*ERROR_FIRST, *ERROR_AMID, *OTHER_FORMS)
