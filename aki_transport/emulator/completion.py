"""A model's answer as it leaves the model: cut by stop words and limits, and counted."""

from dataclasses import dataclass, replace
from typing import Literal

from aki_transport.emulator import tokens
from aki_transport.emulator.brain import think
from aki_transport.emulator.prompt import Call, Prompt, Turn

Finish = Literal["stop", "length", "tool_calls"]

_PER_MESSAGE = 4
_PER_IMAGE = 256


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer and its cost."""

    text: str
    reasoning: str
    calls: tuple[Call, ...]
    finish: Finish
    completion_tokens: int
    reasoning_tokens: int
    # The stop word that ended the text.
    stopped_by: str | None = None


# What a worker leaves behind that is gone.
EMPTY = Completion("", "", (), "stop", 0, 0)


def prompt_tokens(prompt: Prompt) -> int:
    """What the prompt costs, tools and images included."""
    tools = sum(tokens.count(tool.name + tool.description + str(tool.schema)) for tool in prompt.tools)
    return tools + sum(_turn_tokens(turn) for turn in prompt.turns)


def _turn_tokens(turn: Turn) -> int:
    calls = sum(tokens.count(call.name + call.arguments) for call in turn.calls)
    return _PER_MESSAGE + tokens.count(turn.text) + calls + _PER_IMAGE * len(turn.images)


def complete(prompt: Prompt, max_output: int) -> Completion:
    """Think, then stop where the prompt or the model's own limit says."""
    thought = think(prompt)
    limit = max_output if prompt.max_tokens is None else min(prompt.max_tokens, max_output)
    reasoning = tokens.cut(thought.reasoning, limit)
    spent = tokens.count(reasoning)
    text, word = _stopped(thought.text, prompt.stop)
    kept = tokens.cut(text, limit - spent)
    shortened = kept != text or reasoning != thought.reasoning
    left = limit - spent - tokens.count(kept)
    calls: list[Call] = []
    for call in thought.calls:
        cost = tokens.count(call.name)
        if cost > left:
            shortened = True
            break
        arguments = tokens.cut(call.arguments, left - cost)
        calls.append(replace(call, arguments=arguments))
        left -= cost + tokens.count(arguments)
        if arguments != call.arguments:
            shortened = True
            break
    finish: Finish = "length" if shortened else "tool_calls" if calls else "stop"
    return Completion(kept, reasoning, tuple(calls), finish, limit - left, spent, word if finish == "stop" else None)


def _stopped(text: str, stop: tuple[str, ...]) -> tuple[str, str | None]:
    """The text before the first stop word, and that word."""
    at, word = min(((text.find(word), word) for word in stop if word and word in text), default=(len(text), None))
    return text[:at], word
