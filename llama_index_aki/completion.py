"""`AKICompletion`: raw prompts to text, in LlamaIndex."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing
from typing import Any

from llama_index.core.base.llms.generic_utils import messages_to_prompt
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM

from aki_transport.messages import ChatRequest
from aki_transport.settings import PromptSettings
from llama_index_aki._base import metadata_of
from llama_index_aki._convert_replies import ResponseAccumulator, to_completion, to_response


class AKICompletion(PromptSettings, LLM, defer_build=False):
    """A model that goes on from a raw prompt: no roles, no template, no tools.

    On the native protocol the prompt goes out as it is; on the others as one user message. See
    `aki_transport.settings.ModelSettings` for the fields that say which model, where, and how to ask it.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

    Example:
        >>> llm = AKICompletion(model="llama3-chat-8b", max_tokens=64)
        >>> llm.complete("What is 6 * 7?").text
        '6 * 7 = 42.'
        >>> "".join(part.delta for part in llm.stream_complete("What is 6 * 7?"))
        '6 * 7 = 42.'
        >>> llm.metadata.is_chat_model
        False
    """

    @classmethod
    def class_name(cls) -> str:
        """The name under which dumps know this class."""
        return "AKICompletion"

    @property
    def metadata(self) -> LLMMetadata:
        """What is known of the model now. Never asks the service."""
        return metadata_of(self._client, self.model, self.max_tokens, chat=False)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The text that goes on from a prompt.

        Args:
            prompt: The prompt, as the model shall see it.
            formatted: Whether `completion_to_prompt` was applied already.
            **kwargs: Fields of the model to give other values for this call, e.g. `temperature`.

        Raises:
            AKIError: See the tree in `aki_transport.errors`.
        """
        return to_completion(self._answer(self._request(prompt, formatted, kwargs)))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete`, async."""
        return to_completion(await self._aanswer(self._request(prompt, formatted, kwargs)))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The text as it comes: `delta` is new, `text` is all so far.

        Raises:
            StreamInterruptedError: The stream ended before the answer did.
            AKIError: See the tree in `aki_transport.errors`.
        """
        return (to_completion(response) for response in self._stream(self._request(prompt, formatted, kwargs)))

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """`stream_complete`, async."""
        return self._completions(self._request(prompt, formatted, kwargs))

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The text that goes on from a conversation, made one prompt by `messages_to_prompt`.

        Raises:
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from llama_index.core.llms import ChatMessage
            >>> AKICompletion(model="llama3-chat-8b").chat([ChatMessage("What is 6 * 7?")]).message.content
            '6 * 7 = 42.'
        """
        return self._answer(self._chat_request(messages, kwargs))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat`, async."""
        return await self._aanswer(self._chat_request(messages, kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """`chat`, as it comes: `delta` is new, `message` holds all so far.

        Raises:
            StreamInterruptedError: The stream ended before the answer did.
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from llama_index.core.llms import ChatMessage
            >>> parts = AKICompletion(model="llama3-chat-8b").stream_chat([ChatMessage("What is 6 * 7?")])
            >>> "".join(part.delta for part in parts)
            '6 * 7 = 42.'
        """
        return self._stream(self._chat_request(messages, kwargs))

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat`, async."""
        return self._astream(self._chat_request(messages, kwargs))

    def _answer(self, request: ChatRequest) -> ChatResponse:
        return to_response(self._client.chat(request), self._provider.name)

    async def _aanswer(self, request: ChatRequest) -> ChatResponse:
        return to_response(await self._client.achat(request), self._provider.name)

    def _stream(self, request: ChatRequest) -> Generator[ChatResponse, None, None]:
        answer = ResponseAccumulator(self._provider.name)
        for delta in self._client.stream(request):
            yield answer.add(delta)

    async def _astream(self, request: ChatRequest) -> AsyncGenerator[ChatResponse, None]:
        answer = ResponseAccumulator(self._provider.name)
        async with aclosing(self._client.astream(request)) as deltas:
            async for delta in deltas:
                yield answer.add(delta)

    async def _completions(self, request: ChatRequest) -> AsyncGenerator[CompletionResponse, None]:
        async with aclosing(self._astream(request)) as responses:
            async for response in responses:
                yield to_completion(response)

    def _chat_request(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatRequest:
        to_prompt = self.messages_to_prompt or messages_to_prompt
        return self._request(to_prompt(messages), True, given)  # noqa: FBT003  it is formatted now

    def _request(self, prompt: str, formatted: bool, given: dict[str, Any]) -> ChatRequest:
        """One call's request: the constructor's fields, and what the call gives instead of them."""
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return self._prompt_request(prompt, None, given)
