"""The arguments of an answer's tool calls, read; and what is wrong with those that cannot be used."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from aki_transport.messages import ChatReply, ToolCall


class ReadCall(NamedTuple):
    """A tool call with its arguments; None with words in `wrong` where they are no whole JSON object."""

    call: ToolCall
    arguments: dict[str, Any] | None
    wrong: str = ""


def read_calls(reply: ChatReply) -> list[ReadCall]:
    """The calls of a whole answer. No arguments at all count as none, unless the answer was cut off there."""
    last = len(reply.tool_calls) - 1
    cut = reply.finish_reason == "length"
    return [_read(call, cut=cut and position == last) for position, call in enumerate(reply.tool_calls)]


def _read(call: ToolCall, *, cut: bool) -> ReadCall:
    if not call.arguments:
        if cut:
            return ReadCall(call, None, f"the answer was cut at max_tokens before the arguments of {call.name}")
        return ReadCall(call, {})
    try:
        arguments = json.loads(call.arguments, strict=False)
    except (ValueError, RecursionError) as error:
        where = "were cut at max_tokens" if cut else "are not valid JSON"
        return ReadCall(call, None, f"the arguments of {call.name} {where}: {error}")
    if arguments is None:
        return ReadCall(call, {})
    if not isinstance(arguments, dict):
        return ReadCall(call, None, f"the arguments of {call.name} are no JSON object")
    return ReadCall(call, arguments)
