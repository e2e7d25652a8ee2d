"""A call as users write it, with each class, sync and async, blocking and streamed."""

from __future__ import annotations

import asyncio
import json
import operator
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.scenarios import MODEL, chunk, reply
from tests.scenarios.table import COUNT, STOP
from tests.script_server import Answer, json_answer, sse

QUESTION = "What is 6 * 7?"
ANSWER = "6 * 7 = 42."


@dataclass(frozen=True)
class Reply:
    """What came back: the text, and what the framework keeps beside it."""

    text: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """One way to call a model."""

    cls: type
    is_async: bool
    stream: bool

    def __str__(self) -> str:
        return "-".join((self.cls.__name__, "async" if self.is_async else "sync", "stream" if self.stream else "call"))

    def make(self, **options: Any) -> Any:
        """The model, with as many of the options as this test gives."""
        return self.cls(**{"model": MODEL, "api_key": "sk-test", **options})

    def ask(self, **options: Any) -> Reply:
        """Make the model and call it."""
        return self.call(self.make(**options))

    def call(self, model: Any) -> Reply:
        """Call the model."""
        return asyncio.run(self.acall(model)) if self.is_async else self._call(model)

    async def acall(self, model: Any) -> Reply:
        """Call the model on this event loop."""
        if self.cls is ChatAKI:
            if not self.stream:
                return _of_message(await model.ainvoke(QUESTION))
            return _of_chunks([chunk async for chunk in model.astream(QUESTION)])
        if not self.stream:
            return _of_response(await model.acomplete(QUESTION))
        return _of_response([response async for response in await model.astream_complete(QUESTION)][-1])

    def _call(self, model: Any) -> Reply:
        if self.cls is ChatAKI:
            return _of_chunks(list(model.stream(QUESTION))) if self.stream else _of_message(model.invoke(QUESTION))
        return _of_response(list(model.stream_complete(QUESTION))[-1] if self.stream else model.complete(QUESTION))


def _of_message(message: Any) -> Reply:
    return Reply(message.text, message.response_metadata)


def _of_chunks(chunks: list[Any]) -> Reply:
    return _of_message(reduce(operator.add, chunks))


def _of_response(response: Any) -> Reply:
    return Reply(response.text, response.additional_kwargs)


WAYS = [Way(cls, is_async, stream) for cls in (ChatAKI, AKI) for is_async in (False, True) for stream in (False, True)]

LISTING = {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 1000}]}


def events(text: str) -> list[dict[str, Any]]:
    """An answer as events, a word in each."""
    first, *words = text.split(" ")
    return [chunk(first), *(chunk(f" {word}") for word in words), STOP, COUNT]


def answer(text: str, *, stream: bool) -> Answer:
    """The answer of a server that keeps its connections open."""
    return sse(*events(text), end="keep-alive") if stream else json_answer(reply(text), end="keep-alive")


def mocked(text: str, *, stream: bool) -> dict[str, Any]:
    """The answer as the arguments of respx's, pytest-httpx's and httpx's own responses."""
    if not stream:
        return {"json": reply(text)}
    lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events(text))
    return {"text": f"{lines}data: [DONE]\n\n", "headers": {"content-type": "text/event-stream"}}
