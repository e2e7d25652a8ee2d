"""Converts the transport's replies and deltas to LangChain's messages and chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.json import parse_partial_json

from aki_transport import reasoning as reasoning_format
from aki_transport.json_text import BracketScanner
from aki_transport.messages import ChatDelta, ChatReply, ReasoningBlock, ToolCallDelta, Usage
from aki_transport.tool_arguments import read_calls

# Both set the fields that `_create_chunk` changes, because a copy has the same `model_fields_set` as its template.
_MESSAGE_TEMPLATE = AIMessageChunk(
    content="", additional_kwargs={}, response_metadata={}, tool_calls=[], invalid_tool_calls=[], tool_call_chunks=[]
)
_CHUNK_TEMPLATE = ChatGenerationChunk(text="", message=_MESSAGE_TEMPLATE)


def create_chat_result(reply: ChatReply, provider: str) -> ChatResult:
    """A complete answer as LangChain's result."""
    calls = read_calls(reply)
    message = AIMessage(
        content=reply.text,
        additional_kwargs=_additional_kwargs(reply.reasoning, reply.refusal, reply.reasoning_blocks),
        tool_calls=[
            tool_call(name=call.name, args=arguments, id=call.id)
            for call, arguments, _ in calls
            if arguments is not None
        ],
        invalid_tool_calls=[
            invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=error)
            for call, arguments, error in calls
            if arguments is None
        ],
        usage_metadata=create_usage_metadata(reply.usage),
        response_metadata=create_response_metadata(reply, provider),
    )
    llm_output = {"model_name": reply.model, "model_provider": provider}
    return ChatResult(generations=[ChatGeneration(message=message)], llm_output=llm_output)


def convert_delta(delta: ChatDelta, provider: str, *, as_blocks: bool) -> Iterator[ChatGenerationChunk]:
    """The chunks of one delta. Reasoning and text are separate chunks, because LangChain's events read one block each.

    With `as_blocks`, content is standard blocks. Their indices are strings: integers collide with those of tool calls.
    """
    text, reasoning, refusal, calls, reply, _ = delta
    if reasoning:
        yield _create_chunk(
            provider,
            [{"type": "reasoning", "reasoning": reasoning, "index": "lc_rs_0"}] if as_blocks else "",
            {} if as_blocks else {"reasoning_content": reasoning},
        )
    if text:
        yield _create_chunk(provider, [{"type": "text", "text": text, "index": "lc_txt_0"}] if as_blocks else text)
    if refusal:
        yield _create_chunk(provider, [] if as_blocks else "", {"refusal": refusal})
    if calls:
        yield _create_tool_call_chunk(calls, provider, as_blocks=as_blocks)
    if reply is not None:
        brackets = _invalidate_broken_calls(reply)
        if brackets:
            yield _create_tool_call_chunk(brackets, provider, as_blocks=as_blocks)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content=[] if as_blocks else "",
                additional_kwargs=_additional_kwargs("", "", reply.reasoning_blocks),
                usage_metadata=create_usage_metadata(reply.usage),
                response_metadata=create_response_metadata(reply, provider),
                chunk_position="last",
            )
        )


def _create_chunk(provider: str, content: Any, additional_kwargs: dict[str, Any] | None = None) -> ChatGenerationChunk:
    metadata = {"model_provider": provider}
    values = {"content": content, "additional_kwargs": additional_kwargs or {}, "response_metadata": metadata}
    if not isinstance(content, str):
        return ChatGenerationChunk(message=AIMessageChunk(**values))
    # A copy takes half as long as a new object, which would be validated; this runs for each chunk of a stream. No
    # mutable value is shared with the templates.
    message, chunk = _MESSAGE_TEMPLATE.model_copy(), _CHUNK_TEMPLATE.model_copy()
    message.__dict__.update(values, tool_calls=[], invalid_tool_calls=[], tool_call_chunks=[])
    chunk.__dict__.update(text=content, message=message)
    return chunk


def _create_tool_call_chunk(calls: tuple[ToolCallDelta, ...], provider: str, *, as_blocks: bool) -> ChatGenerationChunk:
    if len(calls) > 1:
        calls = _merge_by_position(calls)
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=[] if as_blocks else "",
            tool_call_chunks=[
                tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=call.position) for call in calls
            ],
            response_metadata={"model_provider": provider},
        )
    )


def _merge_by_position(calls: tuple[ToolCallDelta, ...]) -> tuple[ToolCallDelta, ...]:
    """One delta for each call, because LangChain takes two deltas in one chunk for two calls."""
    merged: dict[int, ToolCallDelta] = {}
    for call in calls:
        first = merged.get(call.position, ToolCallDelta(call.position))
        arguments = first.arguments + call.arguments
        merged[call.position] = ToolCallDelta(call.position, first.id or call.id, first.name or call.name, arguments)
    return tuple(merged.values())


def _additional_kwargs(reasoning: str, refusal: str, blocks: tuple[ReasoningBlock, ...]) -> dict[str, Any]:
    values = {
        "reasoning_content": reasoning,
        "refusal": refusal,
        reasoning_format.FIELD: reasoning_format.to_blocks(blocks),
    }
    return {name: value for name, value in values.items() if value}


def _invalidate_broken_calls(reply: ChatReply) -> tuple[ToolCallDelta, ...]:
    """Deltas that make LangChain list calls with broken arguments as invalid.

    LangChain completes unfinished JSON when it adds up chunks, so a call that was cut off would be made with incomplete
    arguments. It does not repair a closing bracket that does not match, so these deltas append one.
    """
    return tuple(
        ToolCallDelta(position, arguments=_mismatched_bracket(read.call.arguments))
        for position, read in enumerate(read_calls(reply))
        if read.arguments is None and _is_repaired_by_langchain(read.call.arguments)
    )


def _is_repaired_by_langchain(text: str) -> bool:
    try:
        return not text or isinstance(parse_partial_json(text), dict)
    except (ValueError, RecursionError):
        return False


def _mismatched_bracket(text: str) -> str:
    """A suffix for unfinished JSON that makes its brackets mismatch."""
    scanner = BracketScanner()
    scanner.feed(text)
    wrong = "}" if scanner.open_brackets[-1:] == ["["] else "]"
    return ("\\" if scanner.is_escaped else "") + ('"' if scanner.in_string else "") + wrong


def create_usage_metadata(usage: Usage | None) -> UsageMetadata | None:
    """The token counts as LangChain's usage metadata."""
    if usage is None:
        return None
    input_details = _without_none(
        cache_read=usage.cached_tokens, cache_creation=usage.cache_creation_tokens, audio=usage.audio_input_tokens
    )
    output_details = _without_none(reasoning=usage.reasoning_tokens, audio=usage.audio_output_tokens)
    metadata: UsageMetadata = _without_none(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        input_token_details=input_details or None,
        output_token_details=output_details or None,
    )
    return metadata


def create_response_metadata(reply: ChatReply, provider: str) -> dict[str, Any]:
    """What is known about an answer besides its content."""
    return {
        "model_provider": provider,
        "model_name": reply.model,
        **_without_none(
            finish_reason=reply.finish_reason,
            stop_reason=reply.stop_reason,
            id=reply.id,
            request_id=reply.request_id,
            credits_used=reply.credits_used,
            credits_remaining=reply.credits_remaining,
            system_fingerprint=reply.system_fingerprint,
            logprobs=reply.logprobs,
            **reply.details,
        ),
    }


def _without_none(**values: Any) -> Any:
    return {name: value for name, value in values.items() if value is not None}
