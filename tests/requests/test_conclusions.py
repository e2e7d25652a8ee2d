"""What an error means, by the service's fields first and its words last, in both frameworks."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain_core.exceptions import ContextOverflowError as LangChainOverflow
from langchain_core.exceptions import ModelNotFoundError as LangChainModelNotFound

from aki_transport import AKIError, errors
from aki_transport.error_parsing import error_from_payload, error_from_response, refused_fields
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.requests.frameworks import BOTH_HALVES, aki, ask, chat_aki
from tests.script_server import ScriptServer, json_answer
from tests.transport.asking import Clock

# The scripted server answers with the same model, whichever is asked for.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def openai(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


# Where it was seen, the answer, its class, and how often a request is sent.
ROWS: dict[str, tuple[int, Any, str, int]] = {
    # unknown models
    "LiteLLM": (
        400,
        openai("Invalid model name passed in model=gpt-9. Call `/v1/models` to view available models.", code="400"),
        "ModelNotFoundError",
        1,
    ),
    "transformers serve": (400, {"detail": "Server is pinned to 'Qwen/Qwen3-0.6B'"}, "ModelNotFoundError", 1),
    "DeepSeek": (400, openai("Model Not Exist", type="invalid_request_error"), "ModelNotFoundError", 1),
    "OpenRouter": (400, openai("gpt-9 is not a valid model ID", code=400), "ModelNotFoundError", 1),
    "Perplexity": (400, openai("Invalid model 'gpt-9'.", type="invalid_model", code=400), "ModelNotFoundError", 1),
    "Mistral": (
        400,
        {"object": "error", "message": "Invalid model: gpt-9", "type": "invalid_model", "code": "1500"},
        "ModelNotFoundError",
        1,
    ),
    "SiliconFlow": (400, {"code": 20012, "message": "Model does not exist. Please check it."}, "ModelNotFoundError", 1),
    "Bedrock": (400, {"message": "The provided model identifier is invalid."}, "ModelNotFoundError", 1),
    "Ollama": (404, openai("model 'gpt-9' not found", type="api_error"), "ModelNotFoundError", 1),
    "Together": (404, openai("Unable to access model gpt-9", code="model_not_available"), "ModelNotFoundError", 1),
    "Azure": (404, openai("The API deployment does not exist.", code="DeploymentNotFound"), "ModelNotFoundError", 1),
    "FastAPI": (
        422,
        {"detail": [{"loc": ["body", "model"], "msg": "unknown model"}]},
        "ModelNotFoundError",
        1,
    ),
    # what only sounds like it
    "a tool": (400, openai("The model's tool 'f' was not found in the request"), "BadRequestError", 1),
    "an output": (400, openai("The model output is invalid for this schema"), "BadRequestError", 1),
    "pictures": (400, openai("Images are not supported by this model"), "BadRequestError", 1),
    # overflow
    "vLLM as 500": (
        500,
        openai("This model's maximum context length is 4096 tokens. However, your messages have 5000"),
        "ContextOverflowError",
        1,
    ),
    "llama.cpp": (
        400,
        openai("the request is too big", type="exceed_context_size_error", n_ctx=512),
        "ContextOverflowError",
        1,
    ),
    "TGI": (
        422,
        {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"},
        "ContextOverflowError",
        1,
    ),
    "Gemini's list": (
        400,
        [{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum number of tokens allowed"}}],
        "ContextOverflowError",
        1,
    ),
    "a worker's words": (
        500,
        "The context length 9000 is exceeding the maximum context length 8192",
        "ContextOverflowError",
        1,
    ),
    "OpenRouter's server": (
        400,
        openai("Provider returned error", code=400, metadata={"raw": '{"message":"prompt is too long: 9 tokens > 8"}'}),
        "ContextOverflowError",
        1,
    ),
    # overload
    "a full queue": (404, openai("J", code="request_failed"), "RateLimitError", 3),
    "a disabled endpoint": (404, openai("E", code="request_failed"), "NotFoundError", 1),
    "another letter": (404, openai("Q", code="request_failed"), "BadRequestError", 1),
    "a letter of another service": (500, openai("J"), "ServerError", 3),
    # permanent failures
    "not implemented": (500, openai("no pictures here", code="not_implemented"), "ServerError", 1),
    "501": (501, openai("no"), "ServerError", 1),
    "not supported": (500, openai("image input is not supported"), "ServerError", 1),
    "a grammar": (500, openai("Unexpected empty grammar stack after accepting piece: x"), "ServerError", 1),
    "a template": (
        500,
        openai("Jinja Exception: After the optional system message, roles must alternate"),
        "ServerError",
        1,
    ),
    "Python": (500, {"detail": "create() got an unexpected keyword argument 'min_p'"}, "ServerError", 1),
    "a field": (500, openai("Bad value", param="logit_bias"), "ServerError", 1),
    "a location": (500, {"detail": [{"loc": ["body", "logit_bias"], "msg": "Bad"}]}, "ServerError", 1),
    "no field": (500, openai("Something broke", param="None"), "ServerError", 3),
    "a gateway": (502, openai("upstream is not supported now"), "ServerError", 3),
    # a general code beside a status that says more
    "DeepSeek's credits": (
        402,
        openai("Insufficient Balance", type="unknown_error", code="invalid_request_error"),
        "InsufficientCreditsError",
        1,
    ),
    "a key and a general code": (401, openai("Unauthorized", code="invalid_request_error"), "AuthenticationError", 1),
    "a limit and a general code": (429, openai("Slow down", code="api_error"), "RateLimitError", 3),
    # keys
    "Gemini": (400, openai("API key not valid. Please pass a valid API key.", code=400), "AuthenticationError", 1),
    "xAI": (400, {"code": "invalid-argument", "error": "Incorrect API key provided: ab"}, "AuthenticationError", 1),
    "a token": (400, openai("invalid token '<|x|>' in the prompt"), "BadRequestError", 1),
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("name", ROWS)
def test_an_error_has_its_class_and_is_repeated_or_not(name: str, subtests) -> None:
    status, body, kind, requests = ROWS[name]
    for framework in (chat_aki, aki):
        for protocol in ("openai", "anthropic"):
            for way in BOTH_HALVES:
                with (
                    subtests.test(framework.__name__, protocol=protocol, way=way),
                    ScriptServer(always=json_answer(body, status)) as server,
                ):
                    model = framework(server, protocol, model_listing=False)
                    with pytest.raises(AKIError) as caught:
                        ask(model, way, ["hi"])
                    assert [type(caught.value).__name__, len(server.requests)] == [kind, requests]
                    assert caught.value.is_retryable == (requests > 1)
                    assert caught.value.status_code == status


def test_langchain_s_own_classes_are_met() -> None:
    for body, expected in (
        (openai("Model Not Exist"), LangChainModelNotFound),
        (openai("prompt is too long"), LangChainOverflow),
    ):
        with ScriptServer(always=json_answer(body, 400)) as server, pytest.raises(expected):
            chat_aki(server).invoke("hi")


def test_every_refused_field_is_read() -> None:
    bodies: dict[tuple[str, ...], Any] = {
        ("stream_options",): openai("no", param="stream_options"),
        ("body.messages.0.name", "body.stream_options"): {
            "detail": [
                {"loc": ["body", "messages", 0, "name"], "msg": "no"},
                {"loc": ["body", "stream_options"], "msg": "no"},
                "text",
                {"loc": "text"},
            ]
        },
        ("messages.1",): {"error": {"detail": [{"loc": ["messages", 1]}], "param": None}},
        (): {"error": "no", "detail": "text", "param": {"a": 1}},
    }
    for fields, body in bodies.items():
        assert refused_fields(error_from_payload(body)) == fields
    assert refused_fields(error_from_response(500, {}, b"not JSON")) == ()
    many = error_from_payload({"detail": [{"loc": ["x" * 1000] * 1000}] * 1000})
    assert len(refused_fields(many)) == 20
    assert max(map(len, refused_fields(many))) == 200


WRONG_KEY = {
    "openai": (401, openai("Incorrect API key provided", code="invalid_api_key")),
    "anthropic": (401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}),
    "native": (401, {"success": False, "error": "Key not valid"}),
}
OTHER_FORMS = [
    (400, openai("API key not valid. Please pass a valid API key.")),
    (403, {"detail": "Not authenticated"}),
    (401, "Unauthorized"),
]


@pytest.mark.usefixtures("clock")
def test_a_wrong_key_is_told_once(subtests) -> None:
    for framework in (ChatAKI, AKI):
        for protocol, own in WRONG_KEY.items():
            for status, body in (own, *OTHER_FORMS):
                for way in BOTH_HALVES:
                    with (
                        subtests.test(framework.__name__, protocol=protocol, way=way, body=str(body)),
                        ScriptServer(listing=json_answer(body, status), always=json_answer(body, status)) as server,
                        warnings.catch_warnings(record=True) as caught,
                    ):
                        warnings.simplefilter("always")
                        base_url = getattr(server, f"{protocol}_url")
                        model = framework(
                            model="llama3-chat-8b", api_key="aki-wr0ng-key", base_url=base_url, protocol=protocol
                        )
                        with pytest.raises((errors.AuthenticationError, errors.PermissionDeniedError)):
                            ask(model, way, ["hi"])
                        assert not [each for each in caught if each.category is UserWarning]
