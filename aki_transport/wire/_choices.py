"""Tells the pieces of the answer from those of further choices.

`n` asks for further choices, and then an index is that of a choice. Where it was not asked for, the index of a stream
may count events or tokens instead (Foundry Local, Text Generation Inference), which shows in this: each event has one
choice, with an index that is larger than any before, and no choice has ended. The first events that are so wait, until
there are more of them than a service gives choices that nobody asked for. An index that comes again shows choices,
which stay apart; where it comes after so many, that is an error.

A blocking answer that nobody asked to have several choices may tell its text and its calls apart so (GitHub Copilot):
choices of which one has text and others have calls alone are one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import shown
from aki_transport.wire._tool_calls import read_index

Choice = Mapping[str, Any]
_PARTS = frozenset({"delta", "message", "text"})
_MOST_CHOICES = 8  # that a service gives where none were asked for


class ChoiceReader:
    """Picks the pieces of the answer, and keeps those of further choices in `others`, under numbers in their order.

    `several` tells whether more than one choice was asked for.
    """

    def __init__(self, *, several: bool) -> None:
        self.others: dict[int, list[Choice]] = {}
        self._several = several
        self._index: int | None = None
        self._last = -1
        self._is_single = not several  # whether each index came once, in events of one choice
        self._is_counted = False
        self._has_ended = False
        self._held: list[tuple[int, Choice]] = []
        self._full = 0  # how many of these hold something

    def feed(self, choices: Any) -> Sequence[Choice]:
        """The answer's pieces in one event, in order."""
        if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict):
            number = choices[0].get("index")
            if number is not None and number == self._index and not self._is_single:  # nearly each event
                return choices
        pieces = [_with_index(*each) for each in enumerate(_listed(choices))]
        if not pieces:
            return ()
        if self._several and len({index for index, _ in pieces}) < len(pieces):  # all have the same one
            pieces = list(enumerate(choice for _, choice in pieces))
        if self._index is None:
            self._index = min(index for index, _ in pieces)
        if self._is_single:
            if len(pieces) == 1 and pieces[0][0] > self._last and not self._has_ended:
                return self._counted(*pieces[0])
            if self._is_counted:
                return self._behind_count(pieces)
            self._is_single = False
            pieces, self._held = [*self._held, *pieces], []
        own = []
        for index, choice in pieces:
            if index == self._index:
                own.append(choice)
            else:
                self.others.setdefault(index, []).append(choice)
        return own

    def feed_body(self, choices: Any) -> Sequence[Choice]:
        """The answer in a body, which holds it at once."""
        pieces = [_with_index(*each) for each in enumerate(_listed(choices))]
        if not pieces:
            return ()
        pieces.sort(key=lambda piece: piece[0])
        first, *others = (choice for _, choice in pieces)
        if not self._several and (joined := _joined(first, others)) is not None:
            return (joined,)
        self.others = {number: [choice] for number, choice in enumerate(others)}
        return (first,)

    def end(self) -> Sequence[Choice]:
        """The pieces that waited for another one: without it, all are those of the answer."""
        held, self._held = self._held, []
        return [choice for _, choice in held]

    def _counted(self, index: int, choice: Choice) -> Sequence[Choice]:
        """The pieces that are certain with a further event of one choice and a new index."""
        is_begin, self._last = self._last < 0, index
        self._has_ended = bool(choice.get("finish_reason")) and choice["finish_reason"] != "null"
        if is_begin or self._is_counted:
            return (choice,)
        self._held.append((index, choice))
        self._full += _holds_something(choice)
        if self._full < _MOST_CHOICES:
            return ()
        self._is_counted = True
        return self.end()

    def _behind_count(self, pieces: list[tuple[int, Choice]]) -> Sequence[Choice]:
        choices = [choice for _, choice in pieces]
        if any(map(_holds_something, choices)):
            raise InvalidResponseError(
                f"the index of the choices counts the events, and then does not: {shown(choices)}"
            )
        return choices


def _listed(choices: Any) -> list[Any]:
    """The list of choices, or the only one outside a list; empty if it is something else."""
    if isinstance(choices, dict) and not _PARTS.isdisjoint(choices):
        return [choices]
    return [choice for choice in choices if choice is not None] if isinstance(choices, list) else []


def _with_index(position: int, choice: Any) -> tuple[int, Choice]:
    if not isinstance(choice, dict):
        raise InvalidResponseError(f"a choice is {type(choice).__name__}, not an object")
    index = read_index(choice.get("index"))
    return position if index is None else index, choice


def _message(choice: Choice) -> Mapping[str, Any]:
    message = choice.get("message") or choice.get("delta")
    return message if isinstance(message, dict) else {}


def _holds_something(choice: Choice) -> bool:
    return any(value for name, value in _message(choice).items() if name != "role")


def _joined(first: Choice, others: list[Choice]) -> Choice | None:
    """One choice out of several that hold text in one of them and calls in others; None if they are no parts of one."""
    messages = [_message(choice) for choice in (first, *others)]
    texts = [message for message in messages if message.get("content")]
    calls = [message["tool_calls"] for message in messages if isinstance(message.get("tool_calls"), list)]
    if not any(calls) or len(texts) > 1 or not all(m.get("content") or m.get("tool_calls") for m in messages):
        return None
    fields = {name: value for message in reversed(messages) for name, value in message.items() if value}
    joined = {name: value for choice in (*others[::-1], first) for name, value in choice.items() if value is not None}
    return {**joined, "message": {**fields, "tool_calls": [call for each in calls for call in each]}}
