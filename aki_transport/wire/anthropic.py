"""Anthropic's messages protocol: builds the calls."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from pydantic_core import from_json

from aki_transport.errors import ConfigurationError
from aki_transport.messages import (
    Audio,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    RawBlock,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolNamed,
)
from aki_transport.models.catalog import read_listing
from aki_transport.transport import Call
from aki_transport.wire._anthropic_decoder import AnthropicDecoder
from aki_transport.wire._request import NO_PARAMETERS, keep_all_features, reasoning_start, set_fields

MODELS_ARE_ENDPOINTS = False
SUPPORTED_FIELDS = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "stop",
        "reasoning_effort",
        "tools",
        "images",
        "parallel_tool_calls",
    }
)
# Source: AKI.IO's documentation of this interface.
RANGES: Mapping[str, tuple[float, float]] = {"temperature": (0, 1), "top_p": (0, 1)}

_HEADERS = {"anthropic-version": "2023-06-01"}
_DEFAULT_MAX_TOKENS = 8192  # AKI.IO's documented default; the field is required
_MIN_THINKING_TOKENS = 1024  # Anthropic's own minimum
# Shares of max_tokens, so that the thinking budget leaves room for the answer.
_THINKING_SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8}
_TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}

read_models = read_listing
decoder = AnthropicDecoder
without_refused_feature = keep_all_features


def models() -> Call:
    """The call that lists the models."""
    return Call(path="/v1/models", method="GET", headers=_HEADERS, max_retries=0)


def chat(request: ChatRequest, *, stream: bool) -> Call:
    """The call that sends `request`, without the fields that are None."""
    system = "\n\n".join(filter(str.strip, (_system_text(each) for each in request.messages if each.role == "system")))
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
        "messages": _messages(request),
    }
    if system:
        body["system"] = system
    body.update(set_fields(request, "temperature", "top_p", "top_k"))
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        choice = _tool_choice(request.tool_choice, request.parallel_tool_calls)
        if choice is not None:
            body["tool_choice"] = choice
    if request.reasoning_effort is not None:
        body["thinking"] = _thinking(request.reasoning_effort, body["max_tokens"])
    if stream:
        body["stream"] = True
    body.update(request.extra_body)
    return Call(path="/v1/messages", body=body, headers=_HEADERS, stream=stream)


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    """The messages without the system's. Roles alternate, as the protocol requires; tool results belong to the user."""
    merged: list[dict[str, Any]] = []
    first_with_reasoning = reasoning_start(request)
    for index, message in enumerate(request.messages):
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message, with_reasoning=index >= first_with_reasoning))
        if not blocks:
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    for turn in merged:
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")  # the protocol wants results first
    if merged and merged[-1]["role"] == "assistant" and merged[-1]["content"][-1]["type"] == "text":
        # The model continues this text; the service refuses it if it ends with whitespace.
        last = merged[-1]["content"][-1]
        last["text"] = last["text"].rstrip()
    return merged


def _blocks(message: Message, *, with_reasoning: bool) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {
            "type": "tool_result",
            "tool_use_id": message.tool_call_id or "",
            "content": list(_parts(message)),
            **({"is_error": True} if message.is_error else {}),
        }
        return
    if with_reasoning:
        for block in message.reasoning_blocks:
            if block.data is not None:
                yield {"type": "redacted_thinking", "data": block.data}
            elif block.signature is not None:
                yield {"type": "thinking", "thinking": block.text, "signature": block.signature}
    yield from _parts(message)
    for call in message.tool_calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": _tool_input(call)}


def _parts(message: Message) -> Iterator[dict[str, Any]]:
    for part in message.parts:
        if not isinstance(part, Text):
            yield _part(part)
        elif part.text.strip():  # the protocol refuses blank text
            yield {"type": "text", "text": part.text}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            return {"type": "image", "source": _source(part.as_url)}
        case File(file_id=str(file_id)):
            return {"type": "document", "source": {"type": "file", "file_id": file_id}}
        case File(mime_type=str(kind)) if kind.startswith("text/"):
            return _document(part, {"type": "text", "media_type": "text/plain", "data": _decoded_text(part)})
        case File():
            kind = part.mime_type or "application/pdf"
            return _document(part, {"type": "base64", "media_type": kind, "data": part.base64})
        case Audio():
            raise ConfigurationError("protocol='anthropic' takes no sound; use text, images or documents.")
        case RawBlock():
            return dict(part.fields)
        case _:
            assert_never(part)


def _decoded_text(file: File) -> str:
    try:
        return base64.b64decode(file.base64 or "").decode("utf-8", "replace")
    except ValueError as error:
        reason = str(error)
    raise ConfigurationError(f"the file {file.filename or ''!r} is no text in base64: {reason}")


def _document(file: File, source: dict[str, Any]) -> dict[str, Any]:
    title = {} if file.filename is None else {"title": file.filename}
    return {"type": "document", "source": source, **title}


def _source(url: str) -> dict[str, Any]:
    header, separator, data = url.partition(";base64,")
    if separator and header.startswith("data:"):
        return {"type": "base64", "media_type": header.removeprefix("data:"), "data": data}
    return {"type": "url", "url": url}


def _tool_input(call: ToolCall) -> dict[str, Any]:
    """The arguments as an object, as the protocol requires; other text is sent within one."""
    try:
        value = from_json(call.arguments or "{}", allow_inf_nan=False)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"not_json": call.arguments}


def _system_text(message: Message) -> str:
    texts = [part.text for part in message.parts if isinstance(part, Text)]
    if len(texts) < len(message.parts):
        raise ConfigurationError(
            "a system message holds something other than text, which protocol='anthropic' refuses."
        )
    return "\n".join(texts)


def _tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    match tool:
        case Tool():
            name, description, schema = tool.name, tool.description, tool.parameters
        case {"type": "function", "function": {"name": str(name)} as function}:
            description, schema = function.get("description"), function.get("parameters")
        case _:
            return tool
    declaration: dict[str, Any] = {"name": name, "input_schema": schema or NO_PARAMETERS}
    if description:
        declaration["description"] = description
    return declaration


def _tool_choice(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any] | None:
    if choice is None and parallel is None:
        return None
    if isinstance(choice, ToolNamed):
        body: dict[str, Any] = {"type": "tool", "name": choice.name}
    else:
        body = {"type": _TOOL_CHOICES[choice or "auto"]}
    if parallel is not None and choice != "none":
        body["disable_parallel_tool_use"] = not parallel
    return body


def _thinking(effort: str, max_tokens: int) -> dict[str, Any]:
    if effort == "none":
        return {"type": "disabled"}
    if effort not in _THINKING_SHARES:
        known = ", ".join(map(repr, ("none", *_THINKING_SHARES)))
        raise ConfigurationError(f"reasoning_effort={effort!r} is not known to protocol='anthropic'; use {known}.")
    if max_tokens <= _MIN_THINKING_TOKENS:
        raise ConfigurationError(
            f"reasoning_effort={effort!r} needs max_tokens above {_MIN_THINKING_TOKENS} with protocol='anthropic'."
        )
    budget = max(int(max_tokens * _THINKING_SHARES[effort]), _MIN_THINKING_TOKENS)
    return {"type": "enabled", "budget_tokens": budget}
