"""Every refusal becomes the right error, in the service's own words, and every error can be kept."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import AKIError, APIStatusError, ContextOverflowError, errors
from aki_transport.error_parsing import (
    error_from_payload,
    error_from_response,
    is_error,
)
from aki_transport.prepare.structured_output import NoJsonError
from tests.script_server import Answer, ScriptServer, json_answer, text_answer
from tests.subcases import subcases
from tests.transport.asking import Way, client_for, in_every_way
from tests.transport.test_error_pages import SHAPES


def openai(message: str, code: Any = None, kind: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


ENVELOPES = [
    (401, openai("Wrong key", "invalid_api_key", "invalid_request_error"), "AuthenticationError", "Wrong key"),
    (404, openai("Bad temperature", "request_failed"), "BadRequestError", "Bad temperature"),
    (400, {"description": "Malformed", "status": 400, "message": "Not JSON"}, "BadRequestError", "Not JSON"),
    (404, {"description": "No such URL", "status": 404}, "NotFoundError", "No such URL"),
    (405, {"description": "No GET", "status": 405, "message": ""}, "BadRequestError", "No GET"),
    (500, {"description": "It broke", "status": 500}, "ServerError", "It broke"),
    (503, {"description": "Timeout", "status": 503}, "ServiceUnavailableError", "Timeout"),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "x: y"}}, "BadRequestError", "x: y"),
    (401, {"type": "error", "error": {"type": "authentication_error", "message": "no"}}, "AuthenticationError", "no"),
    (403, {"type": "error", "error": {"type": "permission_error", "message": "no"}}, "PermissionDeniedError", "no"),
    (404, {"type": "error", "error": {"type": "not_found_error", "message": "no"}}, "NotFoundError", "no"),
    (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}, "RateLimitError", "no"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, "ServiceUnavailableError", "no"),
    (400, {"success": False, "error": ["a: wrong", "b: wrong"]}, "BadRequestError", "a: wrong; b: wrong"),
    (402, openai("Pay", "insufficient_credits", "insufficient_quota"), "InsufficientCreditsError", "Pay"),
    (404, openai("No such model", "model_not_found"), "ModelNotFoundError", "No such model"),
    (500, openai("Oops", None, "server_error"), "ServerError", "Oops"),
    (400, {"error": "bad"}, "BadRequestError", "bad"),
    (402, {"error": "balance"}, "InsufficientCreditsError", "balance"),
    (403, {"error": "IP"}, "PermissionDeniedError", "IP"),
    (404, {"error": "none"}, "NotFoundError", "none"),
    (409, {"error": "busy"}, "BadRequestError", "busy"),
    (429, {"error": "slow"}, "RateLimitError", "slow"),
    (503, {"error": "No active provider"}, "ServiceUnavailableError", "No active provider"),
    (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "BadRequestError", "field required"),
    (413, "too big", "BadRequestError", "too big"),
    (502, "<html><head><title>Bad Gateway</title></head></html>", "ServerError", "Bad Gateway"),
    (418, {"error": {"reason": "teapot"}}, "APIStatusError", "teapot"),
    (400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Bad"}}, "BadRequestError", "Bad"),
    (499, "", "APIStatusError", "no message"),
]


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"), ENVELOPES, ids=lambda value: str(value)[:40] if value else "none"
)
@in_every_way
def test_each_envelope_has_its_class_and_its_words(
    way: Way, status: int, body: Any, kind: str, words: str, server: ScriptServer
) -> None:
    whole = text_answer if isinstance(body, str) else json_answer
    server.say(whole(body, status, x_request_id="req-1", retry_after="9"))
    with pytest.raises(APIStatusError) as caught:
        way.ask(client_for(server, max_retries=0))
    error = caught.value
    assert type(error) is getattr(errors, kind)
    assert words in error.message
    assert error.status_code == status
    assert (error.request_id, error.retry_after, error.body) == ("req-1", 9, body)
    assert str(error).startswith(f"AKI.IO answered {status}")
    assert words in str(error)
    assert "req-1" in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize(("status", "body", "kind", "words"), ENVELOPES[:6], ids=str)
def test_code_and_type_are_kept(status: int, body: Any, kind: str, words: str) -> None:
    del kind, words
    error = error_from_response(status, {}, httpx.Response(200, json=body).content)
    inner = body.get("error", body)
    assert error.code == inner.get("code")
    assert error.type == inner.get("type")


@in_every_way
def test_the_response_is_fresh_and_has_no_request(way: Way, server: ScriptServer) -> None:
    server.say(json_answer(openai("no"), 400, x_request_id="req-1", set_cookie="session=1"))
    with pytest.raises(APIStatusError) as caught:
        way.ask(client_for(server))
    response = caught.value.response
    assert isinstance(response, httpx.Response)
    assert (response.status_code, response.json()) == (400, openai("no"))
    assert response.headers["x-request-id"] == "req-1"
    assert "set-cookie" not in response.headers
    with pytest.raises(RuntimeError):
        response.request  # noqa: B018  there is none
    assert caught.value.response is not response


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("body", [b'{"error": "no"}', b"plain", b"[]", b"null", b'"text"', b"", b"\xff"])
@in_every_way
def test_the_response_can_be_read_however_it_came(way: Way, body: bytes, server: ScriptServer, *, gzip: bool) -> None:
    server.say(Answer(status=400, headers={"content-type": "application/json"}, chunks=(body,), gzip=gzip))
    with pytest.raises(APIStatusError) as caught:
        way.ask(client_for(server))
    response = caught.value.response
    assert response.status_code == 400
    assert "no" in response.text or body != b'{"error": "no"}'
    assert "content-encoding" not in response.headers
    assert int(response.headers.get("content-length", len(response.content))) == len(response.content)


@in_every_way
def test_the_response_can_be_made_from_headers_in_any_language(way: Way, server: ScriptServer) -> None:
    server.say(json_answer(openai("no"), 400, x_words="zur\u00fcck"))
    with pytest.raises(APIStatusError) as caught:
        way.ask(client_for(server, max_retries=0))
    assert caught.value.response.headers["x-words"] == "zur\u00fcck"
    assert caught.value.response.json() == openai("no")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_the_response_can_be_made_from_numbers_that_are_no_json(number: float) -> None:
    error = error_from_payload({"error": {"message": "no", "code": number}})
    assert "no" in error.response.text
    assert error.response.headers["content-type"] == "application/json"


def examples() -> list[AKIError]:
    found = []
    for cls in [*vars(errors).values(), NoJsonError]:
        if not (inspect.isclass(cls) and issubclass(cls, AKIError)):
            continue
        where: dict[str, Any] = {"provider": "AKI.IO", "model": "m", "request_id": "r"}
        if issubclass(cls, errors.APIStatusError):
            where |= {"status_code": 429, "code": "c", "retry_after": 1.5, "body": openai("x"), "headers": {"a": "b"}}
        if cls is errors.ModelNotFoundError:
            where |= {"closest": ("a",), "available": ("a", "b")}
        if cls is errors.StreamInterruptedError:
            where |= {"partial_text": "so far"}
        if cls is errors.ModelFallbackError:
            where |= {"requested": "a", "served": "b"}
        if cls is errors.JobError:
            where |= {"job_id": "1#2", "state": "failed"}
        if "refusal" in inspect.signature(cls).parameters:
            where |= {"refusal": "I will not."}
        found.append(cls("What happened", **where))
    return found


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
@subcases(
    "again",
    [copy.copy, copy.deepcopy, *(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in range(6))],  # noqa: S301
)
def test_every_error_can_be_copied_and_pickled(error: AKIError, again: Any) -> None:
    other = again(error)
    assert type(other) is type(error)
    assert (str(other), other.args, other.__dict__) == (str(error), error.args, error.__dict__)
    assert str(error).startswith("AKI.IO")
    assert "What happened" in str(error)
    assert other.is_retryable is error.is_retryable


def test_the_tree_is_as_it_is_drawn() -> None:
    lines = (errors.__doc__ or "").splitlines()
    drawn = {word for line in lines for word in line.split() if word.endswith("Error")}
    real = {name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, AKIError)}
    assert drawn == real


OVERFLOWS = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "Input is too long for requested model.",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "The prompt is too long: 40000, model maximum context length: 32768",
    "request (9000 tokens) exceeds the available context size (8192 tokens)",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Requested token count exceeds the model's maximum context length of 32768 tokens.",
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 512 `max_new_tokens`",
    "Your request exceeded model token limit: 262144",
    "the request exceeds the model's context window",
    "Context size has been exceeded.",
    "Prompt length of 140000 exceeds max_model_len",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "Conversation is too long for the model",
]
LOOKALIKES = [
    "max_tokens must be at least 1",
    "max_tokens must be less than or equal to 32768",
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
    "temperature must not exceed 2",
    "The name of the tool is too long",
    "tool call message must follow an assistant message",
    "image exceeds the maximum size of 5 MB",
    "stop: too many items",
    "Invalid value for 'context'",
    "prompt must not be empty",
    "the parameter context_length is unknown",
    "You exceeded your daily token limit",
    "messages: at least one message is required",
]


def kind_of(status: int, words: str) -> type[APIStatusError]:
    return type(error_from_response(status, {}, json.dumps(openai(words)).encode()))


def test_an_overflow_is_known_by_its_words() -> None:
    asked = [(words, status) for words in OVERFLOWS for status in (400, 404, 413, 422, 500)]
    assert [each for each in asked if kind_of(each[1], each[0]) is not ContextOverflowError] == []
    assert [words for words in LOOKALIKES if kind_of(400, words) is not errors.BadRequestError] == []


def test_other_statuses_are_never_an_overflow() -> None:
    words = "Request too large: tokens per minute exceeded, too many tokens, reduce the length of the messages"
    statuses = (401, 402, 403, 408, 429, 503)
    assert [status for status in statuses if issubclass(kind_of(status, words), ContextOverflowError)] == []


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "status", "detail", "msg", "description", "x"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=10,
)


@given(st.integers(300, 599), anything)
def test_any_json_body_makes_an_error_that_can_be_shown(status: int, body: Any) -> None:
    error = error_from_response(status, {"x-request-id": "r"}, httpx.Response(200, json=None).content)
    error = error_from_payload(body) if isinstance(body, dict) else error
    assert isinstance(error, APIStatusError)
    assert "r" in str(error)
    assert isinstance(error.message, str)
    assert isinstance(error.code, str | None)
    assert isinstance(error.type, str | None)
    pickle.dumps(error)
    if isinstance(body, dict):
        is_error(body)


@given(st.integers(300, 599), st.binary(max_size=200))
def test_any_bytes_as_a_body_make_an_error_that_can_be_shown(status: int, body: bytes) -> None:
    error = error_from_response(status, {}, body)
    assert str(status) in str(error)
    assert error.response.status_code == status


def test_a_number_of_ten_thousand_digits_is_survived() -> None:
    for body in (b'{"code": %s}', b'{"error": {"code": %s}}', b'{"error": %s}', b"%s", b'{"status": %s}'):
        assert error_from_response(400, {}, body % (b"9" * 10_000)).status_code == 400


@subcases("piece", SHAPES)
def test_only_the_beginning_of_a_body_is_looked_at(piece: str) -> None:
    """So that its time has a bound, however long the body is."""
    body = (piece * 16384)[:16384]
    short, long = (
        error_from_response(400, {}, text.encode()) for text in (body, body + "</script> told later" * 50_000)
    )
    assert (type(long), long.message) == (type(short), short.message)
    assert "told" not in long.message
    inner = error_from_payload({"error": {"message": body + "</title> told later" * 50_000}})
    assert "told" not in inner.message


def test_only_the_beginning_of_a_list_is_looked_at() -> None:
    assert error_from_payload({"error": ["a"] * 1000}).message == "; ".join("a" * 20)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<html><head><title> 502 Bad\nGateway </title></head><body>nginx", "502 Bad Gateway"),
        ("<TITLE lang='en'>Gone</TITLE>", "Gone"),
        ("<style>a{b:c}</style><p>Not <b>here</b></p><script>if (a<b) {}</script>", "Not here"),
        ("before<script>let a = '<p>'", "before"),
        ("<!DOCTYPE html><!-- note --><h1>Oops</h1>", "Oops"),
        ("max_tokens <= 4096, n > 1", "max_tokens <= 4096, n > 1"),
        ("<title>", "no message"),
    ],
)
def test_a_page_is_read_as_text(page: str, message: str) -> None:
    assert error_from_response(500, {}, page.encode()).message == message


def test_a_secret_goes_from_every_field_but_what_the_model_wrote() -> None:
    key = "aki-5ecret-0f-the-te5ts"
    refused = errors.ModelRefusalError(f"refused {key}", refusal=f"I saw {key}", model=key, request_id=key)
    refused.redact([key, "short"])
    assert (refused.message, refused.model, refused.request_id) == ("refused ***", "***", "***")
    assert refused.args == ("refused ***",)
    assert refused.refusal == f"I saw {key}"


def test_a_message_is_cut_after_the_key_was_taken_out() -> None:
    key = "aki-5ecret-0f-the-te5ts"
    error = error_from_response(500, {}, (key * 1000).encode())
    error.redact([key])
    assert key[:8] not in error.message
    error = AKIError("x" * (600 - 9) + key)
    error.redact([key])
    assert "aki-5" not in error.message


def test_a_message_without_a_secret_is_safe_to_print_too() -> None:
    error = AKIError("a\x1b]0;b\x07", provider="p\u202e", request_id="r\n")
    assert str(error) == r"p\u202e: a\x1b]0;b\x07 (request r\n)"


def test_long_words_are_cut() -> None:
    error = error_from_response(500, {}, b"x" * 100_000)
    error.redact(())
    assert len(str(error)) < 1_000
    assert error.body == "x" * 100_000
