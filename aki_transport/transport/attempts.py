"""The attempts of one call: how many, how long, and what to do after a failure."""

from __future__ import annotations

import logging
import random
import time
from typing import Any, Protocol

import httpx

from aki_transport.error_parsing import request_id_of
from aki_transport.errors import AKIError, APITimeoutError, StreamInterruptedError
from aki_transport.transport.call import Call, Timeout
from aki_transport.transport.failures import NEVER_SENT, describe_failure
from aki_transport.transport.outgoing import Answer
from aki_transport.transport.retry import may_repeat, pause_before

log = logging.getLogger("aki_transport")


class Decoder(Protocol):
    """As much of a decoder as a failure is judged by."""

    @property
    def complete(self) -> bool:
        """The answer is whole."""

    @property
    def text(self) -> str:
        """The text so far."""


class Bounds(Protocol):
    """The transport's own numbers, and how it signs errors."""

    timeout: Timeout
    max_retries: int

    def with_context(self, error: AKIError, response: Answer | None) -> AKIError:
        """The error with what the transport knows about its call."""

    def without_key(self, text: str) -> str:
        """The text without the key, should the service have said it."""


class Attempts:
    """The attempts of one call: how many, how long, and what to do after a failure."""

    __slots__ = (
        "_attempt",
        "_deadline",
        "_most",
        "_response",
        "_sent",
        "_transport",
        "begun",
        "call",
        "decoder",
        "ended",
        "given",
    )

    def __init__(self, transport: Bounds, call: Call, deadline: float | None) -> None:
        self._transport = transport
        self._deadline = deadline
        self._attempt = 0
        self._most = 1 + (transport.max_retries if call.max_retries is None else call.max_retries)
        self._sent = 0.0
        self._response: Answer | None = None
        self.call = call
        self.decoder: Decoder | None = None
        self.begun = False
        self.ended = False
        self.given = False

    def remaining(self) -> float | None:
        """Seconds until the whole call's deadline."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def next_attempt(self) -> dict[str, Any]:
        """Count an attempt that is about to be sent, and give its bounds as extensions of httpx's request."""
        self._attempt += 1
        self._sent = time.monotonic()
        self._response = None
        timeout = self._transport.timeout
        if self.call.max_wait is not None:
            timeout = timeout.within(self.call.max_wait)
        if self._deadline is not None:
            remaining = self._deadline - self._sent
            if remaining <= 0:
                raise APITimeoutError("no time was left to send it")
            timeout = timeout.within(remaining)
        return {"timeout": timeout.for_httpx(stream=self.call.stream), "deadline": self._deadline}

    def accepted(self, response: Answer) -> bool:
        """Note the answer; whether its status is a good one."""
        self._response = response
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "%s %s answered %d after %.0f ms (attempt %d, request %s)",
                self.call.method,
                self.call.path,
                response.status_code,
                1000 * (time.monotonic() - self._sent),
                self._attempt,
                self._transport.without_key(request_id_of(response.headers) or "unnamed"),
            )
        return httpx.codes.is_success(response.status_code)

    def raise_unless_complete(self, decoder: Decoder) -> None:
        """While its exception is handled: raise it again, unless all that was lost is the end of a whole answer."""
        if not decoder.complete:
            raise  # noqa: PLE0704  the caller handles it

    def pause(self, cause: Exception) -> float:
        """Seconds to wait before the next attempt; raises the call's error if there is none."""
        now = time.monotonic()
        answering = self.begun or (self._response is not None and not self.call.stream)
        text = self.decoder.text if self.decoder is not None else ""
        error = describe_failure(cause, answering=answering, streaming=self.call.stream, partial_text=text)
        if self._deadline is not None and now >= self._deadline:
            error = self._out_of_time(error, text)
        wait = pause_before(self._attempt, getattr(error, "retry_after", None), random.random())  # noqa: S311  no secret
        if (
            self.begun
            or self._attempt >= self._most
            or (isinstance(cause, httpx.TransportError) and answering and not self.call.read_only)
            or (self._deadline is not None and now + wait >= self._deadline)
            or not may_repeat(
                error,
                repeatable=self.call.repeatable,
                never_sent=self.call.read_only or isinstance(cause, NEVER_SENT),
                seconds=now - self._sent,
            )
        ):
            # Without the frames below: their variables hold what the service said, and it may have echoed the key.
            raise self._transport.with_context(error, self._response).with_traceback(None)
        log.info(
            "%s %s failed with %s; attempt %d follows in %.1f s",
            self.call.method,
            self.call.path,
            type(error).__name__,
            self._attempt + 1,
            wait,
        )
        return wait

    def _out_of_time(self, error: AKIError, text: str) -> AKIError:
        words = f"total_timeout passed ({error})"
        if isinstance(error, StreamInterruptedError):
            return StreamInterruptedError(words, partial_text=text)
        return APITimeoutError(words)
