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
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ConfigDict, TypeAdapter

from aki_transport.prepare.structured_output import extract_json
from langchain_aki.errors import ModelRefusalError


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Parses the object from a model's answer: from a tool call or from the text.

    Args:
        schema_type: The pydantic class of the object; None gives dicts.
        tool_name: The tool whose arguments are the object, if a tool was offered for it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    schema_type: Any = None
    tool_name: str | None = None

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
        if refusal or (finish == "content_filter" and not message.text):
            refusal = str(refusal or finish)
            raise ModelRefusalError(f"the model refused: {refusal}", refusal=refusal, raw_message=message)
        if isinstance(message, AIMessage) and message.tool_calls:
            for call in message.tool_calls:
                if call["name"] == self.tool_name:
                    return call["args"]
        value = extract_json(str(message.text))
        if value is None:
            cut = " It was cut at max_tokens." if finish == "length" else ""
            raise OutputParserException(f"the answer holds no JSON.{cut}", llm_output=str(message.text))
        return value

    def _parse_partial(self, message: BaseMessage) -> Any:
        calls = message.tool_calls if isinstance(message, AIMessage) else []
        text = str(message.text).lstrip()
        tool_call = next((call for call in calls if call["name"] == self.tool_name), None)
        if tool_call is not None:
            value: Any = tool_call["args"]
        elif text[:1] in ("{", "["):
            try:
                value = parse_partial_json(text)
            except (ValueError, RecursionError):
                return None
        else:
            return None
        if self.schema_type is None:
            return value or None
        try:
            return _validate(self.schema_type, value)
        except ValueError:
            return None

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:  # noqa: A002  LangChain's name
        merged: ChatGeneration | None = None
        last = None
        for chunk in input:
            merged, parsed = self._add(merged, chunk)
            if parsed is not None and parsed != last:
                last = parsed
                yield parsed
        final = self._parse_final(merged)
        if final != last:
            yield final

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:  # noqa: A002
        merged: ChatGeneration | None = None
        last = None
        async for chunk in input:
            merged, parsed = self._add(merged, chunk)
            if parsed is not None and parsed != last:
                last = parsed
                yield parsed
        final = self._parse_final(merged)
        if final != last:
            yield final

    def with_raw(self, chunks: Iterator[BaseMessage]) -> Iterator[AddableDict]:
        """Each chunk as `raw`, each new state of the object as `parsed`, and at the end the `parsing_error`."""
        merged: ChatGeneration | None = None
        last = None
        for chunk in chunks:
            yield AddableDict(raw=chunk)
            merged, parsed = self._add(merged, chunk)
            if parsed is not None and parsed != last:
                last = parsed
                yield AddableDict(parsed=parsed)
        yield self._final_dict(merged, last)

    async def awith_raw(self, chunks: AsyncIterator[BaseMessage]) -> AsyncIterator[AddableDict]:
        """`with_raw`, async."""
        merged: ChatGeneration | None = None
        last = None
        async for chunk in chunks:
            yield AddableDict(raw=chunk)
            merged, parsed = self._add(merged, chunk)
            if parsed is not None and parsed != last:
                last = parsed
                yield AddableDict(parsed=parsed)
        yield self._final_dict(merged, last)

    def _final_dict(self, merged: ChatGeneration | None, last: Any) -> AddableDict:
        try:
            final = self._parse_final(merged)
        except (OutputParserException, ModelRefusalError) as error:
            return AddableDict(parsed=None, parsing_error=error)
        return AddableDict(parsing_error=None) if final == last else AddableDict(parsed=final, parsing_error=None)

    def _add(self, merged: ChatGeneration | None, chunk: str | BaseMessage) -> tuple[ChatGeneration | None, Any]:
        """The sum of all chunks so far, and the object parsed from it."""
        if isinstance(chunk, BaseMessageChunk):
            generation = ChatGenerationChunk(message=chunk)
            merged = merged + generation if isinstance(merged, ChatGenerationChunk) else generation
        else:
            merged = ChatGeneration(message=AIMessage(chunk) if isinstance(chunk, str) else chunk)
        return merged, self.parse_result([merged], partial=True)

    def _parse_final(self, merged: ChatGeneration | None) -> Any:
        if merged is None:
            raise OutputParserException("the model gave no answer")
        return self.parse_result([merged])


def _validate(schema: Any, value: Any) -> Any:
    if hasattr(schema, "model_validate"):
        return schema.model_validate(value)
    if hasattr(schema, "parse_obj"):  # pydantic 1
        return schema.parse_obj(value)
    return TypeAdapter(schema).validate_python(value)


def pydantic_class(schema: Any) -> Any:
    """The schema, if it is a pydantic class; else None."""
    return schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
