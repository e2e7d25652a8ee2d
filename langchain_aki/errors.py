"""The transport's errors as LangChain's: each also derives from the `ModelError` class that its middleware handles.

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
    """A setting is wrong; nothing was sent."""


class APIConnectionError(base.APIConnectionError, AKIError, lc.ModelConnectionError):
    """The connection failed or was lost before an answer arrived."""


class APITimeoutError(base.APITimeoutError, AKIError, lc.ModelTimeoutError):
    """The service did not answer in time."""


class StreamInterruptedError(base.StreamInterruptedError, AKIError, lc.ModelConnectionError):
    """A stream ended early; `partial_text` holds the text received until then."""


class InvalidResponseError(base.InvalidResponseError, AKIError):
    """The answer does not match the protocol."""


class ModelFallbackError(base.ModelFallbackError, AKIError):
    """The answer is from another model than the requested one."""


# `ModelRefusalError` exists since langchain-core 1.7.5.
_Refusal: type[lc.ModelError] = getattr(lc, "ModelRefusalError", lc.ModelError)


class ModelRefusalError(base.ModelRefusalError, AKIError, _Refusal):  # type: ignore[misc, valid-type]
    """The model refused the request; `raw_message` is the answer with the refusal.

    Example:
        >>> from langchain_aki.errors import ModelRefusalError
        >>> ModelRefusalError("the model refused", refusal="I cannot help with that.").refusal
        'I cannot help with that.'
    """

    def __init__(self, message: str, *, refusal: str, raw_message: BaseMessage | None = None) -> None:
        super().__init__(message, refusal=refusal)
        self.raw_message = raw_message


class JobError(base.JobError, AKIError):
    """A job of the native API failed, expired or was canceled."""


class APIStatusError(base.APIStatusError, AKIError):
    """The service answered with an error status."""


class BadRequestError(base.BadRequestError, APIStatusError, lc.ModelInvalidRequestError):
    """The request is invalid."""


class ContextOverflowError(base.ContextOverflowError, BadRequestError, lc.ContextOverflowError):
    """The conversation is longer than the model's context window."""


class AuthenticationError(base.AuthenticationError, APIStatusError, lc.ModelAuthenticationError):
    """The key is missing or invalid."""


class InsufficientCreditsError(base.InsufficientCreditsError, APIStatusError):
    """The account has too little credit."""


class PermissionDeniedError(base.PermissionDeniedError, APIStatusError, lc.ModelPermissionDeniedError):
    """The key is valid but lacks the permission."""


class NotFoundError(base.NotFoundError, APIStatusError, lc.ModelNotFoundError):
    """The resource does not exist."""


class ModelNotFoundError(base.ModelNotFoundError, NotFoundError):
    """The model does not exist."""


class RateLimitError(base.RateLimitError, APIStatusError, lc.ModelRateLimitError):
    """Too many requests."""


class ServerError(base.ServerError, APIStatusError, lc.ModelAPIError):
    """The service failed."""


class ServiceUnavailableError(base.ServiceUnavailableError, ServerError):
    """The service is temporarily unavailable."""


_LANGCHAIN_CLASSES: dict[type, type[AKIError]] = {
    cls.__mro__[1]: cls for cls in list(globals().values()) if isinstance(cls, type) and issubclass(cls, AKIError)
}
__all__ = [cls.__name__ for cls in _LANGCHAIN_CLASSES.values()]


class raises_langchain_errors:  # noqa: N801  reads like a function: `with raises_langchain_errors():`
    """Raise the transport's errors as the classes of this module, with the same message, fields and traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        cls = _LANGCHAIN_CLASSES.get(type(error))
        if cls is not None and error is not None:
            converted = cls.__new__(cls, *error.args)
            converted.__dict__.update(error.__dict__)
            raise converted.with_traceback(error.__traceback__) from None
