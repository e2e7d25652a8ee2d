"""JSON as text: parsed with an error that shows it, and scanned for brackets while it arrives."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from aki_transport.errors import InvalidResponseError

MAX_SHOWN = 4096  # characters of an answer that go into an error, which is shortened further once it is redacted
_STRUCTURE = re.compile(r'[{}\[\]"]')
_STRING_END = re.compile(r'["\\]')
_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(body: str | bytes, subject: str = "the answer", halves: dict[tuple[Any, ...], str] | None = None) -> Any:
    """The value in a body, also behind a byte order mark; `InvalidResponseError` on `subject` if it is no JSON.

    In `halves` are the first halves of characters that are cut in two, by their places, until the next body is read.
    """
    try:
        return from_json(body.removeprefix(_BOM) if isinstance(body, bytes) else body)
    except ValueError as error:
        problem = f"{subject} is not JSON ({error}): {shown(body)!r}"
    with suppress(ValueError, RecursionError):
        text = body if isinstance(body, str) else body.decode()
        if _SURROGATE.search(text):
            return _whole_characters(json.loads(text), (), {} if halves is None else halves)
    raise InvalidResponseError(problem)


def _whole_characters(value: Any, place: tuple[Any, ...], halves: dict[tuple[Any, ...], str]) -> Any:
    match value:
        case str():
            text = halves.pop(place, "") + value
            if "\ud800" <= text[-1:] <= "\udbff":
                halves[place], text = text[-1], text[:-1]
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {name: _whole_characters(inner, (*place, name), halves) for name, inner in value.items()}
        case list():
            return [_whole_characters(inner, (*place, index), halves) for index, inner in enumerate(value)]
        case _:
            return value


def is_json(text: str) -> bool:
    """Whether a text is JSON from its beginning to its end."""
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def may_be_cut(text: str | bytes) -> bool:
    """Whether a text that is no JSON may be the beginning of JSON."""
    try:
        from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return False
    return True


def shown(answer: object) -> str:
    """The beginning of an answer, or of a part of it, as text for an error."""
    if isinstance(answer, bytes):
        return answer[:MAX_SHOWN].decode("utf-8", "replace")
    return str(answer)[:MAX_SHOWN]


class BracketScanner:
    """Tracks which brackets and strings are open in JSON text that arrives in pieces.

    `open_brackets` are in order, outermost first; `is_escaped` is whether a backslash escapes the next character.
    """

    def __init__(self) -> None:
        self.open_brackets: list[str] = []
        self.in_string = False
        self.is_escaped = False

    def feed(self, text: str) -> int | None:
        """Read the next piece up to the bracket that closes an outermost value; the position behind it, or None."""
        position, length = 0, len(text)
        if self.is_escaped and length:
            self.is_escaped, position = False, 1
        while position < length:
            if self.in_string:
                position = self._skip_string(text, position)
                continue
            match = _STRUCTURE.search(text, position)
            if match is None:
                break
            char, position = match[0], match.end()
            if char == '"':
                self.in_string = True
            elif char in "{[":
                self.open_brackets.append(char)
            elif self.open_brackets:
                self.open_brackets.pop()
                if not self.open_brackets:
                    return position
        return None

    def _skip_string(self, text: str, position: int) -> int:
        match = _STRING_END.search(text, position)
        if match is None:
            return len(text)
        if match[0] == '"':
            self.in_string = False
            return match.end()
        self.is_escaped = match.end() == len(text)
        return match.end() + 1
