"""The errors of AKI.IO's Anthropic-compatible interface."""

from typing import Any

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.errors import Errors, Refusal, words
from aki_transport.emulator.record import Seen

_KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _body(message: str, kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _refuse(refusal: Refusal, seen: Seen) -> Response:
    return _fail(refusal.status or 400, refusal.message, seen)


def _fail(status: int, message: str | None, seen: Seen) -> Response:
    # 500 and above are the server's own.
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
    body = {**_body(message or words(status)[1], kind), "request_id": seen.request_id}
    return JSONResponse(body, status_code=status)


ERRORS = Errors(
    _refuse,
    _fail,
    {
        401: Refusal("invalid x-api-key", status=401),
        402: Refusal("Your credit balance is too low to access the API.", status=402),
        429: Refusal("This request would exceed your account's rate limit. Please try again later.", status=429),
        529: Refusal("Overloaded", status=529),
    },
)
# What a stream says when its worker is gone.
LOST = _body("The worker was lost.", "api_error")
