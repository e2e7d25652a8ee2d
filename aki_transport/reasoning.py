"""Reasoning that its service wants back as it was, in the form in which messages of frameworks keep it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aki_transport.messages import ReasoningBlock

FIELD = "thinking_blocks"
"""Where a message keeps them beside its content."""


def to_blocks(thoughts: Iterable[ReasoningBlock]) -> list[dict[str, Any]]:
    """Anthropic's content blocks, which other integrations keep under the same name."""
    return [
        {"type": "thinking", "thinking": thought.text, "signature": thought.signature}
        if thought.data is None
        else {"type": "redacted_thinking", "data": thought.data}
        for thought in thoughts
    ]


def from_blocks(blocks: Any) -> tuple[ReasoningBlock, ...]:
    """The thoughts among content blocks: Anthropic's, or LangChain's with a signature; others cannot be sent back."""
    found = []
    for block in blocks if isinstance(blocks, list | tuple) else ():
        match block:
            case {"type": "redacted_thinking", "data": str(data)} | {
                "type": "non_standard",
                "value": {"type": "redacted_thinking", "data": str(data)},
            }:
                found.append(ReasoningBlock(data=data))
            case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
                found.append(ReasoningBlock(text=text, signature=signature))
            case {"type": "reasoning", "reasoning": str(text), "extras": {"signature": str(signature)}}:
                found.append(ReasoningBlock(text=text, signature=signature))
            case {"type": "reasoning", "extras": {"signature": str(signature)}}:
                found.append(ReasoningBlock(signature=signature))
    return tuple(found)
