"""Parses the arguments of tool calls, and explains what is wrong with those that cannot be used."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from aki_transport.messages import ChatReply, ToolCall


class ParsedCall(NamedTuple):
    """A tool call with its parsed arguments; None, and `error` says why, if they are not a complete JSON object."""

    call: ToolCall
    arguments: dict[str, Any] | None
    error: str = ""


def read_calls(reply: ChatReply) -> list[ParsedCall]:
    """The tool calls of a complete answer. Empty arguments are `{}`, unless the answer was cut off there."""
    last = len(reply.tool_calls) - 1
    is_cut = reply.finish_reason == "length"
    # Pieces without a name may be the arguments of a call that seems to have none.
    has_orphans = any(not call.name for call in reply.tool_calls)
    return [
        ParsedCall(call, None, "the answer holds pieces of arguments that belong to no call with a name")
        if has_orphans and not (call.name and call.arguments)
        else _parse(call, is_cut=is_cut and position == last)
        for position, call in enumerate(reply.tool_calls)
    ]


def _parse(call: ToolCall, *, is_cut: bool) -> ParsedCall:
    if not call.arguments:
        if is_cut:
            return ParsedCall(call, None, f"the answer was cut at max_tokens before the arguments of {call.name}")
        return ParsedCall(call, {})
    try:
        arguments = json.loads(call.arguments, strict=False)
    except (ValueError, RecursionError) as error:
        problem = "were cut at max_tokens" if is_cut else "are not valid JSON"
        return ParsedCall(call, None, f"the arguments of {call.name} {problem}: {error}")
    if arguments is None:
        return ParsedCall(call, {})
    if not isinstance(arguments, dict):
        return ParsedCall(call, None, f"the arguments of {call.name} are no JSON object")
    return ParsedCall(call, arguments)


def arguments_text(arguments: Any) -> str:
    """Arguments as JSON text, which they may be already."""
    return _readable(arguments) if isinstance(arguments, str) else json_text(arguments)


def json_text(value: Any) -> str:
    """A value as JSON text."""
    return _readable(json.dumps(value, ensure_ascii=False, default=str))


def _readable(text: str) -> str:
    """JSON text with half a pair of surrogates, which no service can read, as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
