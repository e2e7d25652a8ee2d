"""LangChain's contenders. Each is imported where it is made, so that its process holds no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from tests.benchmarks.asking import ANSWER, MODEL, WAIT, WORDS, question, wanted


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
        return str((await self._model.ainvoke(question(0, WAIT))).content)

    async def astream(self, chunks: int) -> int:
        """`stream`, async."""
        count = 0
        async for chunk in self._model.astream(question(chunks, WAIT)):
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
