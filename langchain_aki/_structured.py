"""Parses an answer into an object that fits a schema: from a tool call, or from the text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables.utils import AddableDict
from langchain_core.utils.json import parse_partial_json

from aki_transport.json_answer import JsonAnswer
from aki_transport.json_text import is_json
from aki_transport.schemas import checked, class_fields, known_fields, validated
from langchain_aki.errors import ModelRefusalError

_ANY = {"type": ["object", "array"]}


class StructuredOutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Parses an object of the pydantic class `schema_type`, else a value that fits `json_schema`.

    It stands in a call of `tool_name` or in the text.
    """

    schema_type: Any = None
    json_schema: Any = None
    tool_name: str | None = None

    def parse(self, text: str) -> Any:
        """The object in a text."""
        return self.parse_result([Generation(text=text)])

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The object in an answer; with `partial`, None if what arrived of it so far has none yet.

        Raises:
            ModelRefusalError: The model refused.
            OutputParserException: The answer has no object, or it does not match the schema. The exception holds the
                model's text.
        """
        generation = result[0]
        message = (
            generation.message if isinstance(generation, ChatGeneration) else AIMessageChunk(content=generation.text)
        )
        if partial and getattr(message, "chunk_position", "last") != "last":
            return self._parse_partial(message)
        refusal = message.additional_kwargs.get("refusal")
        finish = message.response_metadata.get("finish_reason")
        text = str(message.text)
        if refusal or (finish == "content_filter" and not is_json(text)):
            refusal = str(refusal or finish)
            raise ModelRefusalError(f"the model refused: {refusal}", refusal=refusal, raw_message=message)
        arguments = self._tool_arguments(message)
        if arguments is not None:
            answer = JsonAnswer(arguments)
        else:
            answer = JsonAnswer(text, None if finish == "length" else _reasoning(message))
        try:
            return answer.find(self._convert, self._fields)
        except ValueError as error:
            cut = "; it was cut at max_tokens" if finish == "length" else ""
            problem = f"the answer does not fit {self._schema_name}: {error}{cut}"
            raise OutputParserException(problem, llm_output=text) from error

    async def aparse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """`parse_result`, not in a thread as LangChain's own, because it does not wait for anything."""
        return self.parse_result(result, partial=partial)

    def with_raw(self, chunks: Iterator[BaseMessage]) -> Iterator[AddableDict]:
        """Each piece of the message as `raw`; at the end the object as `parsed`, or the `parsing_error`."""
        pieces: list[Any] = []
        for chunk in chunks:
            pieces.append(chunk)
            yield AddableDict(raw=chunk)
        yield self._parsed_or_error(pieces)

    async def awith_raw(self, chunks: AsyncIterator[BaseMessage]) -> AsyncIterator[AddableDict]:
        """`with_raw`, async."""
        pieces: list[Any] = []
        async for chunk in chunks:
            pieces.append(chunk)
            yield AddableDict(raw=chunk)
        yield self._parsed_or_error(pieces)

    def _parsed_or_error(self, pieces: list[Any]) -> AddableDict:
        first, *others = pieces
        message = first + others if others else first
        try:
            return AddableDict(parsed=self.parse_result([ChatGeneration(message=message)]), parsing_error=None)
        except (OutputParserException, ModelRefusalError) as error:
            return AddableDict(parsed=None, parsing_error=error)

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
        value: Any = next(
            (call["args"] for call in getattr(message, "tool_calls", ()) if call["name"] == self.tool_name), None
        )
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
        """The arguments of the call, which may be no valid JSON; of several, those of the first that has any."""
        calls = [call["args"] for call in getattr(message, "tool_calls", ()) if call["name"] == self.tool_name]
        if calls:
            return json.dumps(next(filter(None, calls), {}))
        invalid = getattr(message, "invalid_tool_calls", ())
        return next((call["args"] for call in invalid if call["name"] == self.tool_name), None)


def _reasoning(message: BaseMessage) -> str:
    kept = message.additional_kwargs.get("reasoning_content")
    if kept:
        return str(kept)
    return "".join(block.get("reasoning", "") for block in message.content_blocks if block["type"] == "reasoning")
