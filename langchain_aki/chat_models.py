"""`ChatAKI`: LangChain chat models on AKI.IO and OpenAI-compatible gateways."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, Literal, Self, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableGenerator
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import PrivateAttr, model_validator

from aki_transport.arguments import as_response_format
from aki_transport.client import Client
from aki_transport.messages import ChatReply, ChatRequest, JsonSchema, ResponseFormat, ToolNamed
from aki_transport.models.catalog import ModelInfo
from aki_transport.settings import CHAT_FIELDS, ModelSettings
from langchain_aki import _answer_blocks
from langchain_aki._base import LangChainModel
from langchain_aki._convert_messages import convert_messages
from langchain_aki._convert_replies import DeltaConverter, create_chat_result
from langchain_aki._structured import StructuredOutputParser
from langchain_aki._tools import convert_schema, convert_tool, convert_tool_choice, unwrapped_schema
from langchain_aki.errors import ConfigurationError, raises_langchain_errors

StructuredMethod = Literal["json_schema", "function_calling", "json_mode"]

_CALL_ARGUMENTS = CHAT_FIELDS | {"structured_method", "stream", "strict"}


class ChatAKI(LangChainModel, BaseChatModel, defer_build=False):
    """A chat model with tools, structured output, reasoning and token usage; it reports which model answered.

    See `aki_transport.settings.ModelSettings` for the fields of the model, the service and the request.

    Raises:
        ConfigurationError: An argument is unknown or invalid.

    Example:
        >>> model = ChatAKI(model="qwen3.6-35b", temperature=0)
        >>> model.invoke("What is 6 * 7?").text
        '6 * 7 = 42.'
        >>> model.profile["max_input_tokens"]
        262144
    """

    streaming: bool = False
    """Whether `invoke` streams internally, so that callbacks get tokens as they arrive."""

    identifying_fields: ClassVar[tuple[str, ...]] = (*ModelSettings.identifying_fields, "output_version")

    _profile_info: ModelInfo | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _register_blocks(self) -> Self:
        _answer_blocks.register(self._provider.name)
        return self

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools.

        Args:
            tools: Functions, LangChain tools, pydantic classes, TypedDicts or JSON schemas.
            tool_choice: `"auto"`, `"none"`, `"any"` / `"required"` / True, a tool's name, or OpenAI's dict.
            strict: Whether arguments must match the schema exactly, if the service can enforce that.
            parallel_tool_calls: Whether one answer may contain several calls.
            response_format: Format of the final answer, as OpenAI's dict.
            **kwargs: More arguments of the call, e.g. `temperature`.

        Raises:
            ConfigurationError: `tool_choice` is not the name of one of the tools.

        Example:
            >>> def weather(city: str) -> str:
            ...     "The weather in a city."
            ...     return f"Sunny in {city}."
            >>> model = ChatAKI(model="qwen3.6-35b").bind_tools([weather])
            >>> [(call["name"], call["args"]) for call in model.invoke("What is the weather in Munich?").tool_calls]
            [('weather', {'city': 'Munich'})]
        """
        bound = dict(kwargs)
        with raises_langchain_errors():
            formatted = [convert_tool(tool, strict) for tool in tools]
            choice = convert_tool_choice(tool_choice, formatted)
        if formatted:
            bound["tools"] = formatted
            if choice is not None:
                bound["tool_choice"] = choice
            if parallel_tool_calls is not None:
                bound["parallel_tool_calls"] = parallel_tool_calls
        if response_format is not None:
            bound["response_format"] = response_format
            if strict is not None:
                bound["strict"] = strict
        return self.bind(**bound)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: StructuredMethod | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model with answers that match a schema.

        Args:
            schema: A pydantic class, a TypedDict, or a JSON schema with a title; optional only with
                `method="json_mode"`.
            method: `"json_schema"` (the service enforces the schema), `"function_calling"` (a forced tool call) or
                `"json_mode"` (any JSON; describe the fields in the prompt). Default: the first method that the model is
                known to support; if the service refuses or ignores it, the next one, within the same run.
            include_raw: Return a dict with `raw`, `parsed` and `parsing_error` instead of raising.
            strict: Whether the answer must match the schema exactly, if the service can enforce that.
            **kwargs: More arguments of the call, e.g. `tools`.

        Raises:
            ConfigurationError: The schema is missing, or the method is unknown.

        Example:
            >>> from pydantic import BaseModel
            >>> class City(BaseModel):
            ...     name: str
            ...     country: str
            >>> ChatAKI(model="qwen3.6-35b").with_structured_output(City).invoke("Munich is a city in Germany.")
            City(name='Munich', country='Germany')
        """
        if method not in (None, "json_schema", "function_calling", "json_mode"):
            raise ConfigurationError(
                f"method={method!r} is unknown; use 'json_schema', 'function_calling', 'json_mode' or nothing."
            )
        if schema is None and method != "json_mode":
            raise ConfigurationError(f"with_structured_output(method={method!r}) needs a schema.")
        traced = {"kwargs": {"method": method or "json_schema"}, "schema": _as_json_schema(schema)}
        kwargs["ls_structured_output_format"] = None if traced["schema"] is None else traced
        is_pydantic = isinstance(schema, type) and is_basemodel_subclass(schema)
        parser = StructuredOutputParser(schema_type=schema if is_pydantic else None)
        bound: Runnable[LanguageModelInput, AIMessage]
        if schema is None or method == "json_mode":
            bound = self.bind(response_format={"type": "json_object"}, **kwargs)
        else:
            function = convert_schema(schema, strict)
            parser.tool_name = function["name"]
            parser.json_schema = unwrapped_schema(schema, function["parameters"])
            tools = kwargs.pop("tools", ())
            if method == "function_calling":
                tool = (
                    schema
                    if parser.json_schema is function["parameters"]
                    else {"type": "function", "function": function}
                )
                arguments = {"tool_choice": function["name"], "parallel_tool_calls": False, **kwargs}
                bound = self.bind_tools([tool, *tools], strict=strict, **arguments)
            else:
                optional = {"description": function.get("description") or None, "strict": strict}
                json_schema = {"name": function["name"], "schema": function["parameters"]}
                json_schema |= {name: value for name, value in optional.items() if value is not None}
                response_format = {"type": "json_schema", "json_schema": json_schema}
                bound = self.bind_tools(tools, response_format=response_format, structured_method=method, **kwargs)
        return bound | (RunnableGenerator(parser.with_raw, parser.awith_raw) if include_raw else parser)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        with raises_langchain_errors():
            client, request = self._client, self._request(messages, stop, kwargs)
            reply = client.chat(request)
        self._check_reply(client, request, reply)
        return create_chat_result(reply, client.provider.name)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        with raises_langchain_errors():
            client, request = self._client, self._request(messages, stop, kwargs)
            reply = await client.achat(request)
        self._check_reply(client, request, reply)
        return create_chat_result(reply, client.provider.name)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with raises_langchain_errors():
            client, request = self._client, self._request(messages, stop, kwargs)
            converter = DeltaConverter(client.provider.name, as_blocks=self.output_version == "v1")
            for delta in client.stream(request):
                if delta.reply is not None:
                    self._check_reply(client, request, delta.reply)
                for chunk in converter.convert(delta):
                    if run_manager is not None:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with raises_langchain_errors():
            client, request = self._client, self._request(messages, stop, kwargs)
            converter = DeltaConverter(client.provider.name, as_blocks=self.output_version == "v1")
            async with aclosing(client.astream(request)) as deltas:
                async for delta in deltas:
                    if delta.reply is not None:
                        self._check_reply(client, request, delta.reply)
                    for chunk in converter.convert(delta):
                        if run_manager is not None:
                            await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                        yield chunk

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> ChatRequest:
        tools = kwargs.get("tools") or ()
        if not all(isinstance(tool, dict) for tool in tools):  # given without `bind_tools`
            kwargs = {**kwargs, "tools": [convert_tool(tool, kwargs.get("strict")) for tool in tools]}
        return self._create_request(
            convert_messages(messages),
            stop,
            kwargs,
            _CALL_ARGUMENTS,
            response_format=_response_format(kwargs.get("response_format"), kwargs.get("strict")),
            # `with_structured_output()` without a method passes None: the capabilities of the model decide.
            structured_first=kwargs.get("structured_method", "json_schema"),
        )

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        """The merged outputs of a batch: the sums of the counts of tokens; for each other key the last value wins."""
        merged: dict[str, Any] = {}
        for output in filter(None, llm_outputs):
            sums = dict(merged.get("token_usage", {}))
            for name, value in output.get("token_usage", {}).items():
                sums[name] = sums.get(name, 0) + value if isinstance(value, int | float) else value
            merged |= {**output, "token_usage": sums} if sums else output
        return merged

    def _resolve_model_profile(self) -> ModelProfile | None:
        self._profile_info = self.model_info()
        return _create_profile(self._profile_info)

    def _check_reply(self, client: Client, request: ChatRequest, reply: ChatReply) -> None:
        self._update_profile(client)
        is_forced = request.tool_choice == "required" or isinstance(request.tool_choice, ToolNamed)
        if is_forced and not reply.tool_calls:
            warnings.warn(
                f"{request.model} was told to call a tool (tool_choice={request.tool_choice!r}) and called none.",
                UserWarning,
                stacklevel=2,
            )

    def _update_profile(self, client: Client) -> None:
        if self._profile_info is None:  # the user passed a profile
            return
        info = client.model_info(self.model)
        if info is not self._profile_info:
            self._profile_info = info
            self.profile = _create_profile(info)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """An estimate of a conversation's number of tokens, made offline; exact with `custom_get_token_ids`.

        Example:
            >>> from langchain_core.messages import HumanMessage
            >>> ChatAKI(model="qwen3.6-35b").get_num_tokens_from_messages([HumanMessage("What is 6 * 7?")])
            8
        """
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens_from_messages(messages, tools)
        formatted: list[BaseTool | dict[str, Any]] | None = None
        if tools is not None:
            formatted = [convert_tool(tool) for tool in tools]
        return count_tokens_approximately(messages, tools=formatted)

    @property
    def _llm_type(self) -> str:
        return "aki-chat"


def _as_json_schema(schema: dict[str, Any] | type | None) -> Any:
    """The schema as traces show it. Converted once here, because LangChain would convert a class at each call."""
    try:
        return None if schema is None else convert_to_json_schema(schema)
    except ValueError:
        return schema  # as LangChain does with a schema that it cannot convert
    except (TypeError, AttributeError, RuntimeError):  # the last is of a class that contains itself, or a function
        return None  # LangChain's conversion, which fails with it, would end the call for the trace's sake


def _response_format(response_format: Any, strict: bool | None) -> ResponseFormat | None:
    if isinstance(response_format, type):
        function = convert_schema(response_format, strict)
        return JsonSchema(name=function["name"], schema=function["parameters"], strict=strict)
    return as_response_format(response_format, strict)


def _create_profile(info: ModelInfo) -> ModelProfile:
    fields: dict[str, Any] = {
        "name": info.name or None,
        "max_input_tokens": info.context_window,
        "max_output_tokens": info.max_output,
        **dict.fromkeys(("text_inputs", "text_outputs"), True),
        **dict.fromkeys(("image_inputs", "image_url_inputs", "image_tool_message"), info.images),
        **dict.fromkeys(("tool_calling", "tool_choice", "tool_call_streaming"), info.tools),
        "reasoning_output": info.reasoning,
        # False instead of unknown: LangChain guesses an unknown value from the model's name.
        "structured_output": bool(info.structured_output),
    }
    return cast("ModelProfile", {name: value for name, value in fields.items() if value is not None})
