"""LlamaIndex's messages to the transport's."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Mapping, Sequence
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


def to_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """The conversation as the transport takes it.

    Raises:
        ConfigurationError: A content block is of a kind that cannot be sent.
    """
    return tuple(_message(message) for message in messages)


def _message(message: ChatMessage) -> Message:
    role = _ROLES[message.role]
    extra = message.additional_kwargs
    parts: list[Part] = []
    calls: list[ToolCall] = []
    thoughts: list[ThinkingBlock] = []
    for block in message.blocks:
        if isinstance(block, ThinkingBlock):
            thoughts.append(block)
        elif isinstance(block, ToolCallBlock):
            calls.append(ToolCall(block.tool_call_id or "", block.tool_name, _arguments(block.tool_kwargs)))
        else:
            parts.extend(_parts(block))
    if role == "assistant" and not calls:
        calls = [call for said in extra.get("tool_calls") or () if (call := _said_elsewhere(said)) is not None]
    return Message(
        role=role,
        content=_joined(parts),
        name=extra.get("name"),
        reasoning="".join(block.content or "" for block in thoughts),
        reasoning_blocks=from_blocks([_thought(block) for block in thoughts]),
        tool_calls=tuple(calls),
        # An agent's answer that is a tool's result names that call too, but is the assistant's word.
        tool_call_id=extra.get("tool_call_id") if role == "tool" else None,
    )


def _thought(block: ThinkingBlock) -> dict[str, Any]:
    """Anthropic's block; other integrations keep the signature alone beside the text."""
    return {"type": "thinking", "thinking": block.content or "", **block.additional_information}


def _joined(parts: list[Part]) -> str | tuple[Part, ...]:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return tuple(parts) if parts else ""


def _parts(block: ContentBlock) -> list[Part]:
    match block:
        case TextBlock():
            return [Text(block.text)]
        case ImageBlock():
            return [_image(block)]
        case DocumentBlock():
            return [_document(block)]
        case AudioBlock():
            return [_audio(block)]
        case CachePoint():
            return []  # steers caches of other services
        case CitableBlock():
            return [
                Text(f"{block.title} ({block.source}):"),
                *(part for inner in block.content for part in _parts(inner)),
            ]
        case CitationBlock():
            return _parts(block.cited_content)
        case _:
            raise ConfigurationError(
                f"a {type(block).__name__} cannot be sent; use TextBlock, ImageBlock, DocumentBlock or AudioBlock."
            )


def _image(block: ImageBlock) -> Image:
    if block.url is not None and block.image is None and block.path is None:
        return Image(url=str(block.url), detail=block.detail)
    data = base64.b64encode(block.resolve_image().read()).decode()
    return Image(base64=data, mime_type=block.image_mimetype or "image/png", detail=block.detail)


def _audio(block: AudioBlock) -> Audio:
    if block.url is not None and block.audio is None and block.path is None and not str(block.url).startswith("data:"):
        raise ConfigurationError(f"the sound at {block.url} is not fetched; pass its audio= or path=.")
    return Audio(base64.b64encode(block.resolve_audio().read()).decode(), block.format or "wav")


def _document(block: DocumentBlock) -> File:
    if block.url is not None and block.data is None and block.path is None:
        raise ConfigurationError(f"the document at {block.url} is not fetched; pass its data= or path=.")
    data = block.resolve_document().read()
    named, _ = mimetypes.guess_type(str(block.path or block.title or ""))
    kind = block.document_mimetype or named or ("application/pdf" if data.startswith(b"%PDF") else "text/plain")
    return File(base64=base64.b64encode(data).decode(), mime_type=kind, filename=block.title)


def _arguments(given: Mapping[str, Any] | str) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=str)


def _said_elsewhere(said: Any) -> ToolCall | None:
    """A call as other integrations keep it in `additional_kwargs`: OpenAI's dict, or its SDK's object."""
    call = said if isinstance(said, Mapping) else getattr(said, "model_dump", dict)()
    function = call.get("function") or {}
    if not function.get("name"):
        return None
    return ToolCall(call.get("id") or "", function["name"], _arguments(function.get("arguments") or ""))
