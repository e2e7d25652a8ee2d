"""Decodes answers of AKI.IO's own API: every job state holds the complete text so far; what is new becomes a delta."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import commonprefix
from typing import Any

from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import shown
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, Usage
from aki_transport.transport import Payload
from aki_transport.wire._chat_decoder import AnswerDecoder
from aki_transport.wire._fields import count_in, number_in, text_or_none
from aki_transport.wire._job import JobReader

_TOKEN_FIELDS = ("num_generated_tokens", "prompt_length", "current_context_length", "max_seq_len")
_TEXT_FIELDS = ("thinking", "content")
_DURATION_FIELDS = ("total_duration", "compute_duration")


class NativeDecoder(AnswerDecoder):
    """Decodes the states of one job.

    A worker may replace the end of its text between two states. So text is returned once two states in a row agree on
    it, or the job is done.
    """

    def __init__(self, request: ChatRequest, headers: Mapping[str, str], **options: Any) -> None:
        super().__init__(request, headers, **options)
        self._job = JobReader(self._on_progress)
        self._previous = dict.fromkeys(_TEXT_FIELDS, "")
        self._returned = dict.fromkeys(_TEXT_FIELDS, "")

    def feed(self, payload: Payload) -> ChatDelta | None:
        """The text that this state adds, if any."""
        progress_data = self._job.read(payload)
        result = self._job.result
        if result is not None:
            self.finished = self.complete = True
            if result.get("text") is None:
                raise InvalidResponseError(f"the job's result holds no text, but {shown(sorted(result))}")
            return self._delta(_text_fields(result["text"]), final=True)
        if not self._stream or progress_data is None or progress_data.get("text") is None:
            return None
        return self._delta(_text_fields(progress_data["text"]), final=False)

    def _delta(self, texts: Mapping[str, str], *, final: bool) -> ChatDelta | None:
        reasoning = self._new_text("thinking", texts["thinking"], final=final)
        text, tagged_reasoning = self._split(self._new_text("content", texts["content"], final=final))
        reasoning += tagged_reasoning
        text = self._collect(text, reasoning)
        return ChatDelta(text, reasoning, "", (), None, self._raw()) if text or reasoning else None

    def _new_text(self, name: str, text: str, *, final: bool) -> str:
        """The part of a text that is certain now and was not returned before."""
        returned = self._returned[name]
        certain = text if final else _common_start(self._previous[name], text)
        self._previous[name] = text
        if certain in (returned.rstrip(), returned.strip()) if final else len(certain) <= len(returned):
            return ""
        if final and not certain.startswith(returned):
            returned = returned.lstrip()  # some results come without the whitespace around them
        if not certain.startswith(returned):
            raise InvalidResponseError(f"the service took back text that it had sent twice: {returned[-200:]!r}")
        self._returned[name] = certain
        return certain[len(returned) :]

    def _raw(self) -> Mapping[str, Any]:
        """The state of the job, under the service's names."""
        progress = self._job.progress
        assert progress is not None  # noqa: S101  a text comes with a state of the job
        return {"job_id": progress.job_id, "job_state": progress.state, "progress": progress.percent}

    def _finish_reason(self) -> str:
        generated = count_in(self._job.result, "num_generated_tokens")
        if self._max_tokens is None or generated is None or self._is_stopped:
            return "stop"
        return "length" if generated >= self._max_tokens else "stop"

    def _reply(self) -> ChatReply:
        result = self._job.result or {}
        usage = _usage(result)
        durations = {name: value for name in _DURATION_FIELDS if (value := number_in(result, name)) is not None}
        counts = {name: value for name in _TOKEN_FIELDS if (value := count_in(result, name)) is not None}
        name = text_or_none(result.get("model_name"))
        return self._build_reply(
            usage=usage,
            id=self._job.job_id or None,
            details={**({} if name is None else {"native_model_name": name}), **durations},
            raw=self._with_openai_fields({**self._raw(), **counts, **durations, "text": self.text}, usage, counts),
        )


def _common_start(before: str, now: str) -> str:
    return before if now.startswith(before) else commonprefix((before, now))  # noqa: RUF071  texts, not paths


def _text_fields(text: Any) -> Mapping[str, str]:
    """Reasoning and answer: two fields in the JSON form, one text with tags in the others."""
    match text:
        case str():
            return {"thinking": "", "content": text}
        case Mapping() if all(isinstance(text.get(name), str | None) for name in _TEXT_FIELDS):
            return {name: text.get(name) or "" for name in _TEXT_FIELDS}
        case _:
            raise InvalidResponseError(f"the text is {type(text).__name__}, neither text nor an object of texts")


def _usage(result: Mapping[str, Any]) -> Usage | None:
    generated = count_in(result, "num_generated_tokens")
    if generated is None:
        return None
    prompt = count_in(result, "prompt_length")
    if prompt is None:
        prompt = max((count_in(result, "current_context_length") or generated) - generated, 0)
    return Usage(input_tokens=prompt, output_tokens=generated, total_tokens=prompt + generated)
