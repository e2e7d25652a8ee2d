"""`AKI`: LlamaIndex chat models on AKI.IO and OpenAI-compatible gateways."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools.types import BaseTool
from llama_index.core.types import Model, PydanticProgramMode

from aki_transport import InvalidResponseError
from aki_transport.arguments import as_response_format
from aki_transport.messages import ChatRequest
from aki_transport.schemas import rooted_schema
from aki_transport.settings import CHAT_FIELDS
from llama_index_aki._base import LlamaIndexModel
from llama_index_aki._convert_messages import convert_message
from llama_index_aki._convert_replies import select_tool
from llama_index_aki._structured import StructuredPrediction, add_call_from_text

dispatcher = get_dispatcher(__name__)


class AKI(LlamaIndexModel, FunctionCallingLLM, defer_build=False):
    """A chat model with tools, structured output, reasoning and token usage; it reports which model answered.

    See `aki_transport.settings.ModelSettings` for the fields of the model, the service and the request.

    Raises:
        ConfigurationError: An argument is unknown or invalid.

    Example:
        >>> llm = AKI(model="qwen3.6-35b", temperature=0)
        >>> llm.complete("What is 6 * 7?").text
        '6 * 7 = 42.'
        >>> "".join(part.delta for part in llm.stream_complete("What is 6 * 7?"))
        '6 * 7 = 42.'
        >>> llm.metadata.context_window
        262144
    """

    strict: bool | None = None
    """Whether arguments of tools and answers with a schema must match the schema exactly, if the service can do so."""

    _is_chat_model: ClassVar[bool] = True

    def _completion_request(self, prompt: str, kwargs: dict[str, Any]) -> ChatRequest:
        return self._chat_request([ChatMessage(role=MessageRole.USER, content=prompt)], kwargs)

    def _chat_request(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatRequest:
        kwargs = {"strict": self.strict, **_with_openai_names(kwargs)}
        kwargs["tools"] = list(map(_openai_tool, kwargs.get("tools") or ()))
        return self._create_request(
            tuple(map(convert_message, messages)),
            None,
            kwargs,
            CHAT_FIELDS | {"structured_first", "structured_methods", "strict"},
            response_format=as_response_format(kwargs.get("response_format"), kwargs.get("strict")),
            structured_first=kwargs.get("structured_first", "json_schema"),
            structured_methods=kwargs.get("structured_methods", ()),
        )

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002  LlamaIndex's signature
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of a chat with tools; `tool_choice` overrides `tool_required`."""
        messages = list(chat_history or [])
        if user_msg is not None:
            messages.append(user_msg if isinstance(user_msg, ChatMessage) else ChatMessage(content=user_msg))
        prepared = {**kwargs, "messages": messages}
        if tools:
            prepared["tools"] = list(map(_openai_tool, tools))
            if tool_choice is not None or tool_required:
                prepared["tool_choice"] = "required" if tool_choice is None else tool_choice
            if not allow_parallel_tool_calls:
                prepared.setdefault("parallel_tool_calls", False)
        return prepared

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,  # noqa: ARG002  LlamaIndex's signature
    ) -> ChatResponse:
        """Drop all calls after the first, with a warning, unless several are allowed."""
        add_call_from_text(response, tools)
        if not allow_parallel_tool_calls:
            message = response.message
            calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
            if len(calls) > 1:
                if "model_name" in response.additional_kwargs:  # the complete answer, not an item of a stream
                    names = ", ".join(call.tool_name for call in calls[1:])
                    warnings.warn(f"one tool call was allowed; {names} is not called.", UserWarning, stacklevel=2)
                message.blocks = [*(block for block in message.blocks if block not in calls), calls[0]]
                message.additional_kwargs["tool_calls"] = message.additional_kwargs["tool_calls"][:1]
        return response

    def stream_chat_with_tools(
        self, tools: Sequence[BaseTool], *args: Any, allow_parallel_tool_calls: bool = False, **kwargs: Any
    ) -> ChatResponseGen:
        """`chat_with_tools` as a stream; without `allow_parallel_tool_calls`, calls after the first are dropped.

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
        return (
            self._validate_chat_with_tools_response(response, tools, allow_parallel_tool_calls)
            for response in responses
        )

    async def astream_chat_with_tools(
        self, tools: Sequence[BaseTool], *args: Any, allow_parallel_tool_calls: bool = False, **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """`stream_chat_with_tools`, async."""
        kwargs["allow_parallel_tool_calls"] = allow_parallel_tool_calls
        responses = await super().astream_chat_with_tools(tools, *args, **kwargs)
        validate = self._validate_chat_with_tools_response
        return (validate(response, tools, allow_parallel_tool_calls) async for response in responses)

    def predict_and_call(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> AgentChatResponse:
        """One question, and the result of the tool that the model calls.

        Raises:
            InvalidResponseError: The model called none of the tools, or its arguments cannot be used.

        Example:
            >>> from llama_index.core.tools import FunctionTool
            >>> def weather(city: str) -> str:
            ...     "The weather in a city."
            ...     return f"Sunny in {city}."
            >>> tool = FunctionTool.from_defaults(weather)
            >>> AKI(model="qwen3.6-35b").predict_and_call([tool], "What is the weather in Munich?").response
            'Sunny in Munich.'
        """
        with _explains_unknown_tools(tools):
            return super().predict_and_call(tools, *args, **kwargs)

    async def apredict_and_call(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> AgentChatResponse:
        """`predict_and_call`, async."""
        with _explains_unknown_tools(tools):
            return await super().apredict_and_call(tools, *args, **kwargs)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **_: Any
    ) -> list[ToolSelection]:
        """The calls in an answer, which may be an item of a stream.

        A call whose arguments are not a JSON object selects no tool: its name tells what is wrong, so that an agent
        tells the model.

        Raises:
            ValueError: There are none, unless `error_on_no_tool_call` is False.
            InvalidResponseError: The arguments of a call cannot be used; with `error_on_no_tool_call` too.

        Example:
            >>> llm = AKI(model="qwen3.6-35b")
            >>> response = llm.chat_with_tools([], user_msg="What is 6 * 7?")
            >>> llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
            []
        """
        blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if not blocks and error_on_no_tool_call:
            raise ValueError("The model called no tool.")
        details = response.additional_kwargs
        # Only the last item of a stream has `model_name`; a service may omit `finish_reason`.
        finish_reason = details.get("finish_reason") or ("stop" if "model_name" in details else None)
        selections = [select_tool(block, finish_reason) for block in blocks]
        for block, selection in zip(blocks, selections, strict=True):
            if error_on_no_tool_call and selection.tool_name != block.tool_name:
                raise InvalidResponseError(f"the model called {selection.tool_name}")
        return selections

    @dispatcher.span
    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """An object of `output_cls`, requested by the first method that the model is known to support.

        An answer that does not match the class is sent back once, to be corrected.

        Raises:
            ModelRefusalError: The model refused.
            InvalidResponseError: The corrected answer does not match either.

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
        prediction = self._start_prediction(output_cls, prompt, llm_kwargs, prompt_args)
        while prediction.result is None:
            prediction.parse(self.chat(prediction.messages, **prediction.arguments))
        dispatcher.event(LLMStructuredPredictEndEvent(output=prediction.result))
        return prediction.result

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
        prediction = self._start_prediction(output_cls, prompt, llm_kwargs, prompt_args)
        while prediction.result is None:
            prediction.parse(await self.achat(prediction.messages, **prediction.arguments))
        dispatcher.event(LLMStructuredPredictEndEvent(output=prediction.result))
        return prediction.result

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
        prediction = self._start_prediction(output_cls, prompt, llm_kwargs, prompt_args)
        while prediction.result is None:
            response = None
            for response in self.stream_chat(prediction.messages, **prediction.arguments):
                partial = prediction.parse_partial(response)
                if partial is not None:
                    yield partial
            prediction.parse(response)
        yield prediction.result

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None]:
        if self.pydantic_program_mode != PydanticProgramMode.DEFAULT:
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return self._apredictions(self._start_prediction(output_cls, prompt, llm_kwargs, prompt_args))

    async def _apredictions(
        self, prediction: StructuredPrediction[Model]
    ) -> AsyncGenerator[Model | FlexibleModel, None]:
        while prediction.result is None:
            response = None
            async for response in await self.astream_chat(prediction.messages, **prediction.arguments):
                partial = prediction.parse_partial(response)
                if partial is not None:
                    yield partial
            prediction.parse(response)
        yield prediction.result

    def _start_prediction(
        self, output_cls: type[Model], prompt: PromptTemplate, llm_kwargs: dict[str, Any] | None, values: dict[str, Any]
    ) -> StructuredPrediction[Model]:
        messages = self._extend_messages(prompt.format_messages(llm=self, **values))
        return StructuredPrediction(output_cls, messages, llm_kwargs or {})


@contextmanager
def _explains_unknown_tools(tools: Sequence[BaseTool]) -> Iterator[None]:
    """LlamaIndex looks the tool up by its name, without a word on a name that is none."""
    try:
        yield
    except KeyError as error:
        (name,) = error.args
        names = [tool.metadata.get_name() for tool in tools]
        if not isinstance(name, str) or name in names:
            raise
        raise InvalidResponseError(f"the model called {name}; the tools are {', '.join(names)}") from None


def _openai_tool(tool: BaseTool | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(tool, Mapping):
        return tool
    converted = tool.metadata.to_openai_tool(skip_length_check=True)
    converted["function"]["name"] = tool.metadata.get_name()  # by which agents look for it; LlamaIndex changes it there
    schema: dict[str, Any] = getattr(tool.metadata.fn_schema, "model_json_schema", dict)()
    if "$ref" in schema:  # a class that contains itself, whose root LlamaIndex leaves out
        converted["function"]["parameters"] = rooted_schema(schema)
    return converted


def _with_openai_names(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call with those of `chat_with_tools` under the names of `chat`."""
    if not kwargs.keys() & {"tool_required", "allow_parallel_tool_calls"}:
        return kwargs
    kwargs = dict(kwargs)
    if kwargs.pop("tool_required", False):
        kwargs.setdefault("tool_choice", "required")
    if kwargs.get("tools") and not kwargs.pop("allow_parallel_tool_calls", True):
        kwargs.setdefault("parallel_tool_calls", False)
    kwargs.pop("allow_parallel_tool_calls", None)
    return kwargs
