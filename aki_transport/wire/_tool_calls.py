"""Assembles tool calls from the pieces that services send, however they number, name and repeat them.

Evidence for which call a piece belongs to, strongest first:

1. A blocking answer: each entry with a name is a call.
2. An index: the piece belongs to the call that has it. A different name there, or the same name with a new ID or behind
   complete arguments, begins another call under the same index.
3. An ID that was seen with a name. The same name again in one payload, or behind complete arguments, begins another
   call, which gets an ID of its own: an ID is a label of the service before it identifies anything.
4. A new ID with a name begins a call; without one it only labels the next piece of a call that is not complete.
5. A name, if the last call is complete, has another name, or began in the same payload.

Calls that begin under one index before any of them has arguments share these by order: pieces under a further index
tell that calls are numbered only there, several objects under the same index are those of one call each, and a single
one belongs to the call that began last.

A name that continues that of a call without arguments to the name of a tool that was offered is a piece of it. Text
that cannot begin a JSON object always continues a call that is not complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import BracketScanner, is_json
from aki_transport.messages import ToolCall, ToolCallDelta
from aki_transport.tool_arguments import arguments_text
from aki_transport.wire._call_arguments import ArgumentsReader
from aki_transport.wire._fields import kept, text_or_none

_MAX_NAME = 256  # characters of a name in which the name of a tool is looked for
_MAX_INDEX_DIGITS = 18
_INDEX_BOUND = 10**_MAX_INDEX_DIGITS
# What models write around a name: special tokens, channel and recipient, a namespace, a number, brackets, quotes.
_ADDITIONS = (
    r"[\s`\"'(\[{{]*(?:(?:\w*\s*<\|[^<>|]*\|>)+\w*\s*)?(?:(?:assistant|commentary|analysis)?\s*to=|<?function=)?"
    r"(?:[\w-]+(?:[./:]|::))*{}(?::\d*|\[\d*\]|\([^()]*\)|\s+json)?[\s`\"')\]}},>]*(?:<.*|```.*)?"
)
# Templates of models name them so, and some gateways leave it.
_ARGUMENTS = ("arguments", "parameters", "input", "args")
_KINDS = ("function", "custom")
_NO_ARGUMENTS = re.compile(r"\s*(?:\{\s*\}\s*)*")  # as in a call without a name, which is none, that LiteLLM adds
_STANDARD_FIELDS = frozenset({"index", "id", "type", "name", *_KINDS, *_ARGUMENTS})


class _Call:
    def __init__(self, position: int) -> None:
        self.position = position
        self.label: str | None = None  # the service's ID
        self.id: str | None = None  # the same, or one of its own if another call has that
        self.name: str | None = None
        self.returned_name: str | None = None  # as far as deltas have told it
        self.repeats_name = False  # whether pieces behind the first have the name again
        self.arguments = ArgumentsReader()
        self.extra: dict[str, Any] = {}

    def new_name(self) -> str | None:
        """What of the name was not returned before."""
        new, self.returned_name = (self.name or "")[len(self.returned_name or "") :], self.name
        return new or None

    @property
    def has_no_arguments(self) -> bool:
        """Whether nothing of the arguments came so far, not even an empty object."""
        return not (self.arguments.is_open or self.arguments.is_complete)

    def is_continued_by(self, arguments: str) -> bool:
        """Whether these can only be a further piece of this call's arguments."""
        return self.arguments.is_open and bool(arguments) and arguments.lstrip()[:1] != "{"

    def is_another(self, name: str, arguments: str, *, is_certain: bool) -> bool:
        """Whether a piece with this name begins another call; if index and ID are this call's, only a complete one."""
        start = arguments.strip()
        if self.name is None:
            return self.arguments.is_complete and bool(start)
        if name != self.name:
            return True
        if self.arguments.is_empty:
            return False
        if not start:
            return self.arguments.may_be_complete and not is_certain and not self.repeats_name
        if not self.arguments.is_complete or not start.startswith("{"):
            return False
        if is_certain and not is_json(start):
            return False
        return not self.arguments.is_repeated_by(arguments)


class _SharedIndex:
    """Calls without arguments that began under one index, and the pieces of arguments under it until they are told."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.held: list[str] = []
        self._index = 0

    def add(self, index: int, before: _Call, call: _Call) -> None:
        """Add a call that begins under the index of another."""
        if not before.has_no_arguments or self.held:
            return
        if not self.calls or index != self._index:
            self.calls, self._index = [before], index
        self.calls.append(call)

    def holds(self, index: int, arguments: str) -> bool:
        """Whether these arguments may be those of any of the calls; they are held back then."""
        if not self.calls or index != self._index or not all(call.has_no_arguments for call in self.calls):
            return False
        self.held.append(arguments)
        return True

    def is_further(self, index: int) -> bool:
        """Whether an index is that of one of the calls, if they are numbered from the one that they share."""
        return self._index < index < self._index + len(self.calls)

    def by_index(self) -> dict[int, _Call]:
        return dict(enumerate(self.calls, self._index))

    def end(self, *, numbered: bool = False) -> Iterator[ToolCallDelta]:
        """Tell the calls apart, and give them what was held back."""
        pieces, calls = self.held, self.calls
        self.calls, self.held = [], []
        objects = _objects_in("".join(pieces))
        if len(objects) == len(calls) and not numbered:
            shares = [(call, [arguments]) for call, arguments in zip(calls, objects, strict=True)]
        else:
            shares = [(calls[0 if numbered else -1], pieces)] if pieces else []
        for call, arguments in shares:
            if added := "".join(map(call.arguments.feed, arguments)):
                yield ToolCallDelta(call.position, arguments=added)


def _objects_in(text: str) -> list[str]:
    """The JSON objects that a text consists of; empty if there is anything else."""
    objects = []
    while text := text.strip():
        end = BracketScanner().feed(text)
        if end is None or not is_json(text[:end]):
            return []
        objects.append(text[:end])
        text = text[end:]
    return objects


class ToolCallReader:
    """Assembles the tool calls of one answer, for the tools of these `names`; see `offered_name`."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._calls: list[_Call] = []
        self._ids: set[str] = set()
        self._by_label: dict[str, _Call] = {}
        self._early_labels: dict[int | None, str | None] = {}  # that came before anything else of a call
        self._by_index: dict[int, _Call] = {}
        self._reused: set[int] = set()
        self._shared = _SharedIndex()
        self._current: _Call | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is any call so far."""
        return bool(self._calls)

    def feed(self, pieces: Any, *, blocking: bool = False) -> tuple[ToolCallDelta, ...]:
        """The deltas in one payload's `tool_calls`; positions count from 0 in the order in which calls begin."""
        if isinstance(pieces, dict):  # the only call, or all by their numbers, as PHP writes a list with gaps
            is_numbered = all(number.isdecimal() and isinstance(piece, dict) for number, piece in pieces.items())
            pieces = list(pieces.values()) if is_numbered else [pieces]
        if not isinstance(pieces, list):
            raise InvalidResponseError(f"tool_calls is {type(pieces).__name__}, not a list")
        begun: set[int] = set()
        deltas: list[ToolCallDelta] = []
        for piece in pieces:
            if piece is not None:
                delta = self._feed_one(piece, begun, deltas, blocking=blocking)
                if delta is not None:
                    deltas.append(delta)
        return tuple(deltas)

    def end(self) -> tuple[ToolCallDelta, ...]:
        """What was held back of arguments, and new IDs for calls to which the service gave none."""
        return tuple(self._end())

    def _end(self) -> Iterator[ToolCallDelta]:
        yield from self._shared.end()
        for call in self._calls:
            new_id = None
            if call.id is None:
                new_id = call.id = f"call_{uuid4().hex[:24]}"
            new_name, rest = call.new_name(), call.arguments.end()
            if new_id is not None or new_name is not None or rest:
                yield ToolCallDelta(call.position, new_id, new_name, rest)

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls, in the order in which they began."""
        return tuple(ToolCall(call.id or "", call.name or "", call.arguments.text, call.extra) for call in self._calls)

    def _feed_one(
        self, piece: Any, begun: set[int], deltas: list[ToolCallDelta], *, blocking: bool
    ) -> ToolCallDelta | None:
        if not isinstance(piece, dict):
            raise InvalidResponseError(f"a tool call is {type(piece).__name__}, not an object")
        function = _function_in(piece)
        label, name = piece.get("id"), text_or_none(function.get("name") or piece.get("function")) or None
        if label is not None:
            label = None if isinstance(label, dict | list) else str(label) or None
        if name is not None:
            name = offered_name(name, self._names)
        arguments = function.get("arguments")
        if not isinstance(arguments, str):  # some services send the object itself
            arguments = arguments_text(next((v for name in _ARGUMENTS if (v := function.get(name)) is not None), ""))
        index = read_index(piece.get("index"))
        if self._shared.calls and self._is_held(label, index, name, arguments, deltas):
            return None
        call = None if blocking and name is not None else self._call_for(label, index, name, arguments, begun)
        if call is None:
            if name is None and _NO_ARGUMENTS.fullmatch(arguments):
                self._early_labels[index] = label
                return None
            label = label or self._early_labels.pop(index, None)
            call = self._begin(index, begun, has_arguments=bool(arguments.strip()))
        self._current = call
        new_id = None
        if label is not None and call.label is None:
            call.label = label
            self._by_label[label] = call
            new_id = call.id = unique_id(label, self._ids)
        if name is not None:
            more = name if call.name is None else self._rest_of_name(call, name)
            call.name = (call.name or "") + (more or "")
            call.repeats_name = call.repeats_name or not more
        if not piece.keys() <= _STANDARD_FIELDS:
            call.extra.update(kept(piece, _STANDARD_FIELDS))
        if "custom" in piece:
            call.extra["type"] = "custom"
        is_plain = function is piece or function.keys() <= _STANDARD_FIELDS
        if not is_plain and (fields := kept(function, _STANDARD_FIELDS)):
            call.extra["function"] = {**call.extra.get("function", {}), **fields}
        added = call.arguments.feed(arguments)
        new_name = None if call.name == call.returned_name or self._may_be_continued(call) else call.new_name()
        if new_id is None and new_name is None and not added:
            return None
        return ToolCallDelta(call.position, new_id, new_name, added)

    def _is_held(
        self, label: str | None, index: int | None, name: str | None, arguments: str, deltas: list[ToolCallDelta]
    ) -> bool:
        """Whether a piece waits until it is known to which of the calls under one index it belongs."""
        if name is not None:
            if self._shared.held:
                deltas += self._shared.end()
            return False
        if label is not None or index is None:
            return False
        if self._shared.is_further(index):
            self._by_index.update(self._shared.by_index())
            deltas += self._shared.end(numbered=True)
        return self._shared.holds(index, arguments)

    def _begin(self, index: int | None, begun: set[int], *, has_arguments: bool) -> _Call:
        call = _Call(len(self._calls))
        self._calls.append(call)
        if index is not None:
            if index in self._by_index:
                self._reused.add(index)
                if not has_arguments:
                    self._shared.add(index, self._by_index[index], call)
            self._by_index[index] = call
        begun.add(call.position)
        return call

    def _call_for(
        self, label: str | None, index: int | None, name: str | None, arguments: str, begun: set[int]
    ) -> _Call | None:
        """The call to which a piece belongs; None if it begins one. The module's docstring has the rules."""
        labelled = self._by_label.get(label) if label is not None else None
        if index is not None:
            current = self._by_index.get(index)
            if current is not None and labelled is not None and index in self._reused and name in (None, labelled.name):
                current = labelled
            if current is None:
                return self._call_without_index(labelled, index, name, arguments)
        else:
            current = labelled or self._current
        if current is None or current.is_continued_by(arguments):
            return current
        is_new_label = label is not None and current.label is not None and label != current.label
        if name is None:
            # Without a name, a new ID says nothing against an index or a call that is not complete.
            is_other = (
                index is None and is_new_label and current.arguments.is_complete and arguments.lstrip()[:1] == "{"
            )
            return None if is_other and not current.arguments.is_repeated_by(arguments) else current
        if is_new_label and name == current.name and index is not None and current.has_no_arguments and arguments:
            return current
        if (is_new_label and current.name is not None) or (index is None and current.position in begun):
            return None
        if self._rest_of_name(current, name) is not None:
            return current
        is_certain = index is not None and label in (None, current.label)
        return None if current.is_another(name, arguments, is_certain=is_certain) else current

    def _may_be_continued(self, call: _Call) -> bool:
        """Whether a name is but the beginning of one that was offered, and no arguments show that it is all."""
        names = self._names.values()
        is_beginning = call.name not in names and any(name.startswith(call.name or "") for name in names)
        return is_beginning and call.has_no_arguments

    def _rest_of_name(self, call: _Call, name: str) -> str | None:
        """What a piece adds to the name of a call, if that is then one that was offered, or the beginning of one.

        The piece is the rest of the name, or all of it so far. None if it is none of it.
        """
        names = self._names.values()
        if not call.name or not call.has_no_arguments or (name in names and call.name in names):
            return None
        longer = name if name in names else offered_name(call.name + name, self._names)
        is_piece = longer.startswith(call.name) and any(offered.startswith(longer) for offered in names)
        return longer[len(call.name) :] if is_piece else None

    def _call_without_index(self, labelled: _Call | None, index: int, name: str | None, arguments: str) -> _Call | None:
        """The call of a piece with an index that no call has yet, unless the piece begins one."""
        current = self._current
        if name is not None:
            if current is None or name != current.name or not current.is_continued_by(arguments):
                return None
            labelled = current
        if labelled is None and current is not None and self._is_continued(current, arguments):
            labelled = current  # a service that numbers pieces instead of calls
        if labelled is None and current is not None and current not in self._by_index.values():
            labelled = current  # its first piece came without the index
        if labelled is not None:
            self._by_index[index] = labelled
        return labelled

    def _is_continued(self, current: _Call, arguments: str) -> bool:
        """Whether arguments without name and index can only be those of the current call."""
        if not current.has_no_arguments:
            return current.is_continued_by(arguments)
        return bool(arguments) and not any(call.has_no_arguments for call in self._calls if call is not current)


def _function_in(piece: dict[str, Any]) -> dict[str, Any]:
    """The object with name and arguments; some services write these into the piece itself."""
    for kind in _KINDS:
        function = piece.get(kind)
        if isinstance(function, dict):
            return function
    return piece


def unique_id(label: str, used: set[str]) -> str:
    """The service's ID of a call, or, where another call has it, one of its own; it is added to those `used`."""
    unique, number = label, len(used)
    while unique in used:
        unique = f"{label}_{number}"
        number += 1
    used.add(unique)
    return unique


def offered_name(name: str, names: Mapping[str, str]) -> str:
    """The name of the one tool that was offered and that a model wrote with additions; else the name as it is.

    Models write their template's namespace before it, a number or special tokens behind it, or blanks around it.
    `names` are those that were offered, each with the one that the tool has for its caller.
    """
    if name in names or len(name) > _MAX_NAME:
        return names.get(name, name)
    matches = [
        own
        for offered, own in names.items()
        if re.fullmatch(_ADDITIONS.format(re.escape(offered)), name, re.DOTALL | re.IGNORECASE)
    ]
    return matches[0] if len(matches) == 1 else name


def read_index(value: Any) -> int | None:
    """The number of a piece, whichever JSON type a service writes it in; None if it is no number of a usual size."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) <= _MAX_INDEX_DIGITS else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):  # a union is made anew for each piece
        return None
    return int(value) if abs(value) < _INDEX_BOUND and value == int(value) else None
