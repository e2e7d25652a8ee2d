"""LangChain's standard content blocks of our messages: reasoning, text, refusal, tool calls, each once."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import get_translator, register_translator


def register(provider: str) -> None:
    """Let LangChain read messages of this provider's name by this module, unless it reads them already."""
    if get_translator(provider) is None:
        register_translator(provider, blocks_of_message, blocks_of_chunk)


def blocks_of_message(message: AIMessage) -> list[types.ContentBlock]:
    """The blocks of a whole message."""
    blocks = _said(message)
    for call in message.tool_calls:
        blocks.append({"type": "tool_call", "id": call["id"], "name": call["name"], "args": call["args"]})
    for wrong in message.invalid_tool_calls:
        blocks.append({**wrong, "type": "invalid_tool_call"})
    return cast("list[types.ContentBlock]", blocks)


def blocks_of_chunk(chunk: AIMessageChunk) -> list[types.ContentBlock]:
    """The blocks of a piece of a stream, or of pieces added up to the last one."""
    if chunk.chunk_position == "last":
        return blocks_of_message(chunk)
    blocks = _said(chunk)
    for piece in chunk.tool_call_chunks:
        blocks.append({**piece, "type": "tool_call_chunk"})
    return cast("list[types.ContentBlock]", blocks)


def _said(message: AIMessage) -> list[dict[str, Any]]:
    content = message.content
    blocks: list[dict[str, Any]] = []
    reasoning = message.additional_kwargs.get("reasoning_content")
    if reasoning:
        blocks.append({"type": "reasoning", "reasoning": reasoning})
    if isinstance(content, str):
        if content:
            blocks.append({"type": "text", "text": content})
    else:
        called = ("tool_call", "tool_call_chunk", "tool_use", "invalid_tool_call")
        for block in content:
            if isinstance(block, str):
                blocks.append({"type": "text", "text": block})
            elif block.get("type") not in called:
                blocks.append(block)
    refusal = message.additional_kwargs.get("refusal")
    if refusal:
        blocks.append(_refusal(refusal))
    return blocks


def _refusal(words: str) -> dict[str, Any]:
    # A standard block since langchain-core 1.7.5; before, LangChain lets only named kinds pass through its events.
    if hasattr(types, "RefusalContentBlock"):
        return {"type": "refusal", "refusal": words}
    return {"type": "non_standard", "value": {"type": "refusal", "refusal": words}}
