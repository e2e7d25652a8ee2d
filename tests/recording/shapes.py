"""The shape of an answer: which fields there are and of which types, whatever they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def shape(message: Mapping[str, Any]) -> Any:
    """Status, headers and body of an answer as a cassette holds it."""
    kind = message.get("headers", {}).get("content-type", "").partition(";")[0]
    headers = sorted(message.get("headers", {}))
    return {"status": message["status"], "type": kind, "headers": headers, "body": _body(message)}


def _body(message: Mapping[str, Any]) -> Any:
    match message:
        case {"json": data}:
            return of(data)
        case {"events": text}:
            return _once([_event(event) for event in text.split("\n\n") if event.strip()])
        case {"text": _}:
            return "text"
        case {"base64": _}:
            return "bytes"
        case _:
            return None


def of(data: Any) -> Any:
    """JSON with types for values; the entries of a list count once for each shape."""
    match data:
        case dict():
            return {name: of(value) for name, value in sorted(data.items())}
        case list():
            return _once(sorted((of(each) for each in data), key=repr))
        case bool() | None:
            return type(data).__name__
        case int() | float():
            return "number"
        case _:
            return type(data).__name__


def _event(text: str) -> Any:
    lines = dict(line.partition(": ")[::2] for line in text.splitlines())
    try:
        data = of(json.loads(lines["data"]))
    except (KeyError, ValueError):
        data = lines.get("data")
    return {"event": lines.get("event"), "data": data}


def _once(shapes: list[Any]) -> list[Any]:
    """The same without repetitions in a row."""
    return [each for number, each in enumerate(shapes) if number == 0 or each != shapes[number - 1]]
