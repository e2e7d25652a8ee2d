"""The kinds of things that stand in the table: what is asked, where, in which way, and what must come of it."""

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
    while isinstance(value, By):
        value = value.of(tags)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    requests: int = 1  # how many calls the service gets
    cancels: bool = False  # whether the job is canceled
    queue: tuple[int, ...] = ()  # the places in the queue that are reported
    warns: str | None = None  # a part of the warning that comes with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect(_Counted):
    text: str = ""
    reasons: bool = False  # whether it comes with reasoning
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()  # the tools that it asks for, with their arguments
    finish: str = "stop"
    usage: bool = True  # whether its tokens are counted
    output_tokens: int | None = None  # how many it wrote, where that is certain
    served: str = "plain"  # which of the face's models answers
    pieces: int = 1  # how many pieces of text a stream has at least


@dataclass(frozen=True, slots=True)
class Fails(_Counted):
    error: str  # the name of its class
    _: KW_ONLY
    says: str = ""  # a part of its message
    has: Mapping[str, Any] = field(default_factory=dict)  # fields with their values
    part_of: str | None = None  # the text of which it holds the beginning, as much as was given out before


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Nothing: whoever waits leaves before the answer is complete, and the service learns of it."""

    by: Literal["cancel", "close"]  # a task that is canceled while it waits, a stream that is closed after some text
    cancels: bool = True  # whether the job is canceled, where it is one
    looked_at: bool = True  # whether the job has been asked for when they leave, where it is one


Result: TypeAlias = Expect | Fails | Left


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    result: Result | By[Result]
    _: KW_ONLY
    asked: str | tuple[Message, ...] = "Count from 1 to 12."
    model: str = "plain"  # which of the face's models is asked
    given: Mapping[str, Any] | By[Mapping[str, Any]] = field(default_factory=dict)  # arguments of the constructor
    tools: tuple[Callable[..., Any], ...] = ()
    tool_choice: str | None = None
    fault: str | By[str] = ""  # what the emulator does wrong
    afresh: bool = False  # whether nothing is known of the service yet, so that its listing is read first
    needs: str = ""  # the tags that a run must have; a run without them has no such behaviour
    lacks: str = ""  # the tags that it must not have

    def fits(self, tags: frozenset[str]) -> bool:
        """Whether a run with these tags can behave like this."""
        asks = {"chat"} if self.tools or not isinstance(self.asked, str) else set()
        leaves = of(self.result, tags)
        if isinstance(leaves, Left):
            asks.add("async" if leaves.by == "cancel" else "stream")
        return tags.issuperset({*self.needs.split(), *asks}) and tags.isdisjoint(self.lacks.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    waits: Literal["sync", "async"]
    comes: Literal["blocking", "stream"]

    @property
    def tags(self) -> frozenset[str]:
        return frozenset({self.waits, self.comes})


MODES = tuple(Mode(waits=waits, comes=comes) for waits in ("sync", "async") for comes in ("blocking", "stream"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer, in no framework's terms."""

    text: str
    pieces: tuple[str, ...]  # the text of each item that came
    reasoning: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    usage: tuple[int, int, int] | None = None  # tokens read, written, and both
    known: Mapping[str, Any] = field(default_factory=dict)  # `model_name`, `finish_reason`, `credits_used` and so on
    whole: bool = True  # whether what came last is marked as the last, where a framework marks it
