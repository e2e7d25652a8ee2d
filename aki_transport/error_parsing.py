"""What services send when they refuse or fail, as errors: the one place where an answer becomes one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from aki_transport.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    InsufficientCreditsError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
)

_OK = 200
_NOT_FOUND = 404
# Secrets, and what described the bytes on the wire but not the text that is kept.
_NOT_KEPT = frozenset({"set-cookie", "content-encoding", "content-length", "transfer-encoding"})
_FAILED = 500
_READ = 4096  # characters of a server's words that are looked at; a message keeps fewer, once the key is taken out

_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    **dict.fromkeys((400, 405, 409, 413, 422), BadRequestError),
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}

# The services' own codes and types; they win over the status. Sources: AKI.IO's
# OpenAI page (invalid_api_key, request_failed), Anthropic's error types, the gateways' error tables, OpenAI's codes.
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
      | token\ (count|limit)[^.]{0,40}exceed | exceed\w*\ (the\ )?(model'?s?\ )?token\ limit""",
    re.IGNORECASE | re.VERBOSE,
)
_NO_MODEL = re.compile(
    r"(no such|unknown) model|\bmodel\b.{0,80}(not (found|supported|available)|does ?n[o']t exist|unknown)",
    re.IGNORECASE,
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
    return _build(status, headers, parsed, retry_after, body.decode("utf-8", "replace"))


def error_from_payload(payload: Mapping[str, Any]) -> APIStatusError:
    """The error that an object inside a good answer, or inside a stream, stands for."""
    return _build(_OK, {}, payload, None)


def is_error(payload: Mapping[str, Any]) -> bool:
    """Whether an object inside a good answer stands for an error."""
    if payload.get("error") or payload.get("object") == "error":
        return True
    return "choices" not in payload and _STATUS.fullmatch(str(payload.get("status"))) is not None


def _build(
    status: int, headers: Mapping[str, str], body: Any, retry_after: float | None, text: str | None = None
) -> APIStatusError:
    message, code, kind, said_status = _read(body)
    if status == _OK and said_status is not None:
        status = said_status
    cls = _classify(status, message, code, kind)
    if status == _OK:
        status = _STATUS_OF.get(cls, status)
    return cls(
        message or "no further words",
        status_code=status,
        code=code,
        type=kind,
        retry_after=retry_after,
        body=body,
        text=text,
        headers={name: value for name, value in headers.items() if name not in _NOT_KEPT},
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
    if status == _NOT_FOUND and _NO_MODEL.search(message):
        return ModelNotFoundError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= _FAILED:
        return ServerError
    return _BY_CODE.get(kind or "", APIStatusError) if status == _OK else APIStatusError


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
        case None:
            text = ""
        case Mapping():
            text = str(dict(value)) if value else ""
        case _:
            text = str(value)
    text = " ".join(text.split())
    return text[:_READ]
