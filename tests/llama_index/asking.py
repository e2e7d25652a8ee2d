"""The ways to ask a model, what a server answers, and one comparison for all answers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
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
from llama_index.core.workflow import Context

import aki_transport.errors as ours
from aki_transport.emulator import Emulator
from llama_index_aki import AKI
from tests.scenarios import KEY, MODEL, Expect, Fails, chunk, replied, tokens
from tests.scenarios.table import ROLE, check_error
from tests.script_server import Answer, Request, ScriptServer, sse

Way: TypeAlias = Literal["chat", "achat", "stream_chat", "astream_chat"]
PromptWay: TypeAlias = Literal["complete", "acomplete", "stream_complete", "astream_complete"]
WAYS: tuple[Way, ...] = ("chat", "achat", "stream_chat", "astream_chat")


PROMPT_WAYS: tuple[PromptWay, ...] = ("complete", "acomplete", "stream_complete", "astream_complete")
ALL_WAYS: tuple[Any, ...] = (*WAYS, *PROMPT_WAYS)
# LlamaIndex's workflows look at every attribute of an agent, pydantic's old ones too.
AGENT_WARNINGS = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]


def call(name: str, arguments: Any, call_id: str | None = "call_1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def answer(
    text: str | None,
    *calls: dict[str, Any],
    stream: Any,
    finish: str | None = None,
    usage: Any = tokens(),  # noqa: B008  never changed
    headers: dict[str, str] | None = None,
    **message: Any,
) -> Answer:
    """An answer, blocking or streamed in pieces; `message` are further fields of the message."""
    finish = finish or ("tool_calls" if calls else "stop")
    if not stream:
        made = replied(
            text, finish=finish, top={"usage": usage}, **({"tool_calls": list(calls)} if calls else {}), **message
        )
    else:
        made = sse(
            ROLE,
            *([chunk(**message)] if message else []),
            *(chunk(text[at : at + 5]) for at in range(0, len(text or ""), 5)),
            *(chunk(tool_calls=[piece]) for index, each in enumerate(calls) for piece in _pieces(index, each)),
            chunk(finish=finish),
            *([chunk(top={"choices": [], "usage": usage})] if usage else []),
        )
    return replace(made, headers={**made.headers, **(headers or {})})


def _pieces(index: int, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """A call as it is streamed: its name, then its arguments in pieces."""
    name, arguments = entry["function"]["name"], entry["function"]["arguments"]
    texts = [arguments]
    if isinstance(arguments, str):
        texts = ["", *(arguments[at : at + 5] for at in range(0, len(arguments), 5))]
    first, *rest = texts
    head = {"index": index, **entry, "function": {"name": name, "arguments": first}}
    return [head, *({"index": index, "function": {"arguments": text}} for text in rest)]


def answering(text: str | None, *calls: dict[str, Any], **options: Any) -> Callable[[Request], Answer]:
    return lambda request: answer(text, *calls, stream=request.json.get("stream"), **options)


def sent(server: ScriptServer, at: int = -1) -> dict[str, Any]:
    return server.requests[at].json


def model_at(server: ScriptServer, cls: Any = AKI, **given: Any) -> Any:
    return cls(**{"model": MODEL, "base_url": server.openai_url, "api_key": KEY, **given})


def model_on(emulator: Emulator, cls: Any = AKI, **given: Any) -> Any:
    return cls(**{"model": MODEL, "base_url": emulator.openai_url, "api_key": emulator.key, **given})


def is_streamed(way: Way | PromptWay) -> bool:
    return "stream" in way


def results(method: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
    """What a method gives, one by one; LlamaIndex's async methods begin with an `a`."""

    async def awaited() -> list[Any]:
        result = await method(*args, **kwargs)
        return [item async for item in result] if hasattr(result, "__anext__") else [result]

    if method.__name__.startswith("a"):
        items = asyncio.run(awaited())
    else:
        result = method(*args, **kwargs)
        items = list(result) if hasattr(result, "__next__") else [result]
    assert items, "the stream gave nothing"
    return items


def items_of(llm: AKI, way: Way | PromptWay, question: str | Sequence[ChatMessage], **given: Any) -> list[Any]:
    is_text = way in WAYS and isinstance(question, str)
    return results(getattr(llm, way), [ChatMessage(question)] if is_text else question, **given)


def ask(llm: AKI, way: Way | PromptWay, question: str | Sequence[ChatMessage], **given: Any) -> Any:
    return items_of(llm, way, question, **given)[-1]


def run(agent: Any, question: str = "hi", ctx: Context | None = None, **given: Any) -> tuple[str, list[Any]]:
    async def awaited() -> tuple[str, list[Any]]:
        handler = agent.run(user_msg=question, ctx=ctx, **given)
        events = [event async for event in handler.stream_events()]
        return str(await handler), events

    return asyncio.run(awaited())


def contents_of(message: ChatMessage) -> tuple[str, str, list[ToolCallBlock]]:
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
        thought, content, called = contents_of(item.message)
        assert (thought, content) == (reasoning, text)
        assert len(called) >= len(calls)
        for before, now in zip(calls, called, strict=False):
            assert now.tool_call_id == (before.tool_call_id or now.tool_call_id)
            assert now.tool_name == (before.tool_name or now.tool_name)
            if isinstance(now.tool_kwargs, dict):
                assert set(now.tool_kwargs) >= set(before.tool_kwargs)
        calls = called
        assert isinstance(item.raw, dict) or (item.raw is None and not item.delta)


def check_answer(llm: AKI, response: ChatResponse, expect: Expect) -> None:
    reasoning, text, calls = contents_of(response.message)
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
    if len(items) > 1 or items[0].delta is not None:
        text = ""
        for item in items:
            text += item.delta or ""
            assert item.text == text
    assert items[-1].text == expect.text
    assert isinstance(items[-1].raw, dict)
    _check_known(items[-1].additional_kwargs, expect)


def outcome_of(llm: AKI, way: Way | PromptWay, question: str, outcome: Expect | Fails, **given: Any) -> None:
    if isinstance(outcome, Fails):
        with pytest.raises(getattr(ours, outcome.error)) as caught:
            items_of(llm, way, question, **given)
        check_error(caught.value, outcome, ours)
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
