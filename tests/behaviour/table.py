"""The kinds of things that stand in the table: what is asked, where, in which way, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from aki_transport.messages import Message

T = TypeVar("T")


class By(Generic[T]):
    """A value that is not the same everywhere: the first whose tags all belong to the run; `""` belongs to any.

    Example:
        >>> By({"native stream": 1, "native": 2, "": 3}).of(frozenset({"native", "blocking"}))
        2
    """

    def __init__(self, values: Mapping[str, T]) -> None:
        self._values = values

    def of(self, tags: frozenset[str]) -> T:
        """The value for a run with these tags."""
        return next(value for wanted, value in self._values.items() if tags.issuperset(wanted.split()))


def of(value: T | By[T], tags: frozenset[str]) -> T:
    """The value for a run with these tags, whether it depends on them or not."""
    return value.of(tags) if isinstance(value, By) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """An answer.

    Args:
        text: All of its text.
        reasons: Whether it comes with reasoning.
        calls: The tools that it asks for, each with its arguments.
        finish: Why it ended.
        usage: Whether it says how many tokens it took.
        output_tokens: How many it wrote, where that is certain.
        served: Which of the face's models answers.
        pieces: How many pieces of text a stream has at least.
        queue: The places in the queue that are reported.
        requests: How many calls the service gets.
        cancels: Whether the job is canceled.
        warns: What a warning says that comes with it.
    """

    text: str = ""
    reasons: bool = False
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    finish: str = "stop"
    usage: bool = True
    output_tokens: int | None = None
    served: str = "plain"
    pieces: int = 1
    queue: tuple[int, ...] = ()
    requests: int = 1
    cancels: bool = False
    warns: str | None = None


@dataclass(frozen=True, slots=True)
class Fails:
    """An error.

    Args:
        error: The name of its class.
        says: What stands in its message.
        has: Fields with their values.
        part_of: The text of which it holds the beginning, as much as had been given out; None for errors that hold
            none.
        queue: The places in the queue that are reported.
        requests: How many calls the service gets.
        cancels: Whether the job is canceled.
        warns: What a warning says that comes with it.
    """

    error: str
    _: KW_ONLY
    says: str = ""
    has: Mapping[str, Any] = field(default_factory=dict)
    part_of: str | None = None
    queue: tuple[int, ...] = ()
    requests: int = 1
    cancels: bool = False
    warns: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Nothing: whoever waits leaves before the answer is whole, and the service learns of it.

    Args:
        by: `"cancel"` for a task that is canceled while it waits, `"close"` for a stream that is closed after its first
            piece.
        cancels: Whether the job is canceled, where it is one.
        looked_at: Whether the job has been asked for when they leave, where it is one.
    """

    by: Literal["cancel", "close"]
    cancels: bool = True
    looked_at: bool = True


Result: TypeAlias = Expect | Fails | Left


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour.

    Args:
        name: What happens, in words.
        result: What must come of it.
        asked: The question, or the whole conversation.
        model: Which of the face's models is asked.
        given: Arguments of the constructor.
        tools: Functions that may be called.
        tool_choice: Which of them has to be.
        fault: What the emulator does wrong.
        afresh: Whether nothing is known of the service yet, so that its listing is read first.
        needs: The tags that a run must have; a run without them has no such behaviour.
        lacks: The tags that it must not have.
    """

    name: str
    result: Result | By[Result]
    _: KW_ONLY
    asked: str | tuple[Message, ...] = "Count from 1 to 12."
    model: str = "plain"
    given: Mapping[str, Any] | By[Mapping[str, Any]] = field(default_factory=dict)
    tools: tuple[Callable[..., Any], ...] = ()
    tool_choice: str | None = None
    fault: str | By[str] = ""
    afresh: bool = False
    needs: str = ""
    lacks: str = ""

    def fits(self, tags: frozenset[str]) -> bool:
        """Whether a run with these tags can behave like this."""
        asks = {"chat"} if self.tools or not isinstance(self.asked, str) else set()
        leaves = of(self.result, tags)
        if isinstance(leaves, Left):
            asks.add("async" if leaves.by == "cancel" else "stream")
        return tags.issuperset({*self.needs.split(), *asks}) and tags.isdisjoint(self.lacks.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How someone waits for an answer."""

    waits: Literal["sync", "async"]
    comes: Literal["blocking", "stream"]

    @property
    def tags(self) -> frozenset[str]:
        """What a row may ask for."""
        return frozenset({self.waits, self.comes})


MODES = tuple(Mode(waits=waits, comes=comes) for waits in ("sync", "async") for comes in ("blocking", "stream"))
