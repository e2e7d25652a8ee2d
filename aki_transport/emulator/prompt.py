"""What a model is asked, in words of no interface."""

from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model may call."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message."""

    role: Role
    text: str
    images: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A tool choice that names its tool."""

    name: str


Choice = Literal["auto", "none", "required"] | Named
Effort = Literal["none", "low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The conversation and what the answer has to be like."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice = "auto"
    parallel: bool = True
    # The answer is JSON of this schema; an empty one stands for any JSON object.
    schema: dict[str, Any] | None = None
    effort: Effort = "none"
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None

    @property
    def asked(self) -> str:
        """The last thing the user said."""
        at = self._asked_at
        return "" if at is None else self.turns[at].text

    @property
    def system(self) -> str:
        """All system messages as one text."""
        return "\n\n".join(turn.text for turn in self.turns if turn.role == "system")

    @property
    def since_asked(self) -> tuple[Turn, ...]:
        """What happened after the user last spoke."""
        at = self._asked_at
        return self.turns if at is None else self.turns[at + 1 :]

    @property
    def images(self) -> tuple[str, ...]:
        """The images of the last user message and of the results since."""
        after = tuple(image for turn in self.since_asked for image in turn.images)
        at = self._asked_at
        return (() if at is None else self.turns[at].images) + after

    @property
    def _asked_at(self) -> int | None:
        """Where the user last spoke."""
        for index in range(len(self.turns) - 1, -1, -1):
            turn = self.turns[index]
            # Pictures of tool results come in the user's name where the protocol has no other place for them.
            shown = turn.images and index and self.turns[index - 1].role == "tool"
            if turn.role == "user" and not shown:
                return index
        return None


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model answers before any limit cuts it."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
