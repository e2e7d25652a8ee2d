"""LangChain's standard content blocks of our messages: reasoning, text, the model's refusal, tool calls."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import get_translator, register_translator


def register(provider: str) -> None:
    """Make this module the block translator for messages of a provider, unless LangChain has one for it."""
    if get_translator(provider) is None:
        register_translator(provider, translate_content, translate_content_chunk)


def translate_content(message: AIMessage) -> list[types.ContentBlock]:
    """The blocks of a complete message."""
    blocks = _content_blocks(message)
    for call in message.tool_calls:
        blocks.append({"type": "tool_call", "id": call["id"], "name": call["name"], "args": call["args"]})
    for invalid_call in message.invalid_tool_calls:
        blocks.append({**invalid_call, "type": "invalid_tool_call"})
    return cast("list[types.ContentBlock]", blocks)


def translate_content_chunk(chunk: AIMessageChunk) -> list[types.ContentBlock]:
    """The blocks of a chunk, or of the sum of all chunks of a stream."""
    if chunk.chunk_position == "last":
        return translate_content(chunk)
    blocks = _content_blocks(chunk)
    for call_chunk in chunk.tool_call_chunks:
        blocks.append({**call_chunk, "type": "tool_call_chunk"})
    return cast("list[types.ContentBlock]", blocks)


def _content_blocks(message: AIMessage) -> list[dict[str, Any]]:
    content = message.content
    blocks: list[dict[str, Any]] = []
    reasoning = message.additional_kwargs.get("reasoning_content")
    if reasoning:
        blocks.append({"type": "reasoning", "reasoning": reasoning})
    if isinstance(content, str):
        if content:
            blocks.append({"type": "text", "text": content})
    else:
        call_types = ("tool_call", "tool_call_chunk", "tool_use", "invalid_tool_call")
        for block in content:
            if isinstance(block, str):
                blocks.append({"type": "text", "text": block})
            elif block.get("type") not in call_types:
                blocks.append(block)
    refusal = message.additional_kwargs.get("refusal")
    if refusal:
        block = {"type": "refusal", "refusal": refusal}
        # A standard block since langchain-core 1.7.5. The events of earlier versions only pass block types they know.
        is_standard = hasattr(types, "RefusalContentBlock")
        blocks.append(block if is_standard else {"type": "non_standard", "value": block})
    return blocks
