"""Decodes answers in Anthropic's messages format, streamed or blocking, with one state machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from aki_transport.error_parsing import error_from_payload, tells_failure
from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import shown
from aki_transport.messages import (
    ChatDelta,
    ChatReply,
    ChatRequest,
    RawBlock,
    ReasoningBlock,
    Text,
    ToolCall,
    ToolCallDelta,
)
from aki_transport.tool_arguments import arguments_text
from aki_transport.transport import Payload
from aki_transport.wire._call_arguments import ArgumentsReader
from aki_transport.wire._chat_decoder import AnswerDecoder, joined_delta
from aki_transport.wire._fields import kept, read_usage, text_or_none, unwrapped
from aki_transport.wire._tool_calls import offered_name, read_index, unique_id
from aki_transport.wire._unknown_fields import merged_fields

# Fields that are read here; all others are kept as they are.
_ANSWER_FIELDS = frozenset({"type", "id", "role", "model", "content", "stop_reason", "usage", "message", "delta"})
_EVENTS = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    }
)
_BLOCK_FIELDS = frozenset({"type", "text", "thinking", "signature", "data", "id", "name", "input"})


class AnthropicDecoder(AnswerDecoder):
    """Decodes one answer."""

    def __init__(self, request: ChatRequest, headers: Mapping[str, str], **options: Any) -> None:
        super().__init__(request, headers, **options)
        self._id: str | None = None
        self._start: Mapping[str, Any] = {}
        self._details: dict[str, Any] = {}
        self._blocks: list[_Block] = []
        self._by_index: dict[int, _Block] = {}
        self._call_count = 0
        self._call_ids: set[str] = set()

    def feed(self, payload: Payload) -> ChatDelta | None:
        """The delta in this payload, if any."""
        chunk = self._parse(*payload)
        if chunk is None:
            return None
        if "type" not in chunk:
            chunk = _typed(chunk, payload.event)
        self._last = chunk
        match chunk.get("type"):
            case "content_block_delta":
                return self._on_block_delta(chunk, chunk.get("delta"))
            case "content_block_start":
                return self._on_block_start(chunk, chunk.get("index"), chunk.get("content_block"))
            case "content_block_stop":
                block = self._block_at(chunk.get("index"))
                return None if block is None else self._on_block_stop(chunk, block)
            case "message_start":
                self._on_message_start(chunk.get("message"))
            case "message_delta":
                self._details |= kept(chunk, _ANSWER_FIELDS)
                self._on_message_delta(chunk.get("delta"), chunk.get("usage"))
            case "message_stop":
                self._on_message_delta(chunk, chunk.get("usage"))
                self.finished = self.complete = True
            case "message":
                return self._on_message(chunk)
            case "error":
                raise error_from_payload(chunk)
            case _ if payload.event != "body":
                self._note_stray(chunk)
            case _ if tells_failure(chunk):
                raise error_from_payload(chunk)
            case _:
                raise InvalidResponseError(f"the answer is no message: {shown(chunk)}")
        return None  # pings and unknown events carry nothing

    def end(self) -> ChatDelta:
        """The last delta; the content is that of the beginning if nothing else has any."""
        content = self._start.get("content")
        first = None
        if not self._blocks and isinstance(content, list):
            first = self._read_blocks(self._start, content)
        last = super().end()
        return last if first is None else joined_delta([first, last], last.raw) or last

    def _refusal(self) -> str:
        return "The model refused to answer." if self._finish == "refusal" else ""

    def _held_parts(self) -> tuple[str, tuple[ToolCallDelta, ...]]:
        written = () if self._call_count else self._think.calls
        blocks = [{"type": "tool_use", "name": name, "input": arguments} for name, arguments in written]
        begun = [self._on_block_start({}, None, block) for block in blocks]
        open_blocks = [block for block in self._blocks if block.is_call or not block.is_ended]
        deltas = [delta for delta in (*begun, *(self._on_block_stop({}, block) for block in open_blocks)) if delta]
        self._held_content = tuple(part for delta in deltas for part in delta.parts)
        return self._refusal(), tuple(call for delta in deltas for call in delta.tool_calls)

    def _on_message(self, message: Mapping[str, Any]) -> ChatDelta | None:
        """A blocking answer, decoded as the equivalent stream. Behind a stream (MiniMax) it repeats that."""
        content = message.get("content")
        if not isinstance(content, list):
            raise InvalidResponseError(f"the answer has no content: {shown(message)}")
        self._on_message_start(message)
        delta = None if self._blocks else self._read_blocks(message, content)
        self._on_message_delta(message, message.get("usage"))
        self.finished = self.complete = True
        return delta

    def _read_blocks(self, message: Mapping[str, Any], content: list[Any]) -> ChatDelta | None:
        deltas: list[ChatDelta | None] = []
        for index, block in enumerate(content):
            if self._is_stopped:
                break
            deltas.append(self._on_block_start(message, index, block))
            deltas.append(self._on_block_stop(message, self._blocks[-1]))
        joined = joined_delta(deltas, message)
        return None if joined is None else joined._replace(parts=self._content())

    def _on_message_start(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise InvalidResponseError(f"the stream begins without its message: {shown(self._last)}")
        self._note_model(message.get("model"))
        self._id = text_or_none(message.get("id"))
        self._details |= kept(message, _ANSWER_FIELDS)
        self._update_usage(message.get("usage"))
        self._start = message

    def _on_message_delta(self, delta: Any, usage: Any) -> None:
        self._update_usage(usage)
        if not isinstance(delta, dict):
            return
        self._details |= kept(delta, _ANSWER_FIELDS)
        if isinstance(delta.get("stop_reason"), str):
            self._note_finish(delta["stop_reason"])
            self.complete = True

    def _block_at(self, index: Any) -> _Block | None:
        """The block that was started last with this index; the last block if there is no index."""
        if type(index) is not int:  # nearly each event has one
            index = read_index(index)
        if index is not None:
            return self._by_index.get(index)
        return self._blocks[-1] if self._blocks else None

    def _miscounted_call(self, block: _Block | None) -> _Block:
        """The call that needs arguments which came under the index of no call, or of this block."""
        calls = [each for each in self._blocks if each.is_call and not each.arguments.is_complete]
        calls = [each for each in calls if each.arguments.is_open] or calls
        if len(calls) == 1:
            return calls[0]
        if block is None or calls:
            raise InvalidResponseError("the arguments of a tool call came without its beginning")
        return block

    def _on_block_start(self, chunk: Mapping[str, Any], index: Any, start: Any) -> ChatDelta | None:
        if not isinstance(start, dict):
            raise InvalidResponseError(f"a content block is {type(start).__name__}, not an object")
        block = _Block(start, self._call_count, text_start=len(self._texts))
        if block.is_call:
            block.name = offered_name(block.name, self._names)
            block.id = unique_id(block.id, self._call_ids)
        self._blocks.append(block)
        if (index := read_index(index)) is not None:
            self._by_index[index] = block
        if block.is_call:
            self._call_count += 1
            return ChatDelta(tool_calls=(ToolCallDelta(block.position, block.id, block.name),), raw=chunk)
        # Text that may get citations, which do not belong to the text before it.
        is_apart = isinstance(start.get("citations"), list) and self._in_parts < block.text_start
        end = self._end_text() if is_apart else None
        delta = self._add_text(chunk, block, text_or_none(start.get("text")), text_or_none(start.get("thinking")))
        if end is None:
            return delta
        if delta is None:
            return ChatDelta(raw=chunk, parts=(end,))
        return delta._replace(parts=(end, Text(delta.text)))

    def _on_block_delta(self, chunk: Mapping[str, Any], delta: Any) -> ChatDelta | None:
        block = self._block_at(chunk.get("index"))
        if block is None and isinstance(delta, dict) and delta.get("partial_json"):
            block = self._miscounted_call(None)
        if block is None:
            self._on_block_start(chunk, chunk.get("index"), {})
            block = self._blocks[-1]
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                return self._add_text(chunk, block, text, None)
            case {"type": "thinking_delta" | "reasoning_delta"} if text := _thinking_in(delta):
                return self._add_text(chunk, block, None, text)
            case str(text) | {"text": str(text)} if block.type in ("text", None) and _has_no_type(delta):
                return self._add_text(chunk, block, text, None)
            case {"type": "signature_delta", "signature": str(signature)}:
                block.signature.append(signature)
            case {"type": "citations_delta", "citation": citation}:
                block.pieces.append({"citations": [citation]})
            case {"type": "input_json_delta", "partial_json": str(piece)} if block.is_raw:
                block.pieces.append({"partial_json": piece})
            case {"type": "input_json_delta", "partial_json": piece} if piece:
                block = block if block.is_call else self._miscounted_call(block)
                added = block.arguments.feed(arguments_text(piece)) if block.is_call else ""
                call = ToolCallDelta(block.position, arguments=added)
                return ChatDelta("", "", "", (call,), None, chunk) if added else None
            case dict() if delta.get("type") != "input_json_delta":
                block.pieces.append(kept(delta, ("type",)))
        return None

    def _on_block_stop(self, chunk: Mapping[str, Any], block: _Block) -> ChatDelta | None:
        block.is_ended = True
        if block.is_raw:
            return ChatDelta(raw=chunk, parts=(self._add_block(RawBlock(block.fields(), "anthropic")),))
        if block.type == "text" and (extra := kept(block.fields(), _BLOCK_FIELDS)):
            return ChatDelta(raw=chunk, parts=(self._end_text(extra, start=block.text_start),))
        call = block.start_arguments()
        if block.is_call and (rest := block.arguments.end()):
            call = ToolCallDelta(block.position, arguments=(call.arguments if call else "") + rest)
        return None if call is None else ChatDelta(tool_calls=(call,), raw=chunk)

    def _add_text(
        self, chunk: Mapping[str, Any], block: _Block, text: str | None, thinking: str | None
    ) -> ChatDelta | None:
        text, reasoning = self._split(text) if text else ("", "")
        if thinking:
            block.thinking.append(thinking)
            reasoning += thinking
        text = self._collect(text, reasoning)
        return ChatDelta(text, reasoning, "", (), None, chunk) if text or reasoning else None

    def _reply(self) -> ChatReply:
        usage = read_usage(self._usage, cached_are_apart=True) if self.complete else None
        calls = [block for block in self._blocks if block.is_call]
        return self._build_reply(
            reasoning_blocks=tuple(
                ReasoningBlock(
                    text="".join(block.thinking), signature="".join(block.signature) or None, data=block.data
                )
                for block in self._blocks
                if any(block.signature) or block.data
            ),
            refusal=self._refusal(),
            tool_calls=tuple(
                ToolCall(call.id, call.name, call.arguments.text, kept(call.fields(), _BLOCK_FIELDS)) for call in calls
            ),
            usage=usage,
            id=self._id,
            details=self._details,
            raw=self._with_openai_fields(self._last, usage, self._usage if self.complete else {}),
        )


def _typed(chunk: Mapping[str, Any], event: str) -> Mapping[str, Any]:
    """A payload without a type, with that of its event, of an object in it, or of what it looks like."""
    if event in _EVENTS:
        return {"type": event, **chunk}
    inner = unwrapped(chunk, "type")
    if "type" in inner:
        return inner
    inner = unwrapped(chunk, "content")
    return {"type": "message", **inner} if isinstance(inner.get("content"), list) else inner


def _thinking_in(delta: Mapping[str, Any]) -> str:
    """The text of a thought, which gateways put into other fields too."""
    return next(filter(None, (text_or_none(delta.get(name)) for name in ("thinking", "reasoning", "text"))), "")


def _has_no_type(delta: Any) -> bool:
    return isinstance(delta, str) or delta.get("type") is None


class _Block:
    """One content block while it grows; `position` counts tool calls."""

    def __init__(self, start: Mapping[str, Any], position: int, *, text_start: int) -> None:
        self.start = start
        self.position = position
        self.text_start = text_start
        self.type = start.get("type")
        self.is_call = self.type == "tool_use"
        self.is_raw = self.type not in ("tool_use", "text", "thinking", "redacted_thinking", None)
        self.is_ended = False
        self.id = text_or_none(start.get("id")) or (f"toolu_{uuid4().hex[:24]}" if self.is_call else "")
        self.name = text_or_none(start.get("name")) or ""
        self.arguments = ArgumentsReader()
        self.pieces: list[Mapping[str, Any]] = []
        self.thinking: list[str] = []
        self.signature = [text_or_none(start.get("signature")) or ""]
        self.data = text_or_none(start.get("data")) if self.type == "redacted_thinking" else None

    def fields(self) -> dict[str, Any]:
        """All fields of the block, with what its deltas added."""
        if not self.pieces:
            return dict(self.start)
        fields = merged_fields([self.start, *self.pieces])
        if "partial_json" in fields:
            json_text = fields.pop("partial_json")
            try:
                fields["input"] = json.loads(json_text or "{}")
            except ValueError:
                fields["input"] = json_text
        return fields

    def start_arguments(self) -> ToolCallDelta | None:
        """The arguments that came with the start of a tool call; None if others followed."""
        value = self.start.get("input")
        if not self.is_call or not self.arguments.is_empty or not value:
            return None
        return ToolCallDelta(self.position, arguments=self.arguments.feed(arguments_text(value)))
