"""AACFlow and AK AI CORE, which speak OpenAI's protocol."""

from __future__ import annotations

from tests.tools.live import probes
from tests.tools.live.rows import Row, Seen
from tests.tools.live.service import Service

_ENVELOPES = "aki_transport/error_parsing.py"
_PROVIDERS = "aki_transport/providers.py"


def _no_model(service: Service) -> Seen:
    said = service.chat({"model": "no-such-model"})
    return Seen(said.status == 404, said.words)


def _credits(service: Service) -> Seen:
    headers = service.chat().headers
    found = [name for name in ("x-credits-used", "x-credits-remaining", "x-request-id") if name in headers]
    return Seen(len(found) == 3, f"headers {', '.join(found) or 'without any of them'}")


def _plain_error(service: Service) -> Seen:
    said = service.chat(key="wrong")
    return Seen(said.status == 401 and isinstance(said.at("error"), str), said.words)


def _row(place: str, about: str, assumed: str, ask: object, *code: str) -> Row:
    return Row(place=place, about=about, assumed=assumed, code=code, ask=ask)


_BOTH = tuple(
    row
    for place in ("aacflow/openai", "ak_ai_core/openai")
    for row in (
        _row(place, "listing", "GET /models gives OpenAI's list", probes.listing, "aki_transport/wire/openai.py"),
        _row(
            place, "listing without a key", "is a 401", probes.listing_without_key, "aki_transport/models/resolver.py"
        ),
        _row(place, "unknown model", "is a 404", _no_model, _ENVELOPES, _PROVIDERS),
        _row(place, "temperature 2", "is taken", probes.taken({"temperature": 2}), "aki_transport/settings.py"),
        _row(place, "stop", "ends the answer before the word", probes.stopped, "aki_transport/wire/openai.py"),
        _row(
            place, "max_tokens reached", "finish_reason is length", probes.cut, "aki_transport/wire/_openai_decoder.py"
        ),
        _row(place, "tools", "a tool that fits is called", probes.tools, "aki_transport/wire/openai.py"),
        _row(
            place,
            "structured output",
            "response_format is kept to",
            probes.structured,
            "aki_transport/prepare/structured_output.py",
        ),
        _row(
            place,
            "usage in a stream",
            "in a last chunk, if asked for",
            probes.stream_usage,
            "aki_transport/wire/openai.py",
        ),
        _row(
            place, "role in a stream", "in the first chunk only", probes.roles, "aki_transport/wire/_openai_decoder.py"
        ),
        _row(place, "end of a stream", "data: [DONE]", probes.done, "aki_transport/wire/_openai_decoder.py"),
    )
)
ROWS = (
    *_BOTH,
    _row("aacflow/openai", "x-api-key", "the key is taken there, too", probes.key_as("x-api-key"), _PROVIDERS),
    _row(
        "aacflow/openai",
        "wrong key",
        "401 with the code invalid_api_key",
        probes.wrong_key("error", "code", code="invalid_api_key"),
        _ENVELOPES,
    ),
    _row("aacflow/openai", "headers", "credits used and left, and a request ID", _credits, _ENVELOPES),
    _row("ak_ai_core/openai", "wrong key", "401 with a text as `error`", _plain_error, _ENVELOPES),
)
