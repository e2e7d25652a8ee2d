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
    gateway = _Gateway(catalog, script, Errors(write, known), Decimal(str(credits)), least="0.001", tells_costs=True)
    return gateway.interface("/aacflow/api/v1/ai", "AACFlow", key, "x-api-key")


def ak_ai_core(key: str, credits: float, catalog: Catalog, script: Script) -> Interface:  # noqa: A002  # as above
    """AK AI CORE's API, for holders of this key, and so many US dollars."""

    def write(refusal: Refusal, _request: RecordedRequest) -> dict[str, Any]:
        return {"error": refusal.message}

    # The texts of its table of status codes, and of its page on the balance.
    known = {
        401: Refusal("Invalid or expired API key.", 401),
        402: Refusal("Insufficient credits. Please top up your account.", 402),
        429: Refusal("Rate limit exceeded. Implement backoff and retry.", 429),
        500: Refusal("Unexpected server failure. Contact support if persistent.", 500),
        503: Refusal("No active providers available to route the request.", 503),
    }
    gateway = _Gateway(catalog, script, Errors(write, known), Decimal(str(credits)), least="0.50", tells_costs=False)
    return gateway.interface("/ak_ai_core/v1", "AK AI CORE", key)


class _Gateway:
    """Answers as long as the account holds the least balance; the last answer may cost more than there is."""

    def __init__(
        self, catalog: Catalog, script: Script, errors: Errors, balance: Decimal, *, least: str, tells_costs: bool
    ) -> None:
        self._catalog = catalog
        self._script = script
        self._errors = errors
        self._start = self._balance = balance
        self._least = Decimal(least)
        self._tells_costs = tells_costs

    def interface(self, prefix: str, title: str, key: str, *key_headers: str) -> Interface:
        endpoints = {"GET /models": list_models(self._catalog), "POST /chat/completions": self._chat}
        return Interface(prefix, endpoints, self._errors, has_key(key, *key_headers), title, key, forget=self._refill)

    def _refill(self) -> None:
        self._balance = self._start

    def _chat(self, request: RecordedRequest, faults: Faults) -> Response:
        if self._balance < self._least:
            return self._errors.by_status(402, request)
        response, model, completion = answer_chat(request, faults, self._catalog, self._script, self._errors)
        cost = model.cost(completion).quantize(_SMALLEST, ROUND_UP)
        self._balance -= cost
        if self._tells_costs:
            # An answer is known before its first byte leaves, so that the headers of a stream can tell what it costs.
            response.headers.update({"x-credits-used": f"{cost:.6f}", "x-credits-remaining": f"{self._balance:.6f}"})
        return response
