"""Questions that more than one interface is asked."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from aki_transport.live_check.questions import Finding
from aki_transport.live_check.service import Service, ServiceAnswer

OK = 200
TOOL = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FUNCTION = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather in a city.", "parameters": TOOL},
}
WEATHER = "What is the weather in Paris?"
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "City",
        "schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
}


def red_png(width: int, height: int) -> bytes:
    """A red picture of that size."""
    rows = b"".join(b"\x00" + b"\xff\x00\x00" * width for _ in range(height))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )


def text(answer: ServiceAnswer) -> str:
    """The text of an answer in OpenAI's form."""
    return str(answer.at("choices", 0, "message", "content") or "")


def taken(more: Mapping[str, Any]) -> Callable[[Service], Finding]:
    """A request with this in it is answered."""

    def probe(service: Service) -> Finding:
        answer = service.chat(more)
        return Finding(answer.status == OK, answer.summary if answer.status != OK else "200, answered")

    return probe


def refused(more: Mapping[str, Any], *statuses: int) -> Callable[[Service], Finding]:
    """A request with this in it is refused with one of these statuses."""

    def probe(service: Service) -> Finding:
        answer = service.chat(more)
        return Finding(answer.status in statuses, answer.summary)

    return probe


def wrong_key(*path: str | int, code: str) -> Callable[[Service], Finding]:
    """A wrong key is a 401 with this word at this place."""

    def probe(service: Service) -> Finding:
        answer = service.chat(key="wrong")
        return Finding(answer.status == 401 and answer.at(*path) == code, answer.summary)

    return probe


def key_as(where: str) -> Callable[[Service], Finding]:
    """The key is taken there."""

    def probe(service: Service) -> Finding:
        answer = service.chat(key_in=where)
        return Finding(answer.status == OK, answer.summary if answer.status != OK else "200, answered")

    return probe


def stopped(service: Service) -> Finding:
    """A stop word ends the answer and is not part of it."""
    answer = service.chat({"stop": ["7"]})
    return Finding(answer.status == OK and "6" in text(answer) and "7" not in text(answer), repr(text(answer))[:70])


def cut(service: Service) -> Finding:
    """An answer that is cut says so."""
    answer = service.chat({"max_tokens": 5})
    finish = answer.at("choices", 0, "finish_reason")
    return Finding(
        finish == "length", f"finish_reason {finish!r} after {answer.at('usage', 'completion_tokens')} tokens"
    )


def tools(service: Service) -> Finding:
    """A tool that fits is asked for."""
    answer = service.chat({"tools": [FUNCTION], "max_tokens": 200}, prompt=WEATHER)
    call = answer.at("choices", 0, "message", "tool_calls", 0, "function")
    return Finding(bool(call) and call.get("name") == "get_weather", f"tool_calls {call}" if call else answer.summary)


def structured(service: Service) -> Finding:
    """An answer fits the schema that was asked for."""
    answer = service.chat({"response_format": SCHEMA, "max_tokens": 100}, prompt="Paris has 2 million people.")
    content = text(answer)
    return Finding(
        '"name"' in content and content.strip().startswith("{"), repr(content)[:70] if content else answer.summary
    )


def stream_usage(service: Service) -> Finding:
    """The last chunk of a stream has the usage, and no choices, if it is asked for."""
    answer = service.chat({"stream": True, "stream_options": {"include_usage": True}})
    with_usage = [number for number, event in enumerate(answer.events, 1) if event.get("usage")]
    detail = f"in chunk {with_usage or 'none'} of {len(answer.events)}"
    return Finding(with_usage == [len(answer.events)] and not answer.events[-1].get("choices"), detail)


def roles(service: Service) -> Finding:
    """Only the first chunk of a stream says the role."""
    deltas = [choice["delta"] for event in service.chat({"stream": True}).events for choice in event.get("choices", [])]
    times = sum("role" in delta for delta in deltas)
    return Finding(times == 1, f"in {times} of {len(deltas)} chunks")


def done(service: Service) -> Finding:
    """A stream ends with [DONE]."""
    last = service.chat({"stream": True}).text.rstrip().splitlines()[-1:]
    return Finding(last == ["data: [DONE]"], repr(last[0])[:70] if last else "nothing came")


def listing(service: Service) -> Finding:
    """The listing is OpenAI's."""
    answer = service.send("GET", "/models")
    rows = answer.at("data") or []
    return Finding(
        answer.at("object") == "list" and bool(rows),
        f"{len(rows)} models; fields {', '.join(rows[0])}" if rows else answer.summary,
    )


def listing_without_key(service: Service) -> Finding:
    """The listing takes a key."""
    answer = service.send("GET", "/models", key=None)
    return Finding(answer.status == 401, answer.summary)
