"""Answers of OpenAI-compatible services, whole or streamed, read by one state machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aki_transport.errors import InvalidResponseError, ServerError, StreamInterruptedError
from aki_transport.messages import ChatDelta, ChatReply, Usage
from aki_transport.transport import Payload
from aki_transport.wire._decoder import READ, AnswerDecoder, count_in, text_or_none
from aki_transport.wire._tool_calls import ToolCallReader

_FIRST = (None, 0, "0")
_FINISH = {"function_call": "tool_calls", "eos": "stop", "end_turn": "stop", "max_tokens": "length"}


class OpenAIDecoder(AnswerDecoder):
    """Reads one answer."""

    def __init__(
        self, asked: str, headers: Mapping[str, str], *, on_model: Callable[[str], None], empty_is_failure: bool
    ) -> None:
        super().__init__(asked, headers, on_model=on_model, empty_is_failure=empty_is_failure)
        self._refusals: list[str] = []
        self._calls = ToolCallReader()
        self._usage: Mapping[str, Any] | None = None
        self._logprobs: list[Any] = []
        self._first: Mapping[str, Any] = {}
        self._last: Mapping[str, Any] = {}
        self._choice: Mapping[str, Any] = {}

    def feed(self, payload: Payload) -> ChatDelta | None:
        """What this payload adds, if anything.

        Raises:
            APIStatusError: It is an error.
            InvalidResponseError: It is nothing this protocol knows.
            ModelFallbackError: It comes from another model than the one that was asked.
        """
        event, data = payload
        if data == "[DONE]" and self._broken is None:
            self.finished = self.complete = True
            return None
        chunk = self._parsed(event, data)
        if chunk is None:
            return None
        self._served_by(chunk.get("model"))
        usage = chunk.get("usage")
        if usage:
            self._usage = usage
        if not self._first:
            self._first = chunk
        self._last = chunk
        choice = self._choice_of(chunk, event)
        if event == "body":
            self.complete = True
        return None if choice is None else self._read(choice, chunk)

    def end(self) -> ChatDelta:
        """The last item: what was still held back, and the whole answer.

        Raises:
            StreamInterruptedError: The stream ended without its terminator.
            ServerError: The answer is empty where that means that a worker failed.
        """
        if not self.complete:
            raise StreamInterruptedError("the stream ended before the answer was complete", partial_text=self.text)
        text, reasoning = self._flush()
        late = self._calls.end()
        reply = self._reply()
        if self._empty_is_failure and _is_empty(reply):
            raise ServerError("the answer is empty, which is how a failed worker shows", status_code=500)
        return ChatDelta(text, reasoning, "", late, reply, reply.raw)

    def _choice_of(self, chunk: Mapping[str, Any], event: str) -> Mapping[str, Any] | None:
        choices = chunk.get("choices")
        if choices and isinstance(choices, list):
            choice = choices[0]
            if not isinstance(choice, dict):
                raise InvalidResponseError(f"a choice is {type(choice).__name__}, not an object")
            if choice.get("index") in _FIRST:
                return choice
            found = next((each for each in choices if isinstance(each, dict) and each.get("index") in _FIRST), None)
            if found is not None:
                return found
        if event == "body":
            raise InvalidResponseError(f"the answer has no choices: {str(chunk)[:READ]}")
        return None

    def _read(self, choice: Mapping[str, Any], chunk: Mapping[str, Any]) -> ChatDelta | None:
        self._choice = choice
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
                text, thought = _parts(content)
                reasoning = reasoning or thought
            text, thought = self._think.feed(text)
            reasoning = f"{reasoning}{thought}" if thought else reasoning
        if text:
            self._texts.append(text)
        if reasoning:
            if not isinstance(reasoning, str):
                reasoning = "".join(_parts(reasoning))
            self._reasonings.append(reasoning)
        refusal = text_or_none(delta.get("refusal")) or ""
        if refusal:
            self._refusals.append(refusal)
        calls = delta.get("tool_calls")
        legacy = delta.get("function_call")
        deltas = self._calls.feed(calls or [{"index": 0, "function": legacy}]) if calls or legacy else ()
        if choice.get("logprobs"):
            self._logprobs.append(choice["logprobs"])
        if text or reasoning or refusal or deltas:
            return ChatDelta(text, reasoning, refusal, deltas, None, chunk)
        return None

    def _reply(self) -> ChatReply:
        finish = _FINISH.get(self._finish, self._finish) if self._finish else None
        return ChatReply(
            text=self.text,
            reasoning="".join(self._reasonings),
            refusal="".join(self._refusals),
            tool_calls=self._calls.calls(),
            finish_reason=finish,
            stop_reason=self._finish,
            usage=_usage(self._usage) if isinstance(self._usage, dict) else None,
            model=self._model or self._asked,
            id=text_or_none(self._first.get("id")),
            **self._around(),
            system_fingerprint=text_or_none(self._first.get("system_fingerprint")),
            logprobs=_merged(self._logprobs),
            raw=self._raw(finish),
        )

    def _raw(self, finish: str | None) -> Mapping[str, Any]:
        """The last payload, completed with what came before it."""
        choices = self._last.get("choices")
        choices = choices if choices and isinstance(choices, list) else [self._choice]
        first = {**choices[0], "finish_reason": finish} if isinstance(choices[0], dict) else self._choice
        return {
            **self._last,
            "model": self._model or self._asked,
            "usage": self._usage,
            "choices": [first, *choices[1:]],
        }


def _is_empty(reply: ChatReply) -> bool:
    if reply.text or reply.reasoning or reply.refusal or reply.tool_calls or reply.finish_reason == "content_filter":
        return False
    return reply.usage is None or reply.usage.output_tokens == 0


def _parts(content: Any) -> tuple[str, str]:
    """Text and reasoning of a content that came as a part or a list of parts."""
    text, thought = [], []
    for part in content if isinstance(content, list) else [content]:
        match part:
            case str():
                text.append(part)
            case {"thinking": inner} | {"reasoning": inner}:
                thought.append("".join(_parts(inner)))
            case {"text": str(inner)}:
                text.append(inner)
            case _:
                raise InvalidResponseError(f"the answer's content holds a part of an unknown form: {str(part)[:READ]}")
    return "".join(text), "".join(thought)


def _usage(said: Mapping[str, Any]) -> Usage:
    """Tokens by any of the names in use."""
    prompt = count_in(said, "prompt_tokens", "input_tokens") or 0
    completion = count_in(said, "completion_tokens", "output_tokens") or 0
    of_prompt = said.get("prompt_tokens_details") or said.get("input_tokens_details") or {}
    of_completion = said.get("completion_tokens_details") or said.get("output_tokens_details") or {}
    total = count_in(said, "total_tokens")
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=prompt + completion if total is None else total,
        **(_details(of_prompt, of_completion) if of_prompt or of_completion else {}),
    )


def _details(of_prompt: Any, of_completion: Any) -> dict[str, int | None]:
    return {
        "cached_tokens": count_in(of_prompt, "cached_tokens"),
        "cache_creation_tokens": count_in(of_prompt, "cache_creation_tokens", "cache_write_tokens"),
        "reasoning_tokens": count_in(of_completion, "reasoning_tokens"),
        "audio_input_tokens": count_in(of_prompt, "audio_tokens"),
        "audio_output_tokens": count_in(of_completion, "audio_tokens"),
    }


def _merged(logprobs: list[Any]) -> Any:
    """One `logprobs` object out of a stream's many."""
    if len(logprobs) < 2 or not all(isinstance(piece, dict) for piece in logprobs):  # noqa: PLR2004
        return logprobs[0] if logprobs else None
    lists = [tokens for piece in logprobs if isinstance(tokens := piece.get("content"), list)]
    return {"content": [token for tokens in lists for token in tokens]}
