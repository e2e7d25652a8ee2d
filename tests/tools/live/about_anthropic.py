"""AKI.IO's Anthropic-compatible interface."""

from __future__ import annotations

from tests.tools.live import probes
from tests.tools.live.rows import Row, Seen
from tests.tools.live.service import Service

_WIRE = "aki_transport/wire/anthropic.py"
_ANSWER = "aki_transport/wire/_anthropic_decoder.py"
_TOOL = {"name": "get_weather", "description": "The weather in a city.", "input_schema": probes.TOOL}


def _listing(service: Service) -> Seen:
    said = service.ask("GET", "/v1/models")
    rows = said.at("data") or []
    return Seen(bool(rows), f"{len(rows)} models; fields {', '.join(rows[0])}" if rows else said.words)


def _version(service: Service) -> Seen:
    said = service.chat(headers={"anthropic-version": "2023-06-01"})
    return Seen(said.status == probes.OK, said.words if said.status != probes.OK else "200, answered")


def _max_tokens(service: Service) -> Seen:
    said = service.chat({"max_tokens": None})
    return Seen(said.status == 400, said.words)


def _fallback(service: Service) -> Seen:
    said = service.chat({"model": "no-such-model"})
    return Seen("minimax" in str(said.at("model")).lower(), f"answered by {said.at('model')!r}; {said.status}")


def _stopped(service: Service) -> Seen:
    said = service.chat({"stop_sequences": ["7"]})
    return Seen(said.at("stop_reason") == "stop_sequence", f"{said.at('stop_reason')!r}, {said.at('stop_sequence')!r}")


def _tools(service: Service) -> Seen:
    said = service.chat({"tools": [_TOOL], "max_tokens": 200}, words=probes.WEATHER)
    kinds = [block.get("type") for block in said.at("content") or []]
    return Seen(
        "tool_use" in kinds and said.at("stop_reason") == "tool_use", f"blocks {kinds}" if kinds else said.words
    )


def _thinking(service: Service) -> Seen:
    more = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1500}
    said = service.chat({"model": service.place.models["thinking"], **more})
    blocks = said.at("content") or []
    signed = any(block.get("signature") for block in blocks if block.get("type") == "thinking")
    kinds = [block.get("type") for block in blocks]
    return Seen(signed, f"blocks {kinds}, {'signed' if signed else 'not signed'}" if kinds else said.words)


def _events(service: Service) -> Seen:
    kinds = list(dict.fromkeys(event.get("type") for event in service.chat({"stream": True}).events))
    wanted = ["message_start", "content_block_start", "content_block_delta", "content_block_stop"]
    wanted += ["message_delta", "message_stop"]
    return Seen([kind for kind in kinds if kind != "ping"] == wanted, ", ".join(map(str, kinds))[:90])


def _error(service: Service) -> Seen:
    said = service.chat(key="wrong")
    kind = said.at("error", "type")
    return Seen(said.status == 401 and kind == "authentication_error", said.words)


def _row(about: str, assumed: str, ask: object, *code: str) -> Row:
    return Row(place="aki/anthropic", about=about, assumed=assumed, code=code, ask=ask)


ROWS = (
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
