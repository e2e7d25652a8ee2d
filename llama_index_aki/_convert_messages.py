"""Converts LlamaIndex's messages to the transport's."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from aki_transport import ConfigurationError
from aki_transport.messages import Audio, File, Image, Message, Part, Role, Text, ToolCall
from aki_transport.reasoning import from_blocks

_ROLES: Mapping[MessageRole, Role] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}


def convert_message(message: ChatMessage) -> Message:
    """One message as the transport's.

    Raises:
        ConfigurationError: A content block has a type that cannot be sent.
    """
    role = _ROLES[message.role]
    extra = message.additional_kwargs
    parts: list[Part] = []
    calls: list[ToolCall] = []
    thinking_blocks: list[ThinkingBlock] = []
    for block in message.blocks:
        if isinstance(block, ThinkingBlock):
            thinking_blocks.append(block)
        elif isinstance(block, ToolCallBlock):
            calls.append(ToolCall(block.tool_call_id or "", block.tool_name, _arguments_json(block.tool_kwargs)))
        else:
            parts.extend(_convert_block(block))
    if role == "assistant" and not calls:
        entries = extra.get("tool_calls") or ()
        calls = [call for entry in entries if (call := _convert_openai_tool_call(entry)) is not None]
    return Message(
        role=role,
        content=_merge_parts(parts),
        name=extra.get("name"),
        reasoning="".join(block.content or "" for block in thinking_blocks),
        reasoning_blocks=from_blocks([_thinking_fields(block) for block in thinking_blocks]),
        tool_calls=tuple(calls),
        # An agent that returns a tool's result as its answer keeps the call's ID in an assistant message.
        tool_call_id=extra.get("tool_call_id") if role == "tool" else None,
    )


def _thinking_fields(block: ThinkingBlock) -> dict[str, Any]:
    """Anthropic's block. The type is added because other integrations store only the signature with the text."""
    return {"type": "thinking", "thinking": block.content or "", **block.additional_information}


def _merge_parts(parts: list[Part]) -> str | tuple[Part, ...]:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return tuple(parts) if parts else ""


def _convert_block(block: ContentBlock) -> list[Part]:
    match block:
        case TextBlock():
            return [Text(block.text)]
        case ImageBlock():
            return [_convert_image(block)]
        case DocumentBlock():
            return [_convert_document(block)]
        case AudioBlock():
            return [_convert_audio(block)]
        case CachePoint():
            return []  # controls the caches of other services
        case CitableBlock():
            return [
                Text(f"{block.title} ({block.source}):"),
                *(part for inner in block.content for part in _convert_block(inner)),
            ]
        case CitationBlock():
            return _convert_block(block.cited_content)
        case _:
            raise ConfigurationError(
                f"a {type(block).__name__} cannot be sent; use TextBlock, ImageBlock, DocumentBlock or AudioBlock."
            )


def _convert_image(block: ImageBlock) -> Image:
    if block.url is not None and block.image is None and block.path is None:
        return Image(url=str(block.url), detail=block.detail)
    data = base64.b64encode(block.resolve_image().read()).decode()
    return Image(base64=data, mime_type=block.image_mimetype or "image/png", detail=block.detail)


def _convert_audio(block: AudioBlock) -> Audio:
    if block.url is not None and block.audio is None and block.path is None and not str(block.url).startswith("data:"):
        raise ConfigurationError(f"the sound at {block.url} is not fetched; pass its audio= or path=.")
    return Audio(base64.b64encode(block.resolve_audio().read()).decode(), block.format or "wav")


def _convert_document(block: DocumentBlock) -> File:
    if block.url is not None and block.data is None and block.path is None:
        raise ConfigurationError(f"the document at {block.url} is not fetched; pass its data= or path=.")
    data = block.resolve_document().read()
    guess, _ = mimetypes.guess_type(str(block.path or block.title or ""))
    mime_type = block.document_mimetype or guess or ("application/pdf" if data.startswith(b"%PDF") else "text/plain")
    return File(base64=base64.b64encode(data).decode(), mime_type=mime_type, filename=block.title)


def _arguments_json(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)


def _convert_openai_tool_call(entry: Any) -> ToolCall | None:
    """A tool call that another integration left in `additional_kwargs`: OpenAI's dict, or an object of its SDK."""
    call = entry if isinstance(entry, Mapping) else getattr(entry, "model_dump", dict)()
    function = call.get("function") or {}
    if not function.get("name"):
        return None
    return ToolCall(call.get("id") or "", function["name"], _arguments_json(function.get("arguments") or ""))
