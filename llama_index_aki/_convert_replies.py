"""The transport's answers to LlamaIndex's responses, whole or growing."""

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

# It names the fields that a copy is given other values of: a copy counts as set what its pattern was given.
_PATTERN = ChatMessage(role=MessageRole.ASSISTANT, blocks=[], additional_kwargs={})

_READ_AGAIN = 1.25  # a call's unfinished arguments are parsed anew when they have grown by a quarter


def to_response(reply: ChatReply, provider: str) -> ChatResponse:
    """A whole answer."""
    extra: dict[str, Any] = {"refusal": reply.refusal} if reply.refusal else {}
    if reply.tool_calls:
        extra["tool_calls"] = [_plain_call(call.id, call.name, call.arguments) for call in reply.tool_calls]
    calls: list[ContentBlock] = [
        ToolCallBlock(
            tool_call_id=call.id, tool_name=call.name, tool_kwargs=call.arguments if arguments is None else arguments
        )
        for call, arguments, _ in read_calls(reply)
    ]
    return ChatResponse(
        message=ChatMessage(
            role=MessageRole.ASSISTANT,
            blocks=[*_said(_thoughts(reply), reply.text, bool(calls)), *calls],
            additional_kwargs=extra,
        ),
        raw=dict(reply.raw),
        logprobs=_logprobs(reply.logprobs),
        additional_kwargs=additional_kwargs(reply, provider),
    )


def to_completion(response: ChatResponse) -> CompletionResponse:
    """The same answer to a prompt. A completion has no place of its own for reasoning."""
    reasoning = "".join(block.content or "" for block in response.message.blocks if isinstance(block, ThinkingBlock))
    return CompletionResponse(
        text=response.message.content or "",
        additional_kwargs={**response.additional_kwargs, **({"reasoning_content": reasoning} if reasoning else {})},
        raw=response.raw,
        logprobs=response.logprobs,
        delta=response.delta,
    )


class ResponseAccumulator:
    """Adds deltas up: each response holds what is new in `delta` and all so far in `message`."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._text = ""
        self._reasoning = ""
        self._calls: list[_CallAccumulator] = []

    def add(self, delta: ChatDelta) -> ChatResponse:
        """The response for one delta; for the last one the whole answer."""
        text, reasoning, _, calls, reply, raw = delta
        self._text += text
        self._reasoning += reasoning
        for piece in calls:
            while len(self._calls) <= piece.position:
                self._calls.append(_CallAccumulator())
            self._calls[piece.position].add(piece)
        if reply is not None:
            response = to_response(reply, self._provider)
            response.delta = text
            if reasoning:
                response.additional_kwargs["thinking_delta"] = reasoning
            return response
        # Copied instead of validated, which takes half as long: this is done for each piece of a stream. Nothing that
        # a reader may write into is shared with the pattern.
        message = _PATTERN.model_copy()
        message.__dict__.update(
            blocks=self._blocks(),
            additional_kwargs={"tool_calls": [call.plain() for call in self._calls]} if self._calls else {},
        )
        return ChatResponse(
            message=message,
            raw=raw,
            delta=text,
            additional_kwargs={"thinking_delta": reasoning} if reasoning else {},
        )

    def _blocks(self) -> list[ContentBlock]:
        if not self._calls and not self._reasoning:
            return [TextBlock(text=self._text)]
        thoughts = [ThinkingBlock(content=self._reasoning)] if self._reasoning else []
        return [*_said(thoughts, self._text, bool(self._calls)), *(call.block() for call in self._calls)]


class _CallAccumulator:
    """A tool call whose arguments come in pieces; they are read as far as they go, at a cost linear in their length."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._name = ""
        self._pieces: list[str] = []
        self._length = 0
        self._read_length = 0
        self._read: dict[str, Any] = {}

    def add(self, piece: ToolCallDelta) -> None:
        self._id = piece.id or self._id
        self._name = piece.name or self._name
        if piece.arguments:
            self._pieces.append(piece.arguments)
            self._length += len(piece.arguments)
            if self._length >= self._read_length * _READ_AGAIN:
                self._read_length = self._length
                self._read = unfinished_arguments("".join(self._pieces)) or self._read

    def plain(self) -> dict[str, Any]:
        return _plain_call(self._id or "", self._name, "")

    def block(self) -> ToolCallBlock:
        return ToolCallBlock(tool_call_id=self._id, tool_name=self._name, tool_kwargs=self._read)


def _plain_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """A call in OpenAI's form, by which LlamaIndex's own programs see that there is one."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def unfinished_arguments(text: str) -> dict[str, Any]:
    """What can be read of JSON that is still being written."""
    try:
        value = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _said(thoughts: list[ThinkingBlock], text: str, called: bool) -> list[ContentBlock]:
    blocks: list[ContentBlock] = [*thoughts]
    # One text block, for LlamaIndex puts a line break between two; none where only calls or thoughts came.
    if text or not (called or thoughts):
        blocks.append(TextBlock(text=text))
    return blocks


def _thoughts(reply: ChatReply) -> list[ThinkingBlock]:
    """The reasoning: as it has to be sent back where the service asks for that, else in one block."""
    tokens = None if reply.usage is None else reply.usage.reasoning_tokens
    if reply.reasoning_blocks:
        blocks = to_blocks(reply.reasoning_blocks)
        return [ThinkingBlock(content=block.pop("thinking", ""), additional_information=block) for block in blocks]
    return [ThinkingBlock(content=reply.reasoning, num_tokens=tokens)] if reply.reasoning else []


def additional_kwargs(reply: ChatReply, provider: str) -> dict[str, Any]:
    """What is known of the answer beside its content, under the names that token counters and users read."""
    known: dict[str, Any] = {
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
        known |= {
            "prompt_tokens": reply.usage.input_tokens,
            "completion_tokens": reply.usage.output_tokens,
            "total_tokens": reply.usage.total_tokens,
            "reasoning_tokens": reply.usage.reasoning_tokens,
            "cached_tokens": reply.usage.cached_tokens,
        }
    return {name: value for name, value in known.items() if value is not None}


def _logprobs(said: Any) -> list[list[LogProb]] | None:
    tokens = said.get("content") if isinstance(said, dict) else None
    if not isinstance(tokens, list):
        return None
    return [found for token in tokens if (found := _logprobs_of(token))]


def _logprobs_of(token: Any) -> list[LogProb]:
    """The token that was taken, and those it was chosen from; none if they are said in a form that is not known."""
    others = token.get("top_logprobs") if isinstance(token, dict) else None
    choices = [token, *(others if isinstance(others, list) else ())]
    if not all(isinstance(choice, dict) for choice in choices):
        return []
    try:
        return [
            LogProb(
                token=choice.get("token") or "", logprob=choice.get("logprob") or 0.0, bytes=choice.get("bytes") or []
            )
            for choice in choices
        ]
    except ValidationError:
        return []
