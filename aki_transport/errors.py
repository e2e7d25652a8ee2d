"""What can go wrong, as one tree.

    AKIError                              provider, model, request_id where known
    ├── ConfigurationError                before any I/O: no key, unknown provider, insecure URL, bad argument
    ├── APIConnectionError                never reached, or lost before any answer
    │   ├── APITimeoutError
    │   └── StreamInterruptedError        .partial_text holds what had arrived
    ├── InvalidResponseError              an answer that is not what the wire promises
    ├── ModelFallbackError                .requested, .served
    ├── ModelRefusalError                 .refusal; where an object was asked for
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

All of them pickle and copy, keep the server's own words, and never hold a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

_REQUEST_TIMEOUT = 408
_SHOWN = 600  # characters that a message keeps


class AKIError(Exception):
    """Base of every error of this package.

    Args:
        message: What happened and what to do.
        provider: The provider's title, put in front of the message.
        model: The model that was asked.
        request_id: The service's ID of the request, put behind the message.

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

    def tidy(self, secret: str | None) -> None:
        """Replace `secret` with `***` wherever a server's words brought it in, and shorten words that are too long."""
        if secret:
            self.args = tuple(_without(secret, value) for value in self.args)
            for name, value in self.__dict__.items():
                self.__dict__[name] = _without(secret, value)
        if len(self.message) > _SHOWN:
            self.message = f"{self.message[:_SHOWN]}…"
            self.args = (self.message, *self.args[1:])

    def __str__(self) -> str:
        who = f"{self.provider}: " if self.provider else ""
        where = f" (request {self.request_id})" if self.request_id else ""
        return f"{who}{self.message}{where}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(cls: type[AKIError], args: tuple[Any, ...], state: dict[str, Any]) -> AKIError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _without(secret: str, value: Any) -> Any:
    match value:
        case str():
            return value.replace(secret, "***")
        case dict():
            return {_without(secret, name): _without(secret, inner) for name, inner in value.items()}
        case list() | tuple():
            return type(value)(_without(secret, inner) for inner in value)
        case _:
            return value


class ConfigurationError(AKIError):
    """Something to set right before anything can be sent."""


class APIConnectionError(AKIError):
    """The service was never reached, or the connection was lost before any answer."""

    is_retryable = True


class APITimeoutError(APIConnectionError):
    """The service did not answer in time."""


class StreamInterruptedError(APIConnectionError):
    """A stream broke off, or ended without its terminator.

    Args:
        message: What happened.
        partial_text: The text that had arrived.
        **where: `provider`, `model`, `request_id`.

    Example:
        >>> StreamInterruptedError("the connection was lost", partial_text="6 * 7 =").partial_text
        '6 * 7 ='
    """

    def __init__(self, message: str, *, partial_text: str = "", **where: str | None) -> None:
        super().__init__(message, **where)
        self.partial_text = partial_text


class InvalidResponseError(AKIError):
    """An answer that is not what the wire promises: HTML, broken JSON, no choices, too large."""


class ModelFallbackError(AKIError):
    """Another model answered than the one that was asked.

    Args:
        message: What happened and what to do.
        requested: The model that was asked.
        served: The model that answered.
        **where: `provider`, `model`, `request_id`.

    Example:
        >>> ModelFallbackError("it answered", requested="qwen3.6-35b", served="minimax-m2.5-230b").served
        'minimax-m2.5-230b'
    """

    def __init__(self, message: str, *, requested: str, served: str, **where: str | None) -> None:
        super().__init__(message, **where)
        self.requested = requested
        self.served = served


class ModelRefusalError(AKIError):
    """The model refused to give what was asked for.

    Args:
        message: What happened.
        refusal: The model's words.
        **where: `provider`, `model`, `request_id`.

    Example:
        >>> ModelRefusalError("the model refused", refusal="I cannot help with that.").refusal
        'I cannot help with that.'
    """

    def __init__(self, message: str, *, refusal: str, **where: str | None) -> None:
        super().__init__(message, **where)
        self.refusal = refusal


class JobError(AKIError):
    """A job of the native API failed, lapsed or was canceled.

    Args:
        message: What happened.
        job_id: The job's ID, where one was given.
        state: `"failed"`, `"lapsed"` or `"canceled"`.
        **where: `provider`, `model`, `request_id`.

    Example:
        >>> JobError("the job lapsed", job_id="4711", state="lapsed").state
        'lapsed'
    """

    def __init__(self, message: str, *, job_id: str | None, state: str, **where: str | None) -> None:
        super().__init__(message, **where)
        self.job_id = job_id
        self.state = state


class APIStatusError(AKIError):
    """The service refused, or failed, and said so.

    Args:
        message: The server's own words.
        status_code: The HTTP status; 200 where the error came inside a good answer.
        code: The server's code, e.g. `"invalid_api_key"`.
        type: The server's type of error, e.g. `"invalid_request_error"`.
        retry_after: Seconds to wait, where the server says so.
        body: The answer's body, parsed where it is JSON.
        text: The answer's body as it came, where it was not part of a good answer.
        headers: The answer's headers, without cookies.
        **where: `provider`, `model`, `request_id`.

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
        **where: str | None,
    ) -> None:
        super().__init__(message, **where)
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
        who = f"{self.provider} answered" if self.provider else "The service answered"
        code = f" ({self.code})" if self.code and self.code not in self.message else ""
        wait = f"; retry after {self.retry_after:g} s" if self.retry_after is not None else ""
        where = f" (request {self.request_id})" if self.request_id else ""
        return f"{who} {self.status_code}{code}: {self.message}{wait}{where}"

    @property
    def response(self) -> httpx.Response:
        """A fresh response with the answer's status, headers and body; without its request, which carries the key."""
        import httpx  # noqa: PLC0415  takes 50 ms, and is here already where a call was made

        # A service may say what httpx's own ways would refuse to write: headers beyond ASCII, NaN in a body.
        headers = httpx.Headers(self.headers, encoding="utf-8")
        if self.text is not None:
            return httpx.Response(self.status_code, headers=headers, content=self.text.encode())
        headers.setdefault("content-type", "application/json")
        return httpx.Response(self.status_code, headers=headers, content=json.dumps(self.body))


class BadRequestError(APIStatusError):
    """400, 405, 409, 413, 422: the request itself is wrong."""


class ContextOverflowError(BadRequestError):
    """The conversation, with the output asked for, does not fit into the model's context window."""


class AuthenticationError(APIStatusError):
    """401: the key is missing or wrong."""


class InsufficientCreditsError(APIStatusError):
    """402: the account has too little credit."""


class PermissionDeniedError(APIStatusError):
    """403: the key is known but may not do this."""


class NotFoundError(APIStatusError):
    """404: no such thing."""


class ModelNotFoundError(NotFoundError):
    """No such model.

    Args:
        message: What happened and what to do.
        closest: The most similar model IDs that exist, best first.
        available: Every model ID that exists, where the listing was read.
        status_code: 404, also where nothing was sent.
        **rest: As `APIStatusError`.

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
        # Raised before sending there is no answer to speak of.
        return super().__str__() if self.body is not None else AKIError.__str__(self)


class RateLimitError(APIStatusError):
    """429: too many requests."""

    is_retryable = True


class ServerError(APIStatusError):
    """5xx: the service failed."""

    is_retryable = True


class ServiceUnavailableError(ServerError):
    """503: the service is not there at the moment."""


class ModelMismatchWarning(UserWarning):
    """The served model's name differs from the one that was asked, and is not the provider's fallback model.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("error", ModelMismatchWarning)  # such an answer is an error from now on
    """


class ModelLimitWarning(UserWarning):
    """More output was asked for than the model is known to give.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("ignore", ModelLimitWarning)
    """
