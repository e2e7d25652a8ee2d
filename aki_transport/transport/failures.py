"""What httpx raises, as our errors, with the cause as text: its exceptions hold the request and so the key."""

from __future__ import annotations

import httpx

from aki_transport.errors import (
    AKIError,
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    InvalidResponseError,
    StreamInterruptedError,
)

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Only these say that the service cannot have received the call."""


def describe_failure(cause: Exception, *, answering: bool, streaming: bool, partial_text: str) -> AKIError:
    """Our error for what the HTTP library raised.

    Args:
        cause: What it raised.
        answering: Whether the answer had begun to arrive.
        streaming: Whether the answer is a stream.
        partial_text: The text that had arrived.
    """
    words = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    match cause:
        case AKIError():
            return cause
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return ConfigurationError(f"the address cannot be called: {words}")
        case httpx.DecodingError():
            return InvalidResponseError(f"the answer's compression is broken: {words}")
        case _ if answering and streaming:
            return StreamInterruptedError(f"the stream broke off ({words})", partial_text=partial_text)
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return APITimeoutError(f"no connection in time ({words})")
        case httpx.TimeoutException() | TimeoutError():
            return APITimeoutError(f"no answer in time ({words})")
        case httpx.ConnectError() | httpx.ProxyError():
            return APIConnectionError(f"cannot connect ({words})")
        case _:
            where = "in the middle of the answer" if answering else "before any answer"
            return APIConnectionError(f"the connection was lost {where} ({words})")
