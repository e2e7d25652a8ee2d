"""Structured output: JSON that fits a schema, from services that take the schema, only tools, or neither.

Three methods are tried, in the order that fits what is known of the model: the schema as `response_format`, a forced
tool call, and an instruction in the prompt. The decoder turns the answer to any of them into JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from dataclasses import replace
from typing import Any, Literal

from aki_transport.errors import AKIError
from aki_transport.json_answer import JsonAnswer, opens_reasoning
from aki_transport.json_text import BracketScanner, is_json
from aki_transport.messages import (
    ChatDelta,
    ChatReply,
    ChatRequest,
    JsonObject,
    JsonSchema,
    Message,
    StructuredMethod,
    Tool,
    ToolNamed,
)
from aki_transport.models.catalog import ModelInfo
from aki_transport.schemas import checked, known_fields, legal_name, object_schema
from aki_transport.tool_arguments import json_text
from aki_transport.transport import Decoder, Payload

_FIRST_FIELD = re.compile(r'\{\s*"((?:[^"\\]|\\.)*)"\s*:', re.DOTALL)
_MAY_BEGIN = re.compile(r'\{\s*(?:"(?:[^"\\]|\\.)*"?\s*\\?)?\Z', re.DOTALL)
_LIST = re.compile(r'\A\s*(?:```[a-z]*\s*)?(?:\{\s*"value"\s*:\s*)?(?=\[)', re.IGNORECASE)
_MAX_HELD = 4096
_TAG = 32  # characters in which the beginning of reasoning fits


def candidate_methods(
    request: ChatRequest, info: ModelInfo, supported_fields: Container[str]
) -> tuple[StructuredMethod, ...]:
    """The methods for the request's schema, this model and protocol, best first; empty if the request has no schema."""
    if request.structured_methods:
        return request.structured_methods
    if isinstance(request.response_format, JsonObject):
        return () if "response_format" in supported_fields else ("instruction",)
    if not isinstance(request.response_format, JsonSchema):
        return ()
    order: tuple[StructuredMethod, ...]
    if info.structured_output is False:
        order = ("function_calling",)
    elif info.structured_output is None and info.tools:
        order = ("function_calling", "json_schema")
    else:
        order = ("json_schema", "function_calling")
    order = (*order, "instruction")
    if request.structured_first is not None:
        order = (request.structured_first, *(method for method in order if method != request.structured_first))
    if request.tools or info.tools is False:
        # Forcing our tool would keep the model from calling the user's tools.
        order = tuple(method for method in order if method != "function_calling")
    if "response_format" not in supported_fields:
        order = tuple(method for method in order if method != "json_schema")
    return order


def apply_method(request: ChatRequest, method: StructuredMethod) -> ChatRequest:
    """The request, changed so that it asks for the JSON by this method."""
    target = request.response_format
    if not isinstance(target, JsonSchema | JsonObject):
        return request
    if method == "json_schema":
        if isinstance(target, JsonSchema):
            return replace(request, response_format=replace(target, schema=object_schema(target.schema)))
        return request
    if isinstance(target, JsonSchema) and method == "function_calling":
        name = legal_name(target.name)
        tool = Tool(
            name=name,
            description=target.description or "Give the answer in this form.",
            parameters=object_schema(target.schema),
            strict=target.strict,
        )
        return replace(request, response_format=None, tools=(tool,), tool_choice=ToolNamed(name))
    return replace(request, response_format=None, messages=_instructed(request.messages, target))


def _instructed(messages: tuple[Message, ...], target: JsonSchema | JsonObject) -> tuple[Message, ...]:
    instruction = "Answer with one JSON object and nothing else."
    if isinstance(target, JsonSchema):
        instruction += f" It must fit this JSON schema:\n{json.dumps(target.schema, ensure_ascii=False)}"
    if messages and messages[0].role == "system" and isinstance(messages[0].content, str):
        return (replace(messages[0], content=f"{messages[0].content}\n\n{instruction}"), *messages[1:])
    return (Message(role="system", content=instruction), *messages)


class NoJsonError(AKIError):
    """The model ignored the schema, and another method is left. Never reaches a user."""


class JsonDecoder:
    """Converts the answer to any method to JSON text of the value that fits the schema.

    Text before and behind the JSON is left out. In a stream, an object that begins with a field of the schema is
    returned while it arrives. If it turns out to be none of the answer, the rest of the text follows as it is.
    Text in which no value fits is returned as it is if the method is the last one. `has_answer` tells whether one did.
    """

    def __init__(
        self,
        inner: Decoder[ChatDelta],
        method: StructuredMethod,
        target: JsonSchema | JsonObject,
        *,
        is_last: bool,
        stream: bool,
    ) -> None:
        self._inner = inner
        self.has_answer = False
        schema: Any = target.schema if isinstance(target, JsonSchema) else {"type": "object"}
        self._check = checked(schema)
        self._fields = known_fields(schema)
        self._by_tool = method == "function_calling"
        self._is_last = is_last
        self._is_streamed = stream
        self._filter = _JsonFilter(self._fields, is_list=schema.get("type") == "array")
        self._texts: list[str] = []

    @property
    def finished(self) -> bool:
        """Whether the stream's terminator was read."""
        return self._inner.finished

    @property
    def complete(self) -> bool:
        """Whether the answer is complete."""
        return self._inner.complete

    @property
    def text(self) -> str:
        """The text so far."""
        return self._inner.text

    def feed(self, payload: Payload) -> ChatDelta | None:
        """The delta in this payload, with the JSON as its text."""
        delta = self._inner.feed(payload)
        return None if delta is None else self._as_json_text(delta)

    def end(self) -> ChatDelta:
        """The last delta, with the JSON as the text of its reply; `NoJsonError` if there is none, and a method left."""
        last = self._inner.end()
        delta, reply = self._as_json_text(last), last.reply
        if reply is None:
            return delta
        returned = "".join(self._texts)
        if self._by_tool and reply.tool_calls:
            arguments = [call.arguments for call in reply.tool_calls]
            first = next((text for text in arguments if text.strip("{} \n")), arguments[0])
            rest = self._rest(reply, first, "", returned)
            finish = "stop" if reply.finish_reason == "tool_calls" else reply.finish_reason
            reply = replace(reply, tool_calls=(), finish_reason=finish)
        elif reply.tool_calls:
            rest = "" if returned else reply.text
            self.has_answer = True
        else:
            rest = self._rest(reply, reply.text, reply.reasoning, returned)
        return delta._replace(text=delta.text + rest, reply=replace(reply, text=returned + rest))

    def _rest(self, reply: ChatReply, text: str, reasoning: str, returned: str) -> str:
        """What is still to be returned of an answer."""
        if reply.finish_reason == "content_filter" and not is_json(text):
            # An object within what a filter cut off is none of the answer.
            return text.partition(returned)[2] if returned else text
        was_cut = reply.refusal or reply.finish_reason in ("length", "content_filter")
        answer = JsonAnswer(text, None if was_cut else reasoning)
        try:
            values = [answer.find(self._check, self._fields)]
        except ValueError:
            values = [value for value in answer.values if isinstance(value, dict | list)]
            is_attempt = values or reply.tool_calls or returned or self._filter.feed(text)
            if not (is_attempt or was_cut or self._is_last):
                raise NoJsonError("the answer holds no JSON") from None
        else:
            self.has_answer = True
        if returned:  # by a stream; unless that is the answer, the text behind it follows as it is
            before = JsonAnswer(returned).values
            is_thought = not self.has_answer and any(value not in answer.values for value in before)
            return text.partition(returned)[2] if is_thought or any(value not in before for value in values) else ""
        if not text and reply.tool_calls and not was_cut:
            return "{}"  # a call without arguments is an empty object, unless it was cut off before them
        return text if len(values) != 1 or _is_json_of(values[0], text) else json_text(values[0])

    def _as_json_text(self, delta: ChatDelta) -> ChatDelta:
        text = delta.text
        if self._by_tool:
            # Text beside the call is not the answer. Text instead of a call is handled in `end`.
            text = "".join(call.arguments for call in delta.tool_calls if call.position == 0)
        text = self._filter.feed(text) if self._is_streamed and text else ""
        if text:
            self._texts.append(text)
        return delta._replace(text=text, tool_calls=() if self._by_tool else delta.tool_calls)


def _is_json_of(value: Any, text: str) -> bool:
    try:
        return bool(json.loads(text) == value)
    except (ValueError, RecursionError):
        return False


class _JsonFilter:
    """Passes an object that begins with one of the fields, or a list at the start of a text, while it arrives."""

    def __init__(self, fields: frozenset[str], *, is_list: bool) -> None:
        self._fields = fields
        self._is_list = is_list
        self._state: Literal["before", "in", "behind"] = "before"
        self._held = ""
        self._scanner = BracketScanner()

    def feed(self, text: str) -> str:
        """The part of the text that belongs to the JSON."""
        if self._state == "before":
            text = self._find(self._held + text)
        if self._state != "in":
            return ""
        end = self._scanner.feed(text)
        if end is not None:
            self._state = "behind"
        return text[:end]

    def _find(self, text: str) -> str:
        """The text from where the JSON begins; keeps what may be its beginning."""
        begins = (_LIST if self._is_list else _FIRST_FIELD).search(text)
        if begins is None:
            may_begin = _MAY_BEGIN.search(text)
            start = min(may_begin.start() if may_begin else len(text), max(len(text) - _TAG, 0))
            self._held = text if self._is_list else text[start:]
            if len(self._held) > _MAX_HELD or opens_reasoning(text):
                self._state = "behind"
            return ""
        before = text[: begins.start()]
        is_answer = self._is_list or not self._fields or _unquoted(begins[1]) in self._fields
        if not is_answer or before.rstrip().endswith("[") or opens_reasoning(before):
            self._state = "behind"
            return ""
        self._state = "in"
        return text[begins.end() if self._is_list else begins.start() :]


def _unquoted(text: str) -> Any:
    try:
        return json.loads(f'"{text}"', strict=False)
    except ValueError:
        return None
