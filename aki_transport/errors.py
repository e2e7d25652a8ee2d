"""The exceptions and warnings of this package, as one tree.

    AKIError                              provider, model, request_id where known
    ├── ConfigurationError                before any I/O: no key, unknown provider, insecure URL, bad argument
    ├── APIConnectionError                the service was not reached, or the connection was lost
    │   ├── APITimeoutError
    │   └── StreamInterruptedError        .partial_text: the text that had arrived
    ├── InvalidResponseError              a response that does not follow the protocol
    ├── ModelFallbackError                .requested, .served
    ├── ModelRefusalError                 .refusal: the model refused to give structured output
    ├── JobError                          .job_id, .state
    └── APIStatusError                    status_code, code, type, message, retry_after, body, response
        ├── BadRequestError               400, 405, 409, 413, 422
        │   └── ContextOverflowError
        ├── AuthenticationError           401
        ├── InsufficientCreditsError      402
        ├── PermissionDeniedError         403
        ├── NotFoundError                 404
        │   └── ModelNotFoundError        also raised before sending, with the closest IDs
        ├── RateLimitError                429
        └── ServerError                   5xx
            └── ServiceUnavailableError   503

All of them can be pickled and copied. They keep the server's own message and never contain a key.
"""

from __future__ import annotations

import copyreg
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aki_transport.redaction import escape_control, redact_nested

if TYPE_CHECKING:
    import httpx

_REQUEST_TIMEOUT = 408
_MAX_MESSAGE = 600  # characters
_WRITTEN_BY_MODEL = frozenset({"partial_text", "refusal"})


class AKIError(Exception):
    """Base of every error of this package.

    Args:
        message: What happened and what to do.
        provider: The provider's title; `str(error)` begins with it.
        model: The model of the request.
        request_id: The service's ID of the request; `str(error)` ends with it.

    Example:
        >>> try:
        ...     Client(timeout=-1)
        ... except AKIError as error:
        ...     print(type(error).__name__, error.is_retryable, error)
        ConfigurationError False timeout=-1 is no number of seconds above 0 and no Timeout.
    """

    is_retryable: bool = False
    """Whether the same request may succeed later."""

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.request_id = request_id

    def redact(self, secrets: Iterable[str]) -> None:
        """Replace each secret with `***` wherever the server repeated it, then shorten a long message.

        What the model wrote (`partial_text`, `refusal`) stays as it is. See `aki_transport.redaction.redact`.
        """
        secrets = tuple(secrets)
        for name, value in self.__dict__.items():
            if name not in _WRITTEN_BY_MODEL:
                self.__dict__[name] = redact_nested(value, secrets)
        message = escape_control(self.message[: _MAX_MESSAGE + 1])
        self.message = message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…"
        self.args = (self.message, *redact_nested(self.args[1:], secrets))

    def add_hint(self, hint: str) -> None:
        """Add what to do to the message, as a sentence of its own; nothing if the hint is empty.

        Example:
            >>> error = AKIError("nothing was read.")
            >>> error.add_hint("Look at the address.")
            >>> print(error)
            nothing was read. Look at the address.
        """
        if hint:
            self.message = f"{self.message.rstrip().removesuffix('.')}. {hint}"

    def __str__(self) -> str:
        prefix = f"{self.provider}: " if self.provider else ""
        suffix = f" (request {self.request_id})" if self.request_id else ""
        return escape_control(f"{prefix}{self.message}{suffix}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Not by calling the class, as exceptions do: it takes more than `args`.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__.copy()  # type: ignore[attr-defined]


class ConfigurationError(AKIError):
    """An argument, a setting or the environment is wrong. Nothing was sent."""


class APIConnectionError(AKIError):
    """The service was not reached, or the connection was lost before a response."""

    is_retryable = True


class APITimeoutError(APIConnectionError):
    """The service did not answer in time."""


class StreamInterruptedError(APIConnectionError):
    """A stream was cut off, or ended without its terminator; `partial_text` is the text that had arrived.

    Example:
        >>> StreamInterruptedError("the connection was lost", partial_text="6 * 7 =").partial_text
        '6 * 7 ='
    """

    def __init__(self, message: str, *, partial_text: str = "", **context: str | None) -> None:
        super().__init__(message, **context)
        self.partial_text = partial_text


class InvalidResponseError(AKIError):
    """A response that does not follow the protocol: HTML, broken JSON, no choices, too large."""


class ModelFallbackError(AKIError):
    """Another model answered than the one that was requested: `served` is its ID, `requested` that of the request.

    Example:
        >>> ModelFallbackError("it answered", requested="qwen3.6-35b", served="minimax-m2.5-230b").served
        'minimax-m2.5-230b'
    """

    def __init__(self, message: str, *, requested: str, served: str, **context: str | None) -> None:
        super().__init__(message, **context)
        self.requested = requested
        self.served = served


class ModelRefusalError(AKIError):
    """The model refused to give the structured output that was requested; `refusal` is its explanation.

    Example:
        >>> ModelRefusalError("the model refused", refusal="I cannot help with that.").refusal
        'I cannot help with that.'
    """

    def __init__(self, message: str, *, refusal: str, **context: str | None) -> None:
        super().__init__(message, **context)
        self.refusal = refusal


class JobError(AKIError):
    """A job of the native API failed, expired or was canceled.

    `job_id` is None if it had not started; `state` is `"failed"`, `"lapsed"` (it expired there) or `"canceled"`.

    Example:
        >>> JobError("the job lapsed", job_id="4711", state="lapsed").state
        'lapsed'
    """

    def __init__(self, message: str, *, job_id: str | None, state: str, **context: str | None) -> None:
        super().__init__(message, **context)
        self.job_id = job_id
        self.state = state


class APIStatusError(AKIError):
    """The service answered with an error.

    Args:
        message: The server's own message.
        status_code: The HTTP status; 200 if the error was part of a successful response.
        code: The server's error code, e.g. `"invalid_api_key"`.
        type: The server's error type, e.g. `"invalid_request_error"`.
        retry_after: Seconds to wait before the next attempt; None if the server does not state it.
        body: The response's body, parsed if it is JSON.
        text: The response's body as text; None if the error was part of a successful response.
        headers: The response's headers, without cookies.
        **context: `provider`, `model`, `request_id`.

    Example:
        >>> try:
        ...     Client(api_key="wrong").generate_image("a red lighthouse")
        ... except APIStatusError as error:
        ...     print(type(error).__name__, error.status_code, error.response.is_error)
        AuthenticationError 401 True
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        type: str | None = None,  # noqa: A002  the server's own field name
        retry_after: float | None = None,
        body: Any = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
        **context: str | None,
    ) -> None:
        super().__init__(message, **context)
        self.text = text
        self.status_code = status_code
        self.code = code
        self.type = type
        self.retry_after = retry_after
        self.body = body
        self.headers = dict(headers or {})
        if status_code == _REQUEST_TIMEOUT:
            self.is_retryable = True

    def __str__(self) -> str:
        prefix = f"{self.provider} answered" if self.provider else "The service answered"
        code = f" ({self.code})" if self.code and self.code not in self.message else ""
        wait = f"; retry after {self.retry_after:g} s" if self.retry_after is not None else ""
        suffix = f" (request {self.request_id})" if self.request_id else ""
        return escape_control(f"{prefix} {self.status_code}{code}: {self.message}{wait}{suffix}")

    @property
    def response(self) -> httpx.Response:
        """A new `httpx.Response` with the status, headers and body; without the request, which contains the key."""
        import httpx  # noqa: PLC0415  takes 50 ms; already imported if a call was made

        # httpx's defaults do not encode everything that servers send: headers beyond ASCII, NaN in a body.
        headers = httpx.Headers(self.headers, encoding="utf-8")
        if self.text is not None:
            return httpx.Response(self.status_code, headers=headers, content=self.text.encode())
        headers.setdefault("content-type", "application/json")
        return httpx.Response(self.status_code, headers=headers, content=json.dumps(self.body))


class BadRequestError(APIStatusError):
    """400, 405, 409, 413, 422: the request itself is wrong."""


class ContextOverflowError(BadRequestError):
    """The prompt, together with the requested output, does not fit into the model's context window."""


class AuthenticationError(APIStatusError):
    """401: the key is missing or wrong."""


class InsufficientCreditsError(APIStatusError):
    """402: the account has too few credits."""


class PermissionDeniedError(APIStatusError):
    """403: the key is valid but not allowed to do this."""


class NotFoundError(APIStatusError):
    """404: the URL, or what it names, does not exist."""


class ModelNotFoundError(NotFoundError):
    """The model does not exist: a 404, even if nothing was sent.

    `closest` are the most similar IDs that exist, best first; `available` are all of them, if the listing was read.

    Example:
        >>> from aki_transport.messages import ChatRequest
        >>> try:
        ...     Client().chat(ChatRequest(model="qwen3.6-36b", messages=()))
        ... except ModelNotFoundError as error:
        ...     print(error.closest)
        ('qwen3.6-35b',)
    """

    def __init__(
        self,
        message: str,
        *,
        closest: tuple[str, ...] = (),
        available: tuple[str, ...] = (),
        status_code: int = 404,
        **rest: Any,
    ) -> None:
        super().__init__(message, status_code=status_code, **rest)
        self.closest = closest
        self.available = available

    def __str__(self) -> str:
        # Raised before sending, there is no response to quote.
        return super().__str__() if self.body is not None else AKIError.__str__(self)


class RateLimitError(APIStatusError):
    """429: too many requests."""

    is_retryable = True


class ServerError(APIStatusError):
    """5xx: the service failed."""

    is_retryable = True


class ServiceUnavailableError(ServerError):
    """503: the service is temporarily unavailable."""


class ModelMismatchWarning(UserWarning):
    """The model that answered is neither the requested one nor the provider's fallback model.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("error", ModelMismatchWarning)  # such a response now raises an error
    """


class ModelLimitWarning(UserWarning):
    """`max_tokens` is larger than the model's known maximum output, or was used up before any text of the answer.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("ignore", ModelLimitWarning)
    """
