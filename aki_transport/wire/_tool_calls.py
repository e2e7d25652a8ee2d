"""Assembles tool calls from the pieces that services send, however they number, name and repeat them.

Seen at gateways: several calls in one piece, an index that is missing, reused or a string, an ID that is missing, comes
late or is repeated, a name that is repeated, arguments as an object. A piece belongs to the call with its ID, else to
the call with its index, else to the last call. A new ID begins a new call, and so does a name if the arguments of the
current call are complete.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aki_transport.errors import InvalidResponseError
from aki_transport.messages import ToolCall, ToolCallDelta
from aki_transport.wire._decoder import text_or_none


@dataclass(slots=True)
class _Call:
    position: int
    id: str | None = None
    name: str | None = None
    pieces: list[str] = field(default_factory=list)
    length: int = 0

    def has_complete_arguments(self) -> bool:
        if not self.pieces or not self.pieces[-1].rstrip().endswith("}"):
            return False
        try:
            json.loads("".join(self.pieces))
        except (ValueError, RecursionError):
            return False
        return True

    def is_repeated_by(self, arguments: str) -> bool:
        """Whether these are all of its arguments once more."""
        is_same = len(arguments) == self.length and "".join(self.pieces) == arguments
        return is_same and self.has_complete_arguments()


class ToolCallReader:
    """Assembles the tool calls of one answer."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}

    def feed(self, pieces: Any) -> tuple[ToolCallDelta, ...]:
        """The deltas in one payload's `tool_calls`; positions count from 0 in the order in which calls begin."""
        if isinstance(pieces, dict):
            pieces = [pieces]
        if not isinstance(pieces, list):
            raise InvalidResponseError(f"tool_calls is {type(pieces).__name__}, not a list")
        begun: set[int] = set()
        return tuple(delta for piece in pieces if (delta := self._feed_one(piece, begun)) is not None)

    def end(self) -> tuple[ToolCallDelta, ...]:
        """Deltas with new IDs, for calls to which the service gave none."""
        deltas = []
        for call in self._calls:
            if call.id is None:
                call.id = f"call_{uuid4().hex[:24]}"
                deltas.append(ToolCallDelta(call.position, id=call.id))
        return tuple(deltas)

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls, in the order in which they began."""
        return tuple(ToolCall(call.id or "", call.name or "", "".join(call.pieces)) for call in self._calls)

    def _feed_one(self, piece: Any, begun: set[int]) -> ToolCallDelta | None:
        if not isinstance(piece, dict):
            raise InvalidResponseError(f"a tool call is {type(piece).__name__}, not an object")
        function = piece.get("function")
        if not isinstance(function, dict):
            function = piece
        call_id, name = text_or_none(piece.get("id")) or None, text_or_none(function.get("name")) or None
        arguments = _arguments_text(function.get("arguments"))
        call = self._call_for(call_id, _index(piece.get("index")), name, arguments, begun)
        new_id = call_id if call.id is None else None
        if new_id is not None:
            call.id = new_id
            self._by_id[new_id] = call
        new_name = name if call.name is None else None
        if new_name is not None:
            call.name = new_name
        if call.is_repeated_by(arguments):
            arguments = ""
        if arguments:
            call.pieces.append(arguments)
            call.length += len(arguments)
        if new_id is None and new_name is None and not arguments:
            return None
        return ToolCallDelta(call.position, new_id, new_name, arguments)

    def _call_for(
        self, call_id: str | None, index: int | None, name: str | None, arguments: str, begun: set[int]
    ) -> _Call:
        if call_id is not None and call_id in self._by_id:
            return self._by_id[call_id]
        current = self._by_index.get(index) if index is not None else (self._calls[-1] if self._calls else None)
        if current is not None and not self._begins_another(current, call_id, index, name, arguments, begun):
            return current
        call = _Call(len(self._calls))
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        begun.add(call.position)
        return call

    @staticmethod
    def _begins_another(
        current: _Call, call_id: str | None, index: int | None, name: str | None, arguments: str, begun: set[int]
    ) -> bool:
        if call_id is not None and current.id is not None:
            return True
        if name is None or current.name is None:
            return False
        if name != current.name or (index is None and current.position in begun):
            return True
        # The same name again is a repetition while the current call still grows, and another call once it is complete.
        return bool(arguments) and current.has_complete_arguments() and not current.is_repeated_by(arguments)


def _index(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def _arguments_text(arguments: Any) -> str:
    """Arguments as JSON text; some services send the object itself."""
    if isinstance(arguments, str):
        return arguments
    if arguments is None:
        return ""
    if isinstance(arguments, dict):
        return json.dumps(arguments, ensure_ascii=False)
    raise InvalidResponseError(f"a tool call's arguments are {type(arguments).__name__}, not text or an object")
