"""The states of a job of the native API, read: how far it is, what went wrong, and its result.

What comes is taken over by name, never as a whole: the progress of the open server holds fields of its own, among them
the key of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json

from aki_transport.error_parsing import error_from_payload
from aki_transport.errors import (
    AKIError,
    APIStatusError,
    BadRequestError,
    InvalidResponseError,
    JobError,
    PermissionDeniedError,
    RateLimitError,
)
from aki_transport.messages import JobProgress
from aki_transport.transport import Call, Job, ListenerError, Payload
from aki_transport.wire._decoder import READ, count_in, number_in, text_or_none

_WORDS = ("error", "message", "description", "detail", "msg")
_ERROR_FIELDS = ("success", *_WORDS, "status", "job_id", "job_state")
_OVER = {
    "canceled": "the job was canceled by the service",
    "lapsed": "the job lapsed",
    # Named by no source; without it a service that says so would be asked on until the time is up.
    "failed": "the job failed",
}
_RESULTS = frozenset({"text", "images"})
_PAYMENT_REQUIRED = 402  # the status that this API gives to keys without the right to an endpoint, and to unknown jobs
_LOOK = 30.0  # seconds that a look at a job may take; it is answered at once or not at all
_QUEUE_FULL = re.compile(r"queue reached max", re.IGNORECASE)
_OF_A_JOB = re.compile(r"\bjob\b|job_?id", re.IGNORECASE)
_LAPSED = re.compile(r"\blapsed\b", re.IGNORECASE)


def starting(endpoint: str, body: Mapping[str, Any], *, stream: bool) -> Call:
    """The call that starts a job, with how to follow it. It is never sent twice, for it may have been billed.

    Args:
        endpoint: The endpoint's name.
        body: What the endpoint takes.
        stream: Whether someone waits for every piece.
    """
    return Call(
        path=f"/call/{quote(endpoint, safe='')}",
        body={**body, "wait_for_result": False},  # a call that waits dies after 60 s, and its result is lost
        repeatable=False,
        read_error=read_error,
        job=Job(follow=lambda started: _follow(endpoint, started), stream=stream),
    )


def _follow(endpoint: str, started: Payload) -> tuple[Call, Call]:
    job_id = from_json(started.data)["job_id"]
    path = f"/progress/{quote(endpoint, safe='')}"
    ask = Call(path=path, body={"job_id": job_id}, read_only=True, max_wait=_LOOK, read_error=read_error)
    cancel = Call(path=path, body={"job_id": job_id, "cancel": True}, max_retries=0)
    return ask, cancel


def read_error(error: APIStatusError) -> AKIError:
    """The error that an answer with a bad status means here, without the fields that are not for us."""
    said = isinstance(error.body, Mapping)
    body = {name: error.body[name] for name in _ERROR_FIELDS if name in error.body} if said else {}
    if said:
        error.body, error.text = body, None
        if not any(map(body.get, _WORDS)):
            error.message = f"no words but {body}"
            error.args = (error.message,)
    job_id, state = text_or_none(body.get("job_id")), text_or_none(body.get("job_state"))
    where = {"provider": error.provider, "model": error.model, "request_id": error.request_id}
    if not state and isinstance(error, BadRequestError) and _LAPSED.search(error.message):
        state = "lapsed"
    if state in _OVER:
        return JobError(f"{_OVER[state]}: {error.message}", job_id=job_id, state=state, **where)
    if error.status_code == _PAYMENT_REQUIRED and _OF_A_JOB.search(error.message):
        return JobError(f"the service does not know the job: {error.message}", job_id=job_id, state="failed", **where)
    if error.status_code == _PAYMENT_REQUIRED:
        return _as(PermissionDeniedError, error)
    if _QUEUE_FULL.search(error.message):
        return _as(RateLimitError, error)
    return error


def _as(cls: type[APIStatusError], error: APIStatusError) -> APIStatusError:
    return cls(
        error.message,
        status_code=error.status_code,
        code=error.code,
        type=error.type,
        retry_after=error.retry_after,
        body=error.body,
        text=error.text,
        headers=error.headers,
        provider=error.provider,
        model=error.model,
        request_id=error.request_id,
    )


class JobReader:
    """Reads one job's states.

    Args:
        on_progress: Told how far the job is whenever that has changed.
    """

    def __init__(self, on_progress: Callable[[JobProgress], None] | None) -> None:
        self.job_id = ""
        self.result: Mapping[str, Any] | None = None
        self.progress: JobProgress | None = None
        self._on_progress = on_progress

    def read(self, payload: Payload) -> Mapping[str, Any] | None:
        """What the worker reports of its work so far, if anything; the result is in `result` once it is there.

        Raises:
            JobError: The job failed, lapsed or was canceled, or its result is lost.
            APIStatusError: The call was refused inside a good answer.
            InvalidResponseError: It is no state of a job.
        """
        before = self.progress
        report = self._take(payload)
        # Told from here, where no variable holds what the service said: what the user's function raises may be printed
        # with all variables on its way.
        if self._on_progress is not None and self.progress is not None and self.progress != before:
            try:
                self._on_progress(self.progress)
            except Exception as error:  # noqa: BLE001  whatever it is, it is the user's
                failure = ListenerError(error)
            else:
                return report
            raise failure
        return report

    def _take(self, payload: Payload) -> Mapping[str, Any] | None:
        try:
            said = from_json(payload.data)
        except ValueError as error:
            raise InvalidResponseError(f"the answer is not JSON ({error}): {_shown(payload)!r}") from None
        if not isinstance(said, dict):
            raise InvalidResponseError(f"the answer is {type(said).__name__}, not an object")
        if said.get("success") is False:
            raise read_error(error_from_payload(said))
        self.job_id = text_or_none(said.get("job_id")) or self.job_id
        state = text_or_none(said.get("job_state"))
        result = said.get("job_result")
        failure = said.get("error") or (isinstance(result, dict) and result.get("error"))
        if failure:
            raise self._failed(f"the worker failed: {error_from_payload({'error': failure}).message}", "failed")
        if state in _OVER:
            raise self._failed(_OVER[state], state)
        if state is None and result is None and not _RESULTS.isdisjoint(said):
            result = said  # a service that answers at once, whatever it was asked
        if state is None and isinstance(result, dict):
            state = "done"
        if state == "done":
            if not isinstance(result, dict):
                raise self._failed("the job is done, but its result was delivered before and is lost", "failed")
            self.result = result
            self.progress = JobProgress(job_id=self.job_id, state="done", percent=100.0)
            return None
        if not self.job_id:
            raise InvalidResponseError(f"the answer names no job, but holds {str(sorted(said))[:READ]}")
        return self._go_on(state, said.get("progress"))

    def _go_on(self, state: str | None, progress: Any) -> Mapping[str, Any] | None:
        if not isinstance(progress, dict):
            return None
        self.progress = JobProgress(
            job_id=self.job_id,
            state=state or "processing",
            percent=number_in(progress, "progress"),
            queue_position=count_in(progress, "queue_position"),
            estimate=number_in(progress, "estimate"),
            workers=count_in(progress, "num_workers_online"),
        )
        data = progress.get("progress_data")
        return data if isinstance(data, dict) else None

    def _failed(self, words: str, state: str) -> JobError:
        return JobError(words, job_id=self.job_id or None, state=state)


def _shown(payload: Payload) -> str:
    data = payload.data[:READ]
    return data if isinstance(data, str) else data.decode("utf-8", "replace")
