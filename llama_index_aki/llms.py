"""`AKI`: chat models of AKI.IO, gateways and services like them, in LlamaIndex."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing
from typing import Any, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools.types import BaseTool
from llama_index.core.types import Model, PydanticProgramMode

from aki_transport import InvalidResponseError
from aki_transport.arguments import as_response_format, as_tool_choice, unknown_argument
from aki_transport.messages import ChatReply, ChatRequest, ToolCall
from aki_transport.settings import ModelSettings, request_fields
from aki_transport.tool_arguments import read_calls
from llama_index_aki._base import metadata_of
from llama_index_aki._convert_messages import to_messages
from llama_index_aki._convert_replies import ResponseAccumulator, to_completion, to_response, unfinished_arguments
from llama_index_aki._structured import StructuredPrediction

dispatcher = get_dispatcher(__name__)

_CALL_ARGUMENTS = request_fields() | {
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "structured_first",
}


class AKI(ModelSettings, FunctionCallingLLM, defer_build=False):
    """A chat model, with nothing lost: reasoning, usage, streamed tool calls, and which model really answered.

    See `aki_transport.settings.ModelSettings` for the fields that say which model, where, and how to ask it.

    Raises:
        ConfigurationError: An argument is unknown, or no call can be made with it.

    Example:
        >>> llm = AKI(model="qwen3.6-35b", temperature=0)
        >>> llm.complete("What is 6 * 7?").text
        '6 * 7 = 42.'
        >>> "".join(part.delta for part in llm.stream_complete("What is 6 * 7?"))
        '6 * 7 = 42.'
        >>> llm.metadata.context_window
        262144
    """

    @classmethod
    def class_name(cls) -> str:
        """The name under which dumps know this class."""
        return "AKI"

    @property
    def metadata(self) -> LLMMetadata:
        """What is known of the model now. Never asks the service; exact once the listing was read."""
        return metadata_of(self._client, self.model, self.max_tokens, chat=True)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The whole answer to a conversation.

        Args:
            messages: The conversation.
            **kwargs: Fields of the model to give other values for this call, e.g. `temperature`; `tools`,
                `tool_choice`, `response_format`.

        Raises:
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from llama_index.core.llms import ChatMessage
            >>> AKI(model="qwen3.6-35b").chat([ChatMessage("What is 6 * 7?")]).message.content
            '6 * 7 = 42.'
        """
        return self._chat(messages, kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat`, async."""
        return await self._achat(messages, kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer as it comes: `delta` is new, `message` holds all so far, the last item is complete.

        Raises:
            StreamInterruptedError: The stream ended before the answer did.
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from llama_index.core.llms import ChatMessage
            >>> parts = list(AKI(model="qwen3.6-35b").stream_chat([ChatMessage("What is 6 * 7?")]))
            >>> parts[-1].message.content, parts[-1].additional_kwargs["total_tokens"]
            ('6 * 7 = 42.', 39)
        """
        return self._stream_chat(messages, kwargs)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat`, async."""
        return self._astream_chat(messages, kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The whole answer to a prompt, which is sent as one user message."""
        return to_completion(self._chat(self._asked(prompt, formatted), kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete`, async."""
        return to_completion(await self._achat(self._asked(prompt, formatted), kwargs))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The answer to a prompt as it comes."""
        return (to_completion(response) for response in self._stream_chat(self._asked(prompt, formatted), kwargs))

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """`stream_complete`, async."""
        return self._astream_complete(self._asked(prompt, formatted), kwargs)

    def _chat(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponse:
        client = self._client
        return to_response(client.chat(self._request(messages, given)), client.provider.name)

    async def _achat(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponse:
        client = self._client
        return to_response(await client.achat(self._request(messages, given)), client.provider.name)

    def _stream_chat(
        self, messages: Sequence[ChatMessage], given: dict[str, Any]
    ) -> Generator[ChatResponse, None, None]:
        client = self._client
        answer = ResponseAccumulator(client.provider.name)
        for delta in client.stream(self._request(messages, given)):
            yield answer.add(delta)

    async def _astream_chat(
        self, messages: Sequence[ChatMessage], given: dict[str, Any]
    ) -> AsyncGenerator[ChatResponse, None]:
        client = self._client
        answer = ResponseAccumulator(client.provider.name)
        async with aclosing(client.astream(self._request(messages, given))) as deltas:
            async for delta in deltas:
                yield answer.add(delta)

    async def _astream_complete(
        self, messages: Sequence[ChatMessage], given: dict[str, Any]
    ) -> AsyncGenerator[CompletionResponse, None]:
        async with aclosing(self._astream_chat(messages, given)) as responses:
            async for response in responses:
                yield to_completion(response)

    def _asked(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=prompt)]

    def _request(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatRequest:
        """One call's request: the constructor's fields, and what the call gives instead of them."""
        given = dict(given)
        for name in given:
            if name not in _CALL_ARGUMENTS:
                raise unknown_argument("A call", name, _CALL_ARGUMENTS)
        settings = self._settings_for(None, given)
        tools = given.get("tools") or ()
        return ChatRequest(
            messages=to_messages(messages),
            tools=tuple(tools),
            tool_choice=as_tool_choice(given.get("tool_choice")) if tools else None,
            parallel_tool_calls=given.get("parallel_tool_calls") if tools else None,
            response_format=as_response_format(given.get("response_format"), None),
            structured_first=given.get("structured_first", "json_schema"),
            **settings,
        )

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002  LlamaIndex's signature
        allow_parallel_tool_calls: bool = False,  # noqa: ARG002  kept by _validate_chat_with_tools_response
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Arguments of a chat with tools; an explicit `tool_choice` wins over `tool_required`."""
        messages = list(chat_history or [])
        if user_msg is not None:
            messages.append(user_msg if isinstance(user_msg, ChatMessage) else ChatMessage(content=user_msg))
        prepared = {**kwargs, "messages": messages}
        if tools:
            prepared["tools"] = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
            if tool_choice is not None or tool_required:
                prepared["tool_choice"] = "required" if tool_choice is None else tool_choice
        return prepared

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],  # noqa: ARG002  LlamaIndex's signature
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResponse:
        """One call only, where several are not allowed."""
        if not allow_parallel_tool_calls:
            seen = 0
            kept = []
            for block in response.message.blocks:
                seen += isinstance(block, ToolCallBlock)
                if not isinstance(block, ToolCallBlock) or seen == 1:
                    kept.append(block)
            response.message.blocks = kept
            if seen > 1:
                response.message.additional_kwargs["tool_calls"] = response.message.additional_kwargs["tool_calls"][:1]
        return response

    def stream_chat_with_tools(
        self, tools: Sequence[BaseTool], *args: Any, allow_parallel_tool_calls: bool = False, **kwargs: Any
    ) -> ChatResponseGen:
        """`chat_with_tools`, streamed: one call only, too, where several are not allowed.

        Example:
            >>> from llama_index.core.tools import FunctionTool
            >>> def weather(city: str) -> str:
            ...     "The weather in a city."
            ...     return f"Sunny in {city}."
            >>> llm, tool = AKI(model="qwen3.6-35b"), FunctionTool.from_defaults(weather)
            >>> *_, last = llm.stream_chat_with_tools([tool], user_msg="What is the weather in Munich?")
            >>> [(call.tool_name, call.tool_kwargs) for call in llm.get_tool_calls_from_response(last)]
            [('weather', {'city': 'Munich'})]
        """
        kwargs["allow_parallel_tool_calls"] = allow_parallel_tool_calls
        responses = super().stream_chat_with_tools(tools, *args, **kwargs)
        if allow_parallel_tool_calls:
            return responses
        return (self._validate_chat_with_tools_response(response, tools) for response in responses)

    async def astream_chat_with_tools(
        self, tools: Sequence[BaseTool], *args: Any, allow_parallel_tool_calls: bool = False, **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """`stream_chat_with_tools`, async."""
        kwargs["allow_parallel_tool_calls"] = allow_parallel_tool_calls
        responses = await super().astream_chat_with_tools(tools, *args, **kwargs)
        if allow_parallel_tool_calls:
            return responses
        return (self._validate_chat_with_tools_response(response, tools) async for response in responses)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **_: Any
    ) -> list[ToolSelection]:
        """The calls in an answer, or in what has arrived of it.

        Raises:
            ValueError: There is none, unless `error_on_no_tool_call` is False.
            InvalidResponseError: The answer is whole, and the arguments of a call are no JSON object.

        Example:
            >>> llm = AKI(model="qwen3.6-35b")
            >>> response = llm.chat_with_tools([], user_msg="What is 6 * 7?")
            >>> llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
            []
        """
        blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if not blocks and error_on_no_tool_call:
            raise ValueError("The model called no tool.")
        said = response.additional_kwargs
        # Named on the last item only; a service may leave out why it stopped.
        finish = said.get("finish_reason") or ("stop" if "model_name" in said else None)
        return [
            ToolSelection(
                tool_id=block.tool_call_id or "", tool_name=block.tool_name, tool_kwargs=_kwargs(block, finish)
            )
            for block in blocks
        ]

    @dispatcher.span
    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """An object of `output_cls`, asked for in the way that is known to work on the model, with one repair round.

        Raises:
            ModelRefusalError: The model refused.
            InvalidResponseError: There is no object that fits, also after it was asked to mend it.

        Example:
            >>> from llama_index.core.prompts import PromptTemplate
            >>> from pydantic import BaseModel
            >>> class City(BaseModel):
            ...     name: str
            ...     country: str
            >>> prompt = PromptTemplate("{text}")
            >>> AKI(model="qwen3.6-35b").structured_predict(City, prompt, text="Munich is a city in Germany.")
            City(name='Munich', country='Germany')
        """
        if self.pydantic_program_mode != PydanticProgramMode.DEFAULT:
            return cast("Model", super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args))
        dispatcher.event(
            LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        )
        predicting = self._predicting(output_cls, prompt, llm_kwargs, prompt_args)
        while not predicting.is_done:
            predicting.read(self.chat(predicting.messages, **predicting.arguments))
        dispatcher.event(LLMStructuredPredictEndEvent(output=predicting.result))
        return predicting.result

    @dispatcher.span
    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """`structured_predict`, async."""
        if self.pydantic_program_mode != PydanticProgramMode.DEFAULT:
            return cast("Model", await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args))
        dispatcher.event(
            LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        )
        predicting = self._predicting(output_cls, prompt, llm_kwargs, prompt_args)
        while not predicting.is_done:
            predicting.read(await self.achat(predicting.messages, **predicting.arguments))
        dispatcher.event(LLMStructuredPredictEndEvent(output=predicting.result))
        return predicting.result

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None, None]:
        if self.pydantic_program_mode != PydanticProgramMode.DEFAULT:
            yield from super()._structured_stream_call(output_cls, prompt, llm_kwargs, **prompt_args)
            return
        predicting = self._predicting(output_cls, prompt, llm_kwargs, prompt_args)
        while not predicting.is_done:
            response = None
            for response in self.stream_chat(predicting.messages, **predicting.arguments):
                partial = predicting.so_far(response)
                if partial is not None:
                    yield partial
            predicting.read(response)
        yield predicting.result

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None]:
        if self.pydantic_program_mode != PydanticProgramMode.DEFAULT:
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return self._apredictions(self._predicting(output_cls, prompt, llm_kwargs, prompt_args))

    async def _apredictions(
        self, predicting: StructuredPrediction[Model]
    ) -> AsyncGenerator[Model | FlexibleModel, None]:
        while not predicting.is_done:
            response = None
            async for response in await self.astream_chat(predicting.messages, **predicting.arguments):
                partial = predicting.so_far(response)
                if partial is not None:
                    yield partial
            predicting.read(response)
        yield predicting.result

    def _predicting(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None,
        prompt_args: dict[str, Any],
    ) -> StructuredPrediction[Model]:
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        return StructuredPrediction(output_cls, messages, llm_kwargs or {})


def _kwargs(block: ToolCallBlock, finish: str | None) -> dict[str, Any]:
    if isinstance(block.tool_kwargs, dict):
        return block.tool_kwargs
    if finish is None:
        return unfinished_arguments(block.tool_kwargs)
    call = ToolCall(block.tool_call_id or "", block.tool_name, block.tool_kwargs)
    ((_, arguments, wrong),) = read_calls(ChatReply(tool_calls=(call,), finish_reason=finish))
    if arguments is None:
        raise InvalidResponseError(f"{wrong}. The model wrote: {block.tool_kwargs[:200]!r}")
    return arguments
