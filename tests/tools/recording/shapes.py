"""The shape of an answer: which fields there are and of which types, whatever their values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def shape(status: int, headers: Mapping[str, str], body: str | bytes) -> Any:
    """Status, headers and body of an answer."""
    kind = headers.get("content-type", "").partition(";")[0]
    return {"status": status, "type": kind, "headers": sorted(headers), "body": _body(kind, body)}


def _body(kind: str, body: str | bytes) -> Any:
    try:
        text = body if isinstance(body, str) else body.decode()
        if kind == "text/event-stream":
            return _once([_event(event) for event in text.split("\n\n") if event.strip()])
        return of(json.loads(text))
    except UnicodeDecodeError:
        return "bytes"
    except ValueError:
        return "text"


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
