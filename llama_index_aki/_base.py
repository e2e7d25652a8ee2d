"""What `AKI` and `AKICompletion` share: metadata, and the eight methods to chat and complete."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, TypeVar

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
from aki_transport.settings import ModelSettings
from llama_index_aki._convert_replies import ResponseAccumulator, create_chat_response, create_completion_response

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _chat_callback(method: _Method) -> _Method:
    """LlamaIndex's decorator, which would hide the method's type from type checkers."""
    decorated: _Method = llm_chat_callback()(method)
    return decorated


def _completion_callback(method: _Method) -> _Method:
    """The same for prompts."""
    decorated: _Method = llm_completion_callback()(method)
    return decorated


class LlamaIndexModel(ModelSettings, LLM):
    """Base of both model classes, which differ in the requests that they make."""

    _is_chat_model: ClassVar[bool]

    @classmethod
    def class_name(cls) -> str:
        """The name of this class in dumps."""
        return cls.__name__

    # These two are not `abstractmethod`s, because LlamaIndex records a span for each implementation of one.

    def _chat_request(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatRequest:
        """The request for a conversation: the constructor's fields, with those in `kwargs` in their place."""
        raise NotImplementedError

    def _completion_request(self, prompt: str, kwargs: dict[str, Any]) -> ChatRequest:
        raise NotImplementedError

    @property
    def metadata(self) -> LLMMetadata:
        """What is known about the model. Sends no request; exact after the model listing was read."""
        client = self._client
        info = client.model_info(self.model)
        default = client.planned_output(self.model) or -1  # LlamaIndex's -1 means "not set"
        return LLMMetadata(
            context_window=info.context_window,
            num_output=default if self.max_tokens is None else self.max_tokens,
            is_chat_model=self._is_chat_model,
            is_function_calling_model=self._is_chat_model and info.tools is not False,
            model_name=self.model,
        )

    @_chat_callback
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The complete answer to a conversation.

        Args:
            messages: The conversation. `AKICompletion` formats it as one prompt by `messages_to_prompt`.
            **kwargs: Fields of the model to override for this call, e.g. `temperature`; for `AKI` also `tools`,
                `tool_choice`, `parallel_tool_calls` and `response_format`.

        Raises:
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from llama_index.core.llms import ChatMessage
            >>> AKI(model="qwen3.6-35b").chat([ChatMessage("What is 6 * 7?")]).message.content
            '6 * 7 = 42.'
        """
        return self._send(self._chat_request(messages, kwargs))

    @_chat_callback
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat`, async."""
        return await self._asend(self._chat_request(messages, kwargs))

    @_chat_callback
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer as it arrives: `delta` is new, `message` holds everything so far; the last item is complete.

        Raises:
            StreamInterruptedError: The stream ended before the answer was complete.
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from llama_index.core.llms import ChatMessage
            >>> chunks = list(AKI(model="qwen3.6-35b").stream_chat([ChatMessage("What is 6 * 7?")]))
            >>> chunks[-1].message.content, chunks[-1].additional_kwargs["total_tokens"]
            ('6 * 7 = 42.', 39)
        """
        return self._stream(self._chat_request(messages, kwargs))

    @_chat_callback
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat`, async."""
        return self._astream(self._chat_request(messages, kwargs))

    @_completion_callback
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The complete answer to a prompt, which `AKI` sends as one user message. See `chat`.

        Args:
            prompt: The prompt.
            formatted: Whether `completion_to_prompt` has been applied already.
            **kwargs: As for `chat`.
        """
        return create_completion_response(self._send(self._prepare_completion(prompt, formatted, kwargs)))

    @_completion_callback
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete`, async."""
        return create_completion_response(await self._asend(self._prepare_completion(prompt, formatted, kwargs)))

    @_completion_callback
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The answer to a prompt as it arrives: `delta` is new, `text` is everything so far. See `stream_chat`."""
        request = self._prepare_completion(prompt, formatted, kwargs)
        return (create_completion_response(response) for response in self._stream(request))

    @_completion_callback
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """`stream_complete`, async."""
        return self._astream_completion(self._prepare_completion(prompt, formatted, kwargs))

    def _prepare_completion(self, prompt: str, formatted: bool, kwargs: dict[str, Any]) -> ChatRequest:
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return self._completion_request(prompt, kwargs)

    def _send(self, request: ChatRequest) -> ChatResponse:
        client = self._client
        return create_chat_response(client.chat(request), client.provider.name)

    async def _asend(self, request: ChatRequest) -> ChatResponse:
        client = self._client
        return create_chat_response(await client.achat(request), client.provider.name)

    def _stream(self, request: ChatRequest) -> Generator[ChatResponse, None, None]:
        client = self._client
        accumulator = ResponseAccumulator(client.provider.name)
        for delta in client.stream(request):
            yield accumulator.add(delta)

    async def _astream(self, request: ChatRequest) -> AsyncGenerator[ChatResponse, None]:
        client = self._client
        accumulator = ResponseAccumulator(client.provider.name)
        async with aclosing(client.astream(request)) as deltas:
            async for delta in deltas:
                yield accumulator.add(delta)

    async def _astream_completion(self, request: ChatRequest) -> AsyncGenerator[CompletionResponse, None]:
        async with aclosing(self._astream(request)) as responses:
            async for response in responses:
                yield create_completion_response(response)
