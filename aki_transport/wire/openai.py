"""OpenAI's chat completions protocol: builds the calls."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, assert_never

from aki_transport import reasoning as reasoning_format
from aki_transport.arguments import as_tool
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
    SendReasoning,
    Text,
    Tool,
    ToolCall,
    ToolNamed,
)
from aki_transport.models.catalog import read_listing
from aki_transport.schemas import legal_name
from aki_transport.transport import Call
from aki_transport.wire._openai_decoder import OpenAIDecoder
from aki_transport.wire._request import (
    arguments_object,
    legal_schema,
    reasoning_start,
    sendable_parts,
    set_fields,
    with_extra,
)

MODELS_ARE_ENDPOINTS = False
REQUIRES_MAX_TOKENS = False
RANGES: Mapping[str, tuple[float, float]] = {}

_SAMPLING_FIELDS = ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty")
SUPPORTED_FIELDS = frozenset(
    {
        *_SAMPLING_FIELDS,
        "max_tokens",
        "stop",
        "reasoning_effort",
        "tools",
        "images",
        "response_format",
    }
)

# Fields of an answer that show what the service did; it takes none of them back.
_OUTPUT_FIELDS = frozenset({"annotations", "images", "executed_tools", "citations", "search_results"})

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
    if request.max_tokens is not None:
        body[request.max_tokens_field] = request.max_tokens
    if request.stop and request.sends_stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if isinstance(request.tool_choice, ToolNamed):
            body["tool_choice"] = _named_choice(request.tool_choice.name, request.tools)
        elif request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
        body.update(set_fields(request, "parallel_tool_calls"))
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format)
    if stream:
        body["stream"] = True
        if request.include_usage:
            body["stream_options"] = {"include_usage": True}
    body.update(request.fields)
    body.update(request.extra_body)
    return Call(path="/chat/completions", body=body, stream=stream, headers=request.headers, timeout=request.timeout)


def _messages(request: ChatRequest) -> Iterator[dict[str, Any]]:
    first_with_reasoning = reasoning_start(request)
    attachments: list[Part] = []  # pictures and files of tool results, which most services take only from the user
    for index, message in enumerate(request.messages):
        if attachments and message.role != "tool":
            yield _attachments_message(attachments)
            attachments = []
        held_back = None if request.attachments_in_results else attachments
        body: dict[str, Any] = {"role": message.role, "content": _content(message, held_back)}
        if message.name and message.role != "tool":  # refused there by many services, and known from the call
            body["name"] = message.name
        body.update(set_fields(message, "tool_call_id"))
        if message.tool_calls:
            body["tool_calls"] = list(map(_tool_call, message.tool_calls))
        if index >= first_with_reasoning:
            _add_reasoning(body, message)
        yield with_extra(body, _state(message, request.send_reasoning))
    if attachments:
        yield _attachments_message(attachments)


def _add_reasoning(body: dict[str, Any], message: Message) -> None:
    field = message.reasoning_field or "reasoning_content"
    if message.reasoning and field == "content":
        content = body["content"]
        texts = [{"type": "text", "text": content}] if content and isinstance(content, str) else content or []
        thinking = [{"type": "text", "text": message.reasoning}]
        body["content"] = [{"type": "thinking", "thinking": thinking}, *texts]
    elif message.reasoning and field != reasoning_format.REASONING_DETAILS:  # which are sent as they came
        body[field] = message.reasoning
    if message.reasoning_blocks and message.reasoning_field is not None:  # they came on this protocol
        body[reasoning_format.FIELD] = reasoning_format.to_blocks(message.reasoning_blocks)


def _state(message: Message, send_reasoning: SendReasoning | None) -> Mapping[str, Any]:
    """The fields of a message that are sent back: not what was output for the user, nor reasoning that shall not be."""
    if message.role != "assistant" or not message.extra:
        return message.extra
    extra = {name: value for name, value in message.extra.items() if name not in _OUTPUT_FIELDS}
    match extra.get("audio"):
        case {"id": str(audio_id)}:
            extra["audio"] = {"id": audio_id}  # the protocol's reference to sound that the service keeps
        case _:
            extra.pop("audio", None)
    if send_reasoning == "never":
        return {name: value for name, value in extra.items() if "reasoning" not in name}
    return extra


def _tool_call(call: ToolCall) -> dict[str, Any]:
    if call.extra.get("type") == "custom":  # its input is any text
        return with_extra({"id": call.id, "custom": {"name": call.name, "input": call.arguments}}, call.extra)
    text, arguments = call.arguments, arguments_object(call)
    if not text or arguments.get("not_json") == text:
        text = json.dumps(arguments, ensure_ascii=False)
    function = {"name": call.name, "arguments": text}
    return with_extra({"id": call.id, "type": "function", "function": function}, call.extra)


def _content(message: Message, attachments: list[Part] | None) -> str | list[dict[str, Any]]:
    """The content; a string where all of it is text without further fields.

    Pictures and files of a tool's result are moved to `attachments`, unless that is None.
    """
    content = message.content
    if isinstance(content, str):
        return content
    parts = list(sendable_parts(content, message.role, "openai"))
    others = [part for part in parts if not isinstance(part, Text)]
    if others and message.role == "tool" and attachments is not None:
        attachments.extend(others)
        note = Text(f"[{len(others)} attachment(s) of this result follow in the next user message]")
        parts = [*(part for part in parts if isinstance(part, Text)), note]
    blocks = [_part(part) for part in parts]
    if not all(block.keys() == {"type", "text"} and isinstance(block["text"], str) for block in blocks):
        return blocks
    return ("" if message.role == "assistant" else "\n").join(block["text"] for block in blocks)


def _attachments_message(attachments: list[Part]) -> dict[str, Any]:
    title = {"type": "text", "text": "Attachments of the tool results above, in their order:"}
    return {"role": "user", "content": [title, *map(_part, attachments)]}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case RawBlock():
            return dict(part.fields)
        case Text(text):
            body: dict[str, Any] = {"type": "text", "text": text}
        case Image(file_id=str(file_id), url=None, base64=None):
            body = {"type": "file", "file": {"file_id": file_id, **set_fields(part, "detail")}}
        case Image():
            body = {"type": "image_url", "image_url": {"url": part.as_url, **set_fields(part, "detail")}}
        case File(text=str(text)):
            body = {"type": "text", "text": text if part.filename is None else f"{part.filename}:\n\n{text}"}
        case File(file_id=str(file_id)):
            body = {"type": "file", "file": {"file_id": file_id, **set_fields(part, "filename")}}
        case File():
            data = part.url or f"data:{part.media_type};base64,{part.base64}"
            body = {"type": "file", "file": {"filename": part.filename or "document", "file_data": data}}
        case Audio():
            body = {"type": "input_audio", "input_audio": {"data": part.base64, "format": part.format}}
        case _:
            assert_never(part)
    return with_extra(body, part.extra)


def _tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    tool = as_tool(tool)
    if not isinstance(tool, Tool):
        return tool
    function = {
        **set_fields(tool, "name", "description"),
        "parameters": legal_schema(tool),
        **set_fields(tool, "strict"),
    }
    return with_extra({"type": "function", "function": function}, tool.extra)


def _named_choice(name: str, tools: Iterable[Tool | Mapping[str, Any]]) -> dict[str, Any]:
    custom = [tool["custom"] for tool in tools if isinstance(tool, Mapping) and isinstance(tool.get("custom"), Mapping)]
    kind = "custom" if any(each.get("name") == name for each in custom) else "function"
    return {"type": kind, kind: {"name": name}}


def _response_format(response_format: ResponseFormat) -> Mapping[str, Any]:
    match response_format:
        case JsonObject():
            return {"type": "json_object"}
        case JsonSchema():
            fields = {"name": legal_name(response_format.name), "schema": legal_schema(response_format)}
            optional = set_fields(response_format, "description", "strict")
            return {"type": "json_schema", "json_schema": {**fields, **optional}}
        case _:
            return response_format
