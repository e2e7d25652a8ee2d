"""Answers as objects of a pydantic class, with one more request if the first answer does not match."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ToolCallBlock
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from llama_index.core.tools.types import BaseTool
from llama_index.core.types import Model
from pydantic import ValidationError

from aki_transport import InvalidResponseError, ModelRefusalError
from aki_transport.json_answer import JsonAnswer
from aki_transport.json_text import is_json
from aki_transport.schemas import known_fields, validated
from llama_index_aki._convert_replies import openai_tool_call, parse_partial_arguments, reasoning_text

_MAX_ROUNDS = 2  # the question, and one request to correct the answer


class StructuredPrediction(Generic[Model]):
    """One structured prediction: `messages` and `arguments` of the next call, until `result` is not None. No I/O."""

    def __init__(self, output_cls: type[Model], messages: list[ChatMessage], llm_kwargs: dict[str, Any]) -> None:
        self._cls = output_cls
        self._flexible = create_flexible_model(output_cls)
        self._round = 0
        self._last_partial: Any = None
        self.result: Model | None = None
        self.messages = messages
        schema = output_cls.model_json_schema()
        self._fields = known_fields(schema).union(output_cls.model_fields)
        json_schema: dict[str, Any] = {"name": output_cls.__name__, "schema": schema}
        if output_cls.__doc__:
            json_schema["description"] = output_cls.__doc__
        self.arguments = {
            "response_format": {"type": "json_schema", "json_schema": json_schema},
            "structured_first": None,
            **llm_kwargs,
        }

    def parse_partial(self, response: ChatResponse) -> Model | FlexibleModel | None:
        """The object in an incomplete answer, with optional fields if some are missing; None if nothing changed."""
        value = parse_partial_arguments((response.message.content or "").lstrip())
        if not value or value == self._last_partial or not self._fields.intersection(value):
            return None
        self._last_partial = value
        try:
            return self._cls.model_validate(value)
        except ValidationError:
            return self._flexible.model_validate(value)

    def parse(self, response: ChatResponse | None) -> None:
        """Parse a complete answer: sets the result, or prepares the request to correct the answer.

        Raises:
            ModelRefusalError: The model refused.
            InvalidResponseError: The answer of the last round has no object that matches.
        """
        if response is None:
            raise InvalidResponseError("the model gave no answer")
        self._round += 1
        details = response.additional_kwargs
        text = response.message.content or ""
        if details.get("refusal") or (details.get("finish_reason") == "content_filter" and not is_json(text)):
            refusal = details.get("refusal") or "content_filter"
            raise ModelRefusalError(f"the model refused: {refusal}", refusal=refusal, model=details.get("model_name"))
        was_cut = details.get("finish_reason") == "length"
        answer = JsonAnswer(text, None if was_cut else reasoning_text(response.message))
        try:
            self.result = answer.find(validated(self._cls), self._fields)
        except ValueError as error:
            problem = f"the JSON does not fit {self._cls.__name__}: {error}"
            if not answer.values:
                problem = "the answer holds no JSON"
        else:
            return
        if was_cut or self._round >= _MAX_ROUNDS or not answer.values:  # without JSON, every method was tried
            cut = "; it was cut at max_tokens" if was_cut else ""
            raise InvalidResponseError(
                f"{problem}{cut}. The model said: {text[:500]!r}", model=details.get("model_name")
            )
        correction = (
            f"That cannot be used: {problem}. Answer again with one JSON object of the form asked for and nothing else."
        )
        self.arguments["structured_methods"] = ("instruction",)  # with the schema, which the model may not have seen
        self.messages = [
            *self.messages,
            ChatMessage(role=MessageRole.ASSISTANT, content=text),
            ChatMessage(role=MessageRole.USER, content=correction),
        ]


def add_call_from_text(response: ChatResponse, tools: Sequence[BaseTool]) -> None:
    """Turn an object in the text of a complete answer into the call of its class, where the service ignored the tool.

    This is for the tools of LlamaIndex's programs alone, which do nothing but make the object.
    """
    details = response.additional_kwargs
    was_cut = details.get("refusal") or details.get("finish_reason") in ("length", "content_filter")
    is_complete = "model_name" in details and not was_cut
    if not is_complete or any(isinstance(block, ToolCallBlock) for block in response.message.blocks):
        return
    answer: JsonAnswer | None = None
    for tool in tools:
        if getattr(getattr(tool, "fn", None), "__module__", "") != get_function_tool.__module__:
            continue
        cls: Any = tool.metadata.fn_schema
        answer = answer or JsonAnswer(response.message.content or "", reasoning_text(response.message))
        fields = known_fields(cls.model_json_schema()).union(cls.model_fields)
        with suppress(ValueError):
            arguments = answer.find(_arguments_of(cls), fields)
            call_id, name = f"call_{uuid4().hex[:24]}", tool.metadata.get_name()
            response.message.blocks.append(ToolCallBlock(tool_call_id=call_id, tool_name=name, tool_kwargs=arguments))
            call = openai_tool_call(call_id, name, json.dumps(arguments, ensure_ascii=False))
            response.message.additional_kwargs["tool_calls"] = [call]
            return


def _arguments_of(cls: Any) -> Callable[[Any], dict[str, Any]]:
    validate = validated(cls)

    def check(value: Any) -> dict[str, Any]:
        validate(value)
        if not isinstance(value, dict):
            raise ValueError("it is no object")  # noqa: TRY004  what `JsonAnswer.find` expects
        return value

    return check
