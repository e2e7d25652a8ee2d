"""Questions that more than one interface is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.tools.live.rows import Seen
from tests.tools.live.service import Said, Service

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


def text(said: Said) -> str:
    """The text of an answer in OpenAI's form."""
    return str(said.at("choices", 0, "message", "content") or "")


def taken(more: Mapping[str, Any]) -> Callable[[Service], Seen]:
    """A request with this in it is answered."""

    def ask(service: Service) -> Seen:
        said = service.chat(more)
        return Seen(said.status == OK, said.words if said.status != OK else "200, answered")

    return ask


def refused(more: Mapping[str, Any], *statuses: int) -> Callable[[Service], Seen]:
    """A request with this in it is refused with one of these statuses."""

    def ask(service: Service) -> Seen:
        said = service.chat(more)
        return Seen(said.status in statuses, said.words)

    return ask


def wrong_key(*path: str | int, code: str) -> Callable[[Service], Seen]:
    """A wrong key is a 401 with this word at this place."""

    def ask(service: Service) -> Seen:
        said = service.chat(key="wrong")
        return Seen(said.status == 401 and said.at(*path) == code, said.words)

    return ask


def key_as(where: str) -> Callable[[Service], Seen]:
    """The key is taken there."""

    def ask(service: Service) -> Seen:
        said = service.chat(key_in=where)
        return Seen(said.status == OK, said.words if said.status != OK else "200, answered")

    return ask


def stopped(service: Service) -> Seen:
    """A stop word ends the answer and is not part of it."""
    said = service.chat({"stop": ["7"]})
    return Seen(said.status == OK and "6" in text(said) and "7" not in text(said), repr(text(said))[:70])


def cut(service: Service) -> Seen:
    """An answer that is cut says so."""
    said = service.chat({"max_tokens": 5})
    finish = said.at("choices", 0, "finish_reason")
    return Seen(finish == "length", f"finish_reason {finish!r} after {said.at('usage', 'completion_tokens')} tokens")


def tools(service: Service) -> Seen:
    """A tool that fits is asked for."""
    said = service.chat({"tools": [FUNCTION], "max_tokens": 200}, words=WEATHER)
    call = said.at("choices", 0, "message", "tool_calls", 0, "function")
    return Seen(bool(call) and call.get("name") == "get_weather", f"tool_calls {call}" if call else said.words)


def structured(service: Service) -> Seen:
    """An answer fits the schema that was asked for."""
    said = service.chat({"response_format": SCHEMA, "max_tokens": 100}, words="Paris has 2 million people.")
    found = text(said)
    return Seen('"name"' in found and found.strip().startswith("{"), repr(found)[:70] if found else said.words)


def stream_usage(service: Service) -> Seen:
    """The last chunk of a stream has the usage, and no choices, if it is asked for."""
    said = service.chat({"stream": True, "stream_options": {"include_usage": True}})
    with_usage = [number for number, event in enumerate(said.events, 1) if event.get("usage")]
    words = f"in chunk {with_usage or 'none'} of {len(said.events)}"
    return Seen(with_usage == [len(said.events)] and not said.events[-1].get("choices"), words)


def roles(service: Service) -> Seen:
    """Only the first chunk of a stream says the role."""
    deltas = [choice["delta"] for event in service.chat({"stream": True}).events for choice in event.get("choices", [])]
    times = sum("role" in delta for delta in deltas)
    return Seen(times == 1, f"in {times} of {len(deltas)} chunks")


def done(service: Service) -> Seen:
    """A stream ends with [DONE]."""
    last = service.chat({"stream": True}).text.rstrip().splitlines()[-1:]
    return Seen(last == ["data: [DONE]"], repr(last[0])[:70] if last else "nothing came")


def listing(service: Service) -> Seen:
    """The listing is OpenAI's."""
    said = service.ask("GET", "/models")
    rows = said.at("data") or []
    return Seen(
        said.at("object") == "list" and bool(rows),
        f"{len(rows)} models; fields {', '.join(rows[0])}" if rows else said.words,
    )


def listing_without_key(service: Service) -> Seen:
    """The listing takes a key."""
    said = service.ask("GET", "/models", key=None)
    return Seen(said.status == 401, said.words)
