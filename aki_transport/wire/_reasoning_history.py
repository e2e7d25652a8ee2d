"""Which earlier messages are sent back with their reasoning."""

from __future__ import annotations

from aki_transport.messages import ChatRequest


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
