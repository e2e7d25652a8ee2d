"""Takes out of streamed pieces of text what they repeat, where each holds all of the text so far."""

from __future__ import annotations

from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import shown

_SURE = 8  # characters


class CumulativeText:
    """Text that arrives in pieces, each of which is its next part or, as DashScope has sent it, all of it so far.

    A piece that begins with the one before is held back. Two such pieces that are longer than what they begin with,
    blanks apart, and of which the last has several characters, show that all are; anything else shows that they are
    parts, and `is_past` that nothing is to be looked at any more. Ordinary texts hardly have one such piece at first.
    """

    def __init__(self) -> None:
        self.is_past = False
        self._first = self._last = ""
        self._held: list[str] = []
        self._longer = 0
        self._is_cumulative = False

    def feed(self, piece: str) -> str:
        """The part of the text that is certain now and new."""
        if self.is_past or not piece:
            return piece
        if self._is_cumulative:
            return self._next(piece)
        if not self._last:
            self._first = self._last = piece
            return piece
        if not piece.startswith(self._last) or (piece == self._last and not self._held):
            self.is_past = True
            return "".join([*self._held, piece])
        self._held.append(piece)
        self._longer += len(piece) > len(self._last) and not self._last.isspace()
        self._last = piece
        if self._longer < 2 or len(piece) < _SURE:  # noqa: PLR2004
            return ""
        return self._decide()

    def flush(self) -> str:
        """What is still held back when the text has ended."""
        if self._is_cumulative or self.is_past or not self._held:
            return ""
        return self._decide() if self._longer > 1 else "".join(self._held)

    def _decide(self) -> str:
        self._is_cumulative, self._held = True, []
        return self._last[len(self._first) :]

    def _next(self, piece: str) -> str:
        if not piece.startswith(self._last):
            if piece.strip() == self._last.strip():
                return ""
            raise InvalidResponseError(f"each piece of the text held all before it, and then did not: {shown(piece)!r}")
        new, self._last = piece[len(self._last) :], piece
        return new
