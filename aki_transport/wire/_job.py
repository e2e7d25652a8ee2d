"""Jobs of the native API: the call that starts one, and the states of it: progress, errors, result.

Fields are copied by name, never all at once: the progress of AKI.IO's open-source server holds fields of its own, among
them the key of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from aki_transport.error_parsing import error_from_payload
from aki_transport.errors import (
    AKIError,
    APIStatusError,
    BadRequestError,
    ContextOverflowError,
    InvalidResponseError,
    JobError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from aki_transport.json_text import parse_json, shown
from aki_transport.messages import JobProgress, OnProgress
from aki_transport.transport import Call, Job, ListenerError, Payload, Timeout
from aki_transport.wire._fields import count_in, number_in, text_or_none

_MESSAGE_FIELDS = ("error", "message", "description", "detail", "msg")
_ERROR_FIELDS = ("success", *_MESSAGE_FIELDS, "status", "job_id", "job_state")
_FAILED_STATES = {
    "canceled": "the job was canceled by the service",
    "lapsed": "the job lapsed",
    # No source names this state. It is here so that a service that sends it is not polled until the time is up.
    "failed": "the job failed",
}
_OF_REQUESTS = (BadRequestError, NotFoundError, APIStatusError)
_RESULT_FIELDS = frozenset({"text", "images"})
_PAYMENT_REQUIRED = 402  # this API's status for keys without the right to an endpoint, and for unknown jobs
_POLL_TIMEOUT = Timeout(answer=30.0)  # the state of a job is answered at once or not at all
_QUEUE_FULL = re.compile(r"queue reached max", re.IGNORECASE)
_ABOUT_JOB = re.compile(r"\bjob\b|job_?id", re.IGNORECASE)
_OVER = re.compile(r"\b(lapsed|cancell?ed)\b", re.IGNORECASE)


def start_job(endpoint: str, body: Mapping[str, Any], *, stream: bool) -> Call:
    """The call that starts a job, and how to follow the job. It may be billed, so it is never sent twice."""
    return Call(
        path=f"/call/{quote(endpoint, safe='')}",
        body={**body, "wait_for_result": False},  # a call that waits ends after 60 s, and its result is lost
        repeatable=False,
        read_error=read_error,
        job=Job(follow=lambda started: _follow(endpoint, started), stream=stream),
    )


def _follow(endpoint: str, started: Payload) -> tuple[Call, Call]:
    job_id = parse_json(started.data)["job_id"]
    path = f"/progress/{quote(endpoint, safe='')}"
    poll = Call(
        path=path,
        body={"job_id": job_id},
        read_only=True,
        timeout=_POLL_TIMEOUT,
        read_error=partial(read_error, polled=job_id),
    )
    cancel = Call(path=path, body={"job_id": job_id, "cancel": True}, max_retries=0)
    return poll, cancel


def read_error(error: APIStatusError, polled: str | None = None) -> AKIError:
    """The error that this API means by a bad status, with none but the known fields of its body.

    `error` is what the status means elsewhere, `polled` the job whose state was asked for.
    """
    has_fields = isinstance(error.body, Mapping)
    body = {name: error.body[name] for name in _ERROR_FIELDS if name in error.body} if has_fields else {}
    if has_fields:
        error.body, error.text = body, None
        if not any(map(body.get, _MESSAGE_FIELDS)):
            error.message = f"no message but {body}"
            error.args = (error.message,)
    job_id, state = text_or_none(body.get("job_id")) or polled, _state_in(body)
    context = {"provider": error.provider, "model": error.model, "request_id": error.request_id}
    if not state and type(error) in _OF_REQUESTS and (match := _OVER.search(error.message)):
        state = "lapsed" if match[1].lower() == "lapsed" else "canceled"
    if state in _FAILED_STATES:
        return JobError(f"{_FAILED_STATES[state]}: {error.message}", job_id=job_id, state=state, **context)
    if _QUEUE_FULL.search(error.message):
        return _converted(error, RateLimitError)
    is_poll_refused = polled is not None and type(error) in _OF_REQUESTS
    if (is_poll_refused or error.status_code == _PAYMENT_REQUIRED) and _ABOUT_JOB.search(error.message):
        message = f"the service does not know the job: {error.message}"
        return JobError(message, job_id=job_id, state="failed", **context)
    if error.status_code == _PAYMENT_REQUIRED:
        return _converted(error, PermissionDeniedError)
    return error


def _state_in(body: Mapping[str, Any]) -> str | None:
    state = text_or_none(body.get("job_state"))
    return "canceled" if state == "cancelled" else state


def _converted(error: APIStatusError, cls: type[APIStatusError]) -> APIStatusError:
    converted = cls(error.message, status_code=error.status_code)
    for name in vars(converted):
        setattr(converted, name, getattr(error, name))
    return converted


class JobReader:
    """Reads the states of one job: `job_id` is empty until a state names it, `result` is None until the job is done."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self.job_id = ""
        self.result: Mapping[str, Any] | None = None
        self.progress: JobProgress | None = None
        self._on_progress = on_progress

    def read(self, payload: Payload) -> Mapping[str, Any] | None:
        """Read one state; returns the worker's `progress_data`, if any. When the job is done, its `result` is set."""
        before = self.progress
        progress_data = self._read_state(payload)
        # Called here, where no variable holds the service's answer: if the user's function raises, tools may print the
        # variables of every frame on the way.
        if self._on_progress is not None and self.progress is not None and self.progress != before:
            try:
                self._on_progress(self.progress)
            except Exception as error:  # noqa: BLE001  whatever the user's function raises
                failure = ListenerError(error)
            else:
                return progress_data
            raise failure
        return progress_data

    def _read_state(self, payload: Payload) -> Mapping[str, Any] | None:
        body = parse_json(payload.data)
        if not isinstance(body, dict):
            raise InvalidResponseError(f"the answer is {type(body).__name__}, not an object")
        if body.get("success") is False:
            raise read_error(error_from_payload(body), self.job_id or None)
        self.job_id = text_or_none(body.get("job_id")) or self.job_id
        state = _state_in(body)
        result = body.get("job_result")
        failure = body.get("error") or (isinstance(result, dict) and result.get("error"))
        if failure:
            error = error_from_payload({"error": failure})
            if isinstance(error, ContextOverflowError):
                raise error
            raise self._failed(f"the worker failed: {error.message}", "failed")
        if state in _FAILED_STATES:
            raise self._failed(_FAILED_STATES[state], state)
        if state is None and result is None and not _RESULT_FIELDS.isdisjoint(body):
            result = body  # some services answer with the result at once, in spite of wait_for_result
        if state is None and isinstance(result, dict):
            state = "done"
        if state == "done":
            if not isinstance(result, dict):
                raise self._failed("the job is done, but its result was delivered before and is lost", "failed")
            self.result = result
            self.progress = JobProgress(job_id=self.job_id, state="done", percent=100.0)
            return None
        if not self.job_id:
            raise InvalidResponseError(f"the answer names no job, but holds {shown(sorted(body))}")
        return self._read_progress(state, body.get("progress"))

    def _read_progress(self, state: str | None, progress: Any) -> Mapping[str, Any] | None:
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

    def _failed(self, message: str, state: str) -> JobError:
        return JobError(message, job_id=self.job_id or None, state=state)
