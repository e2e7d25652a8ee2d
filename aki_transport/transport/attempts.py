"""The attempts of one call: how much time each may take, and whether a failure is repeated or raised.

`network` enforces the time, `failures` makes the error.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import httpx
from pydantic import SecretStr

from aki_transport.error_parsing import request_id_of
from aki_transport.errors import APITimeoutError, ServerError, StreamInterruptedError
from aki_transport.transport.call import Call, Sender, Start
from aki_transport.transport.failures import describe_failure, is_lost_connection, was_never_sent
from aki_transport.transport.retry import may_repeat, pause_before

log = logging.getLogger("aki_transport")

_UNBOUNDED = nullcontext()


class Attempts:
    """The attempts of one call, which must be over at its deadline.

    `trusts_connections` tells whether an exception that says "never sent" is believed. Those of the user's clients and
    of aiohttp are not: some name a reset after sending like a failure to connect.
    """

    def __init__(self, transport: Sender, call: Call, deadline: float | None, *, trusts_connections: bool) -> None:
        self._transport = transport
        self._deadline = deadline
        self._trusts_connections = trusts_connections
        self._attempt = 1
        self._sent = 0.0
        self._headers: Mapping[str, str] | None = None
        self.has_begun = False
        self.has_yielded = False
        self.call = call
        self.decoder: Any = None
        self.key: SecretStr | None = None  # of the attempt that is under way
        self.failure: BaseException | None = None  # of that attempt; in no frame, for its text is not redacted yet
        self.has_ended = False

    def remaining(self) -> float | None:
        """Seconds until the call's deadline."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def in_time(self) -> AbstractAsyncContextManager[Any]:
        """Bounds a wait by the call's deadline; without one there is no timer, which takes time for each chunk."""
        return _UNBOUNDED if self._deadline is None else asyncio.timeout(self.remaining())

    @property
    def check_of_chunks(self) -> Callable[[], None] | None:
        """What is asked for each chunk of an answer: a client of the user's bounds each wait alone."""
        return None if self._trusts_connections else self.check_time

    def check_time(self) -> None:
        """Raise once the deadline has passed."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeoutError("no time was left")

    def next_request(self) -> dict[str, Any]:
        """The bounds of a request that is about to be sent, as extensions of httpx's.

        An attempt has two where the key is tried in a second place.
        """
        self._sent = time.monotonic()
        self._headers = None
        remaining = self.remaining()
        if remaining is not None and remaining <= 0:
            raise APITimeoutError("no time was left to send it")
        timeout = self.call.timeout or self._transport.timeout
        return {
            "timeout": timeout.for_httpx(stream=self.call.stream, remaining=remaining),
            "deadline": self._deadline,
        }

    def accepts(self, response: httpx.Response) -> bool:
        """Whether the status of the answer is a good one."""
        self._headers = response.headers
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
        return response.is_success

    def start(self, start: Start[Any]) -> Any:
        """The decoder of an answer that was accepted."""
        self.decoder = start(self._headers or {})
        return self.decoder

    def raise_unless_complete(self, error: Exception) -> None:
        """Raise the error again, unless the answer was already complete."""
        if not (self.decoder.complete and is_lost_connection(error)):
            raise error

    def end(self) -> Any:
        """The complete answer."""
        try:
            last = self.decoder.end()
        except ServerError:
            self.has_begun = self.has_yielded  # a failed worker's empty answer: nothing of it was an answer
            raise
        self.has_ended = True
        return last

    def next_pause(self) -> float:
        """Seconds to wait before the next attempt; raises the call's error if there is none."""
        cause, self.failure = self.failure, None
        assert cause is not None  # noqa: S101  set where it was caught
        call, transport, now = self.call, self._transport, time.monotonic()
        answering = self.has_begun or (self._headers is not None and not call.stream)
        text = self.decoder.text if self.decoder is not None else ""
        error = describe_failure(
            cause, answering=answering, streaming=call.stream, partial_text=text, base_url=transport.base_url
        )
        if self._deadline is not None and now >= self._deadline:
            message = f"total_timeout passed ({error})"
            is_cut = isinstance(error, StreamInterruptedError)
            error = StreamInterruptedError(message, partial_text=text) if is_cut else APITimeoutError(message)
        wait = pause_before(self._attempt, getattr(error, "retry_after", None), random.random())  # noqa: S311  no secret
        is_believed = self._trusts_connections or call.repeatable
        never_sent = call.read_only or (is_believed and was_never_sent(cause))
        if (
            self.has_begun
            or self._attempt > (transport.max_retries if call.max_retries is None else call.max_retries)
            or (is_lost_connection(cause) and answering and not call.read_only)
            or (self._deadline is not None and now + wait >= self._deadline)
            or not may_repeat(error, repeatable=call.repeatable, never_sent=never_sent, seconds=now - self._sent)
        ):
            del cause
            # Without the frames below: their variables hold the service's answer, which may echo the key.
            error = transport.with_context(error, call, self._headers, self.key)
            raise error.with_traceback(None)
        log.info(
            "%s %s failed with %s; attempt %d follows in %.1f s",
            call.method,
            call.path,
            type(error).__name__,
            self._attempt + 1,
            wait,
        )
        self._attempt += 1
        return wait
