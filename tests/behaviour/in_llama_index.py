"""LlamaIndex's classes, asked and read."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.tools import FunctionTool

import aki_transport.errors
from aki_transport.messages import Message
from llama_index_aki import AKI, AKICompletion
from tests.behaviour.table import Answer, Row


class _LlamaIndex:
    def error(self, name: str) -> type[Exception]:
        return getattr(aki_transport.errors, name)

    def items(self, model: Any, row: Row, *, stream: bool) -> Iterator[Any]:
        if stream:
            yield from self._ask(model, row, "stream_{}")
        else:
            yield self._ask(model, row, "{}")

    async def aitems(self, model: Any, row: Row, *, stream: bool) -> AsyncIterator[Any]:
        if stream:
            async with aclosing(await self._ask(model, row, "astream_{}")) as responses:
                async for response in responses:
                    yield response
        else:
            yield await self._ask(model, row, "a{}")


class Chat(_LlamaIndex):
    name = "AKI"
    tags = frozenset({"llama_index", "chat"})
    make = AKI

    def _ask(self, model: AKI, row: Row, way: str) -> Any:
        messages = _messages(row)
        if not row.tools:
            return getattr(model, way.format("chat"))(messages)
        return getattr(model, way.format("chat_with_tools"))(
            [FunctionTool.from_defaults(fn=tool) for tool in row.tools],
            chat_history=messages,
            allow_parallel_tool_calls=True,
            tool_choice=row.tool_choice,
        )

    def text_of(self, item: ChatResponse) -> str:
        return (item.message.content or "") if item.delta is None else item.delta

    def read(self, items: Sequence[ChatResponse]) -> Answer:
        last = items[-1]
        blocks = last.message.blocks
        calls = [block for block in blocks if isinstance(block, ToolCallBlock)]
        return Answer(
            text=last.message.content or "",
            pieces=tuple(self.text_of(item) for item in items),
            reasoning="".join(block.content for block in blocks if isinstance(block, ThinkingBlock)),
            calls=tuple((call.tool_name, call.tool_kwargs) for call in calls),
            usage=_usage(last.additional_kwargs),
            known=last.additional_kwargs,
        )


class Raw(_LlamaIndex):
    name = "AKICompletion"
    tags = frozenset({"llama_index", "raw"})
    make = AKICompletion

    def _ask(self, model: AKICompletion, row: Row, way: str) -> Any:
        return getattr(model, way.format("complete"))(row.asked)

    def text_of(self, item: CompletionResponse) -> str:
        return item.text if item.delta is None else item.delta

    def read(self, items: Sequence[CompletionResponse]) -> Answer:
        last = items[-1]
        return Answer(
            text=last.text,
            pieces=tuple(self.text_of(item) for item in items),
            reasoning=last.additional_kwargs.get("reasoning_content", ""),
            usage=_usage(last.additional_kwargs),
            known=last.additional_kwargs,
        )


def _usage(known: Any) -> tuple[int, int, int] | None:
    if "prompt_tokens" not in known:
        return None
    return known["prompt_tokens"], known["completion_tokens"], known["total_tokens"]


def _messages(row: Row) -> list[ChatMessage]:
    return [ChatMessage(row.asked)] if isinstance(row.asked, str) else [_message(message) for message in row.asked]


def _message(message: Message) -> ChatMessage:
    calls = [
        ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=json.loads(call.arguments))
        for call in message.tool_calls
    ]
    texts = [TextBlock(text=message.content)] if message.content else []
    extra = {} if message.tool_call_id is None else {"tool_call_id": message.tool_call_id}
    return ChatMessage(role=message.role, blocks=[*texts, *calls], additional_kwargs=extra)
