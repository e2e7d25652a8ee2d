"""Context-length refusals, in the words and with the statuses of as many servers, and what only sounds like one."""

from __future__ import annotations

from typing import Any

from tests.scenarios.refusals import refused
from tests.scenarios.table import Scenario
from tests.script_server import json_answer

_WITHOUT_OUR_BOUND = 2  # requests: the error names the bound of the output that we set, so it is left out once
_OPENAI: dict[str, Any] = {"kind": "invalid_request_error", "code": "context_length_exceeded"}
_VLLM: dict[str, Any] = {"kind": "BadRequestError", "code": 400}


def _overflow(
    server: str, status: int, message: str, *, code: Any = None, kind: str | None = None, requests: int = 1
) -> Scenario:
    """A row with these words of this server."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    said = code if isinstance(code, str) else None
    return refused(
        f"overflow-{server.lower().replace(' ', '-').replace('.', '-')}-{status}",
        json_answer(body, status),
        "ContextOverflowError",
        message,
        code=said,
        requests=requests,
    )


_WORDINGS = (
    # The words of each, as others gather them (earendil-works/pi packages/ai/src/utils/overflow.ts).
    _overflow(
        "OpenAI",
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. "
        "Please reduce the length of the messages.",
        **_OPENAI,
    ),
    _overflow(
        "OpenAI Responses",
        400,
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        **_OPENAI,
    ),
    _overflow(
        "llama.cpp",
        400,
        "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
        kind="exceed_context_size_error",
        code=400,
    ),
    _overflow(
        "SGLang", 400, "The input (40000 tokens) is longer than the model's context length (32768 tokens).", **_VLLM
    ),
    _overflow("Anthropic", 400, "prompt is too long: 210000 tokens > 200000 maximum", kind="invalid_request_error"),
    _overflow(
        "Google",
        400,
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        code=400,
    ),
    _overflow(
        "Mistral",
        422,
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        kind="invalid_request_invalid_args",
    ),
    _overflow(
        "OpenRouter",
        400,
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens "
        "(139000 of text input, 1000 in the output).",
        code=400,
    ),
    _overflow("Groq", 413, "Please reduce the length of the messages or completion.", **_OPENAI),
    # vLLM (vllm-project/vllm#20409).
    _overflow(
        "vLLM",
        400,
        "This model's maximum context length is 32768 tokens. However, you requested 40960 tokens (32768 in the "
        "messages, 8192 in the completion). Please reduce the length of the messages or completion.",
        **_VLLM,
    ),
    # LM Studio (lmstudio-ai/lmstudio-bug-tracker#237).
    _overflow(
        "LM Studio",
        400,
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough.",
    ),
    # Not seen in public: the words of these, and of a proxy.
    _overflow(
        "vLLM output",
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 32768 "
        "tokens and your request has 30000 input tokens (8192 > 32768 - 30000).",
        **_VLLM,
        requests=_WITHOUT_OUR_BOUND,
    ),
    _overflow(
        "vLLM engine",
        400,
        "The decoder prompt (length 40000) is longer than the maximum model length of 32768. Make sure that "
        "`max_model_len` is no smaller than the number of text tokens.",
        **_VLLM,
    ),
    _overflow(
        "SGLang truncate",
        400,
        "Input length (40000 tokens) exceeds the maximum allowed length (32768 tokens). Use a shorter input or enable "
        "--allow-auto-truncate.",
    ),
    _overflow(
        "Cohere", 400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000"
    ),
    _overflow("Ollama", 400, "input length exceeds maximum context length"),
    _overflow("LiteLLM", 413, "ContextWindowExceededError: the request is larger than the model's context window"),
    _overflow("proxy", 422, "The conversation is too long for this model's context window of 32768 tokens."),
)

_ENVELOPES = (
    # TGI (huggingface/text-generation-inference#628): its words, in its own envelope.
    refused(
        "overflow-tgi-422",
        json_answer(
            {
                "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. "
                "Given: 5000 `inputs` tokens and 512 `max_new_tokens`",
                "error_type": "validation",
            },
            422,
        ),
        "ContextOverflowError",
        "must be <= 4096",
    ),
    # Not seen in public: such words in FastAPI's envelope.
    refused(
        "overflow-detail-413",
        json_answer({"detail": "Prompt length 40000 exceeds the maximum context length 32768"}, 413),
        "ContextOverflowError",
        "40000",
    ),
    # AK AI CORE's page: an error is a text.
    refused(
        "overflow-text-400",
        json_answer({"error": "context length exceeded: 140000 > 131072"}, 400),
        "ContextOverflowError",
        "140000 > 131072",
        provider="ak_ai_core",
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): 404; the words say which.
    refused(
        "overflow-request-failed-404",
        json_answer(
            {
                "error": {
                    "message": "Prompt length of 140000 tokens exceeds the maximum context length of 131072",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "request_failed",
                }
            },
            404,
        ),
        "ContextOverflowError",
        "131072",
    ),
)

_LOOKALIKES = (
    # Not seen in public: OpenAI's words for an output over the limit: no shorter conversation would help.
    refused(
        "too-much-output-400",
        json_answer(
            {
                "error": {
                    "message": "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, "
                    "whereas you provided 100000.",
                    "type": "invalid_request_error",
                    "param": "max_tokens",
                    "code": "invalid_value",
                }
            },
            400,
        ),
        "BadRequestError",
        "at most 16384 completion tokens",
        code="invalid_value",
        requests=_WITHOUT_OUR_BOUND,
    ),
    # Not seen in public: Groq's words for a rate limit in tokens, which sounds like the context window.
    refused(
        "too-large-for-the-minute-429",
        json_answer(
            {
                "error": {
                    "message": "Request too large for model on tokens per minute (TPM): Limit 6000, Requested 9000, "
                    "please reduce your message size and try again.",
                    "type": "tokens",
                    "code": "rate_limit_exceeded",
                }
            },
            429,
        ),
        "RateLimitError",
        "Limit 6000, Requested 9000",
        code="rate_limit_exceeded",
        requests=3,
    ),
    # Bedrock (earendil-works/pi packages/ai/src/utils/overflow.ts): words for a rate limit, here with 500.
    refused(
        "too-many-tokens-for-now-500",
        json_answer({"message": "Too many tokens, please wait before trying again."}, 500),
        "ServerError",
        "please wait",
        requests=3,
    ),
    # Not seen in public: an image over the limit is no conversation over the limit.
    refused(
        "image-too-large-400",
        json_answer({"error": {"message": "image exceeds the maximum size of 5 MB", "code": "invalid_image"}}, 400),
        "BadRequestError",
        "maximum size of 5 MB",
        code="invalid_image",
    ),
)

ROWS = (*_WORDINGS, *_ENVELOPES, *_LOOKALIKES)
