"""Converts LangChain's messages, with content blocks in any provider's format, to the transport's."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
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
from aki_transport.message_fields import CALL_EXTRAS, REASONING_FIELD, maker_fields, marked
from aki_transport.messages import Message, Part, RawBlock, Role, Text, ToolCall, cache_mark, joined_parts
from aki_transport.tool_arguments import arguments_text
from langchain_aki._content_blocks import maker_block, read_block
from langchain_aki.errors import ConfigurationError

log = logging.getLogger("aki_transport")

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
}
_CALL_TYPES = frozenset({"tool_use", "tool_call", "function_call"})
# Blocks that repeat the message's `tool_calls`, or that control the caches of other services.
_SKIPPED_TYPES = _CALL_TYPES | {"tool_call_chunk", "invalid_tool_call", "input_json_delta", "cachePoint"}
_REASONING_TYPES = frozenset({"reasoning", "thinking", "redacted_thinking"})


def convert_messages(messages: Iterable[BaseMessage]) -> tuple[Message, ...]:
    """The messages as the transport's; `ConfigurationError` if one has a type that cannot be sent."""
    return tuple(_converted(messages))


def _converted(messages: Iterable[BaseMessage]) -> Iterator[Message]:
    for message in messages:
        if isinstance(message, HumanMessage) and isinstance(message.content, list):
            # Tools' results in a user's content, where Anthropic's protocol has them.
            results = [each for each in message.content if isinstance(each, dict) and each.get("type") == "tool_result"]
            yield from map(_convert_result, results)
            if results and len(results) == len(message.content):
                continue
        yield _convert_message(message)


def _convert_result(block: Mapping[str, Any]) -> Message:
    return Message(
        role="tool",
        content=_convert_content(block.get("content") or "", "tool"),
        tool_call_id=block.get("tool_use_id"),
        is_error=block.get("is_error") is True,
        extra=cache_mark(block),
    )


def _convert_message(message: BaseMessage) -> Message:
    match message:
        case AIMessage():
            return _convert_assistant_message(message)
        case HumanMessage():
            return _convert_plain(message, "user")
        case SystemMessage():
            return _convert_plain(message, "system")
        case ToolMessage() | FunctionMessage():  # the older one knows the function's name alone
            return Message(
                role="tool",
                content=_convert_content(message.content, "tool"),
                name=message.name,
                tool_call_id=getattr(message, "tool_call_id", message.name),
                is_error=getattr(message, "status", "") == "error",
                extra=cache_mark(message.additional_kwargs),
            )
        case ChatMessage() if message.role in _ROLES:
            return _convert_plain(message, _ROLES[message.role])
        case _:
            role = f" with role={message.role!r}" if isinstance(message, ChatMessage) else ""
            raise ConfigurationError(
                f"a {type(message).__name__}{role} cannot be sent; use Human, AI, System or Tool messages."
            )


def _convert_plain(message: BaseMessage, role: Role) -> Message:
    converted = Message(role=role, content=_convert_content(message.content, role), name=message.name)
    return marked(converted, message.additional_kwargs)


def _convert_assistant_message(message: AIMessage) -> Message:
    fields = message.additional_kwargs
    blocks = [] if isinstance(message.content, str) else list(map(_unwrap_non_standard, message.content))
    reasoning = fields.get("reasoning_content") or "".join(_reasoning_texts(blocks))
    provider = message.response_metadata.get("model_provider")
    content = message.content if isinstance(message.content, str) else joined_parts(_answer_parts(blocks), "")
    converted = Message(
        role="assistant",
        content=content or fields.get("refusal") or "",
        name=message.name,
        reasoning=reasoning if isinstance(reasoning, str) else "",
        reasoning_blocks=reasoning_format.from_blocks(fields.get(reasoning_format.FIELD) or message.content),
        tool_calls=tuple(_calls(message, blocks)),
        provider=provider,
        reasoning_field=fields.get(REASONING_FIELD),
        # What has no provider was not answered to us, and its additional fields are nobody's known form.
        extra={} if provider is None else maker_fields(fields),
    )
    return marked(converted, fields)


def _calls(message: AIMessage, blocks: list[Any]) -> Iterator[ToolCall]:
    extras = {
        block["id"]: {**(block.get("extras") or {}), **cache_mark(block)}
        for block in blocks
        if isinstance(block, dict) and block.get("type") in _CALL_TYPES and block.get("id")
    }
    extras |= message.additional_kwargs.get(CALL_EXTRAS) or {}
    for call in message.tool_calls:
        yield ToolCall(call["id"] or "", call["name"], arguments_text(call["args"]), extras.get(call["id"], {}))
    for broken in message.invalid_tool_calls:
        text = arguments_text(broken["args"] or "")
        yield ToolCall(broken["id"] or "", broken["name"] or "", text, extras.get(broken["id"], {}))
    if not message.tool_calls and not message.invalid_tool_calls:
        yield from _calls_of_other_makers(message.additional_kwargs.get("function_call"), blocks)


def _calls_of_other_makers(function: Any, blocks: list[Any]) -> Iterator[ToolCall]:
    """The calls of a message without `tool_calls`: blocks of other integrations, and OpenAI's older single call."""
    for block in blocks:
        if isinstance(block, dict) and block.get("type") in _CALL_TYPES and block.get("name"):
            names = ("input", "args", "arguments", "partial_json")
            arguments: Any = next((block[name] for name in names if block.get(name)), {})
            call_id = block.get("call_id") or block.get("id") or ""
            yield ToolCall(str(call_id), block["name"], arguments_text(arguments), cache_mark(block))
            function = None
    if isinstance(function, Mapping) and function.get("name"):
        # Its result is a FunctionMessage, which knows the name alone.
        yield ToolCall(function["name"], function["name"], arguments_text(function.get("arguments") or {}))


def _reasoning_texts(blocks: list[Any]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, dict) and block.get("type") in _REASONING_TYPES:
            text = block.get("reasoning") or block.get("thinking") or ""
            yield text if isinstance(text, str) else ""


def _unwrap_non_standard(block: Any) -> Any:
    """The provider's block inside LangChain's `non_standard` block; other blocks unchanged."""
    value = block.get("value") if isinstance(block, dict) and block.get("type") == "non_standard" else None
    return value if isinstance(value, dict) else block


def _answer_parts(blocks: list[Any]) -> list[Part]:
    """The parts of an earlier answer: text with its sources, and blocks that only their maker understands."""
    parts: list[Part] = []
    for block in ({"type": "text", "text": each} if isinstance(each, str) else each for each in blocks):
        kind = block.get("type")
        if kind in ("text", "output_text", "refusal") or (kind is None and isinstance(block.get("text"), str)):
            extra = {name: block[name] for name in ("cache_control", "citations") if block.get(name)}
            text, last = block.get("text") or block.get("refusal") or "", parts[-1] if parts else None
            if isinstance(last, Text) and not text:  # a stream gives sources behind the text that has them
                parts[-1] = Text(last.text, {**last.extra, **extra})
            else:
                parts.append(Text(text, extra))
        elif kind not in _SKIPPED_TYPES | _REASONING_TYPES and (part := maker_block(block)) is not None:
            parts.append(part)
    return parts


def _convert_content(content: str | list[str | dict[str, Any]], role: Role) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    parts: list[Part] = []
    for block in content:
        if isinstance(block, str):
            parts.append(Text(block))
        elif block.get("type") == "tool_result" and role == "user":
            continue  # it is a message of its own
        elif block.get("type") in _SKIPPED_TYPES or "cachePoint" in block:
            log.debug("a content block of type %r is not sent", block.get("type", "cachePoint"))
        else:
            part = read_block(block)
            if role == "tool" and isinstance(part, RawBlock) and part.dialect is None:  # data that a tool returned
                part = Text(json.dumps(block, ensure_ascii=False, default=str))
            parts.append(part)
    # A user's text is joined as LangChain joins it; what tools return are items of a list.
    return joined_parts(parts, "" if role == "user" else "\n")
