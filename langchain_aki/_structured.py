"""Parses an answer into an object: from a tool call, JSON text, or JSON in a code fence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage, BaseMessageChunk
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation
from langchain_core.runnables import AddableDict
from langchain_core.utils.json import parse_partial_json
from pydantic import ConfigDict, TypeAdapter

from aki_transport.json_text import is_json
from aki_transport.prepare.structured_output import extract_json
from aki_transport.schemas import unwrap_value
from langchain_aki.errors import ModelRefusalError


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Parses an object of the pydantic class `schema_type`, else a dict, from a call of `tool_name` or the text."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    schema_type: Any = None
    tool_name: str | None = None
    is_wrapped: bool = False
    """Whether the root of the schema is no object, so that it was asked for as the field of one."""

    @property
    def _type(self) -> str:
        return "aki_structured_output"

    def parse(self, text: str) -> Any:
        """The object in a text."""
        return self.parse_result([Generation(text=text)])

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The object in an answer; with `partial`, None if the text so far has none yet.

        Raises:
            ModelRefusalError: The model refused.
            OutputParserException: The answer has no object, or it does not match the schema. The exception holds the
                model's text.
        """
        generation = result[0]
        message = generation.message if isinstance(generation, ChatGeneration) else AIMessage(generation.text)
        if partial:
            return self._parse_partial(message)
        value = self._extract(message)
        if self.is_wrapped and unwrap_value(value) is not None:
            value = unwrap_value(value)
        if self.schema_type is None:
            return value
        try:
            return _validate(self.schema_type, value)
        except ValueError as error:
            name = getattr(self.schema_type, "__name__", "schema")
            raise OutputParserException(
                f"the answer does not fit {name}: {error}", llm_output=str(message.text)
            ) from error

    def _extract(self, message: BaseMessage) -> Any:
        refusal = message.additional_kwargs.get("refusal")
        finish = message.response_metadata.get("finish_reason")
        if refusal or (finish == "content_filter" and not is_json(str(message.text))):
            refusal = str(refusal or finish)
            raise ModelRefusalError(f"the model refused: {refusal}", refusal=refusal, raw_message=message)
        value = self._tool_arguments(message)
        if value is None:
            value = extract_json(str(message.text))
        if value is None:
            cut = " It was cut at max_tokens." if finish == "length" else ""
            raise OutputParserException(f"the answer holds no JSON.{cut}", llm_output=str(message.text))
        return value

    def _parse_partial(self, message: BaseMessage) -> Any:
        value = self._tool_arguments(message)
        text = str(message.text).lstrip()
        try:
            if value is None and text.startswith(("{", "[")):
                value = parse_partial_json(text)
            if value is None or self.schema_type is None:
                return value or None
            return _validate(self.schema_type, value)
        except (ValueError, RecursionError):
            return None

    def _tool_arguments(self, message: BaseMessage) -> dict[str, Any] | None:
        calls = message.tool_calls if isinstance(message, AIMessage) else []
        return next((call["args"] for call in calls if call["name"] == self.tool_name), None)

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:  # noqa: A002  LangChain's name
        answer = _PartialAnswer(self)
        for chunk in input:
            yield from answer.add(chunk)
        yield from answer.finish()

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:  # noqa: A002
        answer = _PartialAnswer(self)
        async for chunk in input:
            for parsed in answer.add(chunk):
                yield parsed
        for parsed in answer.finish():
            yield parsed

    def with_raw(self, chunks: Iterator[BaseMessage]) -> Iterator[AddableDict]:
        """Each chunk as `raw`, each new state of the object as `parsed`, and at the end the `parsing_error`."""
        answer = _PartialAnswer(self)
        for chunk in chunks:
            yield from answer.add_with_raw(chunk)
        yield answer.finish_with_error()

    async def awith_raw(self, chunks: AsyncIterator[BaseMessage]) -> AsyncIterator[AddableDict]:
        """`with_raw`, async."""
        answer = _PartialAnswer(self)
        async for chunk in chunks:
            for values in answer.add_with_raw(chunk):
                yield values
        yield answer.finish_with_error()


class _PartialAnswer:
    """The sum of the chunks so far. Its methods give the object in it whenever that has changed."""

    def __init__(self, parser: StructuredOutputParser) -> None:
        self._parser = parser
        self._merged: ChatGeneration | None = None
        self._last: Any = None

    def add(self, chunk: str | BaseMessage) -> Iterator[Any]:
        if isinstance(chunk, BaseMessageChunk):
            generation = ChatGenerationChunk(message=chunk)
            self._merged = self._merged + generation if isinstance(self._merged, ChatGenerationChunk) else generation
        else:
            self._merged = ChatGeneration(message=AIMessage(chunk) if isinstance(chunk, str) else chunk)
        parsed = self._parser.parse_result([self._merged], partial=True)
        if parsed is not None and parsed != self._last:
            self._last = parsed
            yield parsed

    def finish(self) -> Iterator[Any]:
        if self._merged is None:
            raise OutputParserException("the model gave no answer")
        parsed = self._parser.parse_result([self._merged])
        if parsed != self._last:
            yield parsed

    def add_with_raw(self, chunk: BaseMessage) -> Iterator[AddableDict]:
        yield AddableDict(raw=chunk)
        for parsed in self.add(chunk):
            yield AddableDict(parsed=parsed)

    def finish_with_error(self) -> AddableDict:
        final = AddableDict(parsing_error=None)
        try:
            for parsed in self.finish():
                final["parsed"] = parsed
        except (OutputParserException, ModelRefusalError) as error:
            return AddableDict(parsed=None, parsing_error=error)
        return final


def _validate(schema: Any, value: Any) -> Any:
    if hasattr(schema, "model_validate"):
        return schema.model_validate(value)
    if hasattr(schema, "parse_obj"):  # pydantic 1
        return schema.parse_obj(value)
    return TypeAdapter(schema).validate_python(value)
