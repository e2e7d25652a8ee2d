"""Follows a job: starts it once, polls it until the decoder has its result, and cancels it if nobody waits any more.

A poll whose connection is lost says nothing about the job: the next one asks again, for a minute.

The sync and the async half stand side by side and differ in their I/O alone.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aki_transport.errors import (
    AKIError,
    APIConnectionError,
    APITimeoutError,
    ContextOverflowError,
    JobError,
    StreamInterruptedError,
)
from aki_transport.transport.call import Call, ListenerError, Sender, Start, T
from aki_transport.transport.decoder import Payload

log = logging.getLogger("aki_transport")

FIRST_PAUSE = 0.05  # seconds before the first poll; short jobs are done by then
SHARE = 0.1  # of a job's age passes between two polls, so that a job of any length is polled about as often
LONGEST_PAUSE = 2.0  # seconds between two polls, where only the result is waited for
LONGEST_PAUSE_STREAMED = 0.4  # and where someone reads along
LONGEST_OUTAGE = 60.0  # seconds without an answered poll after which a job is given up
_TO_CANCEL = 3.0  # seconds that canceling may take
_TO_START = 3.0  # seconds that a start under way is still waited for when its caller has left


def pause(age: float, *, stream: bool) -> float:
    """Seconds until the next poll of a job of that age in seconds."""
    return min(max(FIRST_PAUSE, SHARE * age), LONGEST_PAUSE_STREAMED if stream else LONGEST_PAUSE)


class _Job:
    """One job from its start to its end, however it is waited for; see `follow_job`."""

    def __init__(self, sender: Sender, call: Call, start: Start[Any], deadline: float | None) -> None:
        bound = (call.timeout or sender.timeout).answer
        self._sender = sender
        self._start = start
        self._call = call
        self._job: Any = call.job
        self._started_at = self._answered_at = time.monotonic()
        self._process = os.getpid()
        ends = [end for end in (deadline, None if bound is None else self._started_at + bound) if end is not None]
        self._bounded_by = "total_timeout" if deadline is not None and deadline == min(ends) else "timeout"
        self._lost: APIConnectionError | None = None
        self._cancel: Call | None = None
        self.poll: Call | None = None
        self.decoder: Any = None
        self.deadline = min(ends, default=None)
        # A start that the deadline cut off would leave a job that nobody can cancel.
        self.start_deadline = None if deadline is None else deadline + _TO_START
        _running.add(self)

    def read_start(self, headers: Mapping[str, str], body: Payload) -> Any:
        self.decoder = self._start(headers)
        item = self.decoder.feed(Payload("started", body.data))
        if not self.decoder.complete:
            self.poll, self._cancel = self._job.follow(body)
        return item

    def read_poll(self, _: Mapping[str, str], body: Payload) -> Any:
        self._lost = None
        self._answered_at = time.monotonic()
        return self.decoder.feed(Payload("progress", body.data))

    def next_pause(self) -> float:
        now = time.monotonic()
        wait = pause(now - self._started_at, stream=self._job.stream)
        if self.deadline is not None and now + wait >= self.deadline:
            waited = f"after {now - self._started_at:.0f} s, which {self._bounded_by}= allows"
            lost = "" if self._lost is None else f", and could not be polled at last ({self._lost.message})"
            message = f"the job was not done {waited}{lost}; it is canceled if the service can"
            raise self._sender.with_context(APITimeoutError(message), self._call, None, None)
        return wait

    def note_lost_poll(self, error: APIConnectionError) -> None:
        """A poll had no answer, so it adds nothing; raises the error again if that has been so for too long."""
        self._lost = error
        if time.monotonic() - self._answered_at > LONGEST_OUTAGE:
            raise error

    def failure(self, error: BaseException) -> BaseException:
        """What the caller gets for an error: with the text so far where someone has read it."""
        if isinstance(error, ListenerError):
            return error.error
        text = self.decoder.text if self._job.stream and self.decoder is not None else ""
        if not text or not isinstance(error, APIConnectionError):
            return error
        context = {"provider": error.provider, "model": error.model, "request_id": error.request_id}
        return StreamInterruptedError(f"the job could not be polled ({error.message})", partial_text=text, **context)

    def _call_to_cancel(self, error: BaseException | None) -> Call | None:
        """The call that cancels the job, once; None if it is over, or was started by another process."""
        call, self._cancel = self._cancel, None
        is_over = isinstance(error, JobError | ContextOverflowError) or call is None or self.decoder.complete
        return None if is_over or self._process != os.getpid() or sys.is_finalizing() else call

    def cancel_now(self, error: BaseException | None = None) -> None:
        with _logged():
            if call := self._call_to_cancel(error):
                self._sender.fetch(call, _ignore, deadline=time.monotonic() + _TO_CANCEL)

    async def acancel(self, error: BaseException | None = None) -> None:
        """`cancel_now`, async. A generator that is closed does not wait: its loop may be closing around it."""
        if isinstance(error, GeneratorExit) and self._sender.http_async_client is None:
            threading.Thread(target=self.cancel_now, args=(error,)).start()
            return
        with _logged():
            if call := self._call_to_cancel(error):
                await self._sender.afetch(call, _ignore, deadline=time.monotonic() + _TO_CANCEL)

    def __del__(self) -> None:
        # The generator was collected, for instance with an event loop that was closed under it.
        if self._cancel is not None and self._sender.http_async_client is None and not sys.is_finalizing():
            threading.Thread(target=self.cancel_now).start()


def _ignore(_: Mapping[str, str], __: Payload) -> None:
    """Whatever the answer to a cancel is, the job is left alone then."""


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except AKIError as failure:
        log.info("the job could not be canceled: %s", failure)


_running: weakref.WeakSet[_Job] = weakref.WeakSet()


@atexit.register  # after `lifetime`, which `sender` imports first: this runs before the connections close
def _cancel_all() -> None:
    for job in list(_running):
        job.cancel_now()


def follow_job(sender: Sender, call: Call, start: Start[T], *, deadline: float | None) -> Iterator[T]:
    """Start the job and give what the decoder makes of each of its states.

    The start is never sent again once it may have been received. `Timeout.answer` bounds the job in any case.

    Raises:
        JobError: The job failed, lapsed or was canceled.
        AKIError: A call failed, with its repetitions, or the time was up.
    """
    job = _Job(sender, call, start, deadline)
    try:
        item = sender.fetch(call, job.read_start, deadline=job.start_deadline)
        while True:
            if item is not None:
                yield item
            if job.poll is None or job.decoder.finished:
                break
            time.sleep(job.next_pause())
            try:
                item = sender.fetch(job.poll, job.read_poll, deadline=job.deadline)
            except APIConnectionError as error:
                job.note_lost_poll(error)
                item = None
        yield job.decoder.end()
    except BaseException as error:  # noqa: BLE001  raised again, once the job is canceled
        failure = job.failure(error)
        job.cancel_now(failure)
        raise failure from None
    job.cancel_now()  # one that a stop sequence ended goes on at the service


async def afollow_job(
    sender: Sender, call: Call, start: Start[T], *, deadline: float | None
) -> AsyncGenerator[T, None]:
    """`follow_job`, async."""
    job = _Job(sender, call, start, deadline)
    try:
        item = await _astart(sender, call, job)
        while True:
            if item is not None:
                yield item
            if job.poll is None or job.decoder.finished:
                break
            await asyncio.sleep(job.next_pause())
            try:
                item = await sender.afetch(job.poll, job.read_poll, deadline=job.deadline)
            except APIConnectionError as error:
                job.note_lost_poll(error)
                item = None
        yield job.decoder.end()
    except BaseException as error:  # noqa: BLE001  raised again, once the job is canceled
        failure = job.failure(error)
        await job.acancel(failure)
        raise failure from None
    await job.acancel()


async def _astart(sender: Sender, call: Call, job: _Job) -> Any:
    """Start the job. A caller that is canceled meanwhile waits a little, for only a job with an ID can be canceled."""
    starting = asyncio.ensure_future(sender.afetch(call, job.read_start, deadline=job.start_deadline))
    try:
        return await asyncio.shield(starting)
    except BaseException:
        if not starting.done():
            await asyncio.wait([starting], timeout=_TO_START)
            starting.cancel()
        raise
