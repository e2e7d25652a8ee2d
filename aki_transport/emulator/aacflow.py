"""AACFlow's AI API."""

from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.errors import Errors, Refusal, words
from aki_transport.emulator.faces import Face
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.models import AACFLOW_MODELS, among
from aki_transport.emulator.openai_chat import entries, read_chat, routes
from aki_transport.emulator.record import Seen
from aki_transport.emulator.wallet import Wallet

# Its page says "a small deposit", not how small.
_DEPOSIT = Decimal("0.001")


def _body(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


def _refuse(refusal: Refusal, _seen: Seen) -> Response:
    body = _body(refusal.message, refusal.kind or "invalid_request_error", refusal.code)
    return JSONResponse(body, status_code=refusal.status or 400)


def _fail(status: int, message: str | None, _seen: Seen) -> Response:
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004  # the server's own errors
    return JSONResponse(_body(message or words(status)[1], kind, None), status_code=status)


_ERRORS = Errors(
    _refuse,
    _fail,
    {
        401: Refusal("Missing or invalid API key.", status=401, code="invalid_api_key"),
        402: Refusal("Credit balance too low.", status=402, code="insufficient_credits", kind="insufficient_quota"),
        429: Refusal("Rate limit exceeded.", status=429, code="rate_limit_exceeded", kind="rate_limit_error"),
    },
)
_LOST = _body("The provider was lost.", "server_error", None)


def face(key: str, credits: float) -> Face:  # noqa: A002  # its word
    """The interface, for holders of this key, with so many dollars to spend."""
    wallet = Wallet(credits)

    def allowed(seen: Seen) -> bool:
        return f"Bearer {key}" == seen.headers.get("authorization") or key == seen.headers.get("x-api-key")

    def chat(seen: Seen, faults: Faults) -> Response:
        if wallet.balance < _DEPOSIT:
            return _ERRORS.by_status(402, seen)
        read = read_chat(seen, faults, among(AACFLOW_MODELS))
        # The deposit is given back and the cost taken in one step: an answer is known before its first byte leaves,
        # which is also how the headers of a stream can tell what it will have cost.
        wallet.pay(read.cost)
        response = read.response(faults, _LOST)
        response.headers["x-credits-used"] = f"{read.cost:.6f}"
        response.headers["x-credits-remaining"] = f"{wallet.balance:.6f}"
        return response

    return Face(
        "/aacflow/api/v1/ai",
        routes(allowed, entries(AACFLOW_MODELS), chat, _ERRORS),
        _ERRORS,
        title="AACFlow",
        key=key,
        forget=wallet.refill,
    )
