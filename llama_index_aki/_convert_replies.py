"""Converts the transport's replies and deltas to LlamaIndex's responses."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.llm import ToolSelection
from pydantic import ValidationError
from pydantic_core import from_json

from aki_transport.message_fields import CONTENT_PARTS, message_fields, reply_metadata
from aki_transport.messages import ChatDelta, ChatReply, ToolCall, ToolCallDelta
from aki_transport.reasoning import FIELD, to_blocks
from aki_transport.tool_arguments import read_calls
from llama_index_aki._answer_blocks import content_parts, kept_blocks

# It sets the fields that `add` changes, because a copy has the same `model_fields_set` as its template.
_TEMPLATE = ChatMessage(role=MessageRole.ASSISTANT, blocks=[], additional_kwargs={})

# The arguments of an unfinished call are parsed again after they grew by a quarter, so that the cost stays linear.
_PARSE_AGAIN_AT = 1.25


class RawAnswer(dict[str, Any]):
    """A service's payload, whose fields are attributes too: `raw.usage.total_tokens`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return _with_attributes(self[name])
        except KeyError:
            pass
        raise AttributeError(f"the service's answer has no field {name!r}, but {', '.join(map(repr, self))}")


def _with_attributes(value: Any) -> Any:
    if isinstance(value, dict):
        return RawAnswer(value)
    return list(map(_with_attributes, value)) if isinstance(value, list) else value


def create_chat_response(reply: ChatReply, provider: str) -> ChatResponse:
    """A complete answer as LlamaIndex's response."""
    calls: list[ContentBlock] = [
        ToolCallBlock(
            tool_call_id=call.id, tool_name=call.name, tool_kwargs=call.arguments if arguments is None else arguments
        )
        for call, arguments, _ in read_calls(reply)
    ]
    content = _content_blocks(_thinking_blocks(reply), reply.text, bool(calls))
    return ChatResponse(
        message=ChatMessage(
            role=MessageRole.ASSISTANT,
            blocks=[*content, *kept_blocks(reply), *calls],
            additional_kwargs=_message_kwargs(reply, provider),
        ),
        raw=RawAnswer(reply.raw),
        logprobs=_convert_logprobs(reply.logprobs),
        additional_kwargs=create_additional_kwargs(reply, provider),
    )


def _message_kwargs(reply: ChatReply, provider: str) -> dict[str, Any]:
    """What the message holds besides its blocks, among it what its maker wants back."""
    # LlamaIndex takes `images` there for documents of its own, and reasoning blocks are blocks.
    kept = {name: value for name, value in message_fields(reply).items() if name not in ("images", FIELD)}
    kwargs: dict[str, Any] = {"model_provider": provider, **kept}
    if reply.refusal:
        kwargs["refusal"] = reply.refusal
    if reply.tool_calls:
        kwargs["tool_calls"] = [openai_tool_call(call.id, call.name, call.arguments) for call in reply.tool_calls]
    if reply.content:
        kwargs[CONTENT_PARTS] = content_parts(reply.content)
    return kwargs


def create_completion_response(response: ChatResponse) -> CompletionResponse:
    """A chat response as a completion, which has no field for reasoning: it is in `additional_kwargs`."""
    reasoning = reasoning_text(response.message)
    return CompletionResponse(
        text=response.message.content or "",
        additional_kwargs={**response.additional_kwargs, **({"reasoning_content": reasoning} if reasoning else {})},
        raw=response.raw,
        logprobs=response.logprobs,
        delta=response.delta,
    )


def reasoning_text(message: ChatMessage) -> str:
    """The reasoning in a message."""
    return "".join(block.content or "" for block in message.blocks if isinstance(block, ThinkingBlock))


class ResponseAccumulator:
    """Adds up deltas: each response holds the new text in `delta` and everything so far in `message`."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._text = ""
        self._reasoning = ""
        self._calls: list[_CallAccumulator] = []

    def add(self, delta: ChatDelta) -> ChatResponse:
        """The response for one delta; the one for the last delta is the complete answer."""
        text, reasoning, _, calls, reply, raw, _ = delta
        self._text += text
        self._reasoning += reasoning
        for call in calls:
            while len(self._calls) <= call.position:
                self._calls.append(_CallAccumulator())
            self._calls[call.position].add(call)
        if reply is not None:
            response = create_chat_response(reply, self._provider)
            response.delta = text
            if reasoning:
                response.additional_kwargs["thinking_delta"] = reasoning
            return response
        # A copy takes half as long as a new object, which would be validated; this runs for each chunk of a stream. No
        # mutable value is shared with the template.
        message = _TEMPLATE.model_copy()
        message.__dict__.update(
            blocks=self._blocks(),
            additional_kwargs={"tool_calls": [call.openai_tool_call() for call in self._calls]} if self._calls else {},
        )
        details = {"thinking_delta": reasoning} if reasoning else {}
        raw = None if raw is None else RawAnswer(raw)
        return ChatResponse(message=message, raw=raw, delta=text, additional_kwargs=details)

    def _blocks(self) -> list[ContentBlock]:
        if not self._calls and not self._reasoning:
            return [TextBlock(text=self._text)]
        thinking = [ThinkingBlock(content=self._reasoning)] if self._reasoning else []
        return [*_content_blocks(thinking, self._text, bool(self._calls)), *(call.block() for call in self._calls)]


class _CallAccumulator:
    """A tool call whose arguments arrive in parts; `block` holds what can be parsed so far."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._name = ""
        self._json = ""
        self._parsed_length = 0
        self._arguments: dict[str, Any] = {}

    def add(self, delta: ToolCallDelta) -> None:
        self._id = delta.id or self._id
        self._name += delta.name or ""
        if delta.arguments:
            self._json += delta.arguments
            if len(self._json) >= self._parsed_length * _PARSE_AGAIN_AT:
                self._parsed_length = len(self._json)
                self._arguments = parse_partial_arguments(self._json) or self._arguments

    def openai_tool_call(self) -> dict[str, Any]:
        return openai_tool_call(self._id or "", self._name, "")

    def block(self) -> ToolCallBlock:
        return ToolCallBlock(tool_call_id=self._id, tool_name=self._name, tool_kwargs=self._arguments)


def openai_tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """A tool call in OpenAI's form, in which LlamaIndex's programs look for calls."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def parse_partial_arguments(text: str) -> dict[str, Any]:
    """The fields that can be parsed from an incomplete JSON object."""
    try:
        value = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def select_tool(block: ToolCallBlock, finish_reason: str | None) -> ToolSelection:
    """The selection that a call means; one of a complete answer, which has a finish reason, must have its arguments.

    Where it has none that can be used, the selection is of a name that no tool has: agents answer that there is no such
    tool, and so tell the model what was wrong, whatever arguments the tool would take.
    """
    call_id, name, arguments = block.tool_call_id or "", block.tool_name, block.tool_kwargs
    if isinstance(arguments, str) and finish_reason is None:
        arguments = parse_partial_arguments(arguments)
    elif isinstance(arguments, str):
        call = ToolCall(call_id, name, arguments)
        ((_, parsed, error),) = read_calls(ChatReply(tool_calls=(call,), finish_reason=finish_reason))
        name = name if parsed is not None else f"{name} (not called: {error})"
        arguments = parsed or {}
    return ToolSelection(tool_id=call_id, tool_name=name, tool_kwargs=arguments)


def _content_blocks(thinking: list[ThinkingBlock], text: str, has_calls: bool) -> list[ContentBlock]:
    blocks: list[ContentBlock] = [*thinking]
    # One text block, because LlamaIndex joins several with line breaks; none if there are only calls or reasoning.
    if text or not (has_calls or thinking):
        blocks.append(TextBlock(text=text))
    return blocks


def _thinking_blocks(reply: ChatReply) -> list[ThinkingBlock]:
    """The reasoning: the service's blocks, which it wants back unchanged, if it sent any; else one block."""
    tokens = None if reply.usage is None else reply.usage.reasoning_tokens
    if reply.reasoning_blocks:
        blocks = to_blocks(reply.reasoning_blocks)
        return [ThinkingBlock(content=block.pop("thinking", ""), additional_information=block) for block in blocks]
    return [ThinkingBlock(content=reply.reasoning, num_tokens=tokens)] if reply.reasoning else []


def create_additional_kwargs(reply: ChatReply, provider: str) -> dict[str, Any]:
    """What is known about an answer besides its content, under the names that token counters and users read."""
    values = reply_metadata(reply, provider)
    values.pop("logprobs", None)  # a field of the response
    if reply.refusal:
        values["refusal"] = reply.refusal
    if reply.usage is not None:
        counts = {
            "prompt_tokens": reply.usage.input_tokens,
            "completion_tokens": reply.usage.output_tokens,
            "total_tokens": reply.usage.total_tokens,
            "reasoning_tokens": reply.usage.reasoning_tokens,
            "cached_tokens": reply.usage.cached_tokens,
        }
        values |= {name: count for name, count in counts.items() if count is not None}
    return values


def _convert_logprobs(logprobs: Any) -> list[list[LogProb]] | None:
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list):
        return None
    return [converted for token in tokens if (converted := _convert_token_logprobs(token))]


def _convert_token_logprobs(token: Any) -> list[LogProb]:
    """The sampled token and its alternatives; none if their format is unknown."""
    alternatives = token.get("top_logprobs") if isinstance(token, dict) else None
    entries = [token, *(alternatives if isinstance(alternatives, list) else ())]
    if not all(isinstance(entry, dict) for entry in entries):
        return []
    try:
        return [
            LogProb(token=entry.get("token") or "", logprob=entry.get("logprob") or 0.0, bytes=entry.get("bytes") or [])
            for entry in entries
        ]
    except ValidationError:
        return []
