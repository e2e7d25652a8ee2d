"""Converts error responses of any of the services to exceptions."""

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
_BAD_REQUEST = 400
_NOT_FOUND = 404
_TOO_MANY = 429
# Cookies are secrets; the others describe the encoded bytes, not the decoded text that is kept.
_DROPPED_HEADERS = frozenset({"set-cookie", "content-encoding", "content-length", "transfer-encoding"})
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-litellm-call-id")
_SERVER_ERROR = 500
_NOT_IMPLEMENTED = 501
_MAX_PARSED = 16384  # characters of a message that are looked at; a page's title stands near its beginning
_MAX_TEXT = 4096  # characters of a message without markup; errors.py shortens further, after it removed the key
_MAX_ITEMS = 20  # of a list of messages
_MAX_FIELD = 200  # characters of the name of a field
_MAX_DEPTH = 6  # objects and lists around what an error says of a field
_ENVELOPES = ("error", "message", "detail", "details", "errors", "fieldViolations")  # Mistral, FastAPI, Gemini

_MESSAGES = (
    *("message", "description", "detail", "msg", "errors"),
    *("error_msg", "error_message", "errorMessage", "status_msg"),  # Baidu, Bedrock, MiniMax
)
_CODE_FIELDS = ("code", "error_code", "errorCode", "status_code")
_STATUSES = ("code", "status", "status_code", "http_status_code")
_SUCCESS = frozenset({"0", "200", "ok", "success", "true"})  # what services write into these fields of a good answer

_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    **dict.fromkeys((400, 405, 409, 413, 422), BadRequestError),
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}

# The services' own codes and types take precedence over the status. Sources: AKI.IO's page "OpenAI API Compatibility"
# (invalid_api_key, request_failed), Anthropic's error types, the gateways' error tables, OpenAI's codes.
_CODES: Mapping[type[APIStatusError], tuple[str, ...]] = {
    AuthenticationError: (
        *("invalid_api_key", "authentication_error"),
        # LiteLLM's; the first without a database, asked with any key but its own
        *("no_db_connection", "auth_error", "expired_key", "token_not_found_in_db"),
    ),
    InsufficientCreditsError: (
        *("insufficient_credits", "insufficient_quota", "billing_error", "budget_exceeded"),
        *("exceeded_current_quota_error", "arrearage"),  # Moonshot; DashScope
    ),
    PermissionDeniedError: (
        "permission_error",
        *(f"{owner}_model_access_denied" for owner in ("key", "user", "team", "org")),  # LiteLLM
    ),
    ModelNotFoundError: (
        "model_not_found",
        *("model_not_available", "model_decommissioned", "invalid_model"),  # Together; Groq; Mistral, Perplexity
        "deployment_not_found",  # Azure
    ),
    NotFoundError: ("not_found_error",),
    BadRequestError: ("request_failed", "invalid_request_error", "validation"),
    ContextOverflowError: ("context_length_exceeded", "request_too_large", "exceed_context_size_error"),  # llama.cpp
    RateLimitError: ("rate_limit_exceeded", "rate_limit_error"),
    ServiceUnavailableError: ("overloaded_error", "overloaded", "service_unavailable"),
    ServerError: ("generation", "server_error", "internal_server_error", "api_error", "timeout_error"),
}
_BY_CODE = {code: cls for cls, codes in _CODES.items() for code in codes}
# Codes and types that repeat the status where there is one, and stand for it in a stream: vLLM, Bedrock, Gemini,
# DashScope.
_IN_STREAMS: Mapping[str, type[APIStatusError]] = {
    **_BY_CODE,
    **dict.fromkeys(("unauthorized", "unauthenticated"), AuthenticationError),
    **dict.fromkeys(("forbidden", "permission_denied", "access_denied_exception"), PermissionDeniedError),
    **dict.fromkeys(
        ("bad_request", "bad_request_error", "invalid_argument", "validation_exception", "invalid_parameter"),
        BadRequestError,
    ),
    **dict.fromkeys(
        ("too_many_requests", "resource_exhausted", "throttling", "throttling_exception"),
        RateLimitError,
    ),
    **dict.fromkeys(
        ("unavailable", "service_unavailable_error", "service_unavailable_exception"), ServiceUnavailableError
    ),
    **dict.fromkeys(("internal", "internal_error", "internal_server_exception", "model_error"), ServerError),
}
_STATUS_OF = {
    **{cls: status for status, cls in _BY_STATUS.items() if cls is not BadRequestError},
    ModelNotFoundError: 404,
    ServerError: 500,
}
# These codes and types are too general to overrule the status.
_GENERIC = frozenset(
    {"invalid_request_error", "api_error", "server_error", "not_found_error", "overloaded", "generation", "validation"}
)

# Messages of vLLM, llama.cpp, TGI, SGLang, LiteLLM, OpenAI, Anthropic and the services in providers.py.
_OVERFLOW = re.compile(
    r"""maximum\ (context|prompt|input)\ length
      | context[ _-]?(length|window|size)[^.]{0,60}(exceed|limit|too|smaller|only)
      | exceed\w{0,3}[^.]{0,80}\b(context|n_ctx|max_model_len|maximum\ (model|prompt|input|sequence)\ length)
      | (prompt|input|message|conversation|request)s?(\ text)?\ (is|are|was|were)?\ ?too\ (long|large\ for)
      | \bprompt\ (exceeds|超长) | input\ length\ should\ be | tokens\ in\ the\ (prompt|input|messages)\ exceed
      | too\ large\ to\ process
      | (longer|larger|greater)\ than\ the\ (maximum\ )?(model|context|prompt|input)
      | must\ have\ (less|fewer)\ than\ \d{1,9}\ tokens
      | too\ many\ (input\ |prompt\ )?tokens(?!,\ please\ wait) | reduce\ the\ length\ of\ the\ (messages|prompt|input)
      | (input|prompt)\ (tokens?|length)[^.]{0,60}(exceed|must\ (have|be)\ (less|fewer|at\ most)|greater|beyond)
      | tokens?\ \+\ (`?max_new_tokens`?|max_tokens)[^.]{0,40}must\ be
      | token\ (count|limit)[^.]{0,40}exceed | exceed\w{0,3}\ (the\ )?(model'?s?\ )?token\ limit""",
    re.IGNORECASE | re.VERBOSE,
)
# Messages of vLLM, LiteLLM, transformers, Ollama, OpenAI, DeepSeek, OpenRouter, Bedrock and its gateway, Gemini,
# LM Studio, Ray Serve, Cloudflare, Zhipu.
# Between "model" and what is wrong stands at most its ID: "model output is invalid" tells of something else.
_NO_MODEL = re.compile(
    r"""\bno\ such\ model\b
      | \b(unknown|unrecognized|invalid)\ model(\ (name|id|identifier|passed|specified)\b|\ ?[:='"`(.]|\Z)
      | \bmodels?(\ (name|id|identifier))?[ :=]{0,3}
        (['"`][^'"`]{1,200}['"`]|(?=[^\s'"`]{0,99}[-\d/._:])[^\s'"`]{1,200})?,?\ ?
        (was\ |is\ |could\ |does\ |do\ )?(not\ (be\ )?(found|available|exist|accessible|deployed|loaded)
        |doesn't\ exist|unknown|invalid|not\ a\ valid\ model|not\ supported\.?\Z) | 模型不存在
      | \bunsupported\ model\ [^\s,]{1,200},
      | is\ not\ a\ valid\ model | pinned\ to\ ['"`\w] | no\ models?\ (is\ |are\ )?loaded
      | could\ not\ find\ (the\ )?model\b | no\ endpoints\ found\ for\ [^\s/]{1,99}/ | llm\ provider\ not\ provided""",
    re.IGNORECASE | re.VERBOSE,
)
_NOT_LOADED = re.compile(r"loaded|available|accessible|deployed", re.IGNORECASE)
# At 404 there is little else that could be missing. Anthropic names the model alone.
_NO_MODEL_THERE = re.compile(
    r"\bmodel\b.{0,80}(not (found|supported|available)|does ?n[o']t exist|unknown)"
    r"|\Amodel: \S+\Z|not found:? (the )?model\b",
    re.IGNORECASE,
)
# Gemini and xAI answer a wrong key with 400.
_WRONG_KEY = re.compile(
    r"(incorrect|invalid|wrong|expired|missing|no) api[ _-]?key"
    r"|api[ _-]?key.{0,20}(not valid|invalid|incorrect|expired)",
    re.IGNORECASE,
)
# Anthropic answers an empty account with 400, Zhipu with 429, in Chinese too.
_NO_CREDIT = re.compile(r"credit balance is too low|insufficient (balance|credits?|funds)|余额不足|欠费", re.IGNORECASE)
_TOO_FAST = re.compile(r"rate.?limit|too many requests", re.IGNORECASE)  # MiniMax has a code of its own for it
# What the same request will meet again: a feature that is missing, a template or a grammar that refuses.
_PERMANENT = re.compile(
    r"""not[ _](yet[ _]|currently[ _])?(implemented|supported|permitted) | unsupported | extra\ inputs
      | \b(does|do|did|can)\ ?n[o']t\ support | unexpected\ keyword | roles?\ must | system\ message
      | (unknown|unrecognized|invalid)\ (field|parameter|param|argument|option) | grammar | jinja | template
      | match\ the\ expected\ [\w-]+\ format""",
    re.IGNORECASE | re.VERBOSE,
)
# The open-source server behind AKI.IO sends the first letter of its message alone.
_LETTERS: Mapping[str, tuple[type[APIStatusError], str]] = {
    "J": (RateLimitError, "the queue of jobs is full"),
    "E": (NotFoundError, "the endpoint is disabled"),
}
_OVERFLOW_STATUSES = frozenset({200, 400, 404, 413, 422, 500})
_MODEL_STATUSES = frozenset({200, 400, 404, 422})
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STATUS = re.compile(r"[45]\d\d")
_REQUEST_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
# Possessive, for backtracking would make a page of unclosed tags quadratic.
_TAG = re.compile(r"</?+[a-zA-Z!?][^<>]*+>")
_TITLE = re.compile(r"<title\b[^<>]*+>([^<]*+)", re.IGNORECASE)
_HIDDEN = re.compile(r"<(script|style)\b.*?(</\1[^<>]*+>?|\Z)", re.IGNORECASE | re.DOTALL)


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, *, retry_after: float | None = None
) -> APIStatusError:
    """The exception for a response with an error status, which asks to wait `retry_after` seconds."""
    try:
        parsed: Any = from_json(body)
    except ValueError:
        parsed = body.decode("utf-8", "replace")
    return _build(status, headers, parsed, retry_after, body.decode("utf-8", "replace"))


def error_from_payload(payload: Mapping[str, Any]) -> APIStatusError:
    """The exception for an error object in a successful response or in a stream."""
    return _build(_OK, {}, payload, None)


def is_error(payload: Mapping[str, Any]) -> bool:
    """Whether an object in a successful response, or in a stream, is an error."""
    error = payload.get("error")
    if error and isinstance(error, dict) and not any(error.values()):  # gateways send all fields of one, with nothing
        return False
    if error or payload.get("object") == "error" or payload.get("type") == "error":
        return True
    if "choices" in payload or payload.keys().isdisjoint(_STATUSES):  # nearly each event of a stream
        return False
    if any(_STATUS.fullmatch(str(payload.get(name))) for name in _STATUSES):
        return True
    code = payload.get("code")
    return isinstance(code, str) and _plain(code) in _IN_STREAMS and tells_failure(payload)


def tells_failure(payload: Mapping[str, Any]) -> bool:
    """Whether an object that is no part of an answer has a message that may say why there is none."""
    fields = {**payload, **_status_in(payload)}
    code = next((fields[name] for name in _CODE_FIELDS if fields.get(name) is not None), None)
    if str(code).lower() in _SUCCESS:
        return False
    return any(fields.get(name) and isinstance(fields[name], str | list) for name in _MESSAGES)


def _status_in(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object with the status of a call that MiniMax sends with each answer."""
    inner = [value for value in payload.values() if isinstance(value, dict) and "status_msg" in value]
    return inner[0] if len(inner) == 1 else {}


def _build(
    status: int, headers: Mapping[str, str], body: Any, retry_after: float | None, text: str | None = None
) -> APIStatusError:
    message, code, error_type, payload_status = _parse_envelope(body)
    if status == _OK and payload_status is not None:
        status = payload_status
    cls = _classify(status, message, code, error_type, refuses_model=status in _MODEL_STATUSES and _names_model(body))
    if message in _LETTERS and code == "request_failed":
        cls, meaning = _LETTERS[message]
        message = f"{message} ({meaning})"
    if status == _OK:
        status = _STATUS_OF.get(cls, status)
    error = cls(
        message or "no message",
        status_code=status,
        code=code,
        type=error_type,
        retry_after=retry_after,
        body=body,
        text=text,
        headers={name: value for name, value in headers.items() if name not in _DROPPED_HEADERS},
        request_id=request_id_of(headers) or _request_id_in(body),
    )
    if cls is ServerError and _is_permanent(error):
        error.is_retryable = False
    return error


def refused_fields(error: APIStatusError) -> tuple[str, ...]:
    """The fields of the request that an error names in `param`, `field` or `loc`, with dots between their parts."""
    return _named_fields(error.body)


def _names_model(body: Any) -> bool:
    """Whether the fault is seen in the request's model alone."""
    return {name.removeprefix("body.") for name in _named_fields(body)} == {"model"}


def _named_fields(body: Any, depth: int = _MAX_DEPTH) -> tuple[str, ...]:
    if isinstance(body, list):
        names, inner = [], body[:_MAX_ITEMS]
    elif isinstance(body, Mapping):
        names, inner = [body.get("param"), body.get("field"), _location(body)], [body.get(name) for name in _ENVELOPES]
    else:
        return ()
    named = tuple(name[:_MAX_FIELD] for name in names if isinstance(name, str) and name not in ("", "None"))
    return sum((_named_fields(each, depth - 1) for each in inner if depth), named)


def _location(detail: Mapping[Any, Any]) -> str:
    """Where FastAPI saw the fault."""
    location = detail.get("loc")
    return ".".join(str(part) for part in location[:_MAX_ITEMS]) if isinstance(location, list) else ""


def _is_permanent(error: APIStatusError) -> bool:
    """Whether the same request will fail again, although its status speaks of a failure of the server."""
    if error.status_code == _NOT_IMPLEMENTED or error.code == "not_implemented" or error.type == "not_implemented":
        return True
    if error.status_code != _SERVER_ERROR:
        return False
    return bool(refused_fields(error)) or _PERMANENT.search(error.message) is not None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The service's ID of the request, under any of its usual header names."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


def _request_id_in(body: Any) -> str | None:
    """The same in an error's body, where Anthropic has it, in streams too."""
    value = body.get("request_id") if isinstance(body, Mapping) else None
    return value if isinstance(value, str) and _REQUEST_ID.fullmatch(value) else None


def _classify(
    status: int, message: str, code: str | None, error_type: str | None, *, refuses_model: bool
) -> type[APIStatusError]:
    known = _IN_STREAMS if status == _OK else _BY_CODE
    codes = [_plain(each) for each in (code, error_type) if each is not None]
    names = [name for name in codes if name in known]
    by_code = next((known[name] for name in names if name not in _GENERIC), None)
    # Codes that are not known tell it in the words of messages: "ContextWindowExceededError".
    tells_overflow = status in _OVERFLOW_STATUSES and any(map(_OVERFLOW.search, (*codes, message)))
    if tells_overflow and by_code in (None, BadRequestError, ServerError):
        return ContextOverflowError
    if by_code not in (None, BadRequestError):
        return by_code
    if status == _NOT_FOUND and by_code is None and _NO_MODEL_THERE.search(message):
        return ModelNotFoundError
    if refuses_model or _lacks_model(status, message):
        return ModelNotFoundError
    if by_code is not None:
        return by_code
    if status in (_OK, _BAD_REQUEST) and _WRONG_KEY.search(message):
        return AuthenticationError
    if status in (_OK, _BAD_REQUEST, _TOO_MANY) and _NO_CREDIT.search(message):
        return InsufficientCreditsError
    if status == _OK and _TOO_FAST.search(message):
        return RateLimitError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= _SERVER_ERROR:
        return ServerError
    return known[names[0]] if names and status == _OK else APIStatusError


def _plain(name: str) -> str:
    """A code or type as most services spell it: `InvalidApiKey`, `INVALID_API_KEY` and `invalid-api-key` are one."""
    return _WORD_START.sub("_", name[:_MAX_FIELD]).lower().replace("-", "_").partition(".")[0]


def _lacks_model(status: int, message: str) -> bool:
    match = _NO_MODEL.search(message)
    if status == _SERVER_ERROR:  # LocalAI; what is not loaded may still come
        return match is not None and _NOT_LOADED.search(match[0]) is None
    return match is not None and status in _MODEL_STATUSES


def _parse_envelope(body: Any) -> tuple[str, str | None, str | None, int | None]:
    """Message, code, type and status from any of the services' error formats."""
    match body:
        case [{"error": _} as only]:  # Gemini
            body = only
        case {"detail": {**detail}} if detail and "error" not in body and "message" not in body:  # FastAPI
            body = detail
    if not isinstance(body, Mapping):
        return _to_text(body), None, None, None
    inner = body.get("error")
    if isinstance(inner, Mapping) and isinstance(inner.get("error"), Mapping):  # of a service behind the service
        inner = inner["error"]
    fields = inner if isinstance(inner, Mapping) else {**body, **_status_in(body)}
    message = inner if isinstance(inner, str | list) else None
    named = None
    if isinstance(message, str) and _plain(message) in _BY_CODE and fields.get("message"):
        named, message = message, None
    for name in _MESSAGES:
        message = message or fields.get(name)
    match fields:
        case {"metadata": {"raw": str(raw)}}:  # OpenRouter: what the server behind it answered
            message = f"{_to_text(message)}: {_to_text(raw)}"
    code = named or next((fields[name] for name in _CODE_FIELDS if isinstance(fields.get(name), str)), None)
    error_type = fields.get("type") or fields.get("error_type")
    numbers = (str(fields.get(name)) for name in (*_STATUSES, "error"))
    status = next((int(number) for number in numbers if _STATUS.fullmatch(number)), None)
    return (
        _to_text(message or fields),
        code if isinstance(code, str) and not code.isdigit() else None,
        error_type if isinstance(error_type, str) and error_type != "error" else None,
        status,
    )


def _to_text(value: Any) -> str:
    """Plain text from whatever the server sent as its message: text, HTML, a list, an object."""
    match value:
        case str():
            text = _strip_markup(value[:_MAX_PARSED])
        case [*items]:
            text = "; ".join(_to_text(item) for item in items[:_MAX_ITEMS])
        case {"msg": str(text), "loc": [*_]}:
            text = f"{_location(value)[:_MAX_FIELD]}: {text}"
        case {"msg": str(text)} | {"message": str(text)}:
            pass
        case None:
            text = ""
        case Mapping():
            text = str(dict(value)) if value else ""
        case _:
            text = str(value)
    return " ".join(text[:_MAX_PARSED].split())[:_MAX_TEXT]


def _strip_markup(text: str) -> str:
    """The title of an HTML page, else its text without tags, scripts and styles."""
    title = _TITLE.search(text)
    return title[1] if title else _TAG.sub(" ", _HIDDEN.sub(" ", text))
