"""Answers of services that speak Anthropic's protocol, whole or streamed, read by one state machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aki_transport.errors import InvalidResponseError, ServerError, StreamInterruptedError
from aki_transport.messages import ChatDelta, ChatReply, Thought, ToolCall, ToolCallDelta, Usage
from aki_transport.transport import Payload
from aki_transport.wire._answer import READ, AnswerDecoder, completed, count_in, text_or_none

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
        self._blocks: dict[Any, _Block] = {}

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
                return self._rest(said, said.get("index"))
            case "message_start":
                self._open(said.get("message"))
            case "message_delta":
                self._close(said.get("delta"), said.get("usage"))
            case "message_stop":
                self.finished = self.complete = True
            case "message":
                return self._whole(said)
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
        late = tuple(delta for index in self._blocks if (delta := self._late(index)) is not None)
        reply = self._reply()
        if self._empty_is_failure and not (reply.text or reply.reasoning or reply.tool_calls or self._tokens()):
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
            for delta in (self._begin(said, index, block), self._rest(said, index))
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
        self._usage.update(message.get("usage") or {})

    def _close(self, delta: Any, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage.update((name, value) for name, value in usage.items() if value is not None)
        if isinstance(delta, dict) and isinstance(delta.get("stop_reason"), str):
            self._finish = delta["stop_reason"]
            self._sequence = text_or_none(delta.get("stop_sequence"))
            self.complete = True

    def _begin(self, said: Mapping[str, Any], index: Any, block: Any) -> ChatDelta | None:
        if not isinstance(block, dict):
            raise InvalidResponseError(f"a content block is {type(block).__name__}, not an object")
        begun = self._blocks[index] = _Block(block, sum(each.is_call for each in self._blocks.values()))
        if begun.is_call:
            return ChatDelta("", "", "", (ToolCallDelta(begun.position, begun.id, begun.name),), None, said)
        return self._add(said, begun, text_or_none(block.get("text")), text_or_none(block.get("thinking")))

    def _grow(self, said: Mapping[str, Any], delta: Any) -> ChatDelta | None:
        index = said.get("index")
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block({"type": "text"}, 0)
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                return self._add(said, block, text, None)
            case {"type": "thinking_delta", "thinking": str(thinking)}:
                return self._add(said, block, None, thinking)
            case {"type": "signature_delta", "signature": str(signature)}:
                block.signature += signature
            case {"type": "input_json_delta", "partial_json": str(piece)} if piece:
                block.arguments.append(piece)
                return ChatDelta("", "", "", (ToolCallDelta(block.position, arguments=piece),), None, said)
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

    def _rest(self, said: Mapping[str, Any], index: Any) -> ChatDelta | None:
        late = self._late(index)
        return None if late is None else ChatDelta("", "", "", (late,), None, said)

    def _late(self, index: Any) -> ToolCallDelta | None:
        """Arguments that came with the beginning of a call, where no pieces of them followed."""
        block = self._blocks.get(index)
        if block is None or not block.is_call or block.arguments or not block.given:
            return None
        block.arguments.append(json.dumps(block.given, ensure_ascii=False))
        return ToolCallDelta(block.position, arguments=block.arguments[0])

    def _tokens(self) -> int:
        return count_in(self._usage, "output_tokens") or 0

    def _reply(self) -> ChatReply:
        finish = _FINISH.get(self._finish, self._finish) if self._finish else None
        usage = _usage(self._usage) if self._usage else None
        blocks = list(self._blocks.values())
        return ChatReply(
            text=self.text,
            reasoning="".join(self._reasonings),
            thoughts=tuple(
                Thought(text="".join(block.thought), signature=block.signature or None, data=block.data)
                for block in blocks
                if block.signature or block.data
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

    __slots__ = ("arguments", "data", "given", "id", "is_call", "name", "position", "signature", "thought")

    def __init__(self, begun: Mapping[str, Any], position: int) -> None:
        self.is_call = begun.get("type") == "tool_use"
        self.position = position
        self.id = text_or_none(begun.get("id")) or ""
        self.name = text_or_none(begun.get("name")) or ""
        self.given = begun.get("input")
        self.arguments: list[str] = []
        self.thought: list[str] = []
        self.signature = text_or_none(begun.get("signature")) or ""
        self.data = text_or_none(begun.get("data")) if begun.get("type") == "redacted_thinking" else None


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
