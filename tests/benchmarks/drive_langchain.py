"""LangChain's contenders. Each is imported where it is made, so that its process holds no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from tests.benchmarks.asking import ANSWER, MODEL, WORDS, pieces_in, question


class Driver:
    """Drives a chat model through its public methods."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    def call(self) -> str:
        """The text of a blocking answer."""
        return str(self._model.invoke(question(0)).content)

    def stream(self, chunks: int) -> int:
        """Read a stream, and count its pieces of text."""
        count = 0
        for chunk in self._model.stream(question(chunks)):
            if chunk.content:
                count += 1
        return count

    async def acall(self) -> str:
        """`call`, async."""
        return str((await self._model.ainvoke(question(0))).content)

    async def astream(self, chunks: int) -> int:
        """`stream`, async."""
        count = 0
        async for chunk in self._model.astream(question(chunks)):
            if chunk.content:
                count += 1
        return count


def chat_aki(url: str) -> BaseChatModel:
    """Ours."""
    from langchain_aki import ChatAKI  # noqa: PLC0415  see above

    return ChatAKI(model=MODEL, base_url=f"{url}/v1", api_key="aki-test", max_retries=0, temperature=0)


def chat_openai(url: str) -> BaseChatModel:
    """What one would use instead of ours, asking for usage in streams as ours does by default."""
    from langchain_openai import ChatOpenAI  # noqa: PLC0415  see above

    return ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key="x", max_retries=0, temperature=0, stream_usage=True)


def ready_made(_url: str) -> BaseChatModel:
    """What the framework itself costs."""
    return ReadyMade()


class ReadyMade(BaseChatModel):
    """Gives answers that were made before, without any network."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(ANSWER))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from _chunks(pieces_in(str(messages[-1].content)))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(pieces_in(str(messages[-1].content))):
            yield chunk

    @property
    def _llm_type(self) -> str:
        return "ready-made"


@cache
def _chunks(count: int) -> tuple[ChatGenerationChunk, ...]:
    """The same objects for every stream: making them is no part of what the framework costs."""
    return tuple(
        ChatGenerationChunk(message=AIMessageChunk(content=WORDS[position % len(WORDS)])) for position in range(count)
    )
