"""What the decoders of all chat protocols share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

from aki_transport.error_parsing import error_from_payload, is_error, request_id_of, tells_failure
from aki_transport.errors import InvalidResponseError, ModelLimitWarning, ServerError, StreamInterruptedError
from aki_transport.json_text import may_be_cut, parse_json, shown
from aki_transport.messages import (
    ChatDelta,
    ChatReply,
    ChatRequest,
    OnProgress,
    Part,
    RawBlock,
    Text,
    ToolCallDelta,
    Usage,
    tool_name,
)
from aki_transport.transport.sse import OUTSIDE
from aki_transport.wire._fields import read_usage
from aki_transport.wire._text_filters import StopSequences, ThinkSplitter, split_unopened

# OpenAI's names for others' reasons to stop, in lower case: Anthropic, Bedrock, Cohere, Gemini, Mistral, TGI, Zhipu.
_FINISH_REASONS: Mapping[str, str] = {
    **dict.fromkeys(
        ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "pause_turn", "completed", "complete"), "stop"
    ),
    **dict.fromkeys(
        ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "error_limit"),
        "length",
    ),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(("content_filter", "content_filtered", "guardrail_intervened", "refusal"), "content_filter"),
    **dict.fromkeys(("safety", "prohibited_content", "blocklist", "recitation", "sensitive"), "content_filter"),
    **dict.fromkeys(("spii", "image_safety", "moderation", "blocked", "error_toxic"), "content_filter"),
}
# Answers that did not end but failed: OpenRouter and Mistral, DeepSeek, vLLM and SGLang, Zhipu, Gemini.
_FAILED = frozenset(
    {
        *("error", "insufficient_system_resource", "abort", "aborted", "network_error", "failed", "timeout"),
        *("cancelled", "canceled", "malformed_function_call", "unexpected_tool_call"),
    }
)


class AnswerDecoder:
    """Base of the decoders: parses payloads, collects text and reasoning, builds the reply.

    `Wire.decoder` documents the arguments and the errors.
    """

    def __init__(
        self,
        request: ChatRequest,
        headers: Mapping[str, str],
        *,
        on_model: Callable[[str], None],
        on_progress: OnProgress | None = None,
        empty_is_failure: bool = False,
        stream: bool = True,
        on_unopened_reasoning: Callable[[], None] | None = None,
        holds_unopened_reasoning: bool = False,
    ) -> None:
        self.finished = False
        self.complete = False
        self._requested = request.model
        self._max_tokens = request.max_tokens
        self._has_stops = bool(request.stop)
        self._stop = StopSequences(request.stop)
        self._headers = headers
        self._on_model = on_model
        self._on_progress = on_progress
        self._empty_is_failure = empty_is_failure
        self._stream = stream
        self._model = ""
        self._usage: dict[str, Any] = {}
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._parts: list[Part] = []
        self._held_content: tuple[Part, ...] = ()
        self._in_parts = 0  # how many of `_texts` stand in `_parts`
        self._on_unopened = on_unopened_reasoning
        self._names = tool_names(request) if request.tools else {}
        self._think = ThinkSplitter(self._names, may_be_unopened=stream and holds_unopened_reasoning)
        self._finish: str | None = None
        self._broken: str | None = None
        self._halves: dict[tuple[Any, ...], str] = {}  # of characters, until the next event has the others
        self._is_cut = False  # whether what is broken may be the beginning of JSON
        self._last: Mapping[str, Any] = {}  # the last payload
        self._stray: Mapping[str, Any] | None = None  # one that is no part of an answer and may tell why

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    def end(self) -> ChatDelta:
        """The last delta: what was held back, and the complete reply."""
        if self._stray is not None and self._stray is self._last and self._finish is None and not self._is_stopped:
            raise error_from_payload(self._stray)
        if not self.complete and not self._is_stopped:
            if self._broken is not None and not self._is_cut:
                raise InvalidResponseError(self._broken)
            raise StreamInterruptedError("the stream ended before the answer was complete", partial_text=self.text)
        text, reasoning = self._think.flush()
        text = self._collect(text, reasoning)
        if held := self._stop.flush():
            self._texts.append(held)
            text += held
        refusal, calls = self._held_parts()
        reply = self._reply()
        if self._finish is not None and self._finish.lower() in _FAILED and not self._is_stopped:
            raise ServerError(f"the model's answer ended with {self._finish!r}", status_code=500)
        if self._empty_is_failure and not self._is_stopped and _is_empty(reply):
            raise ServerError("the answer is empty, which is how a failed worker shows", status_code=500)
        self._warn_if_empty(reply)
        return ChatDelta(text, reasoning, refusal, calls, reply, reply.raw, self._held_content)

    @property
    def _is_stopped(self) -> bool:
        """Whether a stop sequence was found, which the service did not heed. What follows is no part of the answer."""
        return self._stop.matched is not None

    def _warn_if_empty(self, reply: ChatReply) -> None:
        """Tell a model that thought until its tokens were used up from one that has nothing to say."""
        if reply.finish_reason != "length" or reply.text.strip() or reply.tool_calls or reply.refusal or reply.parts:
            return
        if reply.extra.get("images") or reply.extra.get("audio"):
            return
        bound = "max_tokens" if self._max_tokens is None else f"max_tokens={self._max_tokens}"
        cause = "while it was reasoning" if reply.reasoning or reply.reasoning_blocks else "before any text"
        warnings.warn(
            f"{reply.model}: the answer is empty, for {bound} was reached {cause}; pass a larger one.",
            ModelLimitWarning,
            stacklevel=2,
        )

    def _held_parts(self) -> tuple[str, tuple[ToolCallDelta, ...]]:
        """The refusal and the pieces of tool calls that are certain only at the end."""
        return "", ()

    def _reply(self) -> ChatReply:
        raise NotImplementedError

    def _parse(self, event: str, data: str | bytes) -> Mapping[str, Any] | None:
        """The payload's object; None for invalid JSON in a stream.

        The last event of a stream may be cut off, which is an interruption. Only if another event follows was it
        invalid.
        """
        if self._broken is not None:
            raise InvalidResponseError(self._broken)
        if not data:
            if event == "body":
                raise InvalidResponseError("the answer is empty")
            return None
        if event == OUTSIDE:
            self._last = self._stray = {"error": shown(data)}
            return None
        try:
            payload = parse_json(data, halves=self._halves)
        except InvalidResponseError as error:
            if event == "error":
                raise error_from_payload({"error": shown(data)}) from None
            try:
                payload = parse_json(_unframed(event, data), halves=self._halves)
            except InvalidResponseError:
                if event == "body":
                    raise error from None
                self._broken, self._is_cut = error.message, data == "[DONE]" or may_be_cut(data)
                return None
        if payload is None and event == "message":  # some services keep a quiet stream open so
            return None
        if not isinstance(payload, dict):
            if payload == "[DONE]":  # from a server that writes JSON alone
                return None
            raise InvalidResponseError(f"the answer is {type(payload).__name__}, not an object")
        if event == "error" or is_error(payload):
            raise error_from_payload(payload)
        return payload

    def _note_stray(self, payload: Mapping[str, Any]) -> None:
        """Keep what may tell, in the words of a service, why the rest of the answer is missing."""
        if tells_failure(payload):
            self._stray = payload

    def _note_model(self, model: Any) -> None:
        if model and model != self._model and isinstance(model, str):
            self._on_model(model)
            self._model = model

    def _note_finish(self, reason: Any) -> None:
        """Keep why the answer ended. Some gateways end every stream with "stop", whatever they said before."""
        is_known = self._finish is not None and self._finish.lower() in _FINISH_REASONS
        if isinstance(reason, str) and not (is_known and _FINISH_REASONS.get(reason.lower()) == "stop"):
            self._finish = reason

    def _update_usage(self, usage: Any) -> None:
        """Later counts win, except zeros: some services send the counts first and zeros at the end."""
        if isinstance(usage, dict):
            self._usage.update((name, value) for name, value in usage.items() if value or name not in self._usage)

    def _split(self, text: str) -> tuple[str, str]:
        if self._reasonings:  # the service tells them apart
            self._think.may_be_unopened, self._think.may_be_closed = False, True
        return self._think.feed(text)

    def _collect(self, text: str, reasoning: str) -> str:
        """Add to the answer; gives the text that certainly stands before a stop sequence."""
        if text:
            if self._has_stops:
                text = self._stop.feed(text)
                self.finished = self.finished or self._is_stopped
            self._texts.append(text)
        if reasoning:
            self._reasonings.append(reasoning)
        return text

    def _end_text(self, extra: Mapping[str, Any] | None = None, *, start: int = 0) -> Text:
        """Make a part of the text so far, which the next text does not continue.

        With `extra`, which belongs to the texts from `start` on, it is two parts.
        """
        start = max(start, self._in_parts) if extra else len(self._texts)
        if text := "".join(self._texts[self._in_parts : start]):
            self._parts.append(Text(text))
        if extra:
            self._parts.append(Text("".join(self._texts[start:]), extra))
        self._in_parts = len(self._texts)
        return Text("", extra or {})

    def _add_block(self, block: RawBlock) -> RawBlock:
        """Put a block without a name of ours behind the text so far. Its type becomes text, which frameworks expect."""
        kind = block.fields.get("type")
        if kind is not None and not isinstance(kind, str):
            block = RawBlock({**block.fields, "type": str(kind)}, block.dialect)
        self._end_text()
        self._parts.append(block)
        return block

    def _content(self) -> tuple[Part, ...]:
        """The parts; empty if there is nothing but text."""
        if self._parts:
            self._end_text()
        is_more = any(not isinstance(part, Text) or part.extra for part in self._parts)
        return tuple(self._parts) if is_more else ()

    def _served_model(self) -> str:
        return self._model or self._requested

    def _finish_reason(self) -> str | None:
        if self._is_stopped:
            return "stop"
        reason = _FINISH_REASONS.get(self._finish.lower(), self._finish) if self._finish else None
        if reason == "tool_calls" and (usage := read_usage(self._usage)) is not None:
            return "length" if usage.output_tokens == self._max_tokens else reason  # vLLM calls it so all the same
        return reason

    def _build_reply(self, **fields: Any) -> ChatReply:
        """The reply with the fields that all protocols have in common, and these."""
        text, reasoning = self.text, "".join(self._reasonings)
        unopened = split_unopened(text) if self._on_unopened is not None and not reasoning else None
        if self._on_unopened is not None and (unopened or self._think.was_unopened):
            self._on_unopened()
        if unopened and not self._stream:  # in a stream the text was returned before
            reasoning, text = unopened
        if self._is_stopped:
            fields["details"] = {**fields.get("details", {}), "stop_sequence": self._stop.matched}
        return ChatReply(
            text=text,
            reasoning=reasoning,
            parts=self._content(),
            finish_reason=self._finish_reason(),
            stop_reason=self._finish,
            model=self._served_model(),
            request_id=request_id_of(self._headers),
            credits_used=_number(self._headers.get("x-credits-used")),
            credits_remaining=_number(self._headers.get("x-credits-remaining")),
            **fields,
        )

    def _with_openai_fields(
        self, payload: Mapping[str, Any], usage: Usage | None, usage_fields: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The last payload, with model, usage and finish reason where code for OpenAI's answers reads them.

        `usage_fields` are the tokens under the protocol's own names, which are kept.
        """
        tokens = {}
        if usage is not None:
            tokens = {
                "prompt_tokens": usage.input_tokens,
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens,
            }
        return {
            **payload,
            "model": self._served_model(),
            "usage": {**usage_fields, **tokens} or None,
            "choices": [{"index": 0, "finish_reason": self._finish_reason()}],
        }


def _unframed(event: str, data: str | bytes) -> str:
    """What stands in data that a proxy made of an event, of a comment, or of a body with the end of a stream behind it.

    Empty where it is something else.
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    if event == "body":
        answer, terminator, rest = text.rpartition("data: [DONE]")
        return answer if terminator and not rest.strip() else ""
    inner = text[5:].strip() if text.startswith("data:") else ""
    return "null" if text.startswith(":") or inner == "[DONE]" else inner


def joined_delta(deltas: Iterable[ChatDelta | None], payload: Mapping[str, Any] | None) -> ChatDelta | None:
    """One delta out of those of one payload; None if there is none."""
    there = [delta for delta in deltas if delta is not None]
    if not there:
        return None
    has_parts = any(delta.parts for delta in there)
    return ChatDelta(
        "".join(delta.text for delta in there),
        "".join(delta.reasoning for delta in there),
        "".join(delta.refusal for delta in there),
        tuple(call for delta in there for call in delta.tool_calls),
        there[-1].reply,
        payload,
        tuple(part for delta in there for part in delta.parts or (Text(delta.text),)) if has_parts else (),
    )


def _is_empty(reply: ChatReply) -> bool:
    if reply.text or reply.reasoning or reply.refusal or reply.tool_calls or reply.finish_reason == "content_filter":
        return False
    if reply.parts or reply.extra:
        return False
    return reply.usage is None or reply.usage.output_tokens == 0


def tool_names(request: ChatRequest) -> Mapping[str, str]:
    """The names of the functions that the request offers, each with the name that its caller gave it."""
    names = filter(None, map(tool_name, request.tools))
    return {**{name: name for name in names}, **request.original_names}


def _number(text: str | None) -> float | None:
    try:
        value = None if text is None else float(text)
    except ValueError:
        return None
    return value if value is None or isfinite(value) else None
