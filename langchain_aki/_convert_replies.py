"""Converts the transport's replies and deltas to LangChain's messages and chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.json import parse_partial_json

from aki_transport.json_text import BracketScanner
from aki_transport.message_fields import message_fields, reply_metadata
from aki_transport.messages import ChatDelta, ChatReply, Part, RawBlock, Text, ToolCallDelta, Usage, ordered_parts
from aki_transport.tool_arguments import read_calls
from langchain_aki._answer_blocks import message_metadata, standard_annotation, standard_blocks

# Both set the fields that `DeltaConverter` changes, because a copy has the same `model_fields_set` as its template.
_MESSAGE_TEMPLATE = AIMessageChunk(
    content="", additional_kwargs={}, response_metadata={}, tool_calls=[], invalid_tool_calls=[], tool_call_chunks=[]
)
_CHUNK_TEMPLATE = ChatGenerationChunk(text="", message=_MESSAGE_TEMPLATE)


def create_chat_result(reply: ChatReply, provider: str) -> ChatResult:
    """A complete answer as LangChain's result, with a generation for each of several choices."""
    llm_output: dict[str, Any] = {"model_name": reply.model, "model_provider": provider}
    if reply.token_usage:
        llm_output["token_usage"] = dict(reply.token_usage)
    generations = [
        ChatGeneration(message=_create_message(each, provider), generation_info=_generation_info(each))
        for each in (reply, *reply.choices)
    ]
    return ChatResult(generations=generations, llm_output=llm_output)


def _create_message(reply: ChatReply, provider: str) -> AIMessage:
    calls = read_calls(reply)
    return AIMessage(
        content=[_content_block(part) for part in reply.content] or reply.text,
        additional_kwargs=_additional_kwargs(reply),
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


def _content_block(part: Part) -> str | dict[str, Any]:
    """A part of an answer as the block that its maker sent. Indices would make LangChain merge different blocks."""
    match part:
        case RawBlock(fields):
            return {name: value for name, value in fields.items() if name != "index"}
        case Text(text, extra):
            return {"type": "text", "text": text, **extra}
        case _:
            raise TypeError(f"an answer holds no {type(part).__name__}")


def _generation_info(reply: ChatReply) -> dict[str, Any]:
    """What callback handlers look for beside the message."""
    info = {"finish_reason": reply.finish_reason, "model_name": reply.model or None, "logprobs": reply.logprobs}
    return {name: value for name, value in info.items() if value is not None}


class DeltaConverter:
    """Converts the deltas of one stream to LangChain's chunks.

    Reasoning and text are separate chunks, because LangChain's events read one block each. With `as_blocks`, content is
    standard blocks. Their indices are strings: integers collide with those of tool calls.
    """

    def __init__(self, provider: str, *, as_blocks: bool) -> None:
        self._metadata = message_metadata(provider)
        self._provider = provider
        self._as_blocks = as_blocks
        self._part_count = 0

    def convert(self, delta: ChatDelta) -> Iterator[ChatGenerationChunk]:
        """The chunks of one delta."""
        text, reasoning, refusal, calls, reply, _, parts = delta
        as_blocks = self._as_blocks
        if reasoning:
            yield self._chunk(
                [{"type": "reasoning", "reasoning": reasoning, "index": "lc_rs_0"}] if as_blocks else "",
                {} if as_blocks else {"reasoning_content": reasoning},
            )
        if parts:
            yield from map(self._part_chunk, ordered_parts(text, parts))
        elif text:
            yield self._text_chunk(text)
        if refusal:
            yield self._chunk([] if as_blocks else "", {"refusal": refusal})
        if calls:
            yield self._tool_call_chunk(calls)
        if reply is not None:
            brackets = _invalidate_broken_calls(reply)
            if brackets:
                yield self._tool_call_chunk(brackets)
            yield self._last_chunk(reply)

    def _text_chunk(self, text: str) -> ChatGenerationChunk:
        if not self._as_blocks:
            return self._chunk(text)
        return self._chunk([{"type": "text", "text": text, "index": f"lc_txt_{self._part_count}"}])

    def _part_chunk(self, part: Part) -> ChatGenerationChunk:
        if isinstance(part, Text) and part.text:
            return self._text_chunk(part.text)
        block = _content_block(part)
        if self._as_blocks and isinstance(block, dict):
            (block,) = standard_blocks(block) or [{"type": "text", "text": ""}]
            kind = "txt" if isinstance(part, Text) else "raw"
            block["index"] = f"lc_{kind}_{self._part_count}"
        self._part_count += 1
        return self._chunk([block])

    def _last_chunk(self, reply: ChatReply) -> ChatGenerationChunk:
        fields = _additional_kwargs(reply)
        content: list[Any] | str = ""
        if self._as_blocks:
            content = [
                {"type": "tool_call_chunk", "id": call.id, "index": position, "extras": dict(call.extra)}
                for position, call in enumerate(reply.tool_calls)
                if call.extra
            ]
            if reply.annotations:
                annotations = list(map(standard_annotation, reply.annotations))
                index = f"lc_txt_{self._part_count}"
                content.append({"type": "text", "text": "", "annotations": annotations, "index": index})
        metadata = create_response_metadata(reply, self._provider)
        if reply.choices:  # a stream has one message
            metadata["choices"] = list(reply.raw["choices"][1:])
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content=content,
                additional_kwargs={
                    name: value for name, value in fields.items() if name not in ("reasoning_content", "refusal")
                },
                usage_metadata=create_usage_metadata(reply.usage),
                response_metadata=metadata,
                chunk_position="last",
            ),
            generation_info=_generation_info(reply),
        )

    def _chunk(self, content: Any, additional_kwargs: dict[str, Any] | None = None) -> ChatGenerationChunk:
        metadata = self._metadata.copy()
        values = {"content": content, "additional_kwargs": additional_kwargs or {}, "response_metadata": metadata}
        if not isinstance(content, str):
            return ChatGenerationChunk(message=AIMessageChunk(**values))
        # A copy takes half as long as a new object, which would be validated; this runs for each chunk of a stream. No
        # mutable value is shared with the templates.
        message, chunk = _MESSAGE_TEMPLATE.model_copy(), _CHUNK_TEMPLATE.model_copy()
        message.__dict__.update(values, tool_calls=[], invalid_tool_calls=[], tool_call_chunks=[])
        chunk.__dict__.update(text=content, message=message)
        return chunk

    def _tool_call_chunk(self, calls: tuple[ToolCallDelta, ...]) -> ChatGenerationChunk:
        if len(calls) > 1:
            calls = _merge_by_position(calls)
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content=[] if self._as_blocks else "",
                tool_call_chunks=[
                    tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=call.position)
                    for call in calls
                ],
                response_metadata=self._metadata.copy(),
            )
        )


def _merge_by_position(calls: tuple[ToolCallDelta, ...]) -> tuple[ToolCallDelta, ...]:
    """One delta for each call, because LangChain takes two deltas in one chunk for two calls."""
    merged: dict[int, ToolCallDelta] = {}
    for call in calls:
        first = merged.get(call.position, ToolCallDelta(call.position))
        name, arguments = (first.name or "") + (call.name or ""), first.arguments + call.arguments
        merged[call.position] = ToolCallDelta(call.position, first.id or call.id, name or None, arguments)
    return tuple(merged.values())


def _additional_kwargs(reply: ChatReply) -> dict[str, Any]:
    values = {"reasoning_content": reply.reasoning, "refusal": reply.refusal}
    return {**{name: value for name, value in values.items() if value}, **message_fields(reply)}


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
        cache_read=usage.cached_tokens,
        cache_creation=usage.cache_creation_tokens,
        audio=usage.audio_input_tokens,
        **usage.extra,
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
    return {**reply_metadata(reply, provider), **message_metadata(provider)}


def _without_none(**values: Any) -> Any:
    return {name: value for name, value in values.items() if value is not None}
