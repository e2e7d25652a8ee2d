"""LangChain's classes, asked and read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import LLMResult

import langchain_aki.errors
from aki_transport.messages import Message
from langchain_aki import AKILLM, ChatAKI
from tests.behaviour.answers import Answer
from tests.behaviour.table import Row


class _LangChain:
    def error(self, name: str) -> type[Exception]:
        return getattr(langchain_aki.errors, name)


class Chat(_LangChain):
    """`ChatAKI`."""

    name = "ChatAKI"
    tags = frozenset({"langchain", "chat"})
    make = ChatAKI

    def items(self, model: ChatAKI, row: Row, *, stream: bool) -> Iterator[Any]:
        bound = _with_tools(model, row)
        if stream:
            yield from bound.stream(_messages(row))
        else:
            yield bound.invoke(_messages(row))

    async def aitems(self, model: ChatAKI, row: Row, *, stream: bool) -> AsyncIterator[Any]:
        bound = _with_tools(model, row)
        if stream:
            async for chunk in bound.astream(_messages(row)):
                yield chunk
        else:
            yield await bound.ainvoke(_messages(row))

    def text_of(self, item: AIMessage) -> str:
        return item.text

    def read(self, items: Sequence[AIMessage]) -> Answer:
        whole = reduce(add, items)
        usage = whole.usage_metadata
        return Answer(
            text=whole.text,
            pieces=tuple(item.text for item in items),
            reasoning=whole.additional_kwargs.get("reasoning_content", ""),
            calls=tuple((call["name"], call["args"]) for call in whole.tool_calls),
            usage=usage and (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]),
            known=whole.response_metadata,
            whole=not isinstance(whole, AIMessageChunk) or items[-1].chunk_position == "last",
        )


class Raw(_LangChain):
    """`AKILLM`. It gives bare texts; what else is known comes to callbacks, and here as the last item."""

    name = "AKILLM"
    tags = frozenset({"langchain", "raw"})
    make = AKILLM

    def items(self, model: AKILLM, row: Row, *, stream: bool) -> Iterator[Any]:
        seen = _Results()
        if stream:
            yield from model.stream(row.asked, config={"callbacks": [seen]})
        else:
            yield model.invoke(row.asked, config={"callbacks": [seen]})
        yield seen.result

    async def aitems(self, model: AKILLM, row: Row, *, stream: bool) -> AsyncIterator[Any]:
        seen = _Results()
        if stream:
            async for text in model.astream(row.asked, config={"callbacks": [seen]}):
                yield text
        else:
            yield await model.ainvoke(row.asked, config={"callbacks": [seen]})
        yield seen.result

    def text_of(self, item: str | LLMResult) -> str:
        return item if isinstance(item, str) else ""

    def read(self, items: Sequence[Any]) -> Answer:
        *pieces, result = items
        ((generation,),) = result.generations
        known = generation.generation_info
        usage = known.get("usage")
        return Answer(
            text=generation.text,
            pieces=tuple(pieces),
            reasoning=known.get("reasoning_content", ""),
            usage=usage and (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]),
            known=known,
        )


class _Results(BaseCallbackHandler):
    result: LLMResult | None = None

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        self.result = response


def _with_tools(model: ChatAKI, row: Row) -> Any:
    return model.bind_tools(row.tools, tool_choice=row.tool_choice) if row.tools else model


def _messages(row: Row) -> list[BaseMessage]:
    return [HumanMessage(row.asked)] if isinstance(row.asked, str) else [_message(message) for message in row.asked]


def _message(message: Message) -> BaseMessage:
    match message.role:
        case "system":
            return SystemMessage(message.content)
        case "user":
            return HumanMessage(message.content)
        case "tool":
            return ToolMessage(message.content, tool_call_id=message.tool_call_id)
        case _:
            calls = [
                {"type": "tool_call", "id": call.id, "name": call.name, "args": json.loads(call.arguments)}
                for call in message.tool_calls
            ]
            return AIMessage(message.content, tool_calls=calls)
