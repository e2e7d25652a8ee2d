"""LangChain's contenders. Each is imported where it is made, so that its process holds no other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from tests.tools.benchmarks.asking import ANSWER, MODEL, NATIVE_MODEL, WAIT, WORDS, question, wanted
from tests.tools.benchmarks.tools import TOOLS, Trip


class Driver:
    """Drives a chat model through its public methods."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model: Any = model

    def call(self, wait: int = 0) -> str:
        """The text of a blocking answer."""
        return str(self._model.invoke(question(0, wait)).content)

    def stream(self, chunks: int, every: int = 0) -> int:
        """Read a stream, and count its pieces of text."""
        count = 0
        for chunk in self._model.stream(question(chunks, 0, every)):
            if chunk.content:
                count += 1
        return count

    async def acall(self) -> str:
        """`call`, async."""
        return str((await self._model.ainvoke(question(0, WAIT))).content)

    async def astream(self, chunks: int, every: int = 0) -> int:
        """`stream`, async."""
        count = 0
        async for chunk in self._model.astream(question(chunks, WAIT, every)):
            if chunk.content:
                count += 1
        return count

    def tool_call(self) -> str:
        """The notes of a tool call."""
        answer = self._with_tools.invoke(question(0))
        return str(answer.tool_calls[0]["args"]["notes"])

    def stream_tool_call(self, chunks: int) -> str:
        """The notes of a streamed one, whose pieces are joined and not its chunks added up: that is quadratic."""
        pieces: list[str] = []
        for chunk in self._with_tools.stream(question(chunks)):
            pieces += [piece["args"] for piece in chunk.tool_call_chunks if piece["args"]]
        return str(json.loads("".join(pieces))["notes"])

    def structured(self) -> str:
        """The notes of an answer that is a `Trip`."""
        return str(self._structured.invoke(question(0)).notes)

    def image(self, chunks: int) -> int:
        """The size of a picture that is drawn with the tool."""
        self._draws.invoke(question(chunks))
        return len(list(self._draws.store)[-1].data)

    async def aimage(self, chunks: int) -> int:
        """`image`, async."""
        await self._draws.ainvoke(question(chunks))
        return len(list(self._draws.store)[-1].data)

    @cached_property
    def _with_tools(self) -> Any:
        from langchain_core.tools import tool  # noqa: PLC0415  would count as memory of those that have no tools

        return self._model.bind_tools([tool(function) for function in TOOLS])

    @cached_property
    def _structured(self) -> Any:
        # By a tool, which all can do, so that the same goes over the wire.
        return self._model.with_structured_output(Trip, method="function_calling")

    @cached_property
    def _draws(self) -> Any:
        from langchain_aki import AKIImageGenerationTool  # noqa: PLC0415  see above

        return AKIImageGenerationTool(base_url=self._model.base_url, api_key="aki-test", max_retries=0)


def chat_aki(url: str) -> BaseChatModel:
    """Ours."""
    return _chat_aki(f"{url}/v1")


def chat_aki_plain(url: str) -> BaseChatModel:
    """Ours, over httpx's own pools."""
    import httpx  # noqa: PLC0415  see above

    return _chat_aki(f"{url}/v1", http_client=httpx.Client(), http_async_client=httpx.AsyncClient())


def chat_aki_aiohttp(url: str) -> BaseChatModel:
    """Ours, its async calls over aiohttp."""
    return _chat_aki(f"{url}/v1", http_engine="aiohttp")


def chat_aki_anthropic(url: str) -> BaseChatModel:
    """Ours, on Anthropic's wire."""
    return _chat_aki(f"{url}/anthropic", protocol="anthropic")


def chat_aki_native(url: str) -> BaseChatModel:
    """Ours, on AKI.IO's own wire."""
    return _chat_aki(f"{url}/api", protocol="native", model=NATIVE_MODEL)


def _chat_aki(base_url: str, *, model: str = MODEL, **more: Any) -> BaseChatModel:
    from langchain_aki import ChatAKI  # noqa: PLC0415  see above

    return ChatAKI(model=model, base_url=base_url, api_key="aki-test", max_retries=0, temperature=0, **more)


def chat_mistral(url: str) -> BaseChatModel:
    """Another that one might use: it is for one service, and goes over httpx itself."""
    from langchain_mistralai import ChatMistralAI  # noqa: PLC0415  see above

    return ChatMistralAI(model_name=MODEL, endpoint=f"{url}/v1", api_key="x", max_retries=0, temperature=0)


def chat_openai(url: str) -> BaseChatModel:
    """What one would use instead of ours, asking for usage in streams as ours does by default."""
    from langchain_openai import ChatOpenAI  # noqa: PLC0415  see above

    return ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key="x", max_retries=0, temperature=0, stream_usage=True)


def ready_made(_url: str) -> BaseChatModel:
    """What the framework itself costs."""
    return ReadyMade()


class ReadyMade(BaseChatModel):
    """Gives texts that are there already, without any network."""

    def _generate(
        self,
        messages: list[BaseMessage],  # noqa: ARG002
        stop: list[str] | None = None,  # noqa: ARG002  LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(ANSWER))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  LangChain's signature
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        return self._generate(messages)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Iterator[ChatGenerationChunk]:
        yield from _chunks(wanted(str(messages[-1].content)).pieces)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  LangChain's signature
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(wanted(str(messages[-1].content)).pieces):
            yield chunk

    @property
    def _llm_type(self) -> str:
        return "ready-made"


def _chunks(count: int) -> Iterator[ChatGenerationChunk]:
    """Text that was there before, in new objects: LangChain writes into a chunk, so that none can be given twice."""
    for position in range(count):
        yield ChatGenerationChunk(message=AIMessageChunk(content=WORDS[position % len(WORDS)]))
