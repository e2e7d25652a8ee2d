"""One way to ask both frameworks: conversations as OpenAI writes them go in, a `Reply` comes out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import AIMessage, convert_to_messages
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion

Conversation = Sequence[Mapping[str, Any]]
Ways = Iterator[tuple[str, Callable[[], Any]]]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a framework gave."""

    text: str
    reasoning: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    finish_reason: str | None = None
    tokens: tuple[int, int] | None = None
    model: str | None = None
    pieces: int = 1
    metadata: Mapping[str, Any]


class Framework(Protocol):
    """A framework: its classes, and how each is asked in every way (blocking, streamed, sync, async)."""

    name: str
    chat: Any
    completion: Any

    def ways(self, model: Any, conversation: Conversation, **kwargs: Any) -> Ways:
        """Ask for a `Reply`; with `tools=` and `tool_choice=` as OpenAI writes them."""

    def prompts(self, model: Any, prompt: str) -> Ways:
        """Ask the completion class for a text."""

    def objects(self, model: Any, schema: type[BaseModel], prompt: str) -> Ways:
        """Ask for an object."""

    def window(self, model: Any) -> int:
        """The context window that the framework is told."""

    def batch(self, model: Any, prompts: Sequence[str]) -> list[str]:
        """The texts of many calls at the same time."""

    def first_piece(self, model: Any, prompt: str) -> str:
        """The first piece of a stream that is left behind it."""


async def _all(items: Any) -> list[Any]:
    return [item async for item in items]


class LangChain:
    """`ChatAKI` and `AKILLM`."""

    name = "LangChain"
    chat = ChatAKI
    completion = AKILLM

    def ways(self, model: Any, conversation: Conversation, **kwargs: Any) -> Ways:
        """See `Framework`."""
        messages = convert_to_messages([dict(message) for message in conversation])
        tools = kwargs.pop("tools", None)
        bound = model.bind_tools(tools, **kwargs) if tools else model.bind(**kwargs)
        yield "invoke", lambda: self._reply([bound.invoke(messages)])
        yield "stream", lambda: self._reply(list(bound.stream(messages)))
        yield "ainvoke", lambda: self._reply([asyncio.run(bound.ainvoke(messages))])
        yield "astream", lambda: self._reply(asyncio.run(_all(bound.astream(messages))))

    def prompts(self, model: Any, prompt: str) -> Ways:
        """See `Framework`."""
        yield "invoke", lambda: model.invoke(prompt)
        yield "stream", lambda: "".join(model.stream(prompt))
        yield "ainvoke", lambda: asyncio.run(model.ainvoke(prompt))
        yield "astream", lambda: "".join(asyncio.run(_all(model.astream(prompt))))

    def objects(self, model: Any, schema: type[BaseModel], prompt: str) -> Ways:
        """See `Framework`."""
        structured = model.with_structured_output(schema)
        yield "invoke", lambda: structured.invoke(prompt)
        yield "stream", lambda: list(structured.stream(prompt))[-1]
        yield "ainvoke", lambda: asyncio.run(structured.ainvoke(prompt))
        yield "astream", lambda: asyncio.run(_all(structured.astream(prompt)))[-1]

    def window(self, model: Any) -> int:
        """See `Framework`."""
        return int(model.profile["max_input_tokens"])

    def batch(self, model: Any, prompts: Sequence[str]) -> list[str]:
        """See `Framework`."""
        return [reply.text for reply in asyncio.run(model.abatch(list(prompts)))]

    def first_piece(self, model: Any, prompt: str) -> str:
        """See `Framework`."""
        stream = model.stream(prompt)
        text = str(next(stream).text)
        stream.close()
        return text

    def _reply(self, pieces: list[Any]) -> Reply:
        answer: AIMessage = pieces[0]
        for piece in pieces[1:]:
            answer = answer + piece
        usage, metadata = answer.usage_metadata, answer.response_metadata
        return Reply(
            text=answer.text,
            reasoning=answer.additional_kwargs.get("reasoning_content", ""),
            calls=tuple((call["name"], call["args"]) for call in answer.tool_calls),
            finish_reason=metadata.get("finish_reason"),
            tokens=None if usage is None else (usage["input_tokens"], usage["output_tokens"]),
            model=metadata.get("model_name"),
            pieces=len(pieces),
            metadata=metadata,
        )


class LlamaIndex:
    """`AKI` and `AKICompletion`."""

    name = "LlamaIndex"
    chat = AKI
    completion = AKICompletion

    def ways(self, model: Any, conversation: Conversation, **kwargs: Any) -> Ways:
        """See `Framework`."""
        messages = [_as_llama_index(message) for message in conversation]
        tools = kwargs.pop("tools", None)
        if tools is None:
            yield "chat", lambda: self._reply([model.chat(messages, **kwargs)])
            yield "stream_chat", lambda: self._reply(list(model.stream_chat(messages, **kwargs)))
            yield "achat", lambda: self._reply([asyncio.run(model.achat(messages, **kwargs))])
            yield "astream_chat", lambda: self._reply(asyncio.run(_stream(model.astream_chat, messages, **kwargs)))
            return
        last, kwargs["chat_history"] = messages[-1], messages[:-1]
        kwargs["tool_required"] = kwargs.get("tool_choice") == "any"
        if kwargs["tool_required"]:
            del kwargs["tool_choice"]
        given = ([_as_function_tool(tool) for tool in tools], last)
        yield "chat", lambda: self._reply([model.chat_with_tools(*given, **kwargs)], model)
        yield "stream_chat", lambda: self._reply(list(model.stream_chat_with_tools(*given, **kwargs)), model)
        yield "achat", lambda: self._reply([asyncio.run(model.achat_with_tools(*given, **kwargs))], model)
        yield (
            "astream_chat",
            lambda: self._reply(asyncio.run(_stream(model.astream_chat_with_tools, *given, **kwargs)), model),
        )

    def prompts(self, model: Any, prompt: str) -> Ways:
        """See `Framework`."""
        yield "complete", lambda: model.complete(prompt).text
        yield "stream_complete", lambda: list(model.stream_complete(prompt))[-1].text
        yield "acomplete", lambda: asyncio.run(model.acomplete(prompt)).text
        yield "astream_complete", lambda: asyncio.run(_stream(model.astream_complete, prompt))[-1].text

    def objects(self, model: Any, schema: type[BaseModel], prompt: str) -> Ways:
        """See `Framework`."""
        template = PromptTemplate(prompt)
        yield "structured_predict", lambda: model.structured_predict(schema, template)
        yield "stream_structured_predict", lambda: list(model.stream_structured_predict(schema, template))[-1]
        yield "astructured_predict", lambda: asyncio.run(model.astructured_predict(schema, template))
        yield (
            "astream_structured_predict",
            lambda: asyncio.run(_stream(model.astream_structured_predict, schema, template))[-1],
        )

    def window(self, model: Any) -> int:
        """See `Framework`."""
        return int(model.metadata.context_window)

    def batch(self, model: Any, prompts: Sequence[str]) -> list[str]:
        """See `Framework`."""

        async def gathered() -> list[str]:
            return [answer.text for answer in await asyncio.gather(*map(model.acomplete, prompts))]

        return asyncio.run(gathered())

    def first_piece(self, model: Any, prompt: str) -> str:
        """See `Framework`."""
        stream = model.stream_complete(prompt)
        text = str(next(stream).text)
        stream.close()
        return text

    def _reply(self, pieces: list[ChatResponse], model: Any = None) -> Reply:
        answer = pieces[-1]
        fields, blocks = answer.additional_kwargs, answer.message.blocks
        calls = [] if model is None else model.get_tool_calls_from_response(answer, error_on_no_tool_call=False)
        tokens = fields.get("prompt_tokens"), fields.get("completion_tokens")
        return Reply(
            text="".join(block.text for block in blocks if isinstance(block, TextBlock)),
            reasoning="".join(block.content or "" for block in blocks if isinstance(block, ThinkingBlock)),
            calls=tuple((call.tool_name, call.tool_kwargs) for call in calls),
            finish_reason=fields.get("finish_reason"),
            tokens=None if None in tokens else (int(tokens[0]), int(tokens[1])),
            model=fields.get("model_name"),
            pieces=len(pieces),
            metadata=fields,
        )


async def _stream(start: Any, *args: Any, **kwargs: Any) -> list[Any]:
    return await _all(await start(*args, **kwargs))


def _as_llama_index(message: Mapping[str, Any]) -> ChatMessage:
    content = message.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks: list[Any] = [
        TextBlock(text=part["text"]) if part["type"] == "text" else ImageBlock(url=part["image_url"]["url"])
        for part in parts
    ]
    blocks += [
        ToolCallBlock(
            tool_call_id=call["id"],
            tool_name=call["function"]["name"],
            tool_kwargs=json.loads(call["function"]["arguments"]),
        )
        for call in message.get("tool_calls") or ()
    ]
    kwargs = {name: message[name] for name in ("tool_call_id", "name") if name in message}
    return ChatMessage(role=message["role"], blocks=blocks, additional_kwargs=kwargs)


def _as_function_tool(tool: type[BaseModel]) -> FunctionTool:
    return FunctionTool.from_defaults(fn=lambda **_: "", name=tool.__name__, description=tool.__doc__, fn_schema=tool)


FRAMEWORKS: tuple[Framework, ...] = (LangChain(), LlamaIndex())
