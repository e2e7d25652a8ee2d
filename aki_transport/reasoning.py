"""Converts reasoning that the service requires back to and from the content blocks that frameworks keep in messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aki_transport.messages import ReasoningBlock

FIELD = "thinking_blocks"
"""The key of these blocks in the additional fields of a message."""

REASONING_DETAILS = "reasoning_details"
"""The field of a message in which OpenRouter and MiniMax have reasoning, and want it back as it came."""


def to_blocks(reasoning: Iterable[ReasoningBlock]) -> list[dict[str, Any]]:
    """As Anthropic's content blocks, which other integrations keep under the same key."""
    return [
        {"type": "thinking", "thinking": block.text, "signature": block.signature}
        if block.data is None
        else {"type": "redacted_thinking", "data": block.data}
        for block in reasoning
    ]


def from_blocks(blocks: Any) -> tuple[ReasoningBlock, ...]:
    """The reasoning in content blocks of Anthropic, signed or not, or of LangChain with a signature."""
    reasoning = []
    for block in blocks if isinstance(blocks, list | tuple) else ():
        match block:
            case {"type": "redacted_thinking", "data": str(data)} | {
                "type": "non_standard",
                "value": {"type": "redacted_thinking", "data": str(data)},
            }:
                reasoning.append(ReasoningBlock(data=data))
            case {"type": "thinking", "thinking": str(text)}:
                signature = block.get("signature")
                reasoning.append(ReasoningBlock(text=text, signature=signature if isinstance(signature, str) else None))
            case {"type": "reasoning", "reasoning": str(text), "extras": {"signature": str(signature)}}:
                reasoning.append(ReasoningBlock(text=text, signature=signature))
            case {"type": "reasoning", "extras": {"signature": str(signature)}}:
                reasoning.append(ReasoningBlock(signature=signature))
    return tuple(reasoning)
