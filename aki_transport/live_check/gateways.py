"""AACFlow and AK AI CORE, which speak OpenAI's protocol."""

from __future__ import annotations

from aki_transport.live_check import probes
from aki_transport.live_check.questions import Finding, Probe, Question
from aki_transport.live_check.service import Service

_ENVELOPES = "aki_transport/error_parsing.py"
_PROVIDERS = "aki_transport/providers.py"
_WIRE = "aki_transport/wire/openai.py"
_DECODER = "aki_transport/wire/_openai_decoder.py"
_RESOLVER = "aki_transport/models/resolver.py"


def _no_model(service: Service) -> Finding:
    answer = service.chat({"model": "no-such-model"})
    return Finding(answer.status == 404, answer.summary)


def _credits(service: Service) -> Finding:
    headers = service.chat().headers
    names = [name for name in ("x-credits-used", "x-credits-remaining", "x-request-id") if name in headers]
    return Finding(len(names) == 3, f"headers {', '.join(names) or 'without any of them'}")


def _plain_error(service: Service) -> Finding:
    answer = service.chat(key="wrong")
    return Finding(answer.status == 401 and isinstance(answer.at("error"), str), answer.summary)


def _row(interface: str, about: str, assumed: str, probe: Probe, *code: str) -> Question:
    return Question(interface=interface, about=about, assumed=assumed, code=code, probe=probe)


_BOTH = tuple(
    row
    for interface in ("aacflow/openai", "ak_ai_core/openai")
    for row in (
        _row(interface, "listing", "GET /models gives OpenAI's list", probes.listing, _WIRE),
        _row(
            interface,
            "listing without a key",
            "is a 401",
            probes.listing_without_key,
            _RESOLVER,
        ),
        _row(interface, "unknown model", "is a 404", _no_model, _ENVELOPES, _PROVIDERS),
        _row(interface, "temperature 2", "is taken", probes.taken({"temperature": 2}), "aki_transport/settings.py"),
        _row(interface, "stop", "ends the answer before the word", probes.stopped, _WIRE),
        _row(
            interface,
            "max_tokens reached",
            "finish_reason is length",
            probes.cut,
            _DECODER,
        ),
        _row(interface, "tools", "a tool that fits is called", probes.tools, _WIRE),
        _row(
            interface,
            "structured output",
            "response_format is kept to",
            probes.structured,
            "aki_transport/prepare/structured_output.py",
        ),
        _row(
            interface,
            "usage in a stream",
            "in a last chunk, if asked for",
            probes.stream_usage,
            _WIRE,
        ),
        _row(
            interface,
            "role in a stream",
            "in the first chunk only",
            probes.roles,
            _DECODER,
        ),
        _row(interface, "end of a stream", "data: [DONE]", probes.done, _DECODER),
    )
)
QUESTIONS = (
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
