"""What can go wrong, as one tree.

    AKIError                              provider, model, request_id where known
    ├── ConfigurationError                before any I/O: no key, unknown provider, insecure URL, bad argument
    ├── APIConnectionError                never reached, or lost before any answer
    │   ├── APITimeoutError
    │   └── StreamInterruptedError        .partial_text holds what had arrived
    ├── InvalidResponseError              an answer that is not what the wire promises
    ├── ModelFallbackError                .requested, .served
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

import re
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic_core import from_json

_SHOWN = 600  # characters of a server's words that a message keeps


class AKIError(Exception):
    """Base of every error of this package.

    Args:
        message: What happened and what to do.
        provider: The provider's title, put in front of the message.
        model: The model that was asked.
        request_id: The service's ID of the request, put behind the message.
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

    def redact(self, secret: str) -> None:
        """Replace `secret` with `***` wherever a server's words may have brought it in."""
        if secret:
            self.args = tuple(_without(secret, value) for value in self.args)
            for name, value in self.__dict__.items():
                self.__dict__[name] = _without(secret, value)

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
    """

    def __init__(self, message: str, *, requested: str, served: str, **where: str | None) -> None:
        super().__init__(message, **where)
        self.requested = requested
        self.served = served


class JobError(AKIError):
    """A job of the native API failed, lapsed or was canceled.

    Args:
        message: What happened.
        job_id: The job's ID, where one was given.
        state: `"failed"`, `"lapsed"` or `"canceled"`.
        **where: `provider`, `model`, `request_id`.
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
        headers: The answer's headers, without cookies.
        **where: `provider`, `model`, `request_id`.
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
        headers: Mapping[str, str] | None = None,
        **where: str | None,
    ) -> None:
        super().__init__(message, **where)
        self.status_code = status_code
        self.code = code
        self.type = type
        self.retry_after = retry_after
        self.body = body
        self.headers = dict(headers or {})
        if status_code in _REPEAT_MAY_HELP:
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
        if isinstance(self.body, str):
            return httpx.Response(self.status_code, headers=self.headers, text=self.body)
        return httpx.Response(self.status_code, headers=self.headers, json=self.body)


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
    """The served model's name differs from the one that was asked, and is not the provider's fallback model."""


class ModelLimitWarning(UserWarning):
    """More output was asked for than the model is known to give."""


_REPEAT_MAY_HELP = frozenset({408, 429, 529})

_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    **dict.fromkeys((400, 405, 409, 413, 422), BadRequestError),
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}

# The services' own codes and types; they win over the status. Sources: WIRE.md of this project's design: AKI.IO's
# OpenAI page (invalid_api_key, request_failed), Anthropic's error types, AACFlow's error table, OpenAI's codes.
_BY_CODE: Mapping[str, type[APIStatusError]] = {
    "invalid_api_key": AuthenticationError,
    "authentication_error": AuthenticationError,
    "insufficient_credits": InsufficientCreditsError,
    "insufficient_quota": InsufficientCreditsError,
    "billing_error": InsufficientCreditsError,
    "permission_error": PermissionDeniedError,
    "model_not_found": ModelNotFoundError,
    "not_found_error": NotFoundError,
    "request_failed": BadRequestError,
    "context_length_exceeded": ContextOverflowError,
    "request_too_large": ContextOverflowError,
    "rate_limit_exceeded": RateLimitError,
    "rate_limit_error": RateLimitError,
    "overloaded_error": ServiceUnavailableError,
    "service_unavailable": ServiceUnavailableError,
    "server_error": ServerError,
    "internal_server_error": ServerError,
    "api_error": ServerError,
    "timeout_error": ServerError,
    "invalid_request_error": BadRequestError,
}
_STATUS_OF: Mapping[type[APIStatusError], int] = {
    AuthenticationError: 401,
    InsufficientCreditsError: 402,
    PermissionDeniedError: 403,
    NotFoundError: 404,
    ModelNotFoundError: 404,
    RateLimitError: 429,
    ServerError: 500,
    ServiceUnavailableError: 503,
}
# A type this broad says nothing where a status is at hand.
_BROAD = frozenset({"invalid_request_error", "api_error", "server_error", "not_found_error"})

# Wordings seen at vLLM, llama.cpp, TGI, SGLang, LiteLLM, OpenAI, Anthropic and the services here.
_OVERFLOW = re.compile(
    r"""maximum\ context\ length | context[ _-]?(length|window|size)[^.]{0,60}(exceed|limit|too|smaller|only)
      | exceed\w*[^.]{0,80}\b(context|n_ctx|max_model_len|maximum\ (model|prompt|input|sequence)\ length)
      | (prompt|input|message|conversation|request)s?\ (is|are|was|were)?\s*too\ (long|large\ for)
      | (longer|larger)\ than\ the\ (maximum\ )?(model|context|prompt|input)
      | too\ many\ (input\ |prompt\ )?tokens | reduce\ the\ length\ of\ the\ (messages|prompt|input)
      | (input|prompt)\ (tokens?|length)[^.]{0,60}(exceed|must\ (have|be)\ (less|fewer|at\ most)|greater|beyond)
      | tokens?\ \+\ (`?max_new_tokens`?|max_tokens)[^.]{0,40}must\ be
      | token\ (count|limit)[^.]{0,40}exceed""",
    re.IGNORECASE | re.VERBOSE,
)
_OVERFLOW_STATUSES = frozenset({200, 400, 404, 413, 422, 500})
_STATUS = re.compile(r"[45]\d\d")
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, *, retry_after: float | None = None
) -> APIStatusError:
    """The error that an answer with a bad status stands for.

    Args:
        status: The HTTP status.
        headers: The answer's headers, names in lower case.
        body: The answer's body.
        retry_after: Seconds that the answer asks to wait.
    """
    try:
        parsed: Any = from_json(body)
    except ValueError:
        parsed = body.decode("utf-8", "replace")
    return _build(status, headers, parsed, retry_after)


def error_from_payload(payload: Mapping[str, Any]) -> APIStatusError:
    """The error that an object inside a good answer, or inside a stream, stands for."""
    return _build(httpx.codes.OK, {}, payload, None)


def is_error(payload: Mapping[str, Any]) -> bool:
    """Whether an object inside a good answer stands for an error."""
    if payload.get("error") or payload.get("object") == "error":
        return True
    return "choices" not in payload and _STATUS.fullmatch(str(payload.get("status"))) is not None


def _build(status: int, headers: Mapping[str, str], body: Any, retry_after: float | None) -> APIStatusError:
    message, code, kind, said_status = _read(body)
    if status == httpx.codes.OK and said_status is not None:
        status = said_status
    cls = _classify(status, message, code, kind)
    if status == httpx.codes.OK:
        status = _STATUS_OF.get(cls, status)
    return cls(
        message or "no further words",
        status_code=status,
        code=code,
        type=kind,
        retry_after=retry_after,
        body=body,
        headers={name: value for name, value in headers.items() if name != "set-cookie"},
        request_id=request_id_of(headers),
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The service's ID of the request, by the names that services give it."""
    return headers.get("x-request-id") or headers.get("request-id")


def _classify(status: int, message: str, code: str | None, kind: str | None) -> type[APIStatusError]:
    named = _BY_CODE.get(code or "") or (_BY_CODE.get(kind or "") if kind not in _BROAD else None)
    if (named in (None, BadRequestError, ServerError)) and status in _OVERFLOW_STATUSES and _OVERFLOW.search(message):
        return ContextOverflowError
    if named is not None:
        return named
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ServerError
    return _BY_CODE.get(kind or "", APIStatusError) if status == httpx.codes.OK else APIStatusError


def _read(body: Any) -> tuple[str, str | None, str | None, int | None]:
    """Message, code, type and status out of any of the services' envelopes."""
    if not isinstance(body, Mapping):
        return _words(body), None, None, None
    inner = body.get("error")
    fields = inner if isinstance(inner, Mapping) else body
    words = inner if inner and not isinstance(inner, Mapping) else None
    for name in ("message", "description", "detail", "msg"):
        words = words or fields.get(name)
    code, kind = fields.get("code"), fields.get("type")
    numbers = (str(fields.get(name)) for name in ("code", "status", "status_code"))
    said = next((int(number) for number in numbers if _STATUS.fullmatch(number)), None)
    return (
        _words(words or fields),
        code if isinstance(code, str) and not code.isdigit() else None,
        kind if isinstance(kind, str) and kind != "error" else None,
        said,
    )


def _words(value: Any) -> str:
    """Readable text, whatever the server used to say it."""
    match value:
        case str():
            title = _TITLE.search(value)
            text = title.group(1) if title else _TAGS.sub(" ", value)
        case [*items]:
            text = "; ".join(_words(item) for item in items)
        case {"msg": str(said)} | {"message": str(said)}:
            text = said
        case {} | None:
            text = ""
        case _:
            text = str(value)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
