"""Decodes answers in OpenAI's chat completions format, streamed or blocking, with one state machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aki_transport.error_parsing import error_from_payload
from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import MAX_SHOWN
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, ToolCallDelta, Usage
from aki_transport.transport import Payload
from aki_transport.wire._decoder import AnswerDecoder, count_in, text_or_none, tool_names
from aki_transport.wire._tool_calls import ToolCallReader

_FIRST_INDEX = (None, 0, "0")


class OpenAIDecoder(AnswerDecoder):
    """Decodes one answer."""

    def __init__(self, request: ChatRequest, headers: Mapping[str, str], **options: Any) -> None:
        super().__init__(request, headers, **options)
        self._refusals: list[str] = []
        self._calls = ToolCallReader(tool_names(request))
        self._usage: Mapping[str, Any] | None = None
        self._logprobs: list[Any] = []
        self._first: Mapping[str, Any] = {}
        self._last: Mapping[str, Any] = {}
        self._choice: Mapping[str, Any] = {}

    def feed(self, payload: Payload) -> ChatDelta | None:
        """The delta in this payload, if any."""
        event, data = payload
        if data == "[DONE]" and self._broken is None:
            self.finished = self.complete = True
            return None
        chunk = self._parse(event, data)
        if chunk is None:
            return None
        self._note_model(chunk.get("model"))
        self._usage = chunk.get("usage") or self._usage
        self._first = self._first or chunk
        self._last = chunk
        choice = self._first_choice(chunk, event)
        if event == "body":
            self.complete = True
        return None if choice is None else self._read_choice(choice, chunk, event)

    def _held_parts(self) -> tuple[str, tuple[ToolCallDelta, ...]]:
        return "", self._calls.end()

    def _first_choice(self, chunk: Mapping[str, Any], event: str) -> Mapping[str, Any] | None:
        choices = chunk.get("choices")
        if choices and isinstance(choices, list):
            choice = choices[0]
            if not isinstance(choice, dict):
                raise InvalidResponseError(f"a choice is {type(choice).__name__}, not an object")
            if choice.get("index") in _FIRST_INDEX:
                return choice
            for other in choices:
                if isinstance(other, dict) and other.get("index") in _FIRST_INDEX:
                    return other
        if event == "body":
            raise InvalidResponseError(f"the answer has no choices: {str(chunk)[:MAX_SHOWN]}")
        return None

    def _read_choice(self, choice: Mapping[str, Any], chunk: Mapping[str, Any], event: str) -> ChatDelta | None:
        self._choice = choice
        if choice.get("error"):
            raise error_from_payload({"error": choice["error"]})
        finish = choice.get("finish_reason")
        if finish:
            self._finish = finish if isinstance(finish, str) else self._finish
            self.complete = True
        delta = choice.get("delta")
        if delta is None:
            delta = choice.get("message")
            if delta is not None and "delta" not in choice and chunk.get("object") != "chat.completion.chunk":
                self.complete = True
        if not delta or not isinstance(delta, dict):
            return None
        content = delta.get("content")
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        text = ""
        if content:
            if isinstance(content, str):
                text = content
            else:
                text, thinking = _parts(content)
                reasoning = reasoning or thinking
            text, thinking = self._split(text)
            reasoning = f"{reasoning}{thinking}" if thinking else reasoning
        if not isinstance(reasoning, str):
            reasoning = "".join(_parts(reasoning))
        text = self._collect(text, reasoning)
        if self._is_stopped:
            return ChatDelta(text, reasoning, "", (), None, chunk)
        refusal = text_or_none(delta.get("refusal")) or ""
        if refusal:
            self._refusals.append(refusal)
        calls = delta.get("tool_calls")
        function = delta.get("function_call")  # the older form of one tool call
        deltas: tuple[ToolCallDelta, ...] = ()
        if calls or function:
            pieces = calls or [{"index": 0, "function": function}]
            deltas = self._calls.feed(pieces, blocking="delta" not in choice and event == "body")
        if choice.get("logprobs"):
            self._logprobs.append(choice["logprobs"])
        if text or reasoning or refusal or deltas:
            return ChatDelta(text, reasoning, refusal, deltas, None, chunk)
        return None

    def _reply(self) -> ChatReply:
        return self._build_reply(
            refusal="".join(self._refusals),
            tool_calls=self._calls.calls(),
            usage=_usage(self._usage) if isinstance(self._usage, dict) and self.complete else None,
            id=text_or_none(self._first.get("id")),
            system_fingerprint=text_or_none(self._first.get("system_fingerprint")),
            logprobs=_merged_logprobs(self._logprobs),
            raw=self._raw(),
        )

    def _raw(self) -> Mapping[str, Any]:
        """The last payload, with model, usage and finish reason of the payloads before it."""
        choices = self._last.get("choices")
        choices = choices if choices and isinstance(choices, list) else [self._choice]
        first = choices[0]
        first = {**first, "finish_reason": self._finish_reason()} if isinstance(first, dict) else self._choice
        usage = self._usage if self.complete else None
        return {**self._last, "model": self._served_model(), "usage": usage, "choices": [first, *choices[1:]]}


def _parts(content: Any) -> tuple[str, str]:
    """Text and reasoning of content that is a part or a list of parts."""
    text, reasoning = [], []
    for part in content if isinstance(content, list) else [content]:
        match part:
            case str():
                text.append(part)
            case {"thinking": inner} | {"reasoning": inner}:
                reasoning.append("".join(_parts(inner)))
            case {"text": str(inner)}:
                text.append(inner)
            case _:
                raise InvalidResponseError(
                    f"the answer's content holds a part of an unknown form: {str(part)[:MAX_SHOWN]}"
                )
    return "".join(text), "".join(reasoning)


def _usage(fields: Mapping[str, Any]) -> Usage:
    """The tokens, under any of the names that services use."""
    prompt = count_in(fields, "prompt_tokens", "input_tokens") or 0
    completion = count_in(fields, "completion_tokens", "output_tokens") or 0
    prompt_details = fields.get("prompt_tokens_details") or fields.get("input_tokens_details") or {}
    completion_details = fields.get("completion_tokens_details") or fields.get("output_tokens_details") or {}
    total = count_in(fields, "total_tokens")
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=prompt + completion if total is None else total,
        **(_details(prompt_details, completion_details) if prompt_details or completion_details else {}),
    )


def _details(prompt_details: Any, completion_details: Any) -> dict[str, Any]:
    return {
        "cached_tokens": count_in(prompt_details, "cached_tokens"),
        "cache_creation_tokens": count_in(prompt_details, "cache_creation_tokens", "cache_write_tokens"),
        "reasoning_tokens": count_in(completion_details, "reasoning_tokens"),
        "audio_input_tokens": count_in(prompt_details, "audio_tokens"),
        "audio_output_tokens": count_in(completion_details, "audio_tokens"),
    }


def _merged_logprobs(logprobs: list[Any]) -> Any:
    """One `logprobs` object out of those of all chunks."""
    if len(logprobs) < 2 or not all(isinstance(piece, dict) for piece in logprobs):  # noqa: PLR2004
        return logprobs[0] if logprobs else None
    lists = [tokens for piece in logprobs if isinstance(tokens := piece.get("content"), list)]
    return {"content": [token for tokens in lists for token in tokens]}
