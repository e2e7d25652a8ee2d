"""The ways to ask a model, and one comparison for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

import aki_transport.errors as ours
from aki_transport.emulator import Emulator
from llama_index_aki import AKI
from tests.scenarios import KEY, MODEL, Expect, Fails
from tests.script_server import ScriptServer

Way: TypeAlias = Literal["chat", "achat", "stream_chat", "astream_chat"]
PromptWay: TypeAlias = Literal["complete", "acomplete", "stream_complete", "astream_complete"]
WAYS: tuple[Way, ...] = ("chat", "achat", "stream_chat", "astream_chat")
STREAMED: tuple[Way, ...] = ("stream_chat", "astream_chat")
PROMPT_WAYS: tuple[PromptWay, ...] = ("complete", "acomplete", "stream_complete", "astream_complete")


def model_at(server: ScriptServer, **given: Any) -> AKI:
    return AKI(**{"model": MODEL, "base_url": server.openai_url, "api_key": KEY, **given})


def model_on(emulator: Emulator, **given: Any) -> AKI:
    return AKI(**{"model": MODEL, "base_url": emulator.openai_url, "api_key": emulator.key, **given})


def is_streamed(way: Way | PromptWay) -> bool:
    return "stream" in way


def items_of(llm: AKI, way: Way | PromptWay, question: str | Sequence[ChatMessage], **given: Any) -> list[Any]:
    """What the model gives, one by one; a blocking answer is the one item."""
    asked: Any = question
    if way in WAYS and isinstance(question, str):
        asked = [ChatMessage(content=question)]

    async def awaited() -> list[Any]:
        answer = await getattr(llm, way)(asked, **given)
        return [item async for item in answer] if is_streamed(way) else [answer]

    if way.startswith("a"):
        items = asyncio.run(awaited())
    else:
        answer = getattr(llm, way)(asked, **given)
        items = list(answer) if is_streamed(way) else [answer]
    assert items, "the stream gave nothing"
    return items


def ask(llm: AKI, way: Way | PromptWay, question: str | Sequence[ChatMessage], **given: Any) -> Any:
    """The whole answer: a stream's last item."""
    return items_of(llm, way, question, **given)[-1]


def said_of(message: ChatMessage) -> tuple[str, str, list[ToolCallBlock]]:
    """Reasoning, text and calls of a message whose blocks stand in the right order, text and reasoning once."""
    kinds = [type(block) for block in message.blocks]
    order = [ThinkingBlock, TextBlock, ToolCallBlock]
    assert kinds == sorted(kinds, key=order.index)
    assert kinds.count(ThinkingBlock) <= 1
    assert kinds.count(TextBlock) <= 1
    reasoning = "".join(block.content or "" for block in message.blocks if isinstance(block, ThinkingBlock))
    return reasoning, message.content or "", [block for block in message.blocks if isinstance(block, ToolCallBlock)]


def check_items(items: Sequence[ChatResponse]) -> None:
    """New text in `delta`, new reasoning in `thinking_delta`, all so far in `message`, which never shrinks."""
    text = reasoning = ""
    calls: list[ToolCallBlock] = []
    for item in items:
        text += item.delta or ""
        reasoning += item.additional_kwargs.get("thinking_delta") or ""
        thought, said, called = said_of(item.message)
        assert (thought, said) == (reasoning, text)
        assert len(called) >= len(calls)
        for before, now in zip(calls, called, strict=False):
            assert now.tool_call_id == (before.tool_call_id or now.tool_call_id)
            assert now.tool_name == (before.tool_name or now.tool_name)
            if isinstance(now.tool_kwargs, dict):
                assert set(now.tool_kwargs) >= set(before.tool_kwargs)
        calls = called
        assert item.raw is None or isinstance(item.raw, dict)


def check_answer(llm: AKI, response: ChatResponse, expect: Expect) -> None:
    """The response holds what the row says, in LlamaIndex's places."""
    reasoning, text, calls = said_of(response.message)
    known = response.additional_kwargs
    assert (reasoning, text) == (expect.reasoning, expect.text)
    assert response.message.role == "assistant"
    whole = [call for call in calls if isinstance(call.tool_kwargs, dict)]
    broken = [call for call in calls if not isinstance(call.tool_kwargs, dict)]
    assert [(call.tool_name, call.tool_kwargs) for call in whole] == list(expect.tool_calls)
    assert [(call.tool_name, call.tool_kwargs) for call in broken] == list(expect.invalid_tool_calls)
    ids = [call.tool_call_id for call in calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    if expect.tool_ids:
        found = [call.tool_call_id for call in whole]
        assert [want or got for want, got in zip(expect.tool_ids, found, strict=True)] == found
    if broken:
        selections = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        assert len([each for each in selections if "(not called: " in each.tool_name]) == len(broken)
    else:
        selected = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        assert [(call.tool_id, call.tool_name, call.tool_kwargs) for call in selected] == [
            (call.tool_call_id, call.tool_name, call.tool_kwargs) for call in whole
        ]
    _check_known(known, expect)
    assert isinstance(response.raw, dict)


def _check_known(known: dict[str, Any], expect: Expect) -> None:
    assert known.get("finish_reason") == expect.finish_reason
    assert known["model_name"] == expect.model
    assert known.get("refusal") == expect.refusal
    counted = tuple(known.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    assert counted == (expect.usage or (None, None, None))
    if expect.reasoning_tokens is not None:
        assert known["reasoning_tokens"] == expect.reasoning_tokens
    if expect.cached_tokens is not None:
        assert known["cached_tokens"] == expect.cached_tokens
    if expect.request_id is not None:
        assert known["request_id"] == expect.request_id
    if expect.credits is not None:
        assert (known["credits_used"], known["credits_remaining"]) == expect.credits


def check_completion(items: Sequence[CompletionResponse], expect: Expect) -> None:
    """The same for an answer to a prompt."""
    if len(items) > 1 or items[0].delta is not None:
        text = ""
        for item in items:
            text += item.delta or ""
            assert item.text == text
    assert items[-1].text == expect.text
    assert isinstance(items[-1].raw, dict)
    _check_known(items[-1].additional_kwargs, expect)


def check_error(error: Exception, fails: Fails) -> None:
    """The error is of our class and keeps what the server said."""
    assert type(error) is getattr(ours, fails.error), repr(error)
    for words in fails.says:
        assert words in str(error)
    for name in ("partial_text", "retry_after", "code", "request_id"):
        if getattr(fails, name) is not None:
            assert getattr(error, name) == getattr(fails, name)
    if fails.status is not None:
        assert error.status_code == fails.status
        assert error.response.status_code == fails.status
    assert KEY not in f"{error} {error!r} {vars(error)}"


def outcome_of(llm: AKI, way: Way | PromptWay, question: str, outcome: Expect | Fails, **given: Any) -> None:
    """Ask, and compare with what the row says."""
    if isinstance(outcome, Fails):
        with pytest.raises(getattr(ours, outcome.error)) as caught:
            items_of(llm, way, question, **given)
        check_error(caught.value, outcome)
        return
    if outcome.warns is not None:
        with pytest.warns(getattr(ours, outcome.warns)) as warned:
            items = items_of(llm, way, question, **given)
        assert len(warned) == 1
    else:
        items = items_of(llm, way, question, **given)
    if way in PROMPT_WAYS:
        check_completion(items, outcome)
        return
    if is_streamed(way):
        check_items(items)
    check_answer(llm, items[-1], outcome)
