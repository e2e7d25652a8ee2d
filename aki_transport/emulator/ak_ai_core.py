"""AK AI CORE's API."""

from decimal import Decimal

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.errors import Errors, Refusal, words
from aki_transport.emulator.faces import Face
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.models import AK_AI_CORE_MODELS, among
from aki_transport.emulator.openai_chat import entries, read_chat, routes
from aki_transport.emulator.record import Seen
from aki_transport.emulator.wallet import Wallet

_LEAST = Decimal("0.50")


def _refuse(refusal: Refusal, _seen: Seen) -> Response:
    return JSONResponse({"error": refusal.message}, status_code=refusal.status or 400)


def _fail(status: int, message: str | None, _seen: Seen) -> Response:
    return JSONResponse({"error": message or words(status)[1]}, status_code=status)


# The words of its table of status codes, and of its page on the wallet.
_ERRORS = Errors(
    _refuse,
    _fail,
    {
        400: Refusal("Missing required fields, invalid payload, or validation failure.", status=400),
        401: Refusal("Invalid or expired API key.", status=401),
        402: Refusal("Insufficient credits. Please top up your account.", status=402),
        403: Refusal("IP not in allowlist.", status=403),
        409: Refusal("Duplicate resource.", status=409),
        429: Refusal("Rate limit exceeded. Implement backoff and retry.", status=429),
        500: Refusal("Unexpected server failure. Contact support if persistent.", status=500),
        503: Refusal("No active providers available to route the request.", status=503),
    },
)
_LOST = {"error": "Unexpected server failure. Contact support if persistent."}


def face(key: str, credits: float) -> Face:  # noqa: A002  # its word
    """The interface, for holders of this key, with so many dollars to spend."""
    wallet = Wallet(credits)

    def allowed(seen: Seen) -> bool:
        return seen.headers.get("authorization") == f"Bearer {key}"

    def chat(seen: Seen, faults: Faults) -> Response:
        if wallet.balance < _LEAST:
            return _ERRORS.by_status(402, seen)
        read = read_chat(seen, faults, among(AK_AI_CORE_MODELS))
        wallet.pay(read.cost)
        return read.response(faults, _LOST)

    return Face(
        "/ak_ai_core/v1",
        routes(allowed, entries(AK_AI_CORE_MODELS), chat, _ERRORS),
        _ERRORS,
        title="AK AI CORE",
        key=key,
        forget=wallet.refill,
    )
