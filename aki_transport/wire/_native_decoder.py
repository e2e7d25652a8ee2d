"""Answers of AKI.IO's own API: text that comes whole at every look, made into what is new since the last one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os.path import commonprefix
from typing import Any

from aki_transport.errors import InvalidResponseError
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, JobProgress, Usage
from aki_transport.transport import Payload
from aki_transport.wire._decoder import READ, AnswerDecoder, completed, count_in, number_in, text_or_none
from aki_transport.wire._job import JobReader

_COUNTS = ("num_generated_tokens", "prompt_length", "current_context_length", "max_seq_len")
_FORM = ("thinking", "content")
_SECONDS = ("total_duration", "compute_duration")


class NativeDecoder(AnswerDecoder):
    """Reads the states of one job.

    A worker may take back the end of its text between two looks. So text is given out once two looks in a row agree on
    it, or the job is done.

    Args:
        request: What was asked.
        headers: The headers of the answer that started the job.
        on_progress: Told how far the job is whenever that has changed.
        stream: Whether what the worker reports before it is done is given out.
    """

    def __init__(
        self,
        request: ChatRequest,
        headers: Mapping[str, str],
        *,
        on_progress: Callable[[JobProgress], None] | None,
        stream: bool,
    ) -> None:
        super().__init__(request.model, headers, on_model=lambda _: None, empty_is_failure=False)
        self._job = JobReader(on_progress)
        self._stream = stream
        self._limit = request.max_tokens
        self._stop = _StopWords(request.stop)
        self._seen: dict[str, str] = {"thinking": "", "content": ""}
        self._given: dict[str, str] = {"thinking": "", "content": ""}

    def feed(self, payload: Payload) -> ChatDelta | None:
        """What this state adds, if anything.

        Raises:
            JobError: The job failed, lapsed or was canceled, or its result is lost.
            APIStatusError: The service refused the call.
            InvalidResponseError: It is no state of a job, or takes back what was given out.
        """
        report = self._job.read(payload)
        result = self._job.result
        if result is not None:
            self.finished = self.complete = True
            if result.get("text") is None:
                raise InvalidResponseError(f"the job's result holds no text, but {str(sorted(result))[:READ]}")
            return self._delta(_texts(result["text"]), final=True)
        if not self._stream or report is None or report.get("text") is None:
            return None
        return self._delta(_texts(report["text"]), final=False)

    def end(self) -> ChatDelta:
        """The last item: what was still held back, and the whole answer."""
        held, reasoning = self._think.flush()
        text = self._stop.feed(held) + self._stop.flush()
        self._note(text, reasoning)
        reply = self._reply()
        return ChatDelta(text, reasoning, "", (), reply, reply.raw)

    def _delta(self, now: Mapping[str, str], *, final: bool) -> ChatDelta | None:
        reasoning = self._new("thinking", now["thinking"], final=final)
        text, thought = self._think.feed(self._new("content", now["content"], final=final))
        text, reasoning = self._stop.feed(text), reasoning + thought
        if self._stop.found is not None:
            self.finished = True
        self._note(text, reasoning)
        return ChatDelta(text, reasoning, "", (), None, self._raw()) if text or reasoning else None

    def _note(self, text: str, reasoning: str) -> None:
        if text:
            self._texts.append(text)
        if reasoning:
            self._reasonings.append(reasoning)

    def _new(self, name: str, text: str, *, final: bool) -> str:
        """What is certain of a text now and was not before."""
        given = self._given[name]
        certain = text if final else _agreed(self._seen[name], text)
        self._seen[name] = text
        if certain in (given.rstrip(), given.strip()) if final else len(certain) <= len(given):
            return ""
        if final and not certain.startswith(given):
            given = given.lstrip()  # some results come without the blanks around them
        if not certain.startswith(given):
            raise InvalidResponseError(f"the service took back text that it had given twice: {given[-200:]!r}")
        self._given[name] = certain
        return certain[len(given) :]

    def _raw(self) -> Mapping[str, Any]:
        """The state of the job, by the service's names."""
        progress = self._job.progress
        if progress is None:
            return {"job_id": self._job.job_id}
        return {"job_id": progress.job_id, "job_state": progress.state, "progress": progress.percent}

    def _reply(self) -> ChatReply:
        result = self._job.result or {}
        usage = _usage(result)
        limit = self._limit
        cut = limit is not None and usage is not None and usage.output_tokens >= limit and not self._stop.found
        finish = "length" if cut else "stop"
        durations = {name: value for name in _SECONDS if (value := number_in(result, name)) is not None}
        name = text_or_none(result.get("model_name"))
        counts = {name: value for name in _COUNTS if (value := count_in(result, name)) is not None}
        return ChatReply(
            text=self.text,
            reasoning="".join(self._reasonings),
            finish_reason=finish,
            usage=usage,
            model=self._asked,
            id=self._job.job_id or None,
            details={
                **({} if name is None else {"native_model_name": name}),
                **durations,
                **({"stop_sequence": self._stop.found} if self._stop.found else {}),
            },
            raw=completed(
                {**self._raw(), **counts, **durations, "text": self.text}, self._asked, usage, finish, said={}
            ),
            **self._around(),
        )


def _agreed(before: str, now: str) -> str:
    if now.startswith(before):
        return before
    return now if before.startswith(now) else commonprefix((before, now))  # noqa: RUF071  texts, not paths


class _StopWords:
    """Cuts a text before the first of some words, and holds back what may be the beginning of one."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = tuple(filter(None, words))
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """What of the text is certain to stand before them."""
        if not self._words or not text:
            return text
        if self.found is not None:
            return ""
        text = self._held + text
        # The one that is whole first, as if they were looked for at each character: so it is the same for any pieces.
        found = [(at + len(word), at, word) for word in self._words if (at := text.find(word)) >= 0]
        if found:
            _, at, self.found = min(found)
            self._held = ""
            return text[:at]
        kept = max((_overlap(text, word) for word in self._words), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def flush(self) -> str:
        """What was held back and turned out to be none."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, word: str) -> int:
    """How many of the last characters may be the beginning of `word`."""
    return next((n for n in range(min(len(word) - 1, len(text)), 0, -1) if word.startswith(text[-n:])), 0)


def _texts(text: Any) -> Mapping[str, str]:
    """Reasoning and answer: apart in the JSON form, one text with tags in it in the others."""
    match text:
        case str():
            return {"thinking": "", "content": text}
        case Mapping() if all(isinstance(text.get(name), str | None) for name in _FORM):
            return {name: text.get(name) or "" for name in _FORM}
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
