"""What a framework gave, in words that are no framework's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.behaviour.table import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer.

    Args:
        text: Its text.
        pieces: The text of each item that came.
        reasoning: The reasoning with it.
        calls: The tools it asks for.
        usage: Tokens read, written, and both.
        known: What is known beside that: `model_name`, `finish_reason`, `credits_used` and so on.
        whole: Whether what came last is marked as that, where a framework marks it.
    """

    text: str
    pieces: tuple[str, ...]
    reasoning: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    usage: tuple[int, int, int] | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = True


class Reader(Protocol):
    """One class of a framework, asked and read."""

    name: str
    tags: frozenset[str]
    make: Callable[..., Any]

    def items(self, model: Any, row: Row, *, stream: bool) -> Iterator[Any]:
        """What it gives; a blocking answer is one item."""

    def aitems(self, model: Any, row: Row, *, stream: bool) -> AsyncIterator[Any]:
        """`items`, async."""

    def text_of(self, item: Any) -> str:
        """What one item adds to the text."""

    def read(self, items: Sequence[Any]) -> Answer:
        """All of them as one answer."""

    def error(self, name: str) -> type[Exception]:
        """The class of this name, as the framework's users catch it."""
