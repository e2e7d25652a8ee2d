"""Which of the earlier reasoning a request says again."""

from __future__ import annotations

from aki_transport.messages import ChatRequest


def reasoning_sent_back(request: ChatRequest) -> int:
    """From which message on earlier reasoning is said again."""
    messages = request.messages
    match request.send_reasoning:
        case "always":
            return 0
        case "tool_turns" if messages and messages[-1].role == "tool":
            return max((at for at, message in enumerate(messages) if message.role == "user"), default=0)
        case _:
            return len(messages)
