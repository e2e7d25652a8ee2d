"""Context-length refusals, in the words and with the statuses of as many servers, and what only sounds like one."""

from typing import Any

from tests.scenarios.refusals import envelope, refused, worded
from tests.script_server import json_answer

_WITHOUT_OUR_BOUND = 2  # requests: the error names the bound of the output that we set, so it is left out once
_OPENAI, _VLLM = ("invalid_request_error", "context_length_exceeded"), ("BadRequestError", 400)

_TGI = (
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 512 "
    "`max_new_tokens`"
)
_DETAIL = "Prompt length 40000 exceeds the maximum context length 32768"
_FAILED = "Prompt length of 140000 tokens exceeds the maximum context length of 131072"
_TOO_MUCH = (
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000."
)
_TOO_FAST = (
    "Request too large for model on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message "
    "size and try again."
)
_WORDS: dict[tuple[str, int, tuple[str | None, Any]], str] = {
    # The words of each, as others gather them (earendil-works/pi packages/ai/src/utils/overflow.ts).
    ("OpenAI", 400, _OPENAI): "This model's maximum context length is 8192 tokens. However, your messages resulted in "
    "9000 tokens. Please reduce the length of the messages.",
    ("OpenAI Responses", 400, _OPENAI): "Your input exceeds the context window of this model. Please adjust your input "
    "and try again.",
    ("llama.cpp", 400, ("exceed_context_size_error", 400)): "request (9000 tokens) exceeds the available context size "
    "(8192 tokens), try increasing it",
    ("SGLang", 400, _VLLM): "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
    ("Anthropic", 400, ("invalid_request_error", None)): "prompt is too long: 210000 tokens > 200000 maximum",
    ("Google", 400, (None, 400)): "The input token count (1200000) exceeds the maximum number of tokens allowed "
    "(1048576).",
    ("Mistral", 422, ("invalid_request_invalid_args", None)): "Prompt contains 40000 tokens and 0 draft tokens, too "
    "large for model with 32768 maximum context length",
    ("OpenRouter", 400, (None, 400)): "This endpoint's maximum context length is 131072 tokens. However, you requested "
    "about 140000 tokens (139000 of text input, 1000 in the output).",
    ("Groq", 413, _OPENAI): "Please reduce the length of the messages or completion.",
    # vLLM (vllm-project/vllm#20409).
    ("vLLM", 400, _VLLM): "This model's maximum context length is 32768 tokens. However, you requested 40960 tokens "
    "(32768 in the messages, 8192 in the completion). Please reduce the length of the messages or completion.",
    # LM Studio (lmstudio-ai/lmstudio-bug-tracker#237).
    ("LM Studio", 400, (None, None)): "Trying to keep the first 5000 tokens when context the overflows. However, the "
    "model is loaded with context length of only 4096 tokens, which is not enough.",
    # Not seen in public: the words of these, and of a proxy.
    ("vLLM output", 400, _VLLM): "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum "
    "context length is 32768 tokens and your request has 30000 input tokens (8192 > 32768 - 30000).",
    ("vLLM engine", 400, _VLLM): "The decoder prompt (length 40000) is longer than the maximum model length of 32768. "
    "Make sure that `max_model_len` is no smaller than the number of text tokens.",
    ("SGLang truncate", 400, (None, None)): "Input length (40000 tokens) exceeds the maximum allowed length (32768 "
    "tokens). Use a shorter input or enable --allow-auto-truncate.",
    ("Cohere", 400, (None, None)): "too many tokens: total number of tokens in the prompt cannot exceed 4081 - "
    "received 5000",
    ("Ollama", 400, (None, None)): "input length exceeds maximum context length",
    ("LiteLLM", 413, (None, None)): "ContextWindowExceededError: the request is larger than the model's context window",
    ("proxy", 422, (None, None)): "The conversation is too long for this model's context window of 32768 tokens.",
}
"""By server, status, and type and code of the error."""

_WORDINGS = tuple(
    refused(
        f"overflow-{server.lower().replace(' ', '-').replace('.', '-')}-{status}",
        envelope(status, message, kind, code),
        "ContextOverflowError",
        message,
        code=code if isinstance(code, str) else None,
        requests=_WITHOUT_OUR_BOUND if server == "vLLM output" else 1,
    )
    for (server, status, (kind, code)), message in _WORDS.items()
)

_ENVELOPES = tuple(
    refused(f"overflow-{name}-{answer.status}", answer, "ContextOverflowError", words, provider=provider)
    for name, answer, words, provider in (
        # TGI (huggingface/text-generation-inference#628): its words, in its own envelope.
        ("tgi", json_answer({"error": _TGI, "error_type": "validation"}, 422), "must be <= 4096", "aki"),
        # Not seen in public: such words in FastAPI's envelope.
        ("detail", json_answer({"detail": _DETAIL}, 413), "40000", "aki"),
        # AK AI CORE's page: an error is a text.
        ("text", worded(400, "context length exceeded: 140000 > 131072"), "140000 > 131072", "ak_ai_core"),
        # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): 404; the words say which.
        ("request-failed", envelope(404, _FAILED, "invalid_request_error", "request_failed"), "131072", "aki"),
    )
)

_CODES = (
    # Not seen in public: the code alone tells it, and is none that is known.
    refused(
        "code-of-an-overflow-422",
        envelope(422, "It cannot be answered.", None, "context_window_exceeded"),
        "ContextOverflowError",
        "It cannot be answered.",
        code="context_window_exceeded",
    ),
    # Not seen in public: the type alone does.
    refused(
        "type-of-an-overflow-400",
        envelope(400, "It cannot be answered.", "ContextWindowExceededError"),
        "ContextOverflowError",
        "It cannot be answered.",
    ),
)

_LOOKALIKES = (
    # Not seen in public: OpenAI's words for an output over the limit: no shorter conversation would help.
    refused(
        "too-much-output-400",
        envelope(400, _TOO_MUCH, "invalid_request_error", "invalid_value", param="max_tokens"),
        "BadRequestError",
        "at most 16384 completion tokens",
        code="invalid_value",
        requests=_WITHOUT_OUR_BOUND,
    ),
    # Not seen in public: Groq's words for a rate limit in tokens, which sounds like the context window.
    refused(
        "too-large-for-the-minute-429",
        envelope(429, _TOO_FAST, "tokens", "rate_limit_exceeded"),
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
        envelope(400, "image exceeds the maximum size of 5 MB", code="invalid_image"),
        "BadRequestError",
        "maximum size of 5 MB",
        code="invalid_image",
    ),
)

ROWS = (*_WORDINGS, *_ENVELOPES, *_CODES, *_LOOKALIKES)
