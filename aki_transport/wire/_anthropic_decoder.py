"""Answers of services that speak Anthropic's protocol, whole or streamed, read by one state machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from aki_transport.error_parsing import error_from_payload
from aki_transport.errors import InvalidResponseError, ServerError, StreamInterruptedError
from aki_transport.messages import ChatDelta, ChatReply, ReasoningBlock, ToolCall, ToolCallDelta, Usage
from aki_transport.transport import Payload
from aki_transport.wire._decoder import READ, AnswerDecoder, completed, count_in, text_or_none

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_REFUSED = "The model refused to answer."


class AnthropicDecoder(AnswerDecoder):
    """Reads one answer."""

    def __init__(
        self, asked: str, headers: Mapping[str, str], *, on_model: Callable[[str], None], empty_is_failure: bool
    ) -> None:
        super().__init__(asked, headers, on_model=on_model, empty_is_failure=empty_is_failure)
        self._id: str | None = None
        self._sequence: str | None = None
        self._usage: dict[str, Any] = {}
        self._last: Mapping[str, Any] = {}
        self._blocks: list[_Block] = []
        self._by_index: dict[int, _Block] = {}
        self._calls = 0

    def feed(self, payload: Payload) -> ChatDelta | None:
        """What this payload adds, if anything.

        Raises:
            APIStatusError: It is an error.
            InvalidResponseError: It is nothing this protocol knows.
            ModelFallbackError: It comes from another model than the one that was asked.
        """
        said = self._parsed(*payload)
        if said is None:
            return None
        self._last = said
        match said.get("type"):
            case "content_block_delta":
                return self._grow(said, said.get("delta"))
            case "content_block_start":
                return self._begin(said, said.get("index"), said.get("content_block"))
            case "content_block_stop":
                block = self._block_at(said.get("index"))
                return None if block is None else self._rest(said, block)
            case "message_start":
                self._open(said.get("message"))
            case "message_delta":
                self._close(said.get("delta"), said.get("usage"))
            case "message_stop":
                self.finished = self.complete = True
            case "message":
                return self._whole(said)
            case "error":
                raise error_from_payload(said)
            case _ if payload.event == "body":
                raise InvalidResponseError(f"the answer is no message: {str(said)[:READ]}")
        return None  # pings, and events that are not known yet, say nothing

    def end(self) -> ChatDelta:
        """The last item: what was still held back, and the whole answer.

        Raises:
            StreamInterruptedError: The stream ended without its terminator.
            ServerError: The answer is empty where that means that a worker failed.
        """
        if not self.complete:
            raise StreamInterruptedError("the stream ended before the answer was complete", partial_text=self.text)
        text, reasoning = self._flush()
        late = tuple(late for block in self._blocks if (late := block.late()) is not None)
        reply = self._reply()
        said = reply.text or reply.reasoning or reply.refusal or reply.tool_calls
        if self._empty_is_failure and not (said or count_in(self._usage, "output_tokens")):
            raise ServerError("the answer is empty, which is how a failed worker shows", status_code=500)
        return ChatDelta(text, reasoning, reply.refusal, late, reply, reply.raw)

    def _whole(self, said: Mapping[str, Any]) -> ChatDelta | None:
        """A blocking answer, read as the stream that it could have been."""
        content = said.get("content")
        if not isinstance(content, list):
            raise InvalidResponseError(f"the answer has no content: {str(said)[:READ]}")
        self._open(said)
        deltas = [
            delta
            for index, block in enumerate(content)
            for delta in (self._begin(said, index, block), self._rest(said, self._blocks[-1]))
            if delta is not None
        ]
        self._close(said, said.get("usage"))
        self.finished = self.complete = True
        text = "".join(delta.text for delta in deltas)
        reasoning = "".join(delta.reasoning for delta in deltas)
        calls = tuple(call for delta in deltas for call in delta.tool_calls)
        return ChatDelta(text, reasoning, "", calls, None, said) if deltas else None

    def _open(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise InvalidResponseError(f"the stream begins without its message: {str(self._last)[:READ]}")
        self._served_by(message.get("model"))
        self._id = text_or_none(message.get("id"))
        self._count(message.get("usage"))

    def _close(self, delta: Any, usage: Any) -> None:
        self._count(usage)
        if isinstance(delta, dict) and isinstance(delta.get("stop_reason"), str):
            self._finish = delta["stop_reason"]
            self._sequence = text_or_none(delta.get("stop_sequence"))
            self.complete = True

    def _count(self, usage: Any) -> None:
        """Take over what is counted; some services end with zeros where they began with the numbers."""
        if isinstance(usage, dict):
            self._usage.update((name, value) for name, value in usage.items() if value or name not in self._usage)

    def _block_at(self, index: Any) -> _Block | None:
        """The block that was begun last under this index; without one, the last of all."""
        if isinstance(index, int):
            return self._by_index.get(index)
        return self._blocks[-1] if self._blocks else None

    def _begin(self, said: Mapping[str, Any], index: Any, block: Any) -> ChatDelta | None:
        if not isinstance(block, dict):
            raise InvalidResponseError(f"a content block is {type(block).__name__}, not an object")
        begun = _Block(block, self._calls)
        self._blocks.append(begun)
        if isinstance(index, int):
            self._by_index[index] = begun
        if begun.is_call:
            self._calls += 1
            return ChatDelta("", "", "", (ToolCallDelta(begun.position, begun.id, begun.name),), None, said)
        return self._add(said, begun, text_or_none(block.get("text")), text_or_none(block.get("thinking")))

    def _grow(self, said: Mapping[str, Any], delta: Any) -> ChatDelta | None:
        block = self._block_at(said.get("index"))
        if block is None:
            self._begin(said, said.get("index"), {})
            block = self._blocks[-1]
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                return self._add(said, block, text, None)
            case {"type": "thinking_delta", "thinking": str(thinking)}:
                return self._add(said, block, None, thinking)
            case {"type": "signature_delta", "signature": str(signature)}:
                block.signature.append(signature)
            case {"type": "input_json_delta", "partial_json": str(piece)} if piece and block.is_call:
                block.arguments.append(piece)
                return ChatDelta("", "", "", (ToolCallDelta(block.position, arguments=piece),), None, said)
            case {"type": "input_json_delta"} if not block.kind:
                raise InvalidResponseError("the arguments of a tool call came without its beginning")
        return None

    def _add(self, said: Mapping[str, Any], block: _Block, text: str | None, thinking: str | None) -> ChatDelta | None:
        text, reasoning = self._think.feed(text) if text else ("", "")
        if thinking:
            block.thought.append(thinking)
            reasoning += thinking
        if text:
            self._texts.append(text)
        if reasoning:
            self._reasonings.append(reasoning)
        return ChatDelta(text, reasoning, "", (), None, said) if text or reasoning else None

    def _rest(self, said: Mapping[str, Any], block: _Block) -> ChatDelta | None:
        late = block.late()
        return None if late is None else ChatDelta("", "", "", (late,), None, said)

    def _reply(self) -> ChatReply:
        finish = _FINISH.get(self._finish, self._finish) if self._finish else None
        usage = _usage(self._usage) if self._usage else None
        blocks = self._blocks
        return ChatReply(
            text=self.text,
            reasoning="".join(self._reasonings),
            reasoning_blocks=tuple(
                ReasoningBlock(text="".join(block.thought), signature="".join(block.signature) or None, data=block.data)
                for block in blocks
                if any(block.signature) or block.data
            ),
            refusal=_REFUSED if self._finish == "refusal" else "",
            tool_calls=tuple(
                ToolCall(block.id, block.name, "".join(block.arguments)) for block in blocks if block.is_call
            ),
            finish_reason=finish,
            stop_reason=self._finish,
            usage=usage,
            model=self._model or self._asked,
            id=self._id,
            details={} if self._sequence is None else {"stop_sequence": self._sequence},
            raw=completed(self._last, self._model or self._asked, usage, finish, said=self._usage),
            **self._around(),
        )


class _Block:
    """One content block while it grows; `position` counts tool calls."""

    __slots__ = ("arguments", "data", "given", "id", "is_call", "kind", "name", "position", "signature", "thought")

    def __init__(self, begun: Mapping[str, Any], position: int) -> None:
        self.kind = begun.get("type")
        self.is_call = self.kind == "tool_use"
        self.position = position
        self.id = text_or_none(begun.get("id")) or (f"toolu_{uuid4().hex[:24]}" if self.is_call else "")
        self.name = text_or_none(begun.get("name")) or ""
        self.given = begun.get("input")
        self.arguments: list[str] = []
        self.thought: list[str] = []
        self.signature = [text_or_none(begun.get("signature")) or ""]
        self.data = text_or_none(begun.get("data")) if self.kind == "redacted_thinking" else None

    def late(self) -> ToolCallDelta | None:
        """Arguments that came with the beginning of a call, where no pieces of them followed."""
        if not self.is_call or self.arguments or not self.given:
            return None
        given = self.given if isinstance(self.given, str) else json.dumps(self.given, ensure_ascii=False)
        self.arguments.append(given)
        return ToolCallDelta(self.position, arguments=given)


def _usage(said: Mapping[str, Any]) -> Usage:
    """Tokens; what came from a cache is counted beside `input_tokens` here, and within them by everyone else."""
    cached = count_in(said, "cache_read_input_tokens")
    written = count_in(said, "cache_creation_input_tokens")
    prompt = (count_in(said, "input_tokens") or 0) + (cached or 0) + (written or 0)
    completion = count_in(said, "output_tokens") or 0
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=prompt + completion,
        cached_tokens=cached,
        cache_creation_tokens=written,
    )
