"""OpenAI's chat completions protocol: builds the calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, assert_never

from aki_transport.errors import APIStatusError, BadRequestError
from aki_transport.messages import (
    Audio,
    ChatRequest,
    File,
    Image,
    JsonObject,
    JsonSchema,
    Message,
    Part,
    RawBlock,
    ResponseFormat,
    Text,
    Tool,
    ToolNamed,
)
from aki_transport.models.catalog import read_listing
from aki_transport.transport import Call
from aki_transport.wire._openai_decoder import OpenAIDecoder
from aki_transport.wire._request import NO_PARAMETERS, reasoning_start, set_fields

MODELS_ARE_ENDPOINTS = False
RANGES: Mapping[str, tuple[float, float]] = {}

_STREAM_OPTIONS = re.compile(r"stream_options|include_usage", re.IGNORECASE)
_SAMPLING_FIELDS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
SUPPORTED_FIELDS = frozenset(
    {*_SAMPLING_FIELDS, "stop", "reasoning_effort", "tools", "images", "parallel_tool_calls", "response_format"}
)

read_models = read_listing
decoder = OpenAIDecoder


def models() -> Call:
    """The call that lists the models."""
    return Call(path="/models", method="GET", max_retries=0)


def chat(request: ChatRequest, *, stream: bool) -> Call:
    """The call that sends `request`, without the fields that are None."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": list(_messages(request)),
        **set_fields(request, *_SAMPLING_FIELDS, "reasoning_effort"),
    }
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if isinstance(request.tool_choice, ToolNamed):
            body["tool_choice"] = {"type": "function", "function": {"name": request.tool_choice.name}}
        elif request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
        body.update(set_fields(request, "parallel_tool_calls"))
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format)
    if stream:
        body["stream"] = True
        if request.include_usage:
            body["stream_options"] = {"include_usage": True}
    body.update(request.extra_body)
    return Call(path="/chat/completions", body=body, stream=stream)


def without_refused_feature(request: ChatRequest, error: APIStatusError) -> ChatRequest | None:
    """The request without `stream_options`, if that is what the service refuses."""
    if request.include_usage and isinstance(error, BadRequestError) and _STREAM_OPTIONS.search(error.message):
        return replace(request, include_usage=False)
    return None


def _messages(request: ChatRequest) -> Iterator[dict[str, Any]]:
    first_with_reasoning = reasoning_start(request)
    attachments: list[Part] = []  # images and files in tool results; this protocol takes them only from the user
    for index, message in enumerate(request.messages):
        if attachments and message.role != "tool":
            yield _attachments_message(attachments)
            attachments = []
        body: dict[str, Any] = {"role": message.role, "content": _content(message, attachments)}
        if message.name:
            body["name"] = message.name
        body.update(set_fields(message, "tool_call_id"))
        if message.tool_calls:
            body["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in message.tool_calls
            ]
        if message.reasoning and index >= first_with_reasoning:
            body["reasoning_content"] = message.reasoning
        yield body
    if attachments:
        yield _attachments_message(attachments)


def _content(message: Message, attachments: list[Part]) -> str | list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        return content
    if message.role == "user":
        match content:
            case (Text(text),):
                return text
        return [_part(part) for part in content]
    lines = [part.text for part in content if isinstance(part, Text)]
    others = [part for part in content if not isinstance(part, Text)]
    if others and message.role == "tool":
        attachments.extend(others)
        lines.append(f"[{len(others)} attachment(s) of this result follow in the next user message]")
        others = []
    return [_part(part) for part in content] if others else "\n".join(lines)


def _attachments_message(attachments: list[Part]) -> dict[str, Any]:
    title = {"type": "text", "text": "Attachments of the tool results above, in their order:"}
    return {"role": "user", "content": [title, *map(_part, attachments)]}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            return {"type": "image_url", "image_url": {"url": part.as_url, **set_fields(part, "detail")}}
        case File(file_id=str(file_id)):
            return {"type": "file", "file": {"file_id": file_id}}
        case File():
            data = f"data:{part.mime_type or 'application/pdf'};base64,{part.base64}"
            return {"type": "file", "file": {"filename": part.filename or "document", "file_data": data}}
        case Audio():
            return {"type": "input_audio", "input_audio": {"data": part.base64, "format": part.format}}
        case RawBlock():
            return dict(part.fields)
        case _:
            assert_never(part)


def _tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(tool, Tool):
        return tool
    function = {**set_fields(tool, "name", "description"), "parameters": tool.parameters or NO_PARAMETERS}
    return {"type": "function", "function": {**function, **set_fields(tool, "strict")}}


def _response_format(response_format: ResponseFormat) -> Mapping[str, Any]:
    match response_format:
        case JsonObject():
            return {"type": "json_object"}
        case JsonSchema():
            schema = set_fields(response_format, "name", "schema", "description", "strict")
            return {"type": "json_schema", "json_schema": schema}
        case _:
            return response_format
