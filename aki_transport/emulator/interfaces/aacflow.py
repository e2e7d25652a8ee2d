"""AACFlow's AI API."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.credits import Account
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.interfaces import Errors, Interface, Refusal, status_text
from aki_transport.emulator.interfaces.openai import answer_chat, chat_routes
from aki_transport.emulator.models import Catalog
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script

# Its page says "a small deposit", not how small.
_DEPOSIT = Decimal("0.001")


def _body(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


def _refuse(refusal: Refusal, _request: RecordedRequest) -> Response:
    body = _body(refusal.message, refusal.kind or "invalid_request_error", refusal.code)
    return JSONResponse(body, refusal.status or 400)


def _fail(status: int, message: str | None, _request: RecordedRequest) -> Response:
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004  # the server's own errors
    return JSONResponse(_body(message or status_text(status)[1], kind, None), status)


_ERRORS = Errors(
    _refuse,
    _fail,
    {
        401: Refusal("Missing or invalid API key.", 401, "invalid_api_key"),
        402: Refusal("Credit balance too low.", 402, "insufficient_credits", "insufficient_quota"),
        429: Refusal("Rate limit exceeded.", 429, "rate_limit_exceeded", "rate_limit_error"),
    },
)
_LOST = _body("The provider was lost.", "server_error", None)


def interface(key: str, account: Account, catalog: Catalog, script: Script) -> Interface:
    """The interface, for holders of this key."""

    def allowed(request: RecordedRequest) -> bool:
        return f"Bearer {key}" == request.headers.get("authorization") or key == request.headers.get("x-api-key")

    def pay(cost: Decimal) -> Mapping[str, str]:
        # The deposit is given back and the cost taken in one step: an answer is known before its first byte leaves,
        # which is also how the headers of a stream can tell what it will have cost.
        account.pay(cost)
        return {"x-credits-used": f"{cost:.6f}", "x-credits-remaining": f"{account.balance:.6f}"}

    def chat(request: RecordedRequest, faults: Faults) -> Response:
        if account.balance < _DEPOSIT:
            return _ERRORS.by_status(402, request)
        return answer_chat(request, faults, catalog, script, _LOST, pay)

    routes = chat_routes(allowed, catalog, chat, _ERRORS)
    return Interface("/aacflow/api/v1/ai", routes, _ERRORS, "AACFlow", key, forget=account.refill)
