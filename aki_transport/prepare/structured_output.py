"""Structured output: JSON that fits a schema, from services that take the schema, only tools, or neither.

Three methods are tried, in the order that fits what is known of the model: the schema as `response_format`, a forced
tool call, and an instruction in the prompt. The decoder turns the answer to any of them into JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from pydantic_core import from_json

from aki_transport.errors import AKIError, APIStatusError, BadRequestError, ContextOverflowError
from aki_transport.json_text import BracketScanner
from aki_transport.messages import ChatDelta, ChatRequest, JsonObject, JsonSchema, Message, Tool, ToolNamed
from aki_transport.models.catalog import ModelInfo
from aki_transport.schemas import legal_name, object_schema
from aki_transport.transport import Decoder, OuterDecoder, Payload

StructuredMethod: TypeAlias = Literal["json_schema", "function_calling", "instruction"]

_REFUSAL = re.compile(r"response_format|json_?\s?schema|structured|guided|grammar|\btool|\bfunction", re.IGNORECASE)
_MAX_CANDIDATES = 30  # brackets that are tried as the start of the JSON, and as its end for each start
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)


def candidate_methods(
    request: ChatRequest, info: ModelInfo, supported_fields: Container[str]
) -> tuple[StructuredMethod, ...]:
    """The methods for the request's schema, this model and protocol, best first; empty if the request has no schema."""
    if isinstance(request.response_format, JsonObject):
        return () if "response_format" in supported_fields else ("instruction",)
    if not isinstance(request.response_format, JsonSchema):
        return ()
    order: tuple[StructuredMethod, ...]
    if info.structured_output is False:
        order = ("function_calling", "instruction")
    elif info.structured_output is None and info.tools:
        order = ("function_calling", "json_schema", "instruction")
    else:
        order = ("json_schema", "function_calling", "instruction")
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


def is_refused(error: APIStatusError) -> bool:
    """Whether an error means that the service refuses this method."""
    return (
        isinstance(error, BadRequestError)
        and not isinstance(error, ContextOverflowError)
        and _REFUSAL.search(error.message) is not None
    )


class NoJsonError(AKIError):
    """The model ignored the schema, and another method is left. Never reaches a user."""


class JsonDecoder(OuterDecoder):
    """Turns the answer to any method into JSON text that begins with the bracket `opening`.

    Text before and behind the JSON is left out. Text in which no JSON begins is held back until the end of the answer,
    and returned as it is if the method is the last one.
    """

    def __init__(self, inner: Decoder[ChatDelta], method: StructuredMethod, *, opening: str, is_last: bool) -> None:
        super().__init__(inner)
        self._by_tool = method == "function_calling"
        self._is_last = is_last
        self._filter = _JsonFilter(opening)
        self._texts: list[str] = []

    def feed(self, payload: Payload) -> ChatDelta | None:
        """The delta in this payload, with the JSON as its text."""
        delta = self._inner.feed(payload)
        return None if delta is None else self._as_json_text(delta)

    def end(self) -> ChatDelta:
        """The last delta, with the JSON as the text of its reply.

        Raises:
            NoJsonError: The answer holds no JSON, and another method is left.
        """
        last = self._inner.end()
        delta, reply = self._as_json_text(last), last.reply
        if reply is None:
            return delta
        if self._by_tool and reply.tool_calls:
            finish = "stop" if reply.finish_reason == "tool_calls" else reply.finish_reason
            reply = replace(reply, tool_calls=(), finish_reason=finish)
            # A call without arguments is an empty object, unless it was cut off before them.
            rest = "" if self._texts or reply.finish_reason == "length" else "{}"
        elif self._texts or reply.tool_calls:
            rest = "" if self._texts else reply.text
        else:
            # Of a text that a filter cut off, an object within is none of the answer.
            value = None if reply.finish_reason == "content_filter" else extract_json(reply.text)
            has_other_cause = reply.refusal or reply.finish_reason in ("length", "content_filter")
            if value is None and not self._is_last and not has_other_cause:
                raise NoJsonError("the answer holds no JSON")
            rest = reply.text if value is None else json.dumps(value, ensure_ascii=False)
        self._texts.append(rest)
        if not self._by_tool and extract_json("".join(self._texts)) is None and (value := extract_json(reply.text)):
            self._texts = [json.dumps(value, ensure_ascii=False)]  # what was streamed only looked like JSON
        return delta._replace(text=delta.text + rest, reply=replace(reply, text="".join(self._texts)))

    def _as_json_text(self, delta: ChatDelta) -> ChatDelta:
        if self._by_tool:
            # Text beside the call is not the answer. Text instead of a call is handled in `end`.
            text = "".join(call.arguments for call in delta.tool_calls if call.position == 0)
        else:
            text = self._filter.feed(delta.text)
        if text:
            self._texts.append(text)
        return delta._replace(text=text, tool_calls=() if self._by_tool else delta.tool_calls)


class _JsonFilter:
    """Passes the first JSON value in a text, while it arrives."""

    def __init__(self, opening: str) -> None:
        first = r"[\"}]" if opening == "{" else r"[\[{\"\]\d\-tfn]"
        self._begins = re.compile(re.escape(opening) + r"\s*" + first)
        self._may_begin = re.compile(re.escape(opening) + r"\s*\Z")
        self._state: Literal["before", "in", "behind"] = "before"
        self._held = ""
        self._scanner = BracketScanner()

    def feed(self, text: str) -> str:
        """The part of the text that belongs to the JSON."""
        if self._state == "before" and text:
            held = self._held + text
            start = self._begins.search(held)
            if start is None:
                start = self._may_begin.search(held)
                self._held = held[start.start() :] if start else ""
                return ""
            self._state = "in"
            text = held[start.start() :]
        if self._state != "in":
            return ""
        end = self._scanner.feed(text)
        if end is not None:
            self._state = "behind"
        return text[:end]


def extract_json(text: str) -> Any | None:
    """The JSON object or list in a text, also in a code fence or between other words; None if there is none."""
    for candidate in _candidates(text):
        try:
            value = from_json(candidate)
        except ValueError:
            continue
        if isinstance(value, dict | list):
            return value
    return None


def _candidates(text: str) -> Iterator[str]:
    yield text
    yield from _FENCE.findall(text)
    # From each opening bracket, the first one first, to each closing bracket, the last one first.
    openings = [at for at, char in enumerate(text) if char in "{["]
    for at in openings[:_MAX_CANDIDATES]:
        closing = "}" if text[at] == "{" else "]"
        end = text.rfind(closing, at)
        for _ in range(_MAX_CANDIDATES):
            if end <= at:
                break
            yield text[at : end + 1]
            end = text.rfind(closing, at, end)
