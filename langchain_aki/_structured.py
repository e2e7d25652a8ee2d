"""Parses an answer into an object that fits a schema: from a tool call, or from the text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage, BaseMessageChunk, ToolCall
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation
from langchain_core.runnables import AddableDict
from langchain_core.utils.json import parse_partial_json
from pydantic import ConfigDict

from aki_transport.json_answer import JsonAnswer
from aki_transport.json_text import is_json
from aki_transport.schemas import checked, class_fields, known_fields, validated
from langchain_aki.errors import ModelRefusalError

_ANY = {"type": ["object", "array"]}


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Parses an object of the pydantic class `schema_type`, else a value that fits `json_schema`.

    It stands in a call of `tool_name` or in the text.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    schema_type: Any = None
    json_schema: Any = None
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
        refusal = message.additional_kwargs.get("refusal")
        finish = message.response_metadata.get("finish_reason")
        text = str(message.text)
        if refusal or (finish == "content_filter" and not is_json(text)):
            refusal = str(refusal or finish)
            raise ModelRefusalError(f"the model refused: {refusal}", refusal=refusal, raw_message=message)
        arguments = self._tool_arguments(message)
        answer = JsonAnswer(text, "" if finish == "length" else _reasoning(message))
        if arguments is not None:
            answer = JsonAnswer(arguments)
        try:
            return answer.find(self._convert, self._fields)
        except ValueError as error:
            problem = f"the answer does not fit {self._schema_name}: {error}"
            if arguments is None and not answer.values:
                problem = "the answer holds no JSON." + (" It was cut at max_tokens." if finish == "length" else "")
            raise OutputParserException(problem, llm_output=text) from error

    def _convert(self, value: Any) -> Any:
        if self.schema_type is not None:
            return validated(self.schema_type)(value)
        return checked(_ANY if self.json_schema is None else self.json_schema)(value)

    @property
    def _fields(self) -> frozenset[str]:
        own = class_fields(self.schema_type) if self.schema_type is not None else ()
        return known_fields(self.json_schema).union(own)

    @property
    def _schema_name(self) -> str:
        return str(getattr(self.schema_type, "__name__", self.tool_name or "the schema"))

    def _parse_partial(self, message: BaseMessage) -> Any:
        value: Any = next((call["args"] for call in _calls(message) if call["name"] == self.tool_name), None)
        text = str(message.text).lstrip()
        try:
            if value is None and text.startswith(("{", "[")):
                value = parse_partial_json(text)
            if not value:
                return None
            if self.schema_type is not None:
                return self._convert(value)
        except (ValueError, RecursionError):
            return None
        fields = self._fields
        return value if not fields or not isinstance(value, dict) or next(iter(value)) in fields else None

    def _tool_arguments(self, message: BaseMessage) -> str | None:
        """The arguments of the call, which may be no valid JSON."""
        for call in _calls(message):
            if call["name"] == self.tool_name:
                return json.dumps(call["args"])
        invalid = message.invalid_tool_calls if isinstance(message, AIMessage) else []
        return next((call["args"] for call in invalid if call["name"] == self.tool_name), None)

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


class _Parsed(AddableDict):
    """A state of the object: added to what came before, it replaces the state in there."""

    def __add__(self, other: AddableDict) -> AddableDict:
        return _added(self, other)

    def __radd__(self, other: AddableDict) -> AddableDict:
        return _added(other, self)


def _added(first: AddableDict, second: AddableDict) -> AddableDict:
    states = {**first, **second}
    raw = [each["raw"] for each in (first, second) if "raw" in each]
    return _Parsed(states | ({"raw": raw[0] + raw[1] if len(raw) > 1 else raw[0]} if raw else {}))


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
            yield _Parsed(parsed=parsed)

    def finish_with_error(self) -> AddableDict:
        final = _Parsed(parsing_error=None)
        try:
            for parsed in self.finish():
                final["parsed"] = parsed
        except (OutputParserException, ModelRefusalError) as error:
            return _Parsed(parsed=None, parsing_error=error)
        return final


def _calls(message: BaseMessage) -> list[ToolCall]:
    return message.tool_calls if isinstance(message, AIMessage) else []


def _reasoning(message: BaseMessage) -> str:
    kept = message.additional_kwargs.get("reasoning_content")
    if kept:
        return str(kept)
    return "".join(block.get("reasoning", "") for block in message.content_blocks if block["type"] == "reasoning")
