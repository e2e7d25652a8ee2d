"""Converts LlamaIndex's messages to the transport's."""

from __future__ import annotations

import base64
import logging
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import replace
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
    VideoBlock,
)

from aki_transport import ConfigurationError
from aki_transport.message_fields import CALL_EXTRAS, CONTENT_PARTS, REASONING_FIELD, maker_fields, marked
from aki_transport.messages import (
    Audio,
    File,
    Image,
    Message,
    Part,
    RawBlock,
    Role,
    Text,
    ToolCall,
    joined_parts,
    with_fields,
)
from aki_transport.reasoning import from_blocks
from aki_transport.tool_arguments import arguments_text
from llama_index_aki._answer_blocks import read_content_parts

log = logging.getLogger("aki_transport")

_PDF = base64.b64encode(b"%PDF-1").decode()  # six bytes are eight characters of base64

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
    """One message as the transport's; `ConfigurationError` if a content block has a type that cannot be sent."""
    if not isinstance(message, ChatMessage):
        raise ConfigurationError(
            f"messages holds a {type(message).__name__}; pass ChatMessage(role='user', content='...') instead."
        )
    role = _ROLES[message.role]
    fields = message.additional_kwargs
    provider = fields.get("model_provider") if role == "assistant" else None
    parts: list[Part] = []
    calls: list[ToolCall] = []
    thinking_blocks: list[ThinkingBlock] = []
    call_extras = fields.get(CALL_EXTRAS) or {}
    for previous, block in zip((None, *message.blocks), message.blocks, strict=False):
        match block:
            case ThinkingBlock():
                thinking_blocks += [block] if role == "assistant" else []
            case ToolCallBlock(tool_call_id=call_id):
                extra = call_extras.get(call_id, {})
                calls.append(ToolCall(call_id or "", block.tool_name, arguments_text(block.tool_kwargs), extra))
            case CachePoint():
                _mark(calls if isinstance(previous, ToolCallBlock) else parts, block)
            case TextBlock() if role == "assistant":
                parts.append(Text(block.text))
            case _ if role == "assistant":
                log.debug("a %s of an earlier answer is not sent: it was made for the user", type(block).__name__)
            case _:
                parts.extend(_convert_block(block))
    if role == "assistant" and not calls:
        calls = _calls_of_other_makers(fields, call_extras)
    name_of_function = fields.get("name") if message.role == MessageRole.FUNCTION else None
    is_marked = any(isinstance(part, Text) and part.extra for part in parts)
    if provider is not None and CONTENT_PARTS in fields and not is_marked:
        text = "".join(part.text for part in parts if isinstance(part, Text))
        parts = list(read_content_parts(fields[CONTENT_PARTS], text)) or parts
    converted = Message(
        role=role,
        content=joined_parts(parts, "\n"),
        name=fields.get("name"),
        reasoning="".join(block.content or "" for block in thinking_blocks),
        reasoning_blocks=from_blocks([_thinking_fields(block) for block in thinking_blocks if _is_block(block)]),
        tool_calls=tuple(calls),
        # An agent that returns a tool's result as its answer keeps the call's ID in an assistant message.
        tool_call_id=fields.get("tool_call_id", name_of_function) if role == "tool" else None,
        provider=provider,
        reasoning_field=fields.get(REASONING_FIELD),
        extra={} if provider is None else maker_fields(fields),
    )
    return marked(converted, fields)


def _mark(items: list[Any], point: CachePoint) -> None:
    """Mark what stands before the point, up to which the service shall cache."""
    if not items:
        raise ConfigurationError("a CachePoint stands behind no block; put it behind the text that shall be cached.")
    mark = {"cache_control": point.cache_control.model_dump(include={"type", "ttl"})}
    last = items[-1]
    is_call = isinstance(last, ToolCall)
    items[-1] = replace(last, extra={**last.extra, **mark}) if is_call else with_fields(last, mark)


def _is_block(block: ThinkingBlock) -> bool:
    """Whether the service sent it as a block of its own, which it wants back unchanged."""
    return not block.additional_information.keys().isdisjoint(("signature", "data"))


def _thinking_fields(block: ThinkingBlock) -> dict[str, Any]:
    """Anthropic's block. The type is added because other integrations store only the signature with the text."""
    return {"type": "thinking", "thinking": block.content or "", **block.additional_information}


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
        case VideoBlock():
            return [_convert_video(block)]
        case CitableBlock() if all(isinstance(inner, TextBlock) for inner in block.content):
            texts = [{"type": "text", "text": inner.text} for inner in block.content if isinstance(inner, TextBlock)]
            fields = {"title": block.title, "source": block.source, "content": texts, "citations": {"enabled": True}}
            return [RawBlock({"type": "search_result", **fields}, "anthropic")]
        case CitableBlock():
            return [
                Text(f"{block.title} ({block.source}):"),
                *(part for inner in block.content for part in _convert_block(inner)),
            ]
        case CitationBlock():
            return _convert_block(block.cited_content)
        case _:
            raise ConfigurationError(
                f"a {type(block).__name__} cannot be sent; use TextBlock, ImageBlock, DocumentBlock, AudioBlock or"
                " VideoBlock."
            )


def _convert_image(block: ImageBlock) -> Image:
    if block.url is not None and block.image is None and block.path is None:
        return Image(url=str(block.url), detail=block.detail)
    return Image(base64=_data(block, block.resolve_image), mime_type=block.image_mimetype, detail=block.detail)


def _convert_audio(block: AudioBlock) -> Part:
    if block.url is not None and block.audio is None and block.path is None and not str(block.url).startswith("data:"):
        return RawBlock({"type": "audio_url", "audio_url": {"url": str(block.url)}}, "openai")
    return Audio(_data(block, block.resolve_audio), block.format or "wav")


def _data(block: ContentBlock, resolve: Callable[[], Any]) -> str:
    """The base64 text of a block's data; `ConfigurationError` if it has none, or its file cannot be read."""
    try:
        return base64.b64encode(resolve().read()).decode()
    except (ValueError, OSError) as error:
        reason = str(error)
    raise ConfigurationError(f"the data of a {type(block).__name__} cannot be read: {reason}")


def _convert_video(block: VideoBlock) -> Part:
    url = str(block.url) if block.url is not None and block.video is None and block.path is None else None
    if url is None:
        url = f"data:{block.video_mimetype or 'video/mp4'};base64,{_data(block, block.resolve_video)}"
    fields = {name: value for name in ("detail", "fps") if (value := getattr(block, name)) is not None}
    return RawBlock({"type": "video_url", "video_url": {"url": url}, **fields}, "openai")


def _convert_document(block: DocumentBlock) -> File:
    if block.url is not None and block.data is None and block.path is None:
        return File(url=str(block.url), mime_type=block.document_mimetype, filename=block.title)
    data = _data(block, block.resolve_document)
    guess, _ = mimetypes.guess_type(str(block.path or block.title or ""))
    is_pdf = data.startswith(_PDF)
    mime_type = block.document_mimetype or guess or ("application/pdf" if is_pdf else "text/plain")
    return File(base64=data, mime_type=mime_type, filename=block.title)


def _calls_of_other_makers(fields: Mapping[str, Any], extras: Mapping[str, Any]) -> list[ToolCall]:
    """The calls in the additional fields of a message without blocks for them."""
    entries = list(fields.get("tool_calls") or ())
    function = fields.get("function_call")
    if not entries and isinstance(function, Mapping):
        entries = [{"function": function}]  # OpenAI's older single call, whose result knows the name alone
    return [call for entry in entries if (call := _convert_openai_tool_call(entry, extras)) is not None]


def _convert_openai_tool_call(entry: Any, extras: Mapping[str, Any]) -> ToolCall | None:
    """A call that another integration left in `additional_kwargs`: a dict of one of the vendors, or an SDK's object."""
    call = entry if isinstance(entry, Mapping) else getattr(entry, "model_dump", dict)()
    function = call.get("function") or call
    if not function.get("name"):
        return None
    call_id = next((call[name] for name in ("id", "call_id", "toolUseId") if call.get(name)), "")
    arguments = next((function[name] for name in ("arguments", "input", "args") if function.get(name)), "")
    return ToolCall(call_id, function["name"], arguments_text(arguments), extras.get(call_id, {}))
