"""Converts LangChain's messages, with content blocks in any provider's format, to the transport's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from aki_transport import reasoning as reasoning_format
from aki_transport.messages import Audio, File, Image, Message, Part, Role, Text, ToolCall
from langchain_aki.errors import ConfigurationError

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
}
# Blocks that repeat the message's `tool_calls`, or that control the caches of other services.
_SKIPPED_TYPES = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "function_call", "input_json_delta", "cachePoint"}
)
_AUDIO_FORMATS = {"mpeg": "mp3", "wave": "wav"}  # MIME subtype to OpenAI's name of the format
_REASONING_TYPES = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})


def convert_message(message: BaseMessage) -> Message:
    """One message as the transport's.

    Raises:
        ConfigurationError: The message or a content block has a type that cannot be sent.
    """
    match message:
        case AIMessage():
            return _convert_assistant_message(message)
        case HumanMessage():
            return Message(role="user", content=_convert_content(message.content), name=message.name)
        case SystemMessage():
            return Message(role="system", content=_convert_content(message.content), name=message.name)
        case ToolMessage():
            return Message(
                role="tool",
                content=_convert_content(message.content, from_tool=True),
                name=message.name,
                tool_call_id=message.tool_call_id,
                is_error=message.status == "error",
            )
        case FunctionMessage():
            return Message(
                role="tool",
                content=_convert_content(message.content, from_tool=True),
                name=message.name,
                tool_call_id=message.name,
            )
        case ChatMessage() if message.role in _ROLES:
            return Message(role=_ROLES[message.role], content=_convert_content(message.content), name=message.name)
        case _:
            raise ConfigurationError(
                f"a {type(message).__name__} cannot be sent; use Human, AI, System or Tool messages."
            )


def _convert_assistant_message(message: AIMessage) -> Message:
    content = message.content
    reasoning = message.additional_kwargs.get("reasoning_content") or ""
    reasoning_blocks = reasoning_format.from_blocks(message.additional_kwargs.get(reasoning_format.FIELD) or content)
    if not isinstance(content, str):
        if not reasoning:
            reasoning = "".join(_reasoning_texts(content))
        content = "".join(_texts(map(_unwrap_non_standard, content)))
    calls = [
        ToolCall(call["id"] or "", call["name"], json.dumps(call["args"], ensure_ascii=False))
        for call in message.tool_calls
    ]
    calls += [ToolCall(call["id"] or "", call["name"] or "", call["args"] or "") for call in message.invalid_tool_calls]
    return Message(
        role="assistant",
        content=content,
        name=message.name,
        reasoning=reasoning if isinstance(reasoning, str) else "",
        reasoning_blocks=reasoning_blocks,
        tool_calls=tuple(calls),
    )


def _reasoning_texts(blocks: Iterable[Any]) -> Iterable[str]:
    for block in blocks:
        if isinstance(block, dict) and block.get("type") in _REASONING_TYPES:
            yield block.get("reasoning") or block.get("thinking") or ""


def _unwrap_non_standard(block: Any) -> Any:
    """The provider's block inside LangChain's `non_standard` block; other blocks unchanged."""
    value = block.get("value") if isinstance(block, dict) and block.get("type") == "non_standard" else None
    return value if isinstance(value, dict) else block


def _texts(blocks: Iterable[Any]) -> Iterable[str]:
    for block in blocks:
        if isinstance(block, str):
            yield block
        elif block.get("type") in ("text", "refusal"):
            yield block.get("text") or block.get("refusal") or ""
        elif block.get("type") not in _SKIPPED_TYPES | _REASONING_TYPES:
            raise _unsupported_block(block)


def _convert_content(content: str | list[str | dict[str, Any]], *, from_tool: bool = False) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    parts: list[Part] = []
    for block in content:
        if isinstance(block, str):
            parts.append(Text(block))
        elif block.get("type") not in _SKIPPED_TYPES:
            parts.append(_convert_tool_block(block) if from_tool else _convert_block(block))
    return tuple(parts)


def _convert_tool_block(block: Mapping[str, Any]) -> Part:
    """A block of a tool's result; one of an unknown type is sent as JSON."""
    try:
        return _convert_block(block)
    except ConfigurationError:
        return Text(json.dumps(block, ensure_ascii=False, default=str))


def _convert_block(block: Mapping[str, Any]) -> Part:
    """A content block in LangChain's standard form (v0 or v1), OpenAI's or Anthropic's."""
    kind = block.get("type")
    match block:
        case {"type": "text" | "text-plain", "text": str(text)}:
            return Text(text)
        case {"type": "image_url", "image_url": str(url)}:
            return Image(url=url)
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            return Image(url=url, detail=image.get("detail"))
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(audio_format)}}:
            return Audio(data, audio_format)
        case {"type": "file", "file": {"file_id": str(file_id)}}:
            return File(file_id=file_id)
        case {"type": "file", "file": {"file_data": str(data)} as file}:
            return _convert_file_data(data, file.get("filename"))
        case {"type": "document" | "image", "source": {"type": "text", "data": str(text)}}:
            return Text(text)
    source = _find_source(block)
    if kind == "image" and source.get("url"):
        return Image(url=source["url"])
    if kind == "image" and source.get("base64"):
        return Image(base64=source["base64"], mime_type=source.get("mime_type"))
    if kind in ("file", "document") and source.get("file_id"):
        return File(file_id=source["file_id"])
    if kind in ("file", "document") and source.get("base64"):
        return File(base64=source["base64"], mime_type=source.get("mime_type"), filename=_filename(block))
    if kind == "audio" and source.get("base64"):
        subtype = (source.get("mime_type") or "audio/wav").rpartition("/")[2].removeprefix("x-")
        return Audio(source["base64"], _AUDIO_FORMATS.get(subtype, subtype))
    raise _unsupported_block(block)


def _find_source(block: Mapping[str, Any]) -> dict[str, Any]:
    """The block's data under our names: `url`, `base64` with `mime_type`, or `file_id`."""
    source = block.get("source")
    if isinstance(source, Mapping):  # Anthropic
        return {
            "url": source.get("url"),
            "base64": source.get("data"),
            "mime_type": source.get("media_type"),
            "file_id": source.get("file_id"),
        }
    source_type = block.get("source_type")
    if source_type is not None:  # LangChain's v0 blocks
        return {
            "url": block.get("url"),
            "base64": block.get("data") if source_type == "base64" else None,
            "mime_type": block.get("mime_type"),
            "file_id": block.get("id") if source_type == "id" else None,
        }
    return {name: block.get(name) for name in ("url", "base64", "mime_type", "file_id")}


def _convert_file_data(data: str, filename: str | None) -> File:
    header, _, base64 = data.partition(";base64,")
    return File(base64=base64 or data, mime_type=header.removeprefix("data:") if base64 else None, filename=filename)


def _filename(block: Mapping[str, Any]) -> str | None:
    for fields in (block, block.get("extras"), block.get("metadata")):
        if isinstance(fields, Mapping) and fields.get("filename"):
            return str(fields["filename"])
    return None


def _unsupported_block(block: Mapping[str, Any]) -> ConfigurationError:
    return ConfigurationError(
        f"a content block of type {block.get('type')!r} with {', '.join(map(repr, sorted(block)))} cannot be sent;"
        " use text, image (url or base64), file (base64 or file_id) or audio (base64)."
    )
