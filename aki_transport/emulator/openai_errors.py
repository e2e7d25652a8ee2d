"""The two forms the errors of AKI.IO's OpenAI-compatible interface have: OpenAI's, and the web framework's."""

from typing import Any

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.errors import Errors, Refusal, framework_error
from aki_transport.emulator.record import Seen


def _refuse(refusal: Refusal, _seen: Seen) -> Response:
    error = {
        "message": refusal.message,
        "type": refusal.kind or "invalid_request_error",
        "param": None,
        "code": refusal.code or "request_failed",
    }
    # AKI's own status for every request it cannot carry out.
    return JSONResponse({"error": error}, status_code=refusal.status or 404)


def _fail(status: int, message: str | None, _seen: Seen) -> Response:
    return framework_error(status, message)


ERRORS = Errors(
    _refuse,
    _fail,
    {
        401: Refusal("Incorrect API key provided.", status=401, code="invalid_api_key"),
        402: Refusal(
            "Insufficient credits: please top up your account.",
            status=402,
            code="insufficient_credits",
            kind="insufficient_quota",
        ),
        429: Refusal(
            "Rate limit reached for requests.", status=429, code="rate_limit_exceeded", kind="rate_limit_exceeded"
        ),
    },
)
# What a stream says when its worker is gone.
LOST: dict[str, Any] = {
    "error": {"message": "The worker was lost.", "type": "server_error", "param": None, "code": "server_error"}
}
