"""Answers with a bad status, in each envelope. A streamed request gets the same answer as a blocking one."""

from typing import Any

from tests.scenarios.table import Fails, Scenario, either
from tests.script_server import Answer, json_answer, text_answer

_GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"


def refused(
    name: str, answer: Answer, error: str, *says: str, requests: int = 1, provider: str = "aki", **rest: Any
) -> Scenario:
    """A row that fails with this error and the answer's status."""
    fails = Fails(error, says=says, status=answer.status, **rest)
    return either(name, answer, fails, requests=requests, provider=provider)


def page(title: str) -> Answer:
    """A proxy's HTML page; the title begins with the status."""
    return text_answer(_GATEWAY_PAGE.format(title), int(title[:3]), content_type="text/html")


def envelope(
    status: int, message: str, kind: Any = None, code: Any = None, *, param: Any = None, **headers: Any
) -> Answer:
    """OpenAI's envelope."""
    return json_answer({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, **headers)


def worded(status: int, message: str) -> Answer:
    return json_answer({"error": message}, status)


AKI = (
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): 401 `invalid_api_key`.
    refused(
        "401-invalid-api-key",
        envelope(401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key", x_request_id="req-7"),
        "AuthenticationError",
        "Incorrect API key provided",
        code="invalid_api_key",
        request_id="req-7",
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): 404 `request_failed`.
    refused(
        "404-request-failed",
        envelope(404, "temperature must be at most 1.0", "invalid_request_error", "request_failed"),
        "BadRequestError",
        "temperature must be at most 1.0",
        code="request_failed",
    ),
    *(
        refused(
            f"{status}-description",
            json_answer({"description": description, "status": status, "message": message}, status),
            error,
            message,
            requests=3 if status >= 500 else 1,
        )
        for status, description, message, error in (
            # AKI.IO's open-source server (aime-team/aime-api-server), tried: its framework's envelope, no JSON came.
            (400, "Bad Request", "Failed when parsing body as json", "BadRequestError"),
            # AKI.IO's open-source server (aime-team/aime-api-server), tried: the same, no such route.
            (404, "Not Found", "Requested URL /v1/chat/completions not found", "NotFoundError"),
            # AKI.IO's open-source server (aime-team/aime-api-server), tried: the same, wrong method.
            (405, "Method Not Allowed", "Method POST not allowed for URL /v1/chat/completions", "BadRequestError"),
            # AKI.IO's open-source server (aime-team/aime-api-server), tried: the same, a failure.
            (500, "Internal Server Error", "The server encountered an internal error", "ServerError"),
            # AKI.IO's open-source server (aime-team/aime-api-server), tried: 60 s of silence are a 503; here at once.
            (503, "Service Unavailable", "Response Timeout", "ServiceUnavailableError"),
        )
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server), tried: sometimes `text/plain`.
    refused(
        "500-text-plain", text_answer("Internal Server Error: worker 3", 500), "ServerError", "worker 3", requests=3
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server), tried: the same for a request that does not fit.
    refused(
        "400-text-plain", text_answer("messages: field required", 400), "BadRequestError", "messages: field required"
    ),
)

AACFLOW = tuple(
    refused(
        f"aacflow-{status}",
        json_answer({"error": {"message": message, "type": kind, "code": code}}, status, x_request_id="req-8"),
        error,
        message,
        requests=3 if status == 500 else 1,
        provider="aacflow",
        code=code,
        request_id="req-8",
    )
    for status, message, kind, code, error in (
        # AACFlow's page: 401 `invalid_request_error`/`invalid_api_key`.
        (401, "Bad key", "invalid_request_error", "invalid_api_key", "AuthenticationError"),
        # AACFlow's page: 400.
        (400, "messages: too short", "invalid_request_error", None, "BadRequestError"),
        # AACFlow's page: 402 `insufficient_quota`/`insufficient_credits`.
        (402, "Add credits", "insufficient_quota", "insufficient_credits", "InsufficientCreditsError"),
        # AACFlow's page: 404 `model_not_found`.
        (404, "No model 'x'", "invalid_request_error", "model_not_found", "ModelNotFoundError"),
        # AACFlow's page: 500 `server_error`.
        (500, "Upstream broke", "server_error", "server_error", "ServerError"),
    )
)

# AK AI CORE's page: an error that is a text.
AK_AI_CORE = tuple(
    refused(
        f"ak-ai-core-{status}",
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
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): `error` may be a list.
    refused(
        "error-in-a-list",
        json_answer({"success": False, "error": ["top_k out of range", "temperature out of range"]}, 400),
        "BadRequestError",
        "top_k out of range",
        "temperature out of range",
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server), tried: `error` may be absent, `message` in its place.
    refused(
        "message-alone",
        json_answer({"success": False, "message": "chat_context is no JSON"}, 400),
        "BadRequestError",
        "chat_context is no JSON",
    ),
    # Not seen in public: FastAPI's envelope, at a gateway.
    refused(
        "detail-text", json_answer({"detail": "Not authenticated"}, 403), "PermissionDeniedError", "Not authenticated"
    ),
    # Not seen in public: FastAPI's envelope for a request that does not fit the schema.
    refused(
        "detail-list",
        json_answer({"detail": [{"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}]}, 422),
        "BadRequestError",
        "Field required",
    ),
    # vLLM (vllm-project/vllm#965): no `error`, the fields stand at the top.
    refused(
        "vllm-envelope",
        json_answer(
            {"object": "error", "message": "n must be 1", "type": "BadRequestError", "param": None, "code": 400}, 400
        ),
        "BadRequestError",
        "n must be 1",
    ),
    # Anthropic (earendil-works/pi packages/ai/src/utils/overflow.ts): its envelope, here for an overload.
    refused(
        "anthropic-envelope",
        json_answer({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        "ServiceUnavailableError",
        "Overloaded",
        requests=3,
    ),
    # OpenRouter (open-webui/computer#293): the status as code.
    refused("code-as-number", envelope(403, "Moderated", None, 403), "PermissionDeniedError", "Moderated"),
    # Not seen in public: the body is a JSON string.
    refused("json-text", json_answer("Slow down, please", 429), "RateLimitError", "Slow down", requests=3),
    # Cerebras (earendil-works/pi packages/ai/src/utils/overflow.ts): a bad status and nothing else.
    refused("body-empty", text_answer("", 500), "ServerError", "500", requests=3),
    # Cloudflare (openai/codex#16052): its page with 403.
    refused("html-403", page("403 Forbidden"), "PermissionDeniedError", "403 Forbidden"),
    # Not seen in public: nginx's page for no such route.
    refused("html-404", page("404 Not Found"), "NotFoundError", "404 Not Found"),
    # nginx (Wei-Shaw/sub2api#3332): too many bytes are refused, which says nothing of the context window.
    refused("html-413", page("413 Request Entity Too Large"), "BadRequestError", "413 Request Entity Too Large"),
    # Not seen in public: a proxy's page with 500.
    refused("html-500", page("500 Internal Server Error"), "ServerError", requests=3),
    # Cloudflare (afeld/jsonp#64): its page with 502, as the server behind it is gone.
    refused("html-502", page("502 Bad Gateway"), "ServerError", "502 Bad Gateway", requests=3),
    # Not seen in public: nginx's page, the server behind it is away.
    refused(
        "html-503",
        page("503 Service Temporarily Unavailable"),
        "ServiceUnavailableError",
        "503 Service Temp",
        requests=3,
    ),
    # nginx (OpenSecretCloud/opensecret#193): 504, as the server behind it is slow.
    refused("html-504", page("504 Gateway Time-out"), "ServerError", "504 Gateway", requests=3),
)

ROWS = (*AKI, *AACFLOW, *AK_AI_CORE, *ENVELOPES)
