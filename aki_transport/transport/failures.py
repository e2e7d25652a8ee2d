"""What a timeout or a lost connection becomes, and a cut stream: `StreamInterruptedError`, with the text so far.

The HTTP library's exceptions hold the request, and so the key; ours hold the cause as text. They are told apart by the
names of their classes, for httpx and its fork httpx2 have the same ones.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aki_transport.errors import (
    AKIError,
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    InvalidResponseError,
    StreamInterruptedError,
)
from aki_transport.redaction import MASK
from aki_transport.transport.proxies import proxy_secrets
from aki_transport.transport.user_clients import class_of_library

_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "SOCKSError", "UnsupportedProtocol"}
)
_NAMES = _NEVER_SENT | {
    "InvalidURL",
    "DecodingError",
    "TimeoutException",
    "HTTPStatusError",
    "RequestError",
    "StreamError",
}


def library_error(error: BaseException) -> str | None:
    """The name of the HTTP library's exception; None if it is not one of them."""
    return class_of_library(error, _NAMES)


def is_failed_call(error: BaseException) -> bool:
    """Whether it says that a call failed; anything else is not ours to judge."""
    return isinstance(error, AKIError | TimeoutError) or library_error(error) is not None


def is_lost_connection(error: BaseException) -> bool:
    """Whether the connection failed, in contrast to what was sent over it."""
    return isinstance(error, TimeoutError) or library_error(error) not in (None, "DecodingError", "InvalidURL")


def was_never_sent(error: BaseException) -> bool:
    """Whether the service cannot have received the call."""
    return library_error(error) in _NEVER_SENT


def forget_frames(error: BaseException) -> None:
    """Drop the frames below the caller's: their variables hold headers, bodies, and so the key.

    A group of exceptions, such as those of task groups, has members with frames of their own.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        forget_frames(member)


def describe_failure(
    cause: BaseException, *, answering: bool, streaming: bool, partial_text: str, base_url: str
) -> AKIError:
    """Our error for an exception of the HTTP library; `answering` tells whether the answer had begun to arrive."""
    if isinstance(cause, AKIError):
        return cause
    text = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    for secret in proxy_secrets():
        text = text.replace(secret, MASK)  # of any length: no other text stands here
    match library_error(cause):
        case "UnsupportedProtocol" | "InvalidURL":
            return ConfigurationError(f"the address cannot be called: {text}")
        case "DecodingError":
            return InvalidResponseError(f"the answer's compression is broken: {text}")
        case _ if answering and streaming:
            return StreamInterruptedError(f"the stream broke off ({text})", partial_text=partial_text)
        case "ConnectTimeout" | "PoolTimeout":
            return APITimeoutError(f"no connection in time ({text})")
        case "TimeoutException" | None:
            return APITimeoutError(f"no answer in time ({text})")
        case "ConnectError" | "ProxyError" | "SOCKSError":
            parts = urlsplit(base_url)
            return APIConnectionError(f"cannot connect to {parts.scheme}://{parts.netloc} ({text})")
        case _:
            where = "in the middle of the answer" if answering else "before any answer"
            return APIConnectionError(f"the connection was lost {where} ({text})")
