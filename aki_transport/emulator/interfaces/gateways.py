"""The gateways, AACFlow and AK AI CORE: OpenAI's chat completions, paid from prepaid credits."""

from decimal import ROUND_UP, Decimal
from typing import Any

from starlette.responses import Response

from aki_transport.emulator.faults import Faults
from aki_transport.emulator.interfaces import Errors, Interface, has_key
from aki_transport.emulator.interfaces.openai import answer_chat, list_models
from aki_transport.emulator.models import Catalog
from aki_transport.emulator.prompt import Refusal
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script

_SMALLEST = Decimal("0.000001")  # US dollars


def aacflow(key: str, credits: float, catalog: Catalog, script: Script) -> Interface:  # noqa: A002  # the gateways' word
    """AACFlow's AI API, for holders of this key, and so many US dollars."""

    def write(refusal: Refusal, _request: RecordedRequest) -> dict[str, Any]:
        kind = "server_error" if (refusal.status or 0) >= 500 else "invalid_request_error"  # noqa: PLR2004  # its own
        return {"error": {"message": refusal.message, "type": refusal.kind or kind, "code": refusal.code}}

    known = {
        401: Refusal("Missing or invalid API key.", 401, "invalid_api_key"),
        402: Refusal("Credit balance too low.", 402, "insufficient_credits", "insufficient_quota"),
        429: Refusal("Rate limit exceeded.", 429, "rate_limit_exceeded", "rate_limit_error"),
    }
    # Its page says "a small deposit", not how small.
    account = _Account(credits, least="0.001", tells=True)
    endpoints = _Endpoints(catalog, script, Errors(write, known), account)
    return endpoints.interface("/aacflow/api/v1/ai", "AACFlow", key, "x-api-key")


def ak_ai_core(key: str, credits: float, catalog: Catalog, script: Script) -> Interface:  # noqa: A002  # as above
    """AK AI CORE's API, for holders of this key, and so many US dollars."""

    def write(refusal: Refusal, _request: RecordedRequest) -> dict[str, Any]:
        return {"error": refusal.message}

    # The texts of its table of status codes, and of its page on the balance.
    texts = {
        400: "Missing required fields, invalid payload, or validation failure.",
        401: "Invalid or expired API key.",
        402: "Insufficient credits. Please top up your account.",
        403: "IP not in allowlist.",
        409: "Duplicate resource.",
        429: "Rate limit exceeded. Implement backoff and retry.",
        500: "Unexpected server failure. Contact support if persistent.",
        503: "No active providers available to route the request.",
    }
    known = {status: Refusal(text, status) for status, text in texts.items()}
    endpoints = _Endpoints(catalog, script, Errors(write, known), _Account(credits, least="0.50", tells=False))
    return endpoints.interface("/ak_ai_core/v1", "AK AI CORE", key)


class _Account:
    """US dollars that answers are paid from; under the least balance there is no answer."""

    def __init__(self, credits: float, *, least: str, tells: bool) -> None:  # noqa: A002  # as above
        self._start = self.balance = Decimal(str(credits))
        self.least = Decimal(least)
        self._tells = tells

    def pay(self, dollars: Decimal) -> dict[str, str]:
        """Take the cost, even where that is more than there is; the headers that tell of it."""
        cost = dollars.quantize(_SMALLEST, ROUND_UP)
        self.balance -= cost
        return {"x-credits-used": f"{cost:.6f}", "x-credits-remaining": f"{self.balance:.6f}"} if self._tells else {}

    def refill(self) -> None:
        """Put the first balance back."""
        self.balance = self._start


class _Endpoints:
    def __init__(self, catalog: Catalog, script: Script, errors: Errors, account: _Account) -> None:
        self._catalog = catalog
        self._script = script
        self._errors = errors
        self._account = account

    def interface(self, prefix: str, title: str, key: str, *key_headers: str) -> Interface:
        endpoints = {"GET /models": list_models(self._catalog), "POST /chat/completions": self._chat}
        allowed = has_key(key, *key_headers)
        return Interface(prefix, endpoints, self._errors, allowed, title, key, forget=self._account.refill)

    def _chat(self, request: RecordedRequest, faults: Faults) -> Response:
        if self._account.balance < self._account.least:
            return self._errors.by_status(402, request)
        response, model, completion = answer_chat(request, faults, self._catalog, self._script, self._errors)
        # An answer is known before its first byte leaves, so that the headers of a stream can tell what it costs.
        response.headers.update(self._account.pay(model.cost(completion)))
        return response
