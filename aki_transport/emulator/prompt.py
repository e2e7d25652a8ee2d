"""What a model is asked and what it answers, independent of an interface; and how both are counted in tokens."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant", "tool"]
Choice = Literal["auto", "none", "required"]
Effort = Literal["none", "low", "medium", "high"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)  # by how many sentences a model thinks

_PER_MESSAGE, _PER_IMAGE = 4, 256
# Lossless: the pieces of a text joined are the text. About 1.3 of them per English word, as real tokenizers have.
_PIECE = re.compile(r"\s*[^\W_]{1,6}|\s*[^\w\s]|\s*_|\s+")
_DELTA = 3  # tokens; a word or two


@dataclass
class Refusal(Exception):  # noqa: N818  # named for what the service does
    """A request that is not carried out; without a status it gets the interface's own for that."""

    message: str
    status: int | None = None
    code: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model may call; `schema` is that of its arguments."""

    name: str
    description: str
    schema: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        """The schemas of its arguments."""
        properties = self.schema.get("properties")
        return properties if isinstance(properties, dict) else {}


def choose(tools: tuple[Tool, ...], choice: Choice, name: str = "") -> tuple[tuple[Tool, ...], Choice]:
    """The tools of a request and its choice; where one is required by name, it is the only one."""
    named = tuple(tool for tool in tools if name in ("", tool.name))
    if choice == "required" and not named:
        raise Refusal(f"Parameter 'tool_choice' names no tool of the request: {name!r}.")
    return named, choice


@dataclass(frozen=True, slots=True)
class Turn:
    """One message."""

    role: Role
    text: str
    images: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """The conversation and what the answer has to be like: `schema` of any object is an empty one."""

    messages: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice = "auto"
    parallel: bool = True
    schema: dict[str, Any] | None = None
    effort: Effort = "none"
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None

    @property
    def question(self) -> str:
        """The last text of the user's."""
        return "".join(turn.text for turn in self._latest[:1] if turn.role == "user")

    @property
    def system(self) -> str:
        """All system messages as one text."""
        return "\n\n".join(turn.text for turn in self.messages if turn.role == "system")

    @property
    def results(self) -> list[tuple[Call, str]]:
        """The calls since the user's last text, each with what the tool returned."""
        calls = {call.id: call for turn in self._latest for call in turn.calls}
        unknown = Call("", "tool", "{}")
        return [(calls.get(turn.call_id or "", unknown), turn.text) for turn in self._latest if turn.role == "tool"]

    @property
    def images(self) -> tuple[str, ...]:
        """The images of the last user message and of the results since."""
        return tuple(image for turn in self._latest for image in turn.images)

    @property
    def _latest(self) -> tuple[Turn, ...]:
        """The messages from the user's last text on; pictures of results may stand behind them in the user's name."""
        for index, turn in reversed([*enumerate(self.messages)]):
            if turn.role == "user" and not (turn.images and index and self.messages[index - 1].role == "tool"):
                return self.messages[index:]
        return self.messages

    def tokens(self) -> int:
        """What it costs, tools and images included."""
        texts = [tool.name + tool.description + str(tool.schema) for tool in self.tools]
        for turn in self.messages:
            texts += [turn.text, *(call.name + call.arguments for call in turn.calls)]
        others = sum(_PER_MESSAGE + _PER_IMAGE * len(turn.images) for turn in self.messages)
        return sum(map(count, texts)) + others


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer and its tokens; `finish` is in OpenAI's words, `usage` holds further fields of the usage."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    stopped_by: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)


def limited(answer: Completion, prompt: Prompt, max_output: int) -> Completion:
    """The answer, its text cut by stop words and limits, and counted."""
    limit = min(prompt.max_tokens or max_output, max_output)
    reasoning = cut(answer.reasoning, limit)
    spent = count(reasoning)
    stops = [(answer.text.find(word), word) for word in prompt.stop if word and word in answer.text]
    at, word = min(stops, default=(len(answer.text), None))
    text = cut(answer.text[:at], limit - spent)
    is_cut = len(text) < at or reasoning != answer.reasoning
    written = spent + count(text) + sum(count(call.name + call.arguments) for call in answer.calls)
    finish = "length" if is_cut else "tool_calls" if answer.calls else "stop"
    stopped_by = word if finish == "stop" else None
    return Completion(text, reasoning, answer.calls, finish, prompt.tokens(), written, stopped_by)


def count(text: str) -> int:
    """How many tokens the text has."""
    return sum(1 for _ in _PIECE.finditer(text))


def cut(text: str, limit: int) -> str:
    """The text's first tokens."""
    return "".join(_PIECE.findall(text)[: max(limit, 0)])


def deltas(text: str) -> Iterator[str]:
    """The text in the pieces of a stream."""
    pieces = _PIECE.findall(text)
    for start in range(0, len(pieces), _DELTA):
        yield "".join(pieces[start : start + _DELTA])
