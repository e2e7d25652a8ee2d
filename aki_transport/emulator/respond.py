"""Scripted answers: what the next model calls get instead of what the emulator would think of."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias
from uuid import uuid4

from aki_transport.emulator.prompt import Call, Completion, Prompt, Refusal, Tool, count
from aki_transport.emulator.records import RecordedRequest

_USAGE = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A tool call; made by `tool_call`."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """An answer; made by `answer`."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ScriptedCall, ...] = ()
    finish_reason: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScriptedError(Exception):
    """An error of the service, raised where a request gets it; made by `http_error`."""

    status: int
    message: str
    headers: Mapping[str, str]
    times: int | None


Item: TypeAlias = (
    str | dict[str, Any] | ScriptedAnswer | ScriptedCall | ScriptedError | Callable[[RecordedRequest], Any]
)


def answer(
    text: str = "",
    *,
    reasoning: str = "",
    tool_calls: Sequence[ScriptedCall] = (),
    finish_reason: str | None = None,
    usage: Mapping[str, Any] | None = None,
) -> ScriptedAnswer:
    """An answer for `Emulator.respond`.

    Args:
        text: Its text.
        reasoning: What the model thinks before it.
        tool_calls: The tools to call, each made by `tool_call`.
        finish_reason: Why it ends, in OpenAI's words on every interface; by default as the answer is. The native
            interface has none.
        usage: Token counts, by OpenAI's or Anthropic's names; counted if not given.

    Raises:
        TypeError: A tool call was not made by `tool_call`.
    """
    for call in tool_calls:
        if not isinstance(call, ScriptedCall):
            raise TypeError(f"answer(tool_calls=…) takes what tool_call(…) makes, not {type(call).__name__}.")
    return ScriptedAnswer(text, reasoning, tuple(tool_calls), finish_reason, dict(usage or {}))


def tool_call(name: str, /, **arguments: Any) -> ScriptedCall:
    """A tool call for `Emulator.respond`, or for the `tool_calls` of `answer`.

    Args:
        name: The tool's name; it need not be one that the request offers.
        **arguments: Its arguments, as JSON has them.

    Raises:
        TypeError: The arguments are no JSON.
    """
    json.dumps(arguments)
    return ScriptedCall(name, arguments)


def http_error(
    status: int, message: str = "", *, headers: Mapping[str, str] | None = None, times: int | None = 1
) -> ScriptedError:
    """An error for `Emulator.respond`, in the form of the interface that is asked.

    Args:
        status: The HTTP status, from 400 to 599.
        message: The text of the error; by default the service's own.
        headers: Further headers of the answer, such as `{"retry-after": "1"}`.
        times: How many requests get it; a client's own retries count. None: all of them, until `reset()`.

    Raises:
        ValueError: The status is none of an error, or `times` is less than 1.
    """
    if not HTTPStatus.BAD_REQUEST <= status < 600:  # noqa: PLR2004  # the end of the statuses
        raise ValueError(f"http_error: the status of an error is from 400 to 599, not {status}.")
    if times is not None and times < 1:
        raise ValueError(f"http_error: times is 1 or more, or None, not {times}.")
    return ScriptedError(status, message, dict(headers or {}), times)


class Script:
    """The items in their order; filled by any thread, read by the server's."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()

    def extend(self, items: Sequence[Item]) -> None:
        """Append items; `TypeError` for what is none."""
        for item in items:
            if not isinstance(item, str | dict | ScriptedAnswer | ScriptedCall | ScriptedError) and not callable(item):
                raise TypeError(
                    "respond() takes text, answer(…), tool_call(…), http_error(…), a dict or a function of the request,"
                    f" not {type(item).__name__}."
                )
        for item in items:
            self._items.extend([item] * ((item.times or 1) if isinstance(item, ScriptedError) else 1))

    @property
    def pending(self) -> tuple[Item, ...]:
        """The items that no request took yet, without an error that lasts until the reset."""
        return tuple(item for item in self._items.copy() if not _is_endless(item))

    def clear(self) -> None:
        """Forget all items."""
        self._items.clear()

    def take(self, prompt: Prompt, request: RecordedRequest) -> Completion | None:
        """The scripted answer to a request; `None` where nothing is left.

        Raises:
            ScriptedError: It is one.
            Refusal: The item is none for this request.
        """
        item: Any = self._next()
        if callable(item):
            try:
                item = item(request)
            except Exception as error:
                raise Refusal(f"respond(): the function raised {type(error).__name__}: {error}") from error
            if item is None:
                raise Refusal("respond(): the function returned None in place of an answer.")
        if isinstance(item, ScriptedError):
            raise item
        return None if item is None else _completion(item, prompt)

    def _next(self) -> Item | None:
        if self._items and _is_endless(self._items[0]):
            return self._items[0]
        return self._items.popleft() if self._items else None


def _is_endless(item: Item) -> bool:
    return isinstance(item, ScriptedError) and item.times is None


def _completion(item: Any, prompt: Prompt) -> Completion:
    match item:
        case ScriptedAnswer():
            scripted = item
        case str():
            scripted = ScriptedAnswer(item)
        case ScriptedCall():
            scripted = ScriptedAnswer(tool_calls=(item,))
        case dict() if tool := _tool_for(item, prompt):
            scripted = ScriptedAnswer(tool_calls=(ScriptedCall(tool.name, item),))
        case dict():
            scripted = ScriptedAnswer(json.dumps(item, ensure_ascii=False))
        case _:
            raise Refusal(f"respond(): the function returned {type(item).__name__}, which is no answer.")
    calls = tuple(
        Call(f"call_{uuid4().hex[:24]}", call.name, json.dumps(call.arguments, ensure_ascii=False))
        for call in scripted.tool_calls
    )
    usage = {_USAGE.get(name, name): value for name, value in scripted.usage.items()}
    written = (
        count(scripted.reasoning) + count(scripted.text) + sum(count(call.name + call.arguments) for call in calls)
    )
    read, written = usage.pop("prompt_tokens", prompt.tokens()), usage.pop("completion_tokens", written)
    finish = scripted.finish_reason or ("tool_calls" if calls else "stop")
    return Completion(scripted.text, scripted.reasoning, calls, finish, read, written, usage=usage)


def _tool_for(item: dict[str, Any], prompt: Prompt) -> Tool | None:
    """The tool by which an object is asked for; `None` where it is asked for as text."""
    if prompt.schema is not None or prompt.choice == "none":
        return None
    fitting = [
        tool
        for tool in prompt.tools
        if item.keys() <= tool.properties.keys() and set(tool.schema.get("required", ())) <= item.keys()
    ]
    if prompt.choice == "required":
        # An object that fits none is sent all the same: that is what a test of a bad object needs.
        return (fitting or [*prompt.tools])[-1]
    return fitting[0] if len(fitting) == 1 else None
