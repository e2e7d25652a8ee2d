"""A call as users write it, with each class, sync and async, blocking and streamed."""

import asyncio
import json
import operator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.scenarios import MODEL, chunk, reply
from tests.scenarios.table import COUNT, STOP
from tests.script_server import json_answer, sse
from tests.subcases import subcases

QUESTION = "What is 6 * 7?"
ANSWER = "6 * 7 = 42."


@dataclass(frozen=True)
class Reply:
    """What came back: the text, and what the framework keeps beside it."""

    text: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    cls: type
    is_async: bool
    stream: bool

    def __str__(self):
        return "-".join((self.cls.__name__, "async" if self.is_async else "sync", "stream" if self.stream else "call"))

    def make(self, **options):
        """The model, with as many of the options as this test gives."""
        return self.cls(**{"model": MODEL, "api_key": "sk-test", **options})

    def ask(self, **options):
        return self.call(self.make(**options))

    def call(self, model):
        if self.is_async:
            return asyncio.run(self.acall(model))
        if self.cls is ChatAKI:
            return _of_chunks(list(model.stream(QUESTION))) if self.stream else _of_message(model.invoke(QUESTION))
        return _of_response(list(model.stream_complete(QUESTION))[-1] if self.stream else model.complete(QUESTION))

    async def acall(self, model):
        if self.cls is ChatAKI:
            if not self.stream:
                return _of_message(await model.ainvoke(QUESTION))
            return _of_chunks([chunk async for chunk in model.astream(QUESTION)])
        if not self.stream:
            return _of_response(await model.acomplete(QUESTION))
        return _of_response([response async for response in await model.astream_complete(QUESTION)][-1])


def _of_message(message):
    return Reply(message.text, message.response_metadata)


def _of_chunks(chunks):
    return _of_message(reduce(operator.add, chunks))


def _of_response(response):
    return Reply(response.text, response.additional_kwargs)


WAYS = [Way(cls, is_async, stream) for cls in (ChatAKI, AKI) for is_async in (False, True) for stream in (False, True)]
in_every_way = subcases("way", WAYS)

LISTING = {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 1000}]}


def events(text):
    """An answer as events, a word in each."""
    first, *words = text.split(" ")
    return [chunk(first), *(chunk(f" {word}") for word in words), STOP, COUNT]


def answer(text, *, stream):
    """The answer of a server that keeps its connections open."""
    return sse(*events(text), end="keep-alive") if stream else json_answer(reply(text), end="keep-alive")


def mocked(text, *, stream):
    """The answer as the arguments of respx's, pytest-httpx's and httpx's own responses."""
    if not stream:
        return {"json": reply(text)}
    lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events(text))
    return {"text": f"{lines}data: [DONE]\n\n", "headers": {"content-type": "text/event-stream"}}


@contextmanager
def opentelemetry():
    """What OpenTelemetry's instrumentation of httpx exports within the block."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield exporter
    finally:
        instrumentor.uninstrument()
