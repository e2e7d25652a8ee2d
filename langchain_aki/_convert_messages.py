"""LangChain's messages to the transport's, whatever dialect their content blocks speak."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
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

from aki_transport import reasoning as thinking
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
# Blocks that say again what a message's `tool_calls` hold, or that steer caches elsewhere.
_SAID_ELSEWHERE = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "function_call", "input_json_delta", "cachePoint"}
)
_SOUND = {"mpeg": "mp3", "wave": "wav"}  # MIME subtypes, by the names that OpenAI gives the formats
_THINKING = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})


def to_messages(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """The conversation as the transport takes it.

    Raises:
        ConfigurationError: A message or a content block is of a kind that cannot be sent.
    """
    return tuple(_message(message) for message in messages)


def _message(message: BaseMessage) -> Message:
    match message:
        case AIMessage():
            return _assistant(message)
        case HumanMessage():
            return Message(role="user", content=_content(message.content), name=message.name)
        case SystemMessage():
            return Message(role="system", content=_content(message.content), name=message.name)
        case ToolMessage():
            return Message(
                role="tool",
                content=_content(message.content, of_tool=True),
                name=message.name,
                tool_call_id=message.tool_call_id,
                is_error=message.status == "error",
            )
        case FunctionMessage():
            return Message(
                role="tool",
                content=_content(message.content, of_tool=True),
                name=message.name,
                tool_call_id=message.name,
            )
        case ChatMessage() if message.role in _ROLES:
            return Message(role=_ROLES[message.role], content=_content(message.content), name=message.name)
        case _:
            raise ConfigurationError(
                f"a {type(message).__name__} cannot be sent; use Human, AI, System or Tool messages."
            )


def _assistant(message: AIMessage) -> Message:
    content = message.content
    reasoning = message.additional_kwargs.get("reasoning_content") or ""
    thoughts = thinking.from_blocks(message.additional_kwargs.get(thinking.FIELD) or content)
    if not isinstance(content, str):
        if not reasoning:
            reasoning = "".join(_thoughts(content))
        content = "".join(_texts(map(_own, content)))
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
        reasoning_blocks=thoughts,
        tool_calls=tuple(calls),
    )


def _thoughts(blocks: Iterable[Any]) -> Iterable[str]:
    for block in blocks:
        if isinstance(block, dict) and block.get("type") in _THINKING:
            yield block.get("reasoning") or block.get("thinking") or ""


def _own(block: Any) -> Any:
    """What stands in a block that LangChain has no standard form for."""
    value = block.get("value") if isinstance(block, dict) and block.get("type") == "non_standard" else None
    return value if isinstance(value, dict) else block


def _texts(blocks: Iterable[Any]) -> Iterable[str]:
    for block in blocks:
        if isinstance(block, str):
            yield block
        elif block.get("type") in ("text", "refusal"):
            yield block.get("text") or block.get("refusal") or ""
        elif block.get("type") not in _SAID_ELSEWHERE | _THINKING:
            raise _unknown(block)


def _content(content: str | list[str | dict[str, Any]], *, of_tool: bool = False) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    parts: list[Part] = []
    for block in content:
        if isinstance(block, str):
            parts.append(Text(block))
        elif block.get("type") not in _SAID_ELSEWHERE:
            parts.append(_tool_part(block) if of_tool else _part(block))
    return tuple(parts)


def _tool_part(block: Mapping[str, Any]) -> Part:
    """What a tool gave back; data of an unknown form is told as JSON."""
    try:
        return _part(block)
    except ConfigurationError:
        return Text(json.dumps(block, ensure_ascii=False, default=str))


def _part(block: Mapping[str, Any]) -> Part:
    """A content block: LangChain's standard ones (both generations), OpenAI's, Anthropic's."""
    kind = block.get("type")
    match block:
        case {"type": "text" | "text-plain", "text": str(text)}:
            return Text(text)
        case {"type": "image_url", "image_url": str(url)}:
            return Image(url=url)
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            return Image(url=url, detail=image.get("detail"))
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(form)}}:
            return Audio(data, form)
        case {"type": "file", "file": {"file_id": str(file_id)}}:
            return File(file_id=file_id)
        case {"type": "file", "file": {"file_data": str(data)} as file}:
            return _data_file(data, file.get("filename"))
        case {"type": "document" | "image", "source": {"type": "text", "data": str(text)}}:
            return Text(text)
    found = _source(block)
    if kind == "image" and found.get("url"):
        return Image(url=found["url"])
    if kind == "image" and found.get("base64"):
        return Image(base64=found["base64"], mime_type=found.get("mime_type"))
    if kind in ("file", "document") and found.get("file_id"):
        return File(file_id=found["file_id"])
    if kind in ("file", "document") and found.get("base64"):
        return File(base64=found["base64"], mime_type=found.get("mime_type"), filename=_filename(block))
    if kind == "audio" and found.get("base64"):
        form = (found.get("mime_type") or "audio/wav").rpartition("/")[2].removeprefix("x-")
        return Audio(found["base64"], _SOUND.get(form, form))
    raise _unknown(block)


def _source(block: Mapping[str, Any]) -> dict[str, Any]:
    """Where a block's data is, by our names: `url`, `base64` with `mime_type`, or `file_id`."""
    source = block.get("source")
    if isinstance(source, Mapping):  # Anthropic
        return {
            "url": source.get("url"),
            "base64": source.get("data"),
            "mime_type": source.get("media_type"),
            "file_id": source.get("file_id"),
        }
    form = block.get("source_type")
    if form is not None:  # the first generation of LangChain's blocks
        return {
            "url": block.get("url"),
            "base64": block.get("data") if form == "base64" else None,
            "mime_type": block.get("mime_type"),
            "file_id": block.get("id") if form == "id" else None,
        }
    return {name: block.get(name) for name in ("url", "base64", "mime_type", "file_id")}


def _data_file(data: str, filename: str | None) -> File:
    header, _, base64 = data.partition(";base64,")
    return File(base64=base64 or data, mime_type=header.removeprefix("data:") if base64 else None, filename=filename)


def _filename(block: Mapping[str, Any]) -> str | None:
    for place in (block, block.get("extras"), block.get("metadata")):
        if isinstance(place, Mapping) and place.get("filename"):
            return str(place["filename"])
    return None


def _unknown(block: Mapping[str, Any]) -> ConfigurationError:
    return ConfigurationError(
        f"a content block of type {block.get('type')!r} with {', '.join(map(repr, sorted(block)))} cannot be sent;"
        " use text, image (url or base64), file (base64 or file_id) or audio (base64)."
    )
