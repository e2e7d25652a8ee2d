"""OpenAI's chat completions: requests out of values, values out of answers, as forgiving as gateways are different."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, assert_never

from aki_transport.errors import APIStatusError, BadRequestError
from aki_transport.messages import (
    Audio,
    ChatRequest,
    File,
    Image,
    JobProgress,
    JsonObject,
    JsonSchema,
    Message,
    Part,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
    ToolNamed,
)
from aki_transport.models.catalog import read_listing
from aki_transport.transport import Call
from aki_transport.wire._openai_decoder import OpenAIDecoder
from aki_transport.wire._reasoning_history import reasoning_sent_back

BY_ENDPOINT = False
TAKES = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "reasoning_effort",
        "tools",
        "images",
        "parallel_tool_calls",
        "response_format",
    }
)
RANGES: Mapping[str, tuple[float, float]] = {}

_STREAM_OPTIONS = re.compile(r"stream_options|include_usage", re.IGNORECASE)
_PLAIN = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")

read_models = read_listing


def models() -> Call:
    """The call that lists the models."""
    return Call(path="/models", method="GET", max_retries=0)


def chat(request: ChatRequest, *, stream: bool) -> Call:
    """The call that says `request`; what is not given is not sent."""
    body: dict[str, Any] = {"model": request.model, "messages": list(_messages(request))}
    for name in _PLAIN:
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.reasoning_effort is not None:
        body["reasoning_effort"] = request.reasoning_effort
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice)
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format)
    if stream:
        body["stream"] = True
        if request.include_usage:
            body["stream_options"] = {"include_usage": True}
    body.update(request.extra_body)
    return Call(path="/chat/completions", body=body, stream=stream)


def decoder(
    request: ChatRequest,
    headers: Mapping[str, str],
    *,
    on_model: Callable[[str], None],
    on_progress: Callable[[JobProgress], None] | None = None,  # noqa: ARG001  there are no jobs here
    empty_is_failure: bool = False,
    stream: bool = True,  # noqa: ARG001  a blocking answer tells itself apart
) -> OpenAIDecoder:
    """What reads the answer's payloads."""
    return OpenAIDecoder(request.model, headers, on_model=on_model, empty_is_failure=empty_is_failure)


def without_refused(request: ChatRequest, error: APIStatusError) -> ChatRequest | None:
    """The request without asking for usage in the stream, where the service refuses to be asked."""
    if request.include_usage and isinstance(error, BadRequestError) and _STREAM_OPTIONS.search(error.message):
        return replace(request, include_usage=False)
    return None


def _messages(request: ChatRequest) -> Iterator[dict[str, Any]]:
    thoughtful = reasoning_sent_back(request)
    seen: list[Part] = []  # pictures in tool results, which this protocol only takes from the user
    for position, message in enumerate(request.messages):
        if seen and message.role != "tool":
            yield _shown(seen)
            seen = []
        said: dict[str, Any] = {"role": message.role, "content": _content(message, seen)}
        if message.name:
            said["name"] = message.name
        if message.tool_call_id is not None:
            said["tool_call_id"] = message.tool_call_id
        if message.tool_calls:
            said["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in message.tool_calls
            ]
        if message.reasoning and position >= thoughtful:
            said["reasoning_content"] = message.reasoning
        yield said
    if seen:
        yield _shown(seen)


def _content(message: Message, seen: list[Part]) -> str | list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        return content
    if message.role == "user":
        return (
            [_part(part) for part in content]
            if len(content) != 1 or not isinstance(content[0], Text)
            else content[0].text
        )
    lines = [part.text for part in content if isinstance(part, Text)]
    others = [part for part in content if not isinstance(part, Text)]
    if others and message.role == "tool":
        seen.extend(others)
        lines.append(f"[{len(others)} attachment(s) of this result follow in the next user message]")
        others = []
    return [_part(part) for part in content] if others else "\n".join(lines)


def _shown(parts: list[Part]) -> dict[str, Any]:
    said = [{"type": "text", "text": "Attachments of the tool results above, in their order:"}]
    return {"role": "user", "content": said + [_part(part) for part in parts]}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            detail = {} if part.detail is None else {"detail": part.detail}
            return {"type": "image_url", "image_url": {"url": part.as_url, **detail}}
        case File(file_id=str(file_id)):
            return {"type": "file", "file": {"file_id": file_id}}
        case File():
            data = f"data:{part.mime_type or 'application/pdf'};base64,{part.base64}"
            return {"type": "file", "file": {"filename": part.filename or "document", "file_data": data}}
        case Audio():
            return {"type": "input_audio", "input_audio": {"data": part.base64, "format": part.format}}
        case _:
            assert_never(part)


def _tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(tool, Tool):
        return tool
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    if isinstance(choice, ToolNamed):
        return {"type": "function", "function": {"name": choice.name}}
    return choice


def _response_format(wanted: ResponseFormat) -> Mapping[str, Any]:
    match wanted:
        case JsonObject():
            return {"type": "json_object"}
        case JsonSchema():
            schema: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
            if wanted.description is not None:
                schema["description"] = wanted.description
            if wanted.strict is not None:
                schema["strict"] = wanted.strict
            return {"type": "json_schema", "json_schema": schema}
        case _:
            return wanted
