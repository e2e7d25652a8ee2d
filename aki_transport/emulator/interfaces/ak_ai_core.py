"""AK AI CORE's API."""

from collections.abc import Mapping
from decimal import Decimal

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.credits import Account
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.interfaces import Errors, Interface, Refusal, status_text
from aki_transport.emulator.interfaces.openai import answer_chat, chat_routes
from aki_transport.emulator.models import Catalog
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script

_LEAST = Decimal("0.50")
# The texts of its table of status codes, and of its page on the balance.
_TEXTS = {
    400: "Missing required fields, invalid payload, or validation failure.",
    401: "Invalid or expired API key.",
    402: "Insufficient credits. Please top up your account.",
    403: "IP not in allowlist.",
    409: "Duplicate resource.",
    429: "Rate limit exceeded. Implement backoff and retry.",
    500: "Unexpected server failure. Contact support if persistent.",
    503: "No active providers available to route the request.",
}


def _refuse(refusal: Refusal, _request: RecordedRequest) -> Response:
    return JSONResponse({"error": refusal.message}, refusal.status or 400)


def _fail(status: int, message: str | None, _request: RecordedRequest) -> Response:
    return JSONResponse({"error": message or status_text(status)[1]}, status)


_ERRORS = Errors(_refuse, _fail, {status: Refusal(text, status) for status, text in _TEXTS.items()})


def interface(key: str, account: Account, catalog: Catalog, script: Script) -> Interface:
    """The interface, for holders of this key."""

    def allowed(request: RecordedRequest) -> bool:
        return request.headers.get("authorization") == f"Bearer {key}"

    def pay(cost: Decimal) -> Mapping[str, str]:
        account.pay(cost)
        return {}

    def chat(request: RecordedRequest, faults: Faults) -> Response:
        if account.balance < _LEAST:
            return _ERRORS.by_status(402, request)
        return answer_chat(request, faults, catalog, script, {"error": _TEXTS[500]}, pay)

    routes = chat_routes(allowed, catalog, chat, _ERRORS)
    return Interface("/ak_ai_core/v1", routes, _ERRORS, "AK AI CORE", key, forget=account.refill)
