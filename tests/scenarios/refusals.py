"""Answers with a bad status, in each envelope. A streamed request gets the same answer as a blocking one."""

from __future__ import annotations

from typing import Any

from tests.scenarios.table import Fails, Scenario
from tests.script_server import Answer, json_answer, text_answer

_GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"


def refused(
    name: str,
    why: str,
    answer: Answer,
    error: str,
    *says: str,
    requests: int = 1,
    provider: str = "aki",
    **rest: Any,
) -> Scenario:
    """A row that fails with this error and the answer's status."""
    fails = Fails(error=error, says=says, status=answer.status, **rest)
    return Scenario(
        name=name, why=why, blocking=answer, stream=answer, expect=fails, requests=requests, provider=provider
    )


def page(title: str) -> Answer:
    """A proxy's HTML page; the title begins with the status."""
    return text_answer(_GATEWAY_PAGE.format(title), int(title[:3]), content_type="text/html")


def envelope(status: int, message: str, kind: str | None, code: str | int | None, **headers: Any) -> Answer:
    """OpenAI\'s envelope."""
    return json_answer({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, **headers)


def _framework(status: int, description: str, message: str) -> Answer:
    return json_answer({"description": description, "status": status, "message": message}, status)


def worded(status: int, message: str) -> Answer:
    """An envelope whose error is a text."""
    return json_answer({"error": message}, status)


AKI = (
    refused(
        "401-invalid-api-key",
        "AKI.IO: 401 `invalid_api_key`.",
        envelope(401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key", x_request_id="req-7"),
        "AuthenticationError",
        "Incorrect API key provided",
        code="invalid_api_key",
        request_id="req-7",
    ),
    refused(
        "404-request-failed",
        "AKI.IO: request failures are 404 `request_failed`.",
        envelope(404, "temperature must be at most 1.0", "invalid_request_error", "request_failed"),
        "BadRequestError",
        "temperature must be at most 1.0",
        code="request_failed",
    ),
    refused(
        "400-description",
        "AKI.IO: the framework's envelope, malformed request.",
        _framework(400, "Bad Request", "Failed when parsing body as json"),
        "BadRequestError",
        "Failed when parsing body as json",
    ),
    refused(
        "404-description",
        "AKI.IO: the framework's envelope, no such route.",
        _framework(404, "Not Found", "Requested URL /v1/chat/completions not found"),
        "NotFoundError",
        "Requested URL /v1/chat/completions not found",
    ),
    refused(
        "405-description",
        "AKI.IO: the framework's envelope, wrong method.",
        _framework(405, "Method Not Allowed", "Method POST not allowed for URL /v1/chat/completions"),
        "BadRequestError",
        "Method POST not allowed",
    ),
    refused(
        "500-description",
        "AKI.IO: the framework's envelope, a failure.",
        _framework(500, "Internal Server Error", "The server encountered an internal error"),
        "ServerError",
        "The server encountered an internal error",
        requests=3,
    ),
    refused(
        "503-description",
        "AKI.IO's open-source server: 60 s of silence become a 503; here it comes at once.",
        _framework(503, "Service Unavailable", "Response Timeout"),
        "ServiceUnavailableError",
        "Response Timeout",
        requests=3,
    ),
    refused(
        "500-text-plain",
        "AKI.IO: sometimes `text/plain`.",
        text_answer("Internal Server Error: worker 3", 500),
        "ServerError",
        "worker 3",
        requests=3,
    ),
    refused(
        "400-text-plain",
        "AKI.IO: sometimes `text/plain`.",
        text_answer("messages: field required", 400),
        "BadRequestError",
        "messages: field required",
    ),
)

AACFLOW = (
    refused(
        "aacflow-401",
        "AACFlow: 401 `invalid_request_error`/`invalid_api_key`.",
        json_answer({"error": {"message": "Bad key", "type": "invalid_request_error", "code": "invalid_api_key"}}, 401),
        "AuthenticationError",
        "Bad key",
        code="invalid_api_key",
        provider="aacflow",
    ),
    refused(
        "aacflow-400",
        "AACFlow: 400.",
        json_answer({"error": {"message": "messages: too short", "type": "invalid_request_error", "code": None}}, 400),
        "BadRequestError",
        "messages: too short",
        provider="aacflow",
    ),
    refused(
        "aacflow-402",
        "AACFlow: 402 `insufficient_quota`/`insufficient_credits`.",
        json_answer(
            {"error": {"message": "Add credits", "type": "insufficient_quota", "code": "insufficient_credits"}},
            402,
            x_request_id="req-8",
        ),
        "InsufficientCreditsError",
        "Add credits",
        code="insufficient_credits",
        request_id="req-8",
        provider="aacflow",
    ),
    refused(
        "aacflow-404",
        "AACFlow: 404 `model_not_found`.",
        json_answer(
            {"error": {"message": "No model 'x'", "type": "invalid_request_error", "code": "model_not_found"}}, 404
        ),
        "ModelNotFoundError",
        "No model 'x'",
        code="model_not_found",
        provider="aacflow",
    ),
    refused(
        "aacflow-500",
        "AACFlow: 500 `server_error`.",
        json_answer({"error": {"message": "Upstream broke", "type": "server_error", "code": "server_error"}}, 500),
        "ServerError",
        "Upstream broke",
        requests=3,
        provider="aacflow",
    ),
)

AK_AI_CORE = tuple(
    refused(
        f"ak-ai-core-{status}",
        f'AK AI CORE: `{{"error": "text"}}` with {status}.',
        worded(status, message),
        error,
        message,
        requests=3 if status in (429, 500, 503) else 1,
        provider="ak_ai_core",
    )
    for status, message, error in (
        (400, "Missing messages", "BadRequestError"),
        (401, "Unknown key", "AuthenticationError"),
        (402, "Balance under $0.50", "InsufficientCreditsError"),
        (403, "Address is not on the allowlist", "PermissionDeniedError"),
        (404, "Nothing here", "NotFoundError"),
        (409, "Conflicting request", "BadRequestError"),
        (429, "Back off", "RateLimitError"),
        (500, "Something broke", "ServerError"),
        (503, "No active provider", "ServiceUnavailableError"),
    )
)

ENVELOPES = (
    refused(
        "error-in-a-list",
        "AKI.IO's native API: `error` may be a list.",
        json_answer({"success": False, "error": ["top_k out of range", "temperature out of range"]}, 400),
        "BadRequestError",
        "top_k out of range",
        "temperature out of range",
    ),
    refused(
        "message-alone",
        "AKI.IO's native API: `error` may be absent, with `message` in its place.",
        json_answer({"success": False, "message": "chat_context is no JSON"}, 400),
        "BadRequestError",
        "chat_context is no JSON",
    ),
    refused(
        "detail-text",
        "FastAPI's envelope.",
        json_answer({"detail": "Not authenticated"}, 403),
        "PermissionDeniedError",
        "Not authenticated",
    ),
    refused(
        "detail-list",
        "FastAPI's envelope for a request that does not fit the schema.",
        json_answer({"detail": [{"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}]}, 422),
        "BadRequestError",
        "Field required",
    ),
    refused(
        "vllm-envelope",
        "vLLM's older envelope: no `error`, the fields stand at the top.",
        json_answer(
            {"object": "error", "message": "n must be 1", "type": "BadRequestError", "param": None, "code": 400}, 400
        ),
        "BadRequestError",
        "n must be 1",
    ),
    refused(
        "anthropic-envelope",
        "AKI.IO's Anthropic API: Anthropic's envelope, with its own status for an overload.",
        json_answer({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        "ServiceUnavailableError",
        "Overloaded",
        requests=3,
    ),
    refused(
        "code-as-number",
        "OpenRouter's envelope: the status as code.",
        envelope(403, "Blocked by moderation", None, 403),
        "PermissionDeniedError",
        "Blocked by moderation",
    ),
    refused(
        "json-text",
        "Any server: the body is a JSON string.",
        json_answer("Slow down, please", 429),
        "RateLimitError",
        "Slow down",
        requests=3,
    ),
    refused(
        "body-empty",
        "Any server: a bad status and nothing else.",
        text_answer("", 500),
        "ServerError",
        "500",
        requests=3,
    ),
    refused(
        "html-403",
        "nginx, Cloudflare: HTML with any status.",
        page("403 Forbidden"),
        "PermissionDeniedError",
        "403 Forbidden",
    ),
    refused(
        "html-404", "nginx, Cloudflare: HTML with any status.", page("404 Not Found"), "NotFoundError", "404 Not Found"
    ),
    refused(
        "html-413",
        "nginx: a body of too many bytes is refused, which says nothing of the context window.",
        page("413 Request Entity Too Large"),
        "BadRequestError",
        "413 Request Entity Too Large",
    ),
    refused(
        "html-500",
        "nginx, Cloudflare: HTML with any status.",
        page("500 Internal Server Error"),
        "ServerError",
        requests=3,
    ),
    refused(
        "html-502",
        "nginx, Cloudflare: HTML with any status.",
        page("502 Bad Gateway"),
        "ServerError",
        "502 Bad Gateway",
        requests=3,
    ),
    refused(
        "html-503",
        "nginx, Cloudflare: HTML with any status.",
        page("503 Service Temporarily Unavailable"),
        "ServiceUnavailableError",
        "503 Service Temporarily Unavailable",
        requests=3,
    ),
    refused(
        "html-504",
        "nginx, Cloudflare: HTML with any status.",
        page("504 Gateway Time-out"),
        "ServerError",
        "504 Gateway",
        requests=3,
    ),
)

ROWS = (*AKI, *AACFLOW, *AK_AI_CORE, *ENVELOPES)
