"""JSON as text: parsed with an error that shows it, and scanned for brackets while it arrives."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from aki_transport.errors import InvalidResponseError

MAX_SHOWN = 4096
"""Characters of an answer that go into an error. Its message is shortened further once the key has been removed."""

_BOM = b"\xef\xbb\xbf"


def parse_json(body: str | bytes, subject: str = "the answer") -> Any:
    """Parse a body that has to be JSON; a byte order mark at its start is ignored.

    Raises:
        InvalidResponseError: It is not JSON; the message begins with `subject` and shows how the body begins.
    """
    try:
        return from_json(body.removeprefix(_BOM) if isinstance(body, bytes) else body)
    except ValueError as error:
        raise InvalidResponseError(f"{subject} is not JSON ({error}): {shown(body)!r}") from None


def shown(body: str | bytes) -> str:
    """The beginning of a body, as text for an error."""
    start = body[:MAX_SHOWN]
    return start if isinstance(start, str) else start.decode("utf-8", "replace")


class BracketScanner:
    """Tracks which brackets and strings are open in JSON text that arrives in pieces.

    `open_brackets` are in order, outermost first; `is_escaped` is whether a backslash escapes the next character.
    """

    __slots__ = ("in_string", "is_escaped", "open_brackets")

    def __init__(self) -> None:
        self.open_brackets: list[str] = []
        self.in_string = False
        self.is_escaped = False

    def feed(self, text: str) -> int | None:
        """Read the next piece.

        Returns:
            The position behind the first bracket of this piece that closes an outermost value; None if there is none.
        """
        end = None
        for position, char in enumerate(text):
            if self.in_string:
                self.in_string = self.is_escaped or char != '"'
                self.is_escaped = char == "\\" and not self.is_escaped
            elif char == '"':
                self.in_string = True
            elif char in "{[":
                self.open_brackets.append(char)
            elif char in "}]" and self.open_brackets:
                self.open_brackets.pop()
                if end is None and not self.open_brackets:
                    end = position + 1
        return end
