"""Follows a job: starts it once, looks at it until the decoder has its result, and cancels what nobody waits for.

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
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from functools import cache
from typing import Any, Protocol, TypeVar

from aki_transport.errors import AKIError, APIConnectionError, APITimeoutError, JobError, StreamInterruptedError
from aki_transport.transport.call import Call, ListenerError, Timeout
from aki_transport.transport.decoder import Decoder
from aki_transport.transport.outgoing import Answer
from aki_transport.transport.payload import Payload

log = logging.getLogger("aki_transport")

T = TypeVar("T")

FIRST_PAUSE = 0.05
"""Seconds before the first look; short jobs are done by then."""

SHARE = 0.1
"""Part of a job's age that passes between two looks, so that a job of any length is looked at about as often."""

LONGEST_PAUSE = 2.0
"""Seconds between two looks, where only the result is waited for."""

LONGEST_PAUSE_STREAMED = 0.4
"""Seconds between two looks, where someone reads along."""

_TO_CANCEL = 3.0  # seconds that cancelling may take


class Sender(Protocol):
    """As much of the transport as a job needs."""

    timeout: Timeout

    def send(self, call: Call, read: Callable[[Mapping[str, str], Payload], Any], *, deadline: float | None) -> Any:
        """Send, and give what `read` makes of the answer."""

    def asend(
        self, call: Call, read: Callable[[Mapping[str, str], Payload], Any], *, deadline: float | None
    ) -> Awaitable[Any]:
        """`send`, async."""

    def with_context(self, error: AKIError, response: Answer | None) -> AKIError:
        """The error with what the transport knows about its call."""


def pause(age: float, *, stream: bool) -> float:
    """Seconds until the next look at a job of that age in seconds."""
    return min(max(FIRST_PAUSE, SHARE * age), LONGEST_PAUSE_STREAMED if stream else LONGEST_PAUSE)


class _Course:
    """One job on its way, whoever waits for it."""

    def __init__(
        self, sender: Sender, call: Call, start: Callable[[Mapping[str, str]], Any], end: float | None
    ) -> None:
        bound = sender.timeout.answer
        self._sender = sender
        self._start = start
        self._stream = call.job is not None and call.job.stream
        self._begun = time.monotonic()
        ends = [moment for moment in (end, None if bound is None else self._begun + bound) if moment is not None]
        self.call = call
        self.deadline = min(ends, default=None)
        self.decoder: Any = None
        self.ask: Call | None = None
        self.cancel: Call | None = None
        self._process = os.getpid()
        _cancel_at_exit()
        _under_way.add(self)

    def started(self, headers: Mapping[str, str], body: Payload) -> Any:
        """Read the answer to the first call, once."""
        self.decoder = self._start(headers)
        item = self.decoder.feed(Payload("started", body.data))
        if self.call.job is not None and not self.decoder.complete:
            self.ask, self.cancel = self.call.job.follow(body)
        return item

    def looked(self, _: Mapping[str, str], body: Payload) -> Any:
        """Read the answer to a further one."""
        return self.decoder.feed(Payload("progress", body.data))

    def pause(self) -> float:
        """Seconds to wait now; `APITimeoutError` if the time is up."""
        now = time.monotonic()
        wait = pause(now - self._begun, stream=self._stream)
        if self.deadline is not None and now + wait >= self.deadline:
            words = f"the job was not done after {now - self._begun:.0f} s; it is canceled where the service takes that"
            raise self._sender.with_context(self.broken(APITimeoutError(words)), None)
        return wait

    def broken(self, error: AKIError) -> AKIError:
        """The error, with the text so far where someone has read that."""
        text = self.decoder.text if self._stream and self.decoder is not None else ""
        if not text or not isinstance(error, APIConnectionError):
            return error
        where = {"provider": error.provider, "model": error.model, "request_id": error.request_id}
        return StreamInterruptedError(f"the job was lost sight of ({error.message})", partial_text=text, **where)

    def to_cancel(self, error: BaseException | None = None) -> Call | None:
        """The call that cancels the job, if it is not over and this process started it; asked for once."""
        _under_way.discard(self)
        if isinstance(error, JobError) or self.decoder is None or self.decoder.complete:
            return None
        if self._process != os.getpid() or sys.is_finalizing():
            return None  # a fork's copy; or it is too late to send anything
        cancel, self.cancel = self.cancel, None
        return cancel

    def send_cancel(self, cancel: Call, end: float) -> None:
        """Cancel the job, by that time."""
        try:
            self._sender.send(cancel, lambda _, __: None, deadline=end)
        except AKIError as error:
            log.info("the job could not be canceled: %s", error)


_under_way: set[_Course] = set()


@cache
def _cancel_at_exit() -> None:
    """Have what is still half-read when the process ends canceled then; registered late, so that it runs early."""

    @atexit.register
    def cancel_all() -> None:
        end = time.monotonic() + _TO_CANCEL
        for course in list(_under_way):
            cancel = course.to_cancel()
            if cancel is not None:
                course.send_cancel(cancel, end)


def run(
    sender: Sender, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], *, deadline: float | None
) -> Iterator[T]:
    """Start the job and give what the decoder makes of each of its states.

    Args:
        sender: Sends the single calls, with their repetitions.
        call: Starts the job; never sent again once it may have been received.
        start: Makes the decoder from the headers of the answer that started the job.
        deadline: When all of it must be done; `Timeout.answer` bounds it in any case.

    Raises:
        JobError: The job failed, lapsed or was canceled.
        AKIError: A call failed, with its repetitions, or the time was up.
    """
    course = _Course(sender, call, start, deadline)
    cause: BaseException | None = None
    try:
        item = sender.send(call, course.started, deadline=course.deadline)
        while True:
            if item is not None:
                yield item
            if course.decoder.finished or course.ask is None:
                break
            time.sleep(course.pause())
            item = sender.send(course.ask, course.looked, deadline=course.deadline)
        yield course.decoder.end()
    except ListenerError as error:
        cause = error.error
        raise cause from None
    except AKIError as error:
        cause = course.broken(error)
        raise cause from None
    except BaseException as error:
        cause = error
        raise
    finally:
        cancel = course.to_cancel(cause)
        if cancel is not None:
            course.send_cancel(cancel, time.monotonic() + _TO_CANCEL)


async def arun(
    sender: Sender, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], *, deadline: float | None
) -> AsyncGenerator[T, None]:
    """`run`, async."""
    course = _Course(sender, call, start, deadline)
    cause: BaseException | None = None
    try:
        item = await sender.asend(call, course.started, deadline=course.deadline)
        while True:
            if item is not None:
                yield item
            if course.decoder.finished or course.ask is None:
                break
            await asyncio.sleep(course.pause())
            item = await sender.asend(course.ask, course.looked, deadline=course.deadline)
        yield course.decoder.end()
    except ListenerError as error:
        cause = error.error
        raise cause from None
    except AKIError as error:
        cause = course.broken(error)
        raise cause from None
    except BaseException as error:
        cause = error
        raise
    finally:
        cancel = course.to_cancel(cause)
        if cancel is not None and getattr(asyncio.get_running_loop(), "_asyncgens_shutdown_called", False):
            # It closes all generators at once: while this one waited, those around it could not be closed.
            threading.Thread(target=course.send_cancel, args=(cancel, time.monotonic() + _TO_CANCEL)).start()
        elif cancel is not None:
            try:
                await sender.asend(cancel, lambda _, __: None, deadline=time.monotonic() + _TO_CANCEL)
            except AKIError as error:
                log.info("the job could not be canceled: %s", error)
