"""AKI.IO's Anthropic-compatible interface."""

from __future__ import annotations

from aki_transport.live_check import probes
from aki_transport.live_check.questions import Finding, Probe, Question
from aki_transport.live_check.service import Service

_WIRE = "aki_transport/wire/anthropic.py"
_ANSWER = "aki_transport/wire/_anthropic_decoder.py"
_TOOL = {"name": "get_weather", "description": "The weather in a city.", "input_schema": probes.TOOL}


def _listing(service: Service) -> Finding:
    answer = service.send("GET", "/v1/models")
    rows = answer.at("data") or []
    return Finding(bool(rows), f"{len(rows)} models; fields {', '.join(rows[0])}" if rows else answer.summary)


def _version(service: Service) -> Finding:
    answer = service.chat(headers={"anthropic-version": "2023-06-01"})
    return Finding(answer.status == probes.OK, answer.summary if answer.status != probes.OK else "200, answered")


def _max_tokens(service: Service) -> Finding:
    answer = service.chat({"max_tokens": None})
    return Finding(answer.status == 400, answer.summary)


def _fallback(service: Service) -> Finding:
    answer = service.chat({"model": "no-such-model"})
    return Finding("minimax" in str(answer.at("model")).lower(), f"answered by {answer.at('model')!r}; {answer.status}")


def _stopped(service: Service) -> Finding:
    answer = service.chat({"stop_sequences": ["7"]})
    return Finding(
        answer.at("stop_reason") == "stop_sequence", f"{answer.at('stop_reason')!r}, {answer.at('stop_sequence')!r}"
    )


def _tools(service: Service) -> Finding:
    answer = service.chat({"tools": [_TOOL], "max_tokens": 200}, prompt=probes.WEATHER)
    kinds = [block.get("type") for block in answer.at("content") or []]
    return Finding(
        "tool_use" in kinds and answer.at("stop_reason") == "tool_use", f"blocks {kinds}" if kinds else answer.summary
    )


def _thinking(service: Service) -> Finding:
    more = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1500}
    answer = service.chat({"model": service.models["thinking"], **more})
    blocks = answer.at("content") or []
    has_signature = any(block.get("signature") for block in blocks if block.get("type") == "thinking")
    kinds = [block.get("type") for block in blocks]
    return Finding(
        has_signature, f"blocks {kinds}, {'signed' if has_signature else 'not signed'}" if kinds else answer.summary
    )


def _events(service: Service) -> Finding:
    kinds = list(dict.fromkeys(event.get("type") for event in service.chat({"stream": True}).events))
    wanted = ["message_start", "content_block_start", "content_block_delta", "content_block_stop"]
    wanted += ["message_delta", "message_stop"]
    return Finding([kind for kind in kinds if kind != "ping"] == wanted, ", ".join(map(str, kinds))[:90])


def _error(service: Service) -> Finding:
    answer = service.chat(key="wrong")
    kind = answer.at("error", "type")
    return Finding(answer.status == 401 and kind == "authentication_error", answer.summary)


def _row(about: str, assumed: str, probe: Probe, *code: str) -> Question:
    return Question(interface="aki/anthropic", about=about, assumed=assumed, code=code, probe=probe)


QUESTIONS = (
    _row("listing", "GET /v1/models gives Anthropic's list", _listing, _WIRE),
    _row("x-api-key", "the key is taken there", probes.key_as("x-api-key"), "aki_transport/providers.py"),
    _row("Bearer", "the key is taken there, too", probes.key_as("bearer"), "aki_transport/providers.py"),
    _row("wrong key", "401 with the type authentication_error", _error, "aki_transport/error_parsing.py"),
    _row("no anthropic-version", "is taken", probes.taken({}), _WIRE),
    _row("anthropic-version", "2023-06-01 is taken", _version, _WIRE),
    _row("no max_tokens", "is refused with 400", _max_tokens, "aki_transport/providers.py"),
    _row("temperature 1", "is taken", probes.taken({"temperature": 1}), _WIRE),
    _row("temperature 1.5", "is refused with 400", probes.refused({"temperature": 1.5}, 400), _WIRE),
    _row("unknown model", "MiniMax answers in its place", _fallback, "aki_transport/models/resolver.py"),
    _row("stop_sequences", "end the answer, which says so", _stopped, _ANSWER),
    _row("tools", "a tool that fits is called", _tools, _WIRE),
    _row("thinking", "comes as a signed block", _thinking, _ANSWER, "aki_transport/reasoning.py"),
    _row("events of a stream", "Anthropic's, in their order", _events, _ANSWER),
)
