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
from pydantic import ValidationError
from pydantic_core import from_json

from aki_transport.messages import ChatDelta, ChatReply, ToolCallDelta
from aki_transport.reasoning import to_blocks
from aki_transport.tool_arguments import read_calls

# It sets the fields that `add` changes, because a copy has the same `model_fields_set` as its template.
_TEMPLATE = ChatMessage(role=MessageRole.ASSISTANT, blocks=[], additional_kwargs={})

# The arguments of an unfinished call are parsed again after they grew by a quarter, so that the cost stays linear.
_PARSE_AGAIN_AT = 1.25


def create_chat_response(reply: ChatReply, provider: str) -> ChatResponse:
    """A complete answer as LlamaIndex's response."""
    message_kwargs: dict[str, Any] = {"refusal": reply.refusal} if reply.refusal else {}
    if reply.tool_calls:
        message_kwargs["tool_calls"] = [
            openai_tool_call(call.id, call.name, call.arguments) for call in reply.tool_calls
        ]
    calls: list[ContentBlock] = [
        ToolCallBlock(
            tool_call_id=call.id, tool_name=call.name, tool_kwargs=call.arguments if arguments is None else arguments
        )
        for call, arguments, _ in read_calls(reply)
    ]
    return ChatResponse(
        message=ChatMessage(
            role=MessageRole.ASSISTANT,
            blocks=[*_content_blocks(_thinking_blocks(reply), reply.text, bool(calls)), *calls],
            additional_kwargs=message_kwargs,
        ),
        raw=dict(reply.raw),
        logprobs=_convert_logprobs(reply.logprobs),
        additional_kwargs=create_additional_kwargs(reply, provider),
    )


def create_completion_response(response: ChatResponse) -> CompletionResponse:
    """A chat response as a completion, which has no field for reasoning: it is in `additional_kwargs`."""
    reasoning = "".join(block.content or "" for block in response.message.blocks if isinstance(block, ThinkingBlock))
    return CompletionResponse(
        text=response.message.content or "",
        additional_kwargs={**response.additional_kwargs, **({"reasoning_content": reasoning} if reasoning else {})},
        raw=response.raw,
        logprobs=response.logprobs,
        delta=response.delta,
    )


class ResponseAccumulator:
    """Adds up deltas: each response holds the new text in `delta` and everything so far in `message`."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._text = ""
        self._reasoning = ""
        self._calls: list[_CallAccumulator] = []

    def add(self, delta: ChatDelta) -> ChatResponse:
        """The response for one delta; the one for the last delta is the complete answer."""
        text, reasoning, _, calls, reply, raw = delta
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
        self._name = delta.name or self._name
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
    values: dict[str, Any] = {
        "model_provider": provider,
        "model_name": reply.model,
        "finish_reason": reply.finish_reason,
        "stop_reason": reply.stop_reason,
        "id": reply.id,
        "request_id": reply.request_id,
        "credits_used": reply.credits_used,
        "credits_remaining": reply.credits_remaining,
        "refusal": reply.refusal or None,
        **reply.details,
    }
    if reply.usage is not None:
        values |= {
            "prompt_tokens": reply.usage.input_tokens,
            "completion_tokens": reply.usage.output_tokens,
            "total_tokens": reply.usage.total_tokens,
            "reasoning_tokens": reply.usage.reasoning_tokens,
            "cached_tokens": reply.usage.cached_tokens,
        }
    return {name: value for name, value in values.items() if value is not None}


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
