"""The transport's errors as LangChain knows them: each is also the `ModelError` that its middleware acts on.

`except aki_transport.RateLimitError`, `except langchain_aki.errors.RateLimitError` and
`except langchain_core.exceptions.ModelRateLimitError` all catch the same error.

Example:
    >>> from langchain_core.exceptions import ModelNotFoundError
    >>> try:
    ...     ChatAKI(model="qwen3.6-36b").invoke("What is 6 * 7?")
    ... except ModelNotFoundError as error:
    ...     print(type(error).__module__, error.closest, error.is_retryable)
    langchain_aki.errors ('qwen3.6-35b',) False
"""

from __future__ import annotations

from types import TracebackType

from langchain_core import exceptions as lc
from langchain_core.messages import BaseMessage

import aki_transport.errors as base


class AKIError(base.AKIError, lc.ModelError):
    """Base of all errors."""


class ConfigurationError(base.ConfigurationError, AKIError):
    """Something to set right before anything can be sent."""


class APIConnectionError(base.APIConnectionError, AKIError, lc.ModelConnectionError):
    """The service was never reached, or lost before any answer."""


class APITimeoutError(base.APITimeoutError, AKIError, lc.ModelTimeoutError):
    """The service did not answer in time."""


class StreamInterruptedError(base.StreamInterruptedError, AKIError, lc.ModelConnectionError):
    """A stream broke off; `partial_text` holds what had arrived."""


class InvalidResponseError(base.InvalidResponseError, AKIError):
    """An answer that is not what the wire promises."""


class ModelFallbackError(base.ModelFallbackError, AKIError):
    """Another model answered than the one that was asked."""


# LangChain has a class of its own for this since langchain-core 1.7.5.
_Refusal: type[lc.ModelError] = getattr(lc, "ModelRefusalError", lc.ModelError)


class ModelRefusalError(base.ModelRefusalError, AKIError, _Refusal):  # type: ignore[misc, valid-type]
    """The model refused to give what was asked for.

    Args:
        message: What happened.
        refusal: The model's words.
        raw_message: The answer that holds the refusal.

    Example:
        >>> from langchain_aki.errors import ModelRefusalError
        >>> ModelRefusalError("the model refused", refusal="I cannot help with that.").refusal
        'I cannot help with that.'
    """

    def __init__(self, message: str, *, refusal: str, raw_message: BaseMessage | None = None) -> None:
        super().__init__(message, refusal=refusal)
        self.raw_message = raw_message


class JobError(base.JobError, AKIError):
    """A job of the native API failed, lapsed or was canceled."""


class APIStatusError(base.APIStatusError, AKIError):
    """The service refused, or failed, and said so."""


class BadRequestError(base.BadRequestError, APIStatusError, lc.ModelInvalidRequestError):
    """The request itself is wrong."""


class ContextOverflowError(base.ContextOverflowError, BadRequestError, lc.ContextOverflowError):
    """The conversation does not fit into the model's context window."""


class AuthenticationError(base.AuthenticationError, APIStatusError, lc.ModelAuthenticationError):
    """The key is missing or wrong."""


class InsufficientCreditsError(base.InsufficientCreditsError, APIStatusError):
    """The account has too little credit."""


class PermissionDeniedError(base.PermissionDeniedError, APIStatusError, lc.ModelPermissionDeniedError):
    """The key is known but may not do this."""


class NotFoundError(base.NotFoundError, APIStatusError, lc.ModelNotFoundError):
    """No such thing."""


class ModelNotFoundError(base.ModelNotFoundError, NotFoundError):
    """No such model."""


class RateLimitError(base.RateLimitError, APIStatusError, lc.ModelRateLimitError):
    """Too many requests."""


class ServerError(base.ServerError, APIStatusError, lc.ModelAPIError):
    """The service failed."""


class ServiceUnavailableError(base.ServiceUnavailableError, ServerError):
    """The service is not there at the moment."""


_OURS = {cls.__mro__[1]: cls for cls in list(globals().values()) if isinstance(cls, type) and issubclass(cls, AKIError)}


def as_langchain(error: base.AKIError) -> base.AKIError:
    """The same error as a class of this module; its words, fields and traceback stay."""
    cls = _OURS.get(type(error))
    if cls is None:
        return error
    twin = cls.__new__(cls, *error.args)
    twin.__dict__.update(error.__dict__)
    return twin.with_traceback(error.__traceback__)


class raises_langchain_errors:  # noqa: N801  read as a word: `with raises_langchain_errors():`
    """Raise the transport's errors as LangChain's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, base.AKIError):
            twin = as_langchain(error)
            if twin is not error:
                raise twin from None


__all__ = [
    "AKIError",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ContextOverflowError",
    "InsufficientCreditsError",
    "InvalidResponseError",
    "JobError",
    "ModelFallbackError",
    "ModelNotFoundError",
    "ModelRefusalError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "ServiceUnavailableError",
    "StreamInterruptedError",
]
