"""Every refusal becomes the right error, in the service's own words, and every error can be kept."""

import copy
import inspect
import json
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from aki_transport import AKIError, APIStatusError, ContextOverflowError, error_parsing, errors
from aki_transport.error_parsing import error_from_payload, error_from_response, is_error, refused_fields
from aki_transport.messages import ChatRequest
from aki_transport.prepare import adaptations
from aki_transport.prepare.structured_output import NoJsonError
from aki_transport.wire import _job
from tests.growth import grows_with_its_size
from tests.script_server import Answer, json_answer, text_answer
from tests.subcases import subcases
from tests.transport.asking import client_for, in_every_way, request_for


def openai(message: str, code: Any = None, kind: Any = None, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **fields}}


SHAPES = (
    *("<", "<script>x", "<title ", "<style a", "</", "<!--", "[", "[],", '{"error":', " \t\n", "a", "1", "'", "model "),
    *("model 'a", "models a/b ", "context length ", "exceed", "prompt is ", "token limit tokens + max_tokens "),
    *("9 + 9 ", "9 > 9 - ", "tool_choice ", "tool call id ", "user after tool ", "system first ", "job ", "api key "),
    *("not supported max_tokens ", "no api-key", "does not support", "unknown field ", "thinking signature "),
    *("role 'user' after ", "name "),
)
GENERAL = "invalid_request_error"
# The class and whether a request is repeated; status and body, as services have them. More are in `tests/scenarios`.
ENVELOPES: dict[tuple[str, bool], list[tuple[int, Any]]] = {
    ("AuthenticationError", False): [
        (401, {"error": "Unauthorized"}),  # vLLM
        (400, openai("Key expired", "400", "expired_key")),  # LiteLLM
        (400, openai("API key not valid. Please pass a valid API key.", 400)),  # Gemini
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided: ab"}),  # xAI
    ],
    ("InsufficientCreditsError", False): [
        (402, openai("Insufficient Balance", GENERAL, "unknown_error")),  # DeepSeek
        (400, openai("Spent: 0.1 of 0.05", "400", "budget_exceeded")),  # LiteLLM
        (400, openai("Your credit balance is too low", None, GENERAL)),  # Anthropic
        (429, openai("Your account is suspended", None, "exceeded_current_quota_error")),  # Moonshot
        (403, openai("Your account is not active", None, "exceeded_current_quota_error")),
        (429, openai("余额不足或无可用资源包,请充值。", "1113")),  # Zhipu
        (429, openai("Insufficient balance or no resource package. Please recharge.", "1113")),
        (400, openai("Access denied, please make sure your account is in good standing.", "Arrearage")),  # DashScope
    ],
    ("PermissionDeniedError", False): [
        (401, openai("Only a, not b", "401", "key_model_access_denied"))  # LiteLLM
    ],
    ("NotFoundError", False): [
        (404, openai("No endpoints found that support tool use", 404)),
        (404, openai("E", "request_failed")),  # the letter of a disabled endpoint, at AKI.IO
    ],
    ("ModelNotFoundError", False): [
        (404, {"detail": {"error": "model_not_found", "message": "Not here"}}),
        (404, openai("No endpoints found for a/b.", 404)),  # OpenRouter
        (400, openai("gpt-9 is not a valid model ID", 400)),
        (404, {"error": {"type": "not_found_error", "message": "model: claude-x"}}),  # Anthropic
        (404, openai("Could not find model with id x", 404, "NotFoundError")),  # Ray Serve
        (404, openai("The model `x` does not exist.", 404, "NotFoundError", param="model")),  # vLLM
        (400, {"error": "No models loaded. Please load one."}),  # LM Studio
        (400, openai("Gone", "model_decommissioned", GENERAL)),  # Groq
        (500, openai('model "x" not found', 500, "")),  # LocalAI
        (400, openai("LLM Provider NOT provided. You passed model=x", "400")),  # LiteLLM
        (400, openai("Invalid model name passed in model=gpt-9. Call `/v1/models` to view available models.", "400")),
        (400, {"detail": "Server is pinned to 'Qwen/Qwen3-0.6B'"}),  # transformers serve
        (400, openai("Model Not Exist", None, GENERAL)),  # DeepSeek
        (400, openai("Invalid model 'gpt-9'.", 400, "invalid_model")),  # Perplexity
        (400, {"object": "error", "message": "Invalid model: gpt-9", "type": "invalid_model", "code": "1500"}),
        (400, {"code": 20012, "message": "Model does not exist. Please check it."}),  # SiliconFlow
        (400, {"message": "The provided model identifier is invalid."}),  # Bedrock
        (404, openai("model 'gpt-9' not found", None, "api_error")),  # Ollama
        (404, openai("Unable to access model gpt-9", "model_not_available")),  # Together
        (404, openai("Not found the model gpt-9 or Permission denied", None, "resource_not_found_error")),  # Moonshot
        (400, openai("模型不存在", "1211")),  # Zhipu
        (400, {"errors": [{"message": "AiError: No such model @cf/a/b or task", "code": 5007}], "success": False}),
        (401, openai("Model gpt-9 is not supported", "model_not_found")),
        (400, {"detail": "Model 'gpt-9' is not supported."}),
        (404, openai("The API deployment does not exist.", "DeploymentNotFound")),  # Azure
        (400, {"detail": "Unsupported model x, please use models API to get a list of supported models"}),  # Bedrock's
        (422, {"detail": [{"loc": ["body", "model"], "msg": "unknown model"}]}),  # FastAPI
        (422, {"detail": [{"loc": ["body", "model"], "msg": "Input should be 'a'"}]}),
    ],
    ("BadRequestError", False): [
        (400, openai("At most 0 image(s) may be provided in one prompt.", 400, "BadRequestError")),  # vLLM
        (422, {"detail": "Unexpected keys: {'top_k'}"}),  # transformers serve
        (400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Bad"}}),
        # what only sounds like an unknown model or a wrong key
        (400, openai("The model's tool 'f' was not found in the request")),
        (400, openai("The model output is invalid for this schema")),
        (400, openai("Images are not supported by this model")),
        (400, openai("Unsupported model parameters: a, b")),
        (400, openai("Model gpt-9 is not supported with tools")),
        (400, openai("Expected a string with maximum length 64, but got a string with length 70")),
        (400, openai("invalid token '<|x|>' in the prompt")),
    ],
    ("ContextOverflowError", False): [
        (400, openai("the request is too big", None, "exceed_context_size_error", n_ctx=512)),  # llama.cpp
        (400, openai("no", None, "context_length_exceeded")),
        (422, {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"}),  # TGI
        (400, [{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum number of tokens"}}]),
        (500, "The context length 9000 is exceeding the maximum context length 8192"),  # AKI.IO's worker
        (400, openai("This model's maximum prompt length is 8192 but the request contains 9000 tokens.")),  # xAI
        (400, openai("Prompt 超长", "1261")),  # Zhipu
        (400, openai("Range of input length should be [1, 6000]", "invalid_parameter_error")),  # DashScope
        (400, openai("The number of tokens in the prompt exceeds the limit of 8192")),
        (400, openai("Input text is too long.")),
        (400, openai("Provider returned error", 400, metadata={"raw": '{"message":"prompt is too long: 9 > 8"}'})),
    ],
    ("RateLimitError", True): [
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}),
        (429, {"detail": {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}}),
        (404, openai("J", "request_failed")),  # the letter of a full queue, at AKI.IO
    ],
    ("ServerError", True): [
        (500, openai("The model x is not available", 500, "")),
        (500, openai("Something broke", param="None")),
        (502, openai("upstream is not supported now")),
    ],
    ("ServerError", False): [
        (500, openai("no pictures here", "not_implemented")),
        (500, openai("no sound here", None, "not_implemented")),
        (501, openai("no")),
        (500, openai("image input is not supported")),
        (500, openai("Unexpected empty grammar stack after accepting piece: x")),
        (500, openai("Jinja Exception: After the optional system message, roles must alternate")),
        (500, {"detail": "create() got an unexpected keyword argument 'min_p'"}),
        (500, openai("Bad value", param="logit_bias")),
        (500, {"detail": [{"loc": ["body", "logit_bias"], "msg": "Bad"}]}),
    ],
    ("APIStatusError", False): [(418, {"error": {"reason": "teapot"}}), (499, "")],
}
ROWS = [(kind, retryable, status, body) for (kind, retryable), rows in ENVELOPES.items() for status, body in rows]


def read(status: int, body: Any, **headers: str) -> APIStatusError:
    data = body if isinstance(body, str) else json.dumps(body)
    return error_from_response(status, headers, data.encode())


def test_each_envelope_has_its_class_and_is_repeated_or_not(subtests):
    for kind, retryable, status, body in ROWS:
        with subtests.test(str(body), status=status):
            error = read(status, body)
            assert (type(error), error.is_retryable) == (getattr(errors, kind), retryable)
            assert (error.status_code, error.body) == (status, body)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (405, {"description": "No GET", "status": 405, "message": ""}, "No GET"),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "body: field required"),
        (404, {"detail": {"error": "model_not_found", "message": "Not here"}}, "Not here"),
        (418, {"error": {"reason": "teapot"}}, "{'reason': 'teapot'}"),
        (400, {"error": ["a"] * 1000}, "; ".join("a" * 20)),
        (499, "", "no message"),
        (500, "<html><head><title> 502 Bad\nGateway </title></head><body>nginx", "502 Bad Gateway"),
        (500, "<TITLE lang='en'>Gone</TITLE>", "Gone"),
        (500, "<style>a{b:c}</style><p>Not <b>here</b></p><script>if (a<b) {}</script>", "Not here"),
        (500, "before<script>let a = '<p>'", "before"),
        (500, "<!DOCTYPE html><!-- note --><h1>Oops</h1>", "Oops"),
        (500, "max_tokens <= 4096, n > 1", "max_tokens <= 4096, n > 1"),
        (500, "<title>", "no message"),
    ],
    ids=str,
)
def test_the_message_is_the_service_s_own_and_a_page_is_read_as_text(status, body, message):
    assert read(status, body).message == message


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("status", "body", "requests"),
    [(401, openai("Wrong key", "c", "t"), 1), (500, "not supported", 1), (502, "<title>No</title>", 3)],
)
@in_every_way
def test_what_an_error_holds(way, status, body, requests, server):
    whole = text_answer if isinstance(body, str) else json_answer
    server.always = whole(body, status, x_request_id="req-1", retry_after="9")
    with pytest.raises(APIStatusError) as caught:
        way.ask(client_for(server))
    error = caught.value
    assert (error.status_code, error.request_id, error.retry_after, error.body) == (status, "req-1", 9, body)
    assert (error.code, error.type) == (("c", "t") if isinstance(body, dict) else (None, None))
    assert str(error) == f"AKI.IO answered {status}: {error.message}; retry after 9 s (request req-1)"
    assert ("The key came from" in error.message) is (status == 401)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert len(server.requests) == requests


def test_an_error_in_a_good_answer_is_one_of_its_kind():
    payloads: list[tuple[dict[str, Any], type[APIStatusError]]] = [
        (openai("the maximum context length is 4096 tokens"), ContextOverflowError),
        ({"object": "error", "message": "no", "code": 404}, errors.NotFoundError),
        ({"status": 429, "description": "no"}, errors.RateLimitError),
        ({"error": {"type": "rate_limit_error", "message": "no"}}, errors.RateLimitError),
        ({"error": "no", "error_type": "generation"}, errors.ServerError),  # TGI
        ({"error": "no"}, APIStatusError),
    ]
    for payload, kind in payloads:
        assert is_error(payload)
        assert type(error_from_payload(payload)) is kind
    assert not any(map(is_error, [{"status": 404, "choices": []}, {"status": "completed"}, {"object": "chat"}, {}]))


def test_every_refused_field_is_read():
    details = [{"loc": ["body", "messages", 0, "name"]}, {"loc": ["body", "stream_options"]}, "text", {"loc": "text"}]
    bodies: dict[tuple[str, ...], Any] = {
        ("stream_options",): openai("no", param="stream_options"),
        ("body.messages.0.name", "body.stream_options"): {"detail": details},
        ("messages.1",): {"error": {"detail": [{"loc": ["messages", 1]}], "param": None}},
        ("body.n",): {"object": "error", "message": {"detail": [{"loc": ["body", "n"], "msg": "no"}]}},  # Mistral
        ("seed",): {"error": {"message": "no", "details": [{"fieldViolations": [{"field": "seed"}]}]}},  # Gemini
        ("stop",): {"errors": [{"param": "stop"}], "message": "no"},
        (): {"error": "no", "detail": "text", "param": {"a": 1}},
    }
    for fields, body in bodies.items():
        assert refused_fields(error_from_payload(body)) == fields
    assert refused_fields(error_from_response(500, {}, b"not JSON")) == ()
    many = error_from_payload({"detail": [{"loc": ["x" * 1000] * 1000}] * 1000})
    assert len(refused_fields(many)) == 20
    assert max(map(len, refused_fields(many))) == 200


@in_every_way
def test_the_response_is_fresh_and_has_no_request(way, server):
    server.say(json_answer(openai("no"), 400, x_words="zur\u00fcck", set_cookie="session=1"))
    with pytest.raises(APIStatusError) as caught:
        way.ask(client_for(server))
    response = caught.value.response
    assert isinstance(response, httpx.Response)
    assert (response.status_code, response.json()) == (400, openai("no"))
    assert response.headers["x-words"] == "zur\u00fcck"
    assert "set-cookie" not in response.headers
    with pytest.raises(RuntimeError):
        response.request  # noqa: B018  there is none
    assert caught.value.response is not response


@pytest.mark.parametrize("gzip", [False, True])
@subcases("body", [b'{"error": "no"}', b"plain", b"[]", b"null", b'"text"', b"", b"\xff"])
def test_the_response_can_be_read_however_it_came(body, server, gzip):
    server.say(Answer(status=400, headers={"content-type": "application/json"}, chunks=(body,), gzip=gzip))
    with pytest.raises(APIStatusError) as caught:
        client_for(server).chat(request_for())
    response = caught.value.response
    assert response.status_code == 400
    assert "no" in response.text or body != b'{"error": "no"}'
    assert "content-encoding" not in response.headers
    assert int(response.headers.get("content-length", len(response.content))) == len(response.content)
    measured = error_from_response(400, {"content-length": "999"}, body).response
    assert measured.headers.get("content-length") != "999"
    for number in (float("nan"), float("inf")):  # which are no JSON
        response = error_from_payload({"error": {"message": "no", "code": number}}).response
        assert ("no" in response.text, response.headers["content-type"]) == (True, "application/json")


def examples() -> list[AKIError]:
    texts = ("partial_text", "requested", "served", "job_id", "state", "refusal", "code")
    own: dict[str, Any] = {"closest": ("a",), "available": ("a", "b"), "status_code": 429, "retry_after": 1.5}
    own |= {"body": openai("x"), "headers": {"a": "b"}, **dict.fromkeys(texts, "a text")}
    found = []
    for cls in [*vars(errors).values(), NoJsonError]:
        if inspect.isclass(cls) and issubclass(cls, AKIError):
            taken = {name for base in cls.__mro__[:-1] for name in inspect.signature(base.__init__).parameters}
            fields = {name: value for name, value in own.items() if name in taken}
            found.append(cls("What happened", provider="AKI.IO", model="m", request_id="r", **fields))
    return found


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
@subcases(
    "again",
    [copy.copy, copy.deepcopy, *(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in (0, 2, 5))],  # noqa: S301
)
def test_every_error_can_be_copied_and_pickled(error, again):
    other = again(error)
    assert type(other) is type(error)
    assert (str(other), other.args, other.__dict__) == (str(error), error.args, error.__dict__)
    assert str(error).startswith("AKI.IO")
    assert "What happened" in str(error)
    assert other.is_retryable is error.is_retryable


def test_the_tree_is_as_it_is_drawn():
    lines = (errors.__doc__ or "").splitlines()
    drawn = {word for line in lines for word in line.split() if word.endswith("Error")}
    real = {name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, AKIError)}
    assert drawn == real


OVERFLOWS = [
    "input (2000 tokens) is too large to process. increase the physical batch size",
    "The number of tokens to keep from the initial prompt is greater than the context length",
    "Input is too long for requested model.",
    "The prompt is too long: 40000, model maximum context length: 32768",
    "Requested token count exceeds the model's maximum context length of 32768 tokens.",
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
    "temperature must not exceed 2",
    "The name of the tool is too long",
    "tool call message must follow an assistant message",
    "stop: too many items",
    "Invalid value for 'context'",
    "prompt must not be empty",
    "the parameter context_length is unknown",
    "You exceeded your daily token limit",
    "messages: at least one message is required",
]


TOO_FAST = "Request too large: tokens per minute exceeded, too many tokens, reduce the length of the messages"


def test_an_overflow_is_known_by_its_words_and_its_status():
    asked = [(words, status) for words in OVERFLOWS for status in (400, 404, 413, 422, 500)]
    assert [each for each in asked if type(read(each[1], openai(each[0]))) is not ContextOverflowError] == []
    assert [words for words in LOOKALIKES if type(read(400, openai(words))) is not errors.BadRequestError] == []
    for status in (401, 402, 403, 408, 429, 503):
        assert not isinstance(read(status, openai(TOO_FAST)), ContextOverflowError)


def test_a_number_of_ten_thousand_digits_is_survived():
    for body in (b'{"code": %s}', b'{"error": {"code": %s}}', b'{"error": %s}', b"%s", b'{"status": %s}'):
        assert error_from_response(400, {}, body % (b"9" * 10_000)).status_code == 400


@subcases("piece", SHAPES)
def test_only_the_beginning_of_a_body_is_looked_at(piece):
    """So that its time has a bound, however long the body is."""
    body = (piece * 16384)[:16384]
    short, long = (
        error_from_response(400, {}, text.encode()) for text in (body, body + "</script> told later" * 50_000)
    )
    assert (type(long), long.message) == (type(short), short.message)
    assert "told" not in long.message
    inner = error_from_payload({"error": {"message": body + "</title> told later" * 50_000}})
    assert "told" not in inner.message


def test_a_secret_goes_from_every_field_but_what_the_model_wrote():
    key = "aki-5ecret-0f-the-te5ts"
    refused = errors.ModelRefusalError(f"refused {key}", refusal=f"I saw {key}", model=key, request_id=key)
    refused.redact([key, "short"])
    assert (refused.message, refused.model, refused.request_id) == ("refused ***", "***", "***")
    assert (refused.args, refused.refusal) == (("refused ***",), f"I saw {key}")
    for error in (error_from_response(500, {}, (key * 1000).encode()), AKIError("x" * (600 - 9) + key)):
        error.redact([key])  # before the message is cut
        assert "aki-5" not in error.message


def test_a_message_without_a_secret_is_cut_and_safe_to_print():
    error = AKIError("a\x1b]0;b\x07", provider="p\u202e", request_id="r\n")
    assert str(error) == r"p\u202e: a\x1b]0;b\x07 (request r\n)"
    error = error_from_response(500, {}, b"x" * 100_000)
    error.redact(())
    assert len(str(error)) < 1_000
    assert error.body == "x" * 100_000


# Errors of any length and shape are judged in a time that grows no faster than they do

SEARCHES: dict[str, Callable[[str], object]] = {
    "markup": error_parsing._strip_markup,
    **{
        f"{module.__name__.rpartition('.')[2]}.{name}": value.search
        for module in (error_parsing, adaptations, _job)
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    },
    **{
        f"adaptation {row.name}": re.compile(row.message, re.IGNORECASE).search
        for row in adaptations.TABLE
        if row.message
    },
}


def bodies(size: int) -> Iterator[bytes]:
    for shape in SHAPES:
        text = (shape * (size // len(shape) + 1))[:size]
        if shape[0] in "<[{ ":
            yield text.encode()
        yield b'{"error": {"message": "%s", "param": "%s"}}' % ((text.replace('"', "'").encode(),) * 2)
    yield b'{"detail": [%s]}' % b",".join([b'{"loc": ["body", "a"], "msg": "no"}'] * (size // 35))


def judge(size: int) -> None:
    request = ChatRequest(model="m", messages=(), max_tokens=9, tool_choice="required", own_bound="required")
    for body in bodies(size):
        adaptations.adapted(request, error_from_response(500, {}, body), set())


def test_pages_are_judged_in_linear_time():
    grows_with_its_size(judge, 4_000)  # messages are cut at four times that


@pytest.mark.parametrize("name", SEARCHES)
def test_every_pattern_is_linear(name):
    """Also beyond what is cut before it is matched."""
    for shape in SHAPES:
        grows_with_its_size(lambda size, shape=shape: SEARCHES[name]((shape * size)[:size]), 2_000)
