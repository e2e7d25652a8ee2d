"""Puts the arguments of one tool call together, from pieces that may repeat them or hold them so far.

A piece that begins with all arguments before it may be their next piece or all of them so far, as some services send it
each time. Inside JSON text the same characters can hardly follow each other; where they can, which is where a value
begins, the piece is held back until what follows decides.
"""

from __future__ import annotations

import json
import re
from typing import Any

from aki_transport.json_text import BracketScanner, is_json

_EMPTY = re.compile(r"\s*(?:\{\s*\}?\s*)?")
_CLOSED = re.compile(r"\s*\{\s*\}")
# DeepSeek writes its tokens with other bars, Mistral in brackets.
_SPECIAL_TOKENS = re.compile(
    r"(?:<[|\uFF5C][^<>|\uFF5C]{0,64}[|\uFF5C]>|</?\w{1,64}>|\[/?[A-Z_]{1,64}\]|```(?:json)?|\s)+"
)
_MAX_EMPTY = 64  # characters of an empty object that are held back
_JSON = json.JSONDecoder(strict=False)


class ArgumentsReader:
    """The arguments of one call, from pieces that may repeat them. Linear in their length.

    They are complete once a JSON object was closed; text behind it is held back until the end.
    """

    def __init__(self) -> None:
        self.is_complete = False
        self._is_cumulative = False
        self._repeating: list[str] = []  # pieces that may be the next ones, or all arguments so far
        self._blanks = ""  # that stand behind those
        self._pieces: list[str] = []
        self._other: list[str] = []  # pieces that begin otherwise than an object
        self._held = ""  # blanks, or an empty object, that may stand before the arguments
        self._behind: list[str] = []  # pieces behind a complete object
        self._scanner = BracketScanner()
        self._parsed: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether there are none so far but, perhaps, an empty object."""
        return not (self._pieces or self._other)

    @property
    def is_open(self) -> bool:
        """Whether arguments began and are not complete."""
        return bool(self._pieces or self._other or self._held) and not self.is_complete

    @property
    def may_be_complete(self) -> bool:
        """Whether they are complete, if need be in that a piece which is held back is all of them so far."""
        return self.is_complete or (bool(self._repeating) and is_json(self._repeating[-1]))

    @property
    def text(self) -> str:
        """The arguments so far."""
        return "".join(self._pieces)

    def feed(self, piece: str) -> str:
        """The arguments that this piece certainly adds."""
        if not piece:
            return ""
        if self.is_complete:
            is_placeholder = not self._pieces and not self._behind
            if not is_placeholder or not piece.lstrip().startswith("{") or _CLOSED.match(piece):
                self._behind.append(piece)
                return ""
            self.is_complete, self._held, self._scanner = False, "", BracketScanner()
        if self._other or (not self._pieces and not self._held.strip() and piece.lstrip()[:1] not in ("", "{")):
            self._other.append(piece)
            return ""
        if piece[0] == "{" or self._repeating:
            piece = self._new_in(piece)
        return self._take(piece)

    def _take(self, piece: str) -> str:
        end = self._scanner.feed(piece)
        if end is not None:
            self.is_complete = True
            if piece[end:].strip():
                self._behind.append(piece[end:])
            piece = piece[:end]
        if not self._pieces:
            # Blanks and an empty object may stand before the arguments.
            piece = self._held + piece
            if len(piece) <= _MAX_EMPTY and _EMPTY.fullmatch(piece):
                self._held = piece
                return ""
            self._held = ""
        self._pieces.append(piece)
        return piece

    def end(self) -> str:
        """The rest: an empty object, another object behind the first that is no repetition, and what is no object."""
        added = self._end_repetition() if self._repeating else ""
        rest, self._held = self._held, ""
        if self._other:
            text, self._other = "".join(self._other), []
            rest = _object_in(text) or rest + text
        behind, self._behind = "".join(self._behind), []
        if behind and not self._is_repeated(rest, behind):
            if not self._pieces and rest and (arguments := _one_object(behind)):
                rest = arguments
            else:
                rest += behind
        if rest:
            self._pieces.append(rest)
        return added + rest

    def _new_in(self, piece: str) -> str:
        """What a piece adds if it may begin with all arguments before it; nothing while that is not certain."""
        if self._held.strip() == "{":  # a second brace cannot follow the first
            self._held, self._scanner, self._is_cumulative = "", BracketScanner(), True
            return piece
        if self._repeating:
            piece, self._blanks = self._blanks + piece, ""
            last = self._repeating[-1]
            if piece.isspace():  # which says nothing
                self._blanks = piece
                return ""
            if not piece.startswith(last):
                pieces, self._repeating = self._repeating, []
                if piece.lstrip()[:1] in (",", "}", "]") or not is_json(last):
                    return "".join([*pieces, piece])
                return last[len(self.text) :] + piece  # nothing of this could follow a value
            scanner = BracketScanner()
            scanner.feed(last)
            if _may_go_on(last, scanner, piece):
                self._repeating.append(piece)
                return ""
            self._is_cumulative, self._repeating = True, []
        if not self._pieces or not piece.startswith(self._pieces[0]):
            return piece
        so_far = self.text
        self._pieces = [so_far]
        if not piece.startswith(so_far):
            return piece
        if not self._is_cumulative and _may_go_on(so_far, self._scanner, piece):
            self._repeating.append(piece)
            return ""
        self._is_cumulative = True
        return piece[len(so_far) :]

    def _end_repetition(self) -> str:
        """What the pieces add that were held back: they are all arguments so far if only then these are JSON."""
        pieces, self._repeating = self._repeating, []
        new, so_far = "".join(pieces), self.text
        if not is_json(so_far + new) and is_json(pieces[-1]):
            new = pieces[-1][len(so_far) :]
        return self._take(new)

    def is_repeated_by(self, piece: str) -> bool:
        """Whether a piece behind complete arguments adds nothing to them."""
        return self._is_repeated(self._held, piece)

    def _is_repeated(self, held: str, behind: str) -> bool:
        """Whether what stands behind the arguments, which are `held` if there are no others, adds nothing to them."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        arguments = self._pieces[0] if self._pieces else held
        position = 0
        while True:
            skipped = _SPECIAL_TOKENS.match(behind, position)
            position = skipped.end() if skipped else position
            if position == len(behind):
                return True
            if behind[position] != "{":  # words or a bracket too many, which say nothing of an object that is read
                return isinstance(self._value(arguments), dict)
            try:
                again, end = _JSON.raw_decode(behind, position)
            except (ValueError, RecursionError):
                again = None
            if again is None or (again != {} and again != self._value(arguments)):
                rest = behind[position:]
                return arguments.endswith(rest) or arguments.startswith(rest)
            position = end

    def _value(self, arguments: str) -> Any:
        if self._parsed is None:
            try:
                self._parsed = json.loads(arguments, strict=False)
            except (ValueError, RecursionError):
                self._parsed = ()
        return self._parsed


def _may_go_on(so_far: str, scanner: BracketScanner, piece: str) -> bool:
    """Whether JSON that reaches so far may go on with a piece that begins with the same object."""
    if scanner.in_string:  # the piece's first quote would end it
        return piece.partition('"')[2].lstrip()[:1] in ("", ",", ":", "}", "]")
    last = so_far.rstrip()[-1:]
    return last in (":", "[") or (last == "," and scanner.open_brackets[-1:] == ["["])


def _one_object(text: str) -> str:
    """The only JSON object in a text, apart from repetitions and special tokens; empty if there is something else."""
    reader = ArgumentsReader()
    tokens = _SPECIAL_TOKENS.match(text)
    text = text[tokens.end() :] if tokens else text
    object_text = reader.feed(text) or "{}" if text.startswith("{") else ""
    return "" if not reader.is_complete or reader.end().strip("{} ") else object_text


def _object_in(text: str) -> str:
    """The arguments in a JSON string; none in null and in the empty list that PHP makes of an empty object."""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        value = text
    if not value:
        return "{}"
    return _one_object(value) if isinstance(value, str) else ""
