"""The transport's answers to LangChain's messages and chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.json import parse_partial_json

from aki_transport import reasoning as thinking
from aki_transport.json_text import BracketScanner
from aki_transport.messages import ChatDelta, ChatReply, ReasoningBlock, ToolCallDelta, Usage
from aki_transport.tool_arguments import read_calls

# Each names the fields that `_chunk` gives other values: a copy counts as set what its pattern was given.
_PATTERN = AIMessageChunk(
    content="", additional_kwargs={}, response_metadata={}, tool_calls=[], invalid_tool_calls=[], tool_call_chunks=[]
)
_GENERATION = ChatGenerationChunk(text="", message=_PATTERN)


def to_result(reply: ChatReply, provider: str) -> ChatResult:
    """A whole answer."""
    read = read_calls(reply)
    message = AIMessage(
        content=reply.text,
        additional_kwargs=_additional(reply.reasoning, reply.refusal, reply.reasoning_blocks),
        tool_calls=[
            tool_call(name=call.name, args=arguments, id=call.id)
            for call, arguments, _ in read
            if arguments is not None
        ],
        invalid_tool_calls=[
            invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=wrong)
            for call, arguments, wrong in read
            if arguments is None
        ],
        usage_metadata=usage_metadata(reply.usage),
        response_metadata=response_metadata(reply, provider),
    )
    output = {"model_name": reply.model, "model_provider": provider}
    return ChatResult(generations=[ChatGeneration(message=message)], llm_output=output)


def to_chunks(delta: ChatDelta, provider: str, *, as_blocks: bool) -> Iterator[ChatGenerationChunk]:
    """What one delta adds. Reasoning and text come apart, for LangChain's events keep one block per chunk.

    Args:
        delta: What the service sent.
        provider: The provider's name.
        as_blocks: Content as standard blocks. Their indices are texts, since whole numbers collide with those that
            LangChain gives to tool calls.
    """
    text, reasoning, refusal, calls, reply, _ = delta
    if reasoning:
        yield _chunk(
            provider,
            [{"type": "reasoning", "reasoning": reasoning, "index": "lc_rs_0"}] if as_blocks else "",
            {} if as_blocks else {"reasoning_content": reasoning},
        )
    if text:
        yield _chunk(provider, [{"type": "text", "text": text, "index": "lc_txt_0"}] if as_blocks else text)
    if refusal:
        yield _chunk(provider, [] if as_blocks else "", {"refusal": refusal})
    if calls:
        yield _call_chunk(calls, provider, as_blocks=as_blocks)
    if reply is not None:
        broken = _marks_of_broken_calls(reply)
        if broken:
            yield _call_chunk(broken, provider, as_blocks=as_blocks)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content=[] if as_blocks else "",
                additional_kwargs=_additional("", "", reply.reasoning_blocks),
                usage_metadata=usage_metadata(reply.usage),
                response_metadata=response_metadata(reply, provider),
                chunk_position="last",
            )
        )


def _chunk(provider: str, content: Any, additional: dict[str, Any] | None = None) -> ChatGenerationChunk:
    if not isinstance(content, str):
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content=content, additional_kwargs=additional or {}, response_metadata={"model_provider": provider}
            )
        )
    # Copied instead of validated, which takes half as long: this is done for each piece of a stream. Nothing that
    # LangChain may write into is shared with the pattern.
    message, generation = _PATTERN.model_copy(), _GENERATION.model_copy()
    message.__dict__.update(
        content=content,
        additional_kwargs=additional or {},
        response_metadata={"model_provider": provider},
        tool_calls=[],
        invalid_tool_calls=[],
        tool_call_chunks=[],
    )
    generation.__dict__.update(text=content, message=message)
    return generation


def _call_chunk(calls: tuple[ToolCallDelta, ...], provider: str, *, as_blocks: bool) -> ChatGenerationChunk:
    if len(calls) > 1:
        calls = _joined(calls)
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=[] if as_blocks else "",
            tool_call_chunks=[
                tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=call.position) for call in calls
            ],
            response_metadata={"model_provider": provider},
        )
    )


def _joined(calls: tuple[ToolCallDelta, ...]) -> tuple[ToolCallDelta, ...]:
    """One piece for each call, for LangChain takes two pieces within one chunk for two calls."""
    joined: dict[int, ToolCallDelta] = {}
    for call in calls:
        first = joined.get(call.position, ToolCallDelta(call.position))
        arguments = first.arguments + call.arguments
        joined[call.position] = ToolCallDelta(call.position, first.id or call.id, first.name or call.name, arguments)
    return tuple(joined.values())


def _additional(reasoning: str, refusal: str, thoughts: tuple[ReasoningBlock, ...]) -> dict[str, Any]:
    said = {"reasoning_content": reasoning, "refusal": refusal, thinking.FIELD: thinking.to_blocks(thoughts)}
    return {name: value for name, value in said.items() if value}


def _marks_of_broken_calls(reply: ChatReply) -> tuple[ToolCallDelta, ...]:
    """What makes LangChain see that a call's arguments are broken.

    Adding up chunks it completes broken JSON, so that a call that was cut off would be made with what had arrived. A
    closing bracket in the wrong place is the one thing it does not mend: the call is listed as invalid.
    """
    return tuple(
        ToolCallDelta(position, arguments=_wrong_bracket(read.call.arguments))
        for position, read in enumerate(read_calls(reply))
        if read.arguments is None and _is_mended(read.call.arguments)
    )


def _is_mended(text: str) -> bool:
    try:
        return not text or isinstance(parse_partial_json(text), dict)
    except (ValueError, RecursionError):
        return False


def _wrong_bracket(text: str) -> str:
    """What to put behind unfinished JSON so that its brackets do not match."""
    scanner = BracketScanner()
    scanner.feed(text)
    wrong = "}" if scanner.open_brackets[-1:] == ["["] else "]"
    return ("\\" if scanner.is_escaped else "") + ('"' if scanner.in_string else "") + wrong


def usage_metadata(usage: Usage | None) -> UsageMetadata | None:
    """Tokens as LangChain counts them."""
    if usage is None:
        return None
    counted = UsageMetadata(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=usage.total_tokens
    )
    of_input: InputTokenDetails = _given(
        cache_read=usage.cached_tokens, cache_creation=usage.cache_creation_tokens, audio=usage.audio_input_tokens
    )
    of_output: OutputTokenDetails = _given(reasoning=usage.reasoning_tokens, audio=usage.audio_output_tokens)
    if of_input:
        counted["input_token_details"] = of_input
    if of_output:
        counted["output_token_details"] = of_output
    return counted


def response_metadata(reply: ChatReply, provider: str) -> dict[str, Any]:
    """What is known of the answer beside its content."""
    return {
        "model_provider": provider,
        "model_name": reply.model,
        **_given(
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


def _given(**values: Any) -> Any:
    return {name: value for name, value in values.items() if value is not None}
