"""LlamaIndex's contenders. Each is imported where it is made, so that its process holds no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NoReturn

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    LLMMetadata,
    MessageRole,
    TextBlock,
)
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.llm import LLM
from llama_index.core.tools import FunctionTool

from tests.tools.benchmarks.asking import ANSWER, MODEL, NATIVE_MODEL, WAIT, WORDS, question, wanted
from tests.tools.benchmarks.tools import TOOLS, Trip


class Driver:
    """Drives a model through its public methods."""

    def __init__(self, model: LLM) -> None:
        self._model: Any = model

    def call(self, wait: int = 0) -> str:
        """The text of a blocking answer."""
        return str(self._model.chat(_asked(0, wait)).message.content)

    def stream(self, chunks: int, every: int = 0) -> int:
        """Read a stream, and count its pieces of text."""
        count = 0
        for response in self._model.stream_chat(_asked(chunks, 0, every)):
            if response.delta:
                count += 1
        return count

    async def acall(self) -> str:
        """`call`, async."""
        return str((await self._model.achat(_asked(0, WAIT))).message.content)

    async def astream(self, chunks: int, every: int = 0) -> int:
        """`stream`, async."""
        count = 0
        async for response in await self._model.astream_chat(_asked(chunks, WAIT, every)):
            if response.delta:
                count += 1
        return count

    def tool_call(self) -> str:
        """The notes of a tool call."""
        return self._notes(self._model.chat_with_tools(self._tools, chat_history=_asked(0)))

    def stream_tool_call(self, chunks: int) -> str:
        """The notes of a streamed one, out of the last response, which holds all of it."""
        responses = self._model.stream_chat_with_tools(self._tools, chat_history=_asked(chunks))
        return self._notes(deque(responses, maxlen=1).pop())

    def structured(self) -> str:
        """The notes of an answer that is a `Trip`."""
        trip: Any = self._structured.chat(_asked(0)).raw
        return str(trip.notes)

    def image(self, chunks: int) -> int:
        """The size of a picture that is drawn with the tool."""
        self._draws.generate_image(question(chunks))
        return len(list(self._draws.store)[-1].data)

    async def aimage(self, chunks: int) -> int:
        """`image`, async."""
        await self._draws.agenerate_image(question(chunks))
        return len(list(self._draws.store)[-1].data)

    def _notes(self, response: ChatResponse) -> str:
        (call,) = self._model.get_tool_calls_from_response(response)
        return str(call.tool_kwargs["notes"])

    @cached_property
    def _tools(self) -> list[FunctionTool]:
        return [FunctionTool.from_defaults(fn=function) for function in TOOLS]

    @cached_property
    def _structured(self) -> Any:
        return self._model.as_structured_llm(Trip)

    @cached_property
    def _draws(self) -> Any:
        from llama_index_aki import AKIImageToolSpec  # noqa: PLC0415  see above

        return AKIImageToolSpec(base_url=self._model.base_url, api_key="aki-test", max_retries=0)


def aki(url: str) -> LLM:
    """Ours."""
    return _aki(f"{url}/v1")


def aki_plain(url: str) -> LLM:
    """Ours, over httpx's own pools."""
    import httpx  # noqa: PLC0415  see above

    return _aki(f"{url}/v1", http_client=httpx.Client(), http_async_client=httpx.AsyncClient())


def aki_aiohttp(url: str) -> LLM:
    """Ours, its async calls over aiohttp."""
    return _aki(f"{url}/v1", http_engine="aiohttp")


def aki_anthropic(url: str) -> LLM:
    """Ours, on Anthropic's wire."""
    return _aki(f"{url}/anthropic", protocol="anthropic")


def aki_native(url: str) -> LLM:
    """Ours, on AKI.IO's own wire."""
    return _aki(f"{url}/api", protocol="native", model=NATIVE_MODEL)


def _aki(base_url: str, *, model: str = MODEL, **more: Any) -> LLM:
    from llama_index_aki import AKI  # noqa: PLC0415  see above

    return AKI(model=model, base_url=base_url, api_key="aki-test", max_retries=0, temperature=0, **more)


def openai_like(url: str) -> LLM:
    """What one would use instead of ours, told what ours knows, and asking for usage in streams as ours does."""
    from llama_index.llms.openai_like import OpenAILike  # noqa: PLC0415  see above

    return OpenAILike(
        model=MODEL,
        api_base=f"{url}/v1",
        api_key="x",
        is_chat_model=True,
        is_function_calling_model=True,
        context_window=262_144,
        max_retries=0,
        temperature=0,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )


def ready_made(_url: str) -> LLM:
    """What the framework itself costs."""
    return ReadyMade()


class ReadyMade(LLM):
    """Gives texts that are there already, without any network."""

    @property
    def metadata(self) -> LLMMetadata:
        """As of a chat model."""
        return LLMMetadata(is_chat_model=True, model_name=MODEL)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:  # noqa: ARG002
        """The whole answer."""
        return _response(ANSWER, None)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:  # noqa: ARG002
        """`chat`, async."""
        return _response(ANSWER, None)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:  # noqa: ARG002
        """As many pieces as the question asks for."""
        return _growing(messages)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:  # noqa: ARG002
        """`stream_chat`, async."""

        async def responses() -> ChatResponseAsyncGen:
            for response in _growing(messages):
                yield response

        return responses()

    def complete(self, *_: Any, **__: Any) -> NoReturn:
        """Nobody asks for it here."""
        raise NotImplementedError

    def stream_complete(self, *_: Any, **__: Any) -> NoReturn:
        """Nobody asks for it here."""
        raise NotImplementedError

    async def acomplete(self, *_: Any, **__: Any) -> NoReturn:
        """Nobody asks for it here."""
        raise NotImplementedError

    async def astream_complete(self, *_: Any, **__: Any) -> NoReturn:
        """Nobody asks for it here."""
        raise NotImplementedError


def _asked(chunks: int, wait: int = 0, every: int = 0) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=question(chunks, wait, every))]


def _growing(messages: Sequence[ChatMessage]) -> Iterator[ChatResponse]:
    """New objects for each piece, for users may keep them; the message holds all so far, as the contract has it."""
    text = ""
    for position in range(wanted(str(messages[-1].content)).pieces):
        delta = WORDS[position % len(WORDS)]
        text += delta
        yield _response(text, delta)


def _response(text: str, delta: str | None) -> ChatResponse:
    """Built as anyone would. Without validation (`model_construct`) it takes twice as long, in Pydantic 2.14."""
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text=text)])
    return ChatResponse(message=message, delta=delta)
