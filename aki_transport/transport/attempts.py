"""The attempts of one call: how much time each may take, and whether a failure is repeated or raised.

`network` enforces the time, `failures` makes the error.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from aki_transport.error_parsing import request_id_of
from aki_transport.errors import AKIError, APITimeoutError, StreamInterruptedError
from aki_transport.transport.call import Call, Sender
from aki_transport.transport.decoder import Decoder
from aki_transport.transport.failures import describe_failure, is_lost_connection, was_never_sent
from aki_transport.transport.retry import may_repeat, pause_before

log = logging.getLogger("aki_transport")


class Attempts:
    """The attempts of one call.

    Args:
        transport: The transport's numbers.
        call: What is sent.
        deadline: When all of it must be over; None is no bound.
        trusts_connections: Whether an exception that says "never sent" is believed. Those of the user's clients and of
            aiohttp are not: some name a reset after sending like a failure to connect.
    """

    __slots__ = (
        "_attempt",
        "_deadline",
        "_headers",
        "_most",
        "_sent",
        "_transport",
        "_trusts_connections",
        "call",
        "decoder",
        "failure",
        "has_begun",
        "has_ended",
        "has_yielded",
        "key",
    )

    def __init__(self, transport: Sender, call: Call, deadline: float | None, *, trusts_connections: bool) -> None:
        self._transport = transport
        self._deadline = deadline
        self._trusts_connections = trusts_connections
        self._attempt = 0
        self._most = 1 + (transport.max_retries if call.max_retries is None else call.max_retries)
        self._sent = 0.0
        self._headers: Mapping[str, str] | None = None
        self.call = call
        self.decoder: Decoder[Any] | None = None
        self.key: SecretStr | None = None  # of the attempt that is under way
        self.failure: BaseException | None = None  # of that attempt; in no frame, for its text is not redacted yet
        self.has_begun = False
        self.has_yielded = False
        self.has_ended = False

    def remaining(self) -> float | None:
        """Seconds until the whole call's deadline."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def check_time(self) -> None:
        """Raise once the deadline has passed: a client of the user's bounds each wait alone."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeoutError("no time was left")

    def next_attempt(self) -> dict[str, Any]:
        """Count an attempt that is about to be sent, and give its bounds as extensions of httpx's request."""
        self._attempt += 1
        self._sent = time.monotonic()
        self._headers = None
        timeout = self.call.timeout or self._transport.timeout
        if self._deadline is None:
            return {"timeout": timeout.for_httpx(stream=self.call.stream)}
        remaining = self._deadline - self._sent
        if remaining <= 0:
            raise APITimeoutError("no time was left to send it")
        timeouts = timeout.within(remaining).for_httpx(stream=self.call.stream)
        return {"timeout": {**timeouts, "pool": remaining}, "deadline": self._deadline}

    def accepts(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether the status of the answer is a good one."""
        self._headers = headers
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "%s %s answered %d after %.0f ms (attempt %d, request %s)",
                self.call.method,
                self.call.path,
                status,
                1000 * (time.monotonic() - self._sent),
                self._attempt,
                self._transport.without_key(request_id_of(headers) or "unnamed"),
            )
        return status // 100 == 2  # noqa: PLR2004  the good statuses

    def raise_unless_complete(self, decoder: Decoder[Any], error: Exception) -> None:
        """Raise the error again, unless the answer was already complete."""
        if not (decoder.complete and is_lost_connection(error)):
            raise error

    def next_pause(self) -> float:
        """Seconds to wait before the next attempt; raises the call's error if there is none."""
        cause, self.failure = self.failure, None
        assert cause is not None  # noqa: S101  set where it was caught
        now = time.monotonic()
        answering = self.has_begun or (self._headers is not None and not self.call.stream)
        text = self.decoder.text if self.decoder is not None else ""
        error = describe_failure(
            cause,
            answering=answering,
            streaming=self.call.stream,
            partial_text=text,
            base_url=self._transport.base_url,
        )
        if self._deadline is not None and now >= self._deadline:
            error = self._out_of_time(error, text)
        wait = pause_before(self._attempt, getattr(error, "retry_after", None), random.random())  # noqa: S311  no secret
        is_believed = self._trusts_connections or self.call.repeatable
        never_sent = self.call.read_only or (is_believed and was_never_sent(cause))
        if (
            self.has_begun
            or self._attempt >= self._most
            or (is_lost_connection(cause) and answering and not self.call.read_only)
            or (self._deadline is not None and now + wait >= self._deadline)
            or not may_repeat(error, repeatable=self.call.repeatable, never_sent=never_sent, seconds=now - self._sent)
        ):
            del cause
            # Without the frames below: their variables hold the service's answer, which may echo the key.
            error = self._transport.with_context(error, self._headers, self.key, self.call.headers)
            raise error.with_traceback(None)
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
        message = f"total_timeout passed ({error})"
        if isinstance(error, StreamInterruptedError):
            return StreamInterruptedError(message, partial_text=text)
        return APITimeoutError(message)
