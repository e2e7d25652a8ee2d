"""Which failures are repeated, and after how many seconds. Pure: time and random numbers are arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from aki_transport.errors import (
    AKIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
)

LONGEST_RETRY_AFTER = 60.0  # seconds; a server that asks for more is not waited for
SLOW_FAILURE = 30.0  # seconds; a later 5xx belongs to work that goes on and is billed (AKI.IO's 503 after 60 s)
SLOW_START = 5.0  # seconds; a later 503 to the start of billed work does not prove that nothing was begun
_TIMED_OUT = re.compile(r"time[ds]?[ _-]?out|deadline", re.IGNORECASE)
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0


def may_repeat(error: AKIError, *, repeatable: bool, never_sent: bool, seconds: float) -> bool:
    """Whether a call that failed before its first payload, so many seconds after sending, may be sent again.

    `repeatable` is one that may be even if it was received; `never_sent`, one that was not, or that starts nothing.
    """
    match error:
        case APIStatusError() if error.retry_after is not None and error.retry_after > LONGEST_RETRY_AFTER:
            return False
        case RateLimitError():
            return True
        case ServiceUnavailableError() if not repeatable:
            # It says that nothing was begun, unless it comes late or because something took too long.
            return seconds <= SLOW_START and not _TIMED_OUT.search(error.message)
        case ServiceUnavailableError():
            return seconds <= SLOW_FAILURE
        case ServerError():
            return repeatable and error.is_retryable and seconds <= SLOW_FAILURE
        case APIStatusError():
            return repeatable and error.is_retryable
        case APITimeoutError():
            return never_sent
        case APIConnectionError():
            return never_sent or repeatable
        case _:
            return False


def pause_before(attempt: int, retry_after: float | None, dice: float) -> float:
    """Seconds to wait before a repetition, the first being 1: what the server asks for, else full jitter.

    The bound under which `dice`, evenly spread between 0 and 1, chooses doubles with each.
    """
    if retry_after is not None:
        return retry_after
    return dice * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After` (seconds or an HTTP date); None if neither can be read."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
