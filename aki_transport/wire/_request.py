"""What the modules that build calls share."""

from __future__ import annotations

from typing import Any

from aki_transport.errors import APIStatusError
from aki_transport.messages import ChatRequest

NO_PARAMETERS = {"type": "object", "properties": {}}
"""The schema of a tool without arguments."""


def set_fields(source: object, *names: str) -> dict[str, Any]:
    """Those of these fields that are set."""
    return {name: value for name in names if (value := getattr(source, name)) is not None}


def reasoning_start(request: ChatRequest) -> int:
    """Index of the first message whose reasoning is sent back; the number of messages if none is."""
    messages = request.messages
    match request.send_reasoning:
        case "always":
            return 0
        case "tool_turns" if messages and messages[-1].role == "tool":
            return max((index for index, message in enumerate(messages) if message.role == "user"), default=0)
        case _:
            return len(messages)


def keep_all_features(request: ChatRequest, error: APIStatusError) -> None:
    """What a protocol does without optional features when the service refuses something."""
