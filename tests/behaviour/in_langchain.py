"""LangChain's classes, asked and read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.outputs import LLMResult

import langchain_aki.errors
from aki_transport.messages import Message
from langchain_aki import AKILLM, ChatAKI
from tests.behaviour.table import Answer, Row


class _LangChain:
    def items(self, model: Any, row: Row, *, stream: bool) -> Iterator[Any]:
        model, asked, seen = self._call(model, row)
        if stream:
            yield from model.stream(asked, config={"callbacks": seen})
        else:
            yield model.invoke(asked, config={"callbacks": seen})
        yield from (each.result for each in seen)

    async def aitems(self, model: Any, row: Row, *, stream: bool) -> AsyncIterator[Any]:
        model, asked, seen = self._call(model, row)
        if stream:
            async for item in model.astream(asked, config={"callbacks": seen}):
                yield item
        else:
            yield await model.ainvoke(asked, config={"callbacks": seen})
        for each in seen:
            yield each.result

    def error(self, name: str) -> type[Exception]:
        return getattr(langchain_aki.errors, name)


class Chat(_LangChain):
    name = "ChatAKI"
    tags = frozenset({"langchain", "chat"})
    make = ChatAKI

    def _call(self, model: ChatAKI, row: Row) -> tuple[Any, list[BaseMessage], list[_Results]]:
        bound = model.bind_tools(row.tools, tool_choice=row.tool_choice) if row.tools else model
        return bound, [HumanMessage(row.asked)] if isinstance(row.asked, str) else [*map(_message, row.asked)], []

    def text_of(self, item: AIMessage) -> str:
        return item.text

    def read(self, items: Sequence[AIMessage]) -> Answer:
        whole = reduce(add, items)
        return Answer(
            text=whole.text,
            pieces=tuple(item.text for item in items),
            reasoning=whole.additional_kwargs.get("reasoning_content", ""),
            calls=tuple((call["name"], call["args"]) for call in whole.tool_calls),
            usage=_usage(whole.usage_metadata),
            known=whole.response_metadata,
            whole=not isinstance(whole, AIMessageChunk) or items[-1].chunk_position == "last",
        )


class Raw(_LangChain):
    """`AKILLM`. It gives bare texts; what else is known comes to callbacks, and here as the last item."""

    name = "AKILLM"
    tags = frozenset({"langchain", "raw"})
    make = AKILLM

    def _call(self, model: AKILLM, row: Row) -> tuple[Any, str, list[_Results]]:
        return model, row.asked, [_Results()]

    def text_of(self, item: str | LLMResult) -> str:
        return item if isinstance(item, str) else ""

    def read(self, items: Sequence[Any]) -> Answer:
        *pieces, result = items
        ((generation,),) = result.generations
        known = generation.generation_info
        return Answer(
            text=generation.text,
            pieces=tuple(pieces),
            reasoning=known.get("reasoning_content", ""),
            usage=_usage(known.get("usage")),
            known=known,
        )


class _Results(BaseCallbackHandler):
    result: LLMResult | None = None

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        self.result = response


def _usage(counts: Any) -> tuple[int, int, int] | None:
    return counts and (counts["input_tokens"], counts["output_tokens"], counts["total_tokens"])


def _message(message: Message) -> BaseMessage:
    more: dict[str, Any] = {}
    if message.tool_call_id is not None:
        more["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        more["tool_calls"] = [
            {"id": call.id, "name": call.name, "args": json.loads(call.arguments)} for call in message.tool_calls
        ]
    return convert_to_messages([{"role": message.role, "content": message.content, **more}])[0]
