"""What differs from one recording to the next, written the same each time: IDs, dates, the order of a suite's calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

CREATED = 1_700_000_000
"""In place of the moment at which an answer was made."""

# Longer than the numbers that take their place, so that a recording is rewritten once.
_ID = re.compile(r"\b(chatcmpl-|req_|call_|toolu_|msg_)[0-9a-f]{24,32}\b")
_JOB = re.compile(r"\b()[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=#)")
_CREATED = re.compile(r'("created": ?)\d+')
_LISTING = re.compile(r'"object": ?"model"')


def neutral(interactions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same interactions with numbers for IDs, in the order in which they come."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[0] not in names:
            prefix = match[1] or "job-"
            counts[prefix] = counts.get(prefix, 0) + 1
            names[match[0]] = f"{prefix}{counts[prefix]:04}"
        return names[match[0]]

    return [_rewritten(each, lambda text: _JOB.sub(number, _ID.sub(number, text))) for each in interactions]


def in_order(interactions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A suite's interactions, each once, in an order that does not depend on when they were made.

    The calls that make jobs come before those that look at them, and number them.
    """
    blank = sorted(interactions, key=lambda each: _key(_rewritten(each, lambda text: _JOB.sub("", _ID.sub("", text)))))
    once = {_key(each): each for each in reversed(neutral(blank))}
    return [_rewritten(once[key], _Renumbered(n)) for n, key in enumerate(sorted(once), 1)]


class _Renumbered:
    def __init__(self, number: int) -> None:
        self._id = f"req_{number:04}"

    def __call__(self, text: str) -> str:
        return re.sub(r"\breq_\d{4}\b", self._id, text)


def _key(interaction: Mapping[str, Any]) -> str:
    return json.dumps([interaction["request"]["uri"], interaction["request"]], sort_keys=True, default=repr)


def _rewritten(data: Any, ids: Callable[[str], str]) -> Any:
    match data:
        case str():
            return ids(data) if _LISTING.search(data) else _CREATED.sub(rf"\g<1>{CREATED}", ids(data))
        case list():
            return [_rewritten(each, ids) for each in data]
        case dict():
            return {name: _rewritten(value, ids) for name, value in data.items()}
        case _:
            return data
