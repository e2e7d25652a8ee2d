"""Answers as objects: from a tool call, from JSON text, from JSON in a fence, or a clear error."""

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
    """Reads the object out of a model's answer, whichever way the model gave it.

    Args:
        schema_type: The pydantic class to make; None gives dicts.
        tool_name: The tool whose call holds the object, if it was asked for by a tool.
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
        """The object in an answer; None for a piece of a stream from which none can be made yet.

        Raises:
            ModelRefusalError: The model refused.
            OutputParserException: There is no object, or it does not fit the schema; it holds the model's text.
        """
        generation = result[0]
        message = generation.message if isinstance(generation, ChatGeneration) else AIMessage(generation.text)
        if partial:
            return self._so_far(message)
        found = self._found(message)
        if self.schema_type is None:
            return found
        try:
            return _made(self.schema_type, found)
        except ValueError as error:
            name = getattr(self.schema_type, "__name__", "schema")
            raise OutputParserException(
                f"the answer does not fit {name}: {error}", llm_output=str(message.text)
            ) from error

    def _found(self, message: BaseMessage) -> Any:
        refusal = message.additional_kwargs.get("refusal")
        finish = message.response_metadata.get("finish_reason")
        if refusal or (finish == "content_filter" and not message.text):
            words = str(refusal or finish)
            raise ModelRefusalError(f"the model refused: {words}", refusal=words, raw_message=message)
        if isinstance(message, AIMessage) and message.tool_calls:
            for call in message.tool_calls:
                if call["name"] == self.tool_name:
                    return call["args"]
        found = extract_json(str(message.text))
        if found is None:
            cut = " It was cut at max_tokens." if finish == "length" else ""
            raise OutputParserException(f"the answer holds no JSON.{cut}", llm_output=str(message.text))
        return found

    def _so_far(self, message: BaseMessage) -> Any:
        calls = message.tool_calls if isinstance(message, AIMessage) else []
        text = str(message.text).lstrip()
        own = next((call for call in calls if call["name"] == self.tool_name), None)
        if own is not None:
            found: Any = own["args"]
        elif text[:1] in ("{", "["):
            try:
                found = parse_partial_json(text)
            except (ValueError, RecursionError):
                return None
        else:
            return None
        if self.schema_type is None:
            return found or None
        try:
            return _made(self.schema_type, found)
        except ValueError:
            return None

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:  # noqa: A002  LangChain's name
        whole: ChatGeneration | None = None
        last = None
        for piece in input:
            whole, made = self._added(whole, piece)
            if made is not None and made != last:
                last = made
                yield made
        final = self._final(whole)
        if final != last:
            yield final

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:  # noqa: A002
        whole: ChatGeneration | None = None
        last = None
        async for piece in input:
            whole, made = self._added(whole, piece)
            if made is not None and made != last:
                last = made
                yield made
        final = self._final(whole)
        if final != last:
            yield final

    def with_raw(self, pieces: Iterator[BaseMessage]) -> Iterator[AddableDict]:
        """The answer as it comes as `raw`, the object as `parsed`, what is wrong with it as `parsing_error`."""
        whole: ChatGeneration | None = None
        last = None
        for piece in pieces:
            yield AddableDict(raw=piece)
            whole, made = self._added(whole, piece)
            if made is not None and made != last:
                last = made
                yield AddableDict(parsed=made)
        yield self._outcome(whole, last)

    async def awith_raw(self, pieces: AsyncIterator[BaseMessage]) -> AsyncIterator[AddableDict]:
        """`with_raw`, async."""
        whole: ChatGeneration | None = None
        last = None
        async for piece in pieces:
            yield AddableDict(raw=piece)
            whole, made = self._added(whole, piece)
            if made is not None and made != last:
                last = made
                yield AddableDict(parsed=made)
        yield self._outcome(whole, last)

    def _outcome(self, whole: ChatGeneration | None, last: Any) -> AddableDict:
        try:
            final = self._final(whole)
        except (OutputParserException, ModelRefusalError) as error:
            return AddableDict(parsed=None, parsing_error=error)
        return AddableDict(parsing_error=None) if final == last else AddableDict(parsed=final, parsing_error=None)

    def _added(self, whole: ChatGeneration | None, piece: str | BaseMessage) -> tuple[ChatGeneration | None, Any]:
        if isinstance(piece, BaseMessageChunk):
            chunk = ChatGenerationChunk(message=piece)
            whole = whole + chunk if isinstance(whole, ChatGenerationChunk) else chunk
        else:
            whole = ChatGeneration(message=AIMessage(piece) if isinstance(piece, str) else piece)
        return whole, self.parse_result([whole], partial=True)

    def _final(self, whole: ChatGeneration | None) -> Any:
        if whole is None:
            raise OutputParserException("the model gave no answer")
        return self.parse_result([whole])


def _made(schema: Any, found: Any) -> Any:
    if hasattr(schema, "model_validate"):
        return schema.model_validate(found)
    if hasattr(schema, "parse_obj"):  # pydantic 1
        return schema.parse_obj(found)
    return TypeAdapter(schema).validate_python(found)


def class_of(schema: Any) -> Any:
    """The pydantic class to make of the answer, if the schema is one."""
    return schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
