"""Anthropic's messages protocol: builds the calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, assert_never

from aki_transport.arguments import as_tool
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
    ToolChoice,
    ToolNamed,
)
from aki_transport.models.catalog import read_listing
from aki_transport.transport import Call
from aki_transport.wire._anthropic_decoder import AnthropicDecoder
from aki_transport.wire._request import (
    arguments_object,
    file_text,
    legal_schema,
    reasoning_start,
    sendable_parts,
    set_fields,
    with_extra,
)

MODELS_ARE_ENDPOINTS = False
REQUIRES_MAX_TOKENS = True
SUPPORTED_FIELDS = frozenset(
    {"temperature", "top_p", "top_k", "max_tokens", "stop", "reasoning_effort", "tools", "images"}
)
# Source: AKI.IO's documentation of this interface.
RANGES: Mapping[str, tuple[float, float]] = {"temperature": (0, 1), "top_p": (0, 1)}

_HEADERS = {"anthropic-version": "2023-06-01"}
_DEFAULT_MAX_TOKENS = 4096  # the field is required; what the smaller models of today can give
_MIN_THINKING_TOKENS = 1024  # Anthropic's own minimum
# Shares of max_tokens, so that the thinking budget leaves room for the answer.
_THINKING_SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8}
_OPENAI_OBJECTS = frozenset({"image_url", "input_audio", "file"})
_TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}

read_models = read_listing
decoder = AnthropicDecoder


def models() -> Call:
    """The call that lists the models."""
    return Call(path="/v1/models", method="GET", headers=_HEADERS, max_retries=0)


def chat(request: ChatRequest, *, stream: bool) -> Call:
    """The call that sends `request`; `ConfigurationError` if that is empty, or holds what the protocol cannot say."""
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
        "messages": _messages(request),
    }
    system = [block for each in request.messages if each.role == "system" for block in _system_blocks(each)]
    if not body["messages"]:
        # The protocol takes no conversation without a turn of the user.
        body["messages"], system = [{"role": "user", "content": system}], []
        if not body["messages"][0]["content"]:
            raise ConfigurationError("the conversation is empty: no message holds anything but blanks.")
    if any(block.keys() != {"type", "text"} for block in system):
        body["system"] = system
    elif system:
        body["system"] = "\n\n".join(block["text"] for block in system)
    body.update(set_fields(request, "temperature", "top_p", "top_k"))
    # The protocol refuses blank ones, which are applied to the answer all the same.
    if request.sends_stop and (stop := [each for each in request.stop if each.strip()]):
        body["stop_sequences"] = stop
    if request.tools:
        body["tools"] = [_tool(tool) for tool in _offered_tools(request)]
        choice = _tool_choice(request.tool_choice, request.parallel_tool_calls)
        if choice is not None:
            body["tool_choice"] = choice
    if request.reasoning_effort is not None:
        body["thinking"] = _thinking(request.reasoning_effort, body["max_tokens"])
    if stream:
        body["stream"] = True
    body.update(request.fields)
    body.update(request.extra_body)
    headers = {**_HEADERS, **request.headers}
    return Call(path="/v1/messages", body=body, headers=headers, stream=stream, timeout=request.timeout)


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
            if index == len(request.messages) - 1 and role == "user" and merged and merged[-1]["role"] == "assistant":
                raise ConfigurationError("the last message is blank, which protocol='anthropic' refuses.")
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    for turn in merged:
        turn["content"].sort(key=lambda block: block.get("type") != "tool_result")  # the protocol wants results first
    if merged and merged[-1]["role"] == "assistant" and merged[-1]["content"][-1].get("type") == "text":
        # The model continues this text; the service refuses it if it ends with whitespace.
        last = merged[-1]["content"][-1]
        last["text"] = last["text"].rstrip()
    return merged


def _blocks(message: Message, *, with_reasoning: bool) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield _tool_result(message)
        return
    if with_reasoning:
        for reasoning in message.reasoning_blocks:
            if reasoning.data is not None:
                yield {"type": "redacted_thinking", "data": reasoning.data}
            else:
                yield {"type": "thinking", "thinking": reasoning.text, **set_fields(reasoning, "signature")}
        # Unsigned: a service that signs refuses it, so it is sent only to the one that wrote it so.
        if message.reasoning and not message.reasoning_blocks and message.provider is not None:
            yield {"type": "thinking", "thinking": message.reasoning}
    yield from _parts(message)
    for call in message.tool_calls:
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_object(call)}
        yield with_extra(block, call.extra)


def _tool_result(message: Message) -> dict[str, Any]:
    content = list(_parts(message))
    body: dict[str, Any] = {"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": content}
    if message.is_error:
        body["is_error"] = True
        content += [] if content else [{"type": "text", "text": "The tool failed."}]  # the protocol wants a word on it
    for block in content:  # the protocol takes the mark on the result, not within it
        mark = block.pop("cache_control", None)
        if mark is not None:
            body["cache_control"] = mark
    return with_extra(body, message.extra)


def _parts(message: Message) -> Iterator[dict[str, Any]]:
    for part in sendable_parts(message.parts, message.role, "anthropic"):
        if not isinstance(part, Text) or part.text.strip():  # the protocol refuses blank text
            yield _part(part)


def _part(part: Part) -> dict[str, Any]:
    match part:
        case RawBlock():
            return dict(part.fields)
        case Text(text):
            body: dict[str, Any] = {"type": "text", "text": text}
        case Image(file_id=str(file_id), url=None, base64=None):
            body = {"type": "image", "source": {"type": "file", "file_id": file_id}}
        case Image():
            body = {"type": "image", "source": _source(part.as_url)}
        case File():
            body = {"type": "document", "source": _document_source(part)}
            if part.filename is not None:
                body["title"] = part.filename
        case Audio():
            raise ConfigurationError("protocol='anthropic' takes no sound; use text, images or documents.")
        case _:
            assert_never(part)
    # What a block of OpenAI's form nests under its own type has no place here.
    return with_extra(body, {name: value for name, value in part.extra.items() if name not in _OPENAI_OBJECTS})


def _document_source(file: File) -> dict[str, Any]:
    if file.file_id is not None:
        return {"type": "file", "file_id": file.file_id}
    if file.url is not None:
        return {"type": "url", "url": file.url}
    if (text := file_text(file)) is not None:
        return {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "base64", "media_type": file.media_type, "data": file.base64}


def _source(url: str) -> dict[str, Any]:
    header, separator, data = url.partition(";base64,")
    if separator and header.startswith("data:"):
        return {"type": "base64", "media_type": header.removeprefix("data:"), "data": data}
    return {"type": "url", "url": url}


def _system_blocks(message: Message) -> list[dict[str, Any]]:
    blocks = list(_parts(message))
    if any(block.get("type") != "text" for block in blocks):
        raise ConfigurationError(
            "a system message holds something other than text, which protocol='anthropic' refuses."
        )
    if any(block.keys() != {"type", "text"} for block in blocks) or not blocks:
        return blocks
    return [{"type": "text", "text": "\n".join(block["text"] for block in blocks)}]


def _offered_tools(request: ChatRequest) -> Iterable[Tool | Mapping[str, Any]]:
    """The tools, without those that OpenAI's `allowed_tools` leaves out: this protocol has no such choice."""
    match request.tool_choice:
        case Mapping() as choice if choice.get("type") == "allowed_tools":
            names = _allowed_names(choice)
            return [tool for tool in request.tools if names & _names_of(tool)]
        case _:
            return request.tools


def _allowed_names(choice: Mapping[str, Any]) -> set[str]:
    entries = (choice.get("allowed_tools") or choice).get("tools") or ()
    return {name for entry in entries for name in _names_of(entry.get("function") or entry)}


def _names_of(tool: Tool | Mapping[str, Any]) -> set[str]:
    """The name of a tool; of one that the service runs its type too."""
    if isinstance(tool, Tool):
        return {tool.name}
    return {str(tool[key]) for key in ("name", "type") if key in tool and tool[key] != "function"}


def _tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    tool = as_tool(tool)
    if not isinstance(tool, Tool):
        return tool
    declaration: dict[str, Any] = {"name": tool.name, "input_schema": legal_schema(tool)}
    if tool.description:
        declaration["description"] = tool.description
    extra = dict(tool.extra)
    extra |= extra.pop("function", {})  # what OpenAI's form nests there
    return with_extra({**declaration, **set_fields(tool, "strict")}, extra)


def _tool_choice(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any] | None:
    if choice is None and parallel is None:
        return None
    if isinstance(choice, ToolNamed):
        body: dict[str, Any] = {"type": "tool", "name": choice.name}
    elif isinstance(choice, Mapping) and choice.get("type") != "allowed_tools":
        body = dict(choice)
    else:
        mode = (choice.get("allowed_tools") or choice).get("mode") if isinstance(choice, Mapping) else choice
        body = {"type": _TOOL_CHOICES[mode or "auto"]}
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
