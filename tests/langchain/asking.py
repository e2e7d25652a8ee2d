"""The ways to ask a model, and one comparison for all of them."""

import asyncio
import operator
from functools import reduce
from typing import Any, Literal, TypeAlias

import pytest
from langchain_core import exceptions as lc
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk

import aki_transport.errors as base
import langchain_aki.errors as ours
from langchain_aki import AKILLM, ChatAKI
from tests.scenarios import KEY, MODEL, Expect, Fails
from tests.scenarios.table import check_error
from tests.script_server import ScriptServer

Way: TypeAlias = Literal["invoke", "ainvoke", "stream", "astream"]
LONGEST_MARK = 3
WAYS: tuple[Way, ...] = ("invoke", "ainvoke", "stream", "astream")

# Class of ours -> LangChain's class, and whether a repetition may help.
IN_LANGCHAIN: dict[str, tuple[type[Exception], bool]] = {
    "APIConnectionError": (lc.ModelConnectionError, True),
    "APITimeoutError": (lc.ModelTimeoutError, True),
    "StreamInterruptedError": (lc.ModelConnectionError, True),
    "InvalidResponseError": (lc.ModelError, False),
    "ModelFallbackError": (lc.ModelError, False),
    "JobError": (lc.ModelError, False),
    "ConfigurationError": (lc.ModelError, False),
    "APIStatusError": (lc.ModelError, False),
    "BadRequestError": (lc.ModelInvalidRequestError, False),
    "ContextOverflowError": (lc.ContextOverflowError, False),
    "AuthenticationError": (lc.ModelAuthenticationError, False),
    "InsufficientCreditsError": (lc.ModelError, False),
    "PermissionDeniedError": (lc.ModelPermissionDeniedError, False),
    "NotFoundError": (lc.ModelNotFoundError, False),
    "ModelNotFoundError": (lc.ModelNotFoundError, False),
    "RateLimitError": (lc.ModelRateLimitError, True),
    "ServerError": (lc.ModelAPIError, True),
    "ServiceUnavailableError": (lc.ModelAPIError, True),
}


def model_at(server: ScriptServer, **given: Any) -> ChatAKI:
    return ChatAKI(**{"model": MODEL, "base_url": server.openai_url, "api_key": KEY, **given})


def llm_at(server: ScriptServer, **given: Any) -> AKILLM:
    defaults = {"model": MODEL, "protocol": "openai", "base_url": server.openai_url, "api_key": KEY}
    return AKILLM(**{**defaults, **given})


def text_of(answer: Any) -> str:
    return answer if isinstance(answer, str) else answer.text


class Ears(BaseCallbackHandler):
    def __init__(self) -> None:
        self.starts: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.ends: list[Any] = []
        self.errors: list[tuple[BaseException, Any]] = []

    def on_chat_model_start(self, serialized: Any, *_: Any, **kwargs: Any) -> None:
        self.starts.append({"serialized": serialized, **kwargs})

    on_llm_start = on_chat_model_start

    def on_llm_new_token(self, token: str, **_: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.ends.append(response)

    def on_llm_error(self, error: BaseException, *, response: Any = None, **_: Any) -> None:
        self.errors.append((error, response))


def is_streamed(way: Way) -> bool:
    return way in ("stream", "astream")


def ask(model: Any, way: Way, question: Any) -> Any:
    return reduce(operator.add, pieces_of(model, way, question))


def pieces_of(model: Any, way: Way, question: Any, **given: Any) -> list[Any]:
    async def awaited() -> list[Any]:
        if way == "ainvoke":
            return [await model.ainvoke(question, **given)]
        return [piece async for piece in model.astream(question, **given)]

    match way:
        case "invoke":
            return [model.invoke(question, **given)]
        case "stream":
            return list(model.stream(question, **given))
        case _:
            return asyncio.run(awaited())


def check_answer(message: AIMessage, expect: Expect) -> None:
    blocks = message.content_blocks
    metadata = message.response_metadata
    kinds = [block["type"] for block in blocks]
    assert message.text == expect.text
    assert kinds.count("text") == bool(expect.text)
    assert kinds.count("reasoning") == bool(expect.reasoning)
    assert "".join(block.get("reasoning", "") for block in blocks) == expect.reasoning
    if isinstance(message.content, str):
        assert message.additional_kwargs.get("reasoning_content", "") == expect.reasoning
    assert [(call["name"], call["args"]) for call in message.tool_calls] == list(expect.tool_calls)
    assert [block["args"] for block in blocks if block["type"] == "tool_call"] == [
        args for _, args in expect.tool_calls
    ]
    _check_invalid_calls(message, expect)
    _check_ids(message, expect)
    assert metadata.get("finish_reason") == expect.finish_reason
    assert metadata["model_name"] == expect.model
    assert message.additional_kwargs.get("refusal") == expect.refusal
    _check_usage(message, expect)
    if expect.request_id is not None:
        assert metadata["request_id"] == expect.request_id
    if expect.credits is not None:
        assert (metadata["credits_used"], metadata["credits_remaining"]) == expect.credits
    if isinstance(message, AIMessageChunk):
        assert message.chunk_position == "last"


def _check_invalid_calls(message: AIMessage, expect: Expect) -> None:
    found = [(call["name"], call["args"]) for call in message.invalid_tool_calls]
    if not isinstance(message, AIMessageChunk):
        assert found == list(expect.invalid_tool_calls)
        return
    # LangChain mends broken JSON when it adds chunks up; a mark behind it keeps the call from passing for a whole one.
    assert len(found) == len(expect.invalid_tool_calls)
    for (name, text), (wanted_name, wanted) in zip(found, expect.invalid_tool_calls, strict=True):
        assert name == wanted_name
        assert text.startswith(wanted)
        assert len(text) - len(wanted) <= LONGEST_MARK


def _check_ids(message: AIMessage, expect: Expect) -> None:
    ids = [call["id"] for call in message.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    if expect.tool_ids:
        assert [want or got for want, got in zip(expect.tool_ids, ids, strict=True)] == ids


def _check_usage(message: AIMessage, expect: Expect) -> None:
    usage = message.usage_metadata
    if expect.usage is None:
        assert usage is None
        return
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == expect.usage
    if expect.reasoning_tokens is not None:
        assert usage["output_token_details"]["reasoning"] == expect.reasoning_tokens
    if expect.cached_tokens is not None:
        assert usage["input_token_details"]["cache_read"] == expect.cached_tokens


def check_langchain_error(error: Any, fails: Fails) -> None:
    """The error is of our class and of LangChain's, and keeps what the server said."""
    in_langchain, retryable = IN_LANGCHAIN[fails.error]
    check_error(error, fails, ours)
    assert isinstance(error, in_langchain)
    assert isinstance(error, lc.ModelError)
    if fails.error != "APIStatusError":  # 408 of them is worth another try
        assert error.is_retryable is retryable


def outcome_of(model: Any, way: Way, question: Any, outcome: Expect | Fails) -> None:
    if isinstance(outcome, Fails):
        with pytest.raises(getattr(ours, outcome.error)) as caught:
            ask(model, way, question)
        check_langchain_error(caught.value, outcome)
    elif outcome.warns is not None:
        with pytest.warns(getattr(base, outcome.warns)) as warned:
            answer = ask(model, way, question)
        assert len(warned) == 1
        check_answer(answer, outcome)
    else:
        check_answer(ask(model, way, question), outcome)
