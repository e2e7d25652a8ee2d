"""Answers that are JSON of a given schema, from services that take the schema, only take tools, or take neither.

Three methods to ask, tried in the order that fits what is known of the model. The answer is JSON text in every case, so
whoever reads it need not know which method it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from pydantic_core import from_json

from aki_transport.errors import AKIError, APIStatusError, BadRequestError, ContextOverflowError
from aki_transport.messages import ChatDelta, ChatRequest, JsonObject, JsonSchema, Message, Tool, ToolNamed
from aki_transport.models.catalog import ModelInfo
from aki_transport.transport import Decoder, Payload

StructuredMethod: TypeAlias = Literal["json_schema", "function_calling", "instruction"]

_REFUSED = re.compile(r"response_format|json_?\s?schema|structured|guided|grammar|\btool|\bfunction", re.IGNORECASE)
_SEARCHED = 30  # brackets that are tried as the beginning of the JSON, and as its end for each
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)


def candidate_methods(request: ChatRequest, info: ModelInfo, takes: Container[str]) -> tuple[StructuredMethod, ...]:
    """The methods to ask this model for the request's schema, best first; empty if it asks for none.

    Args:
        request: What is asked.
        info: What is known of the model.
        takes: What the protocol can say.
    """
    if isinstance(request.response_format, JsonObject):
        return () if "response_format" in takes else ("instruction",)
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
        # The forced tool would keep the model from using its own ones.
        order = tuple(method for method in order if method != "function_calling")
    return order if "response_format" in takes else tuple(method for method in order if method != "json_schema")


def apply_method(request: ChatRequest, method: StructuredMethod) -> ChatRequest:
    """The request said in one of the methods."""
    wanted = request.response_format
    if method == "json_schema" or not isinstance(wanted, JsonSchema | JsonObject):
        return request
    if isinstance(wanted, JsonSchema) and method == "function_calling":
        tool = Tool(
            name=wanted.name,
            description=wanted.description or "Give the answer in this form.",
            parameters=wanted.schema,
            strict=wanted.strict,
        )
        return replace(request, response_format=None, tools=(tool,), tool_choice=ToolNamed(wanted.name))
    return replace(request, response_format=None, messages=_instructed(request.messages, wanted))


def _instructed(messages: tuple[Message, ...], wanted: JsonSchema | JsonObject) -> tuple[Message, ...]:
    words = "Answer with one JSON object and nothing else."
    if isinstance(wanted, JsonSchema):
        words += f" It must fit this JSON schema:\n{json.dumps(wanted.schema, ensure_ascii=False)}"
    if messages and messages[0].role == "system" and isinstance(messages[0].content, str):
        return (replace(messages[0], content=f"{messages[0].content}\n\n{words}"), *messages[1:])
    return (Message(role="system", content=words), *messages)


def is_refused(error: APIStatusError) -> bool:
    """Whether a service's error says that it does not take this method of asking."""
    return (
        isinstance(error, BadRequestError)
        and not isinstance(error, ContextOverflowError)
        and _REFUSED.search(error.message) is not None
    )


class NoJsonError(AKIError):
    """The service took no notice of the schema, and there is another method to ask. Never reaches a user."""


class JsonDecoder:
    """Attempts the answer to one method of asking into JSON text.

    What stands before the JSON and behind it is left out. Text in which no JSON begins is held back until the answer's
    end, where it shows whether the service took notice of what was asked.

    Args:
        inner: Reads the answer.
        method: How the request was said.
        opening: The bracket that the JSON begins with.
        is_last: Whether no other method is left, so that an answer without JSON is given as it is.
    """

    def __init__(self, inner: Decoder[ChatDelta], method: StructuredMethod, *, opening: str, is_last: bool) -> None:
        self._inner = inner
        self._tool = method == "function_calling"
        self._is_last = is_last
        self._flow = _JsonFlow(opening)
        self._given: list[str] = []

    @property
    def finished(self) -> bool:
        """The stream's terminator was read."""
        return self._inner.finished

    @property
    def complete(self) -> bool:
        """The answer is whole."""
        return self._inner.complete

    @property
    def text(self) -> str:
        """The text so far."""
        return self._inner.text

    def feed(self, payload: Payload) -> ChatDelta | None:
        """What this payload adds, with the JSON as text."""
        delta = self._inner.feed(payload)
        return None if delta is None else self._as_text(delta)

    def end(self) -> ChatDelta:
        """The last item, the JSON as the text of its reply.

        Raises:
            NoJsonError: The answer holds none, and there is another method to ask.
        """
        last = self._inner.end()
        delta, reply = self._as_text(last), last.reply
        if reply is None:
            return delta
        if self._tool and reply.tool_calls:
            finish = "stop" if reply.finish_reason == "tool_calls" else reply.finish_reason
            reply = replace(reply, tool_calls=(), finish_reason=finish)
            # A call without arguments is an empty object, unless it was cut off before them.
            rest = "" if self._given or reply.finish_reason == "length" else "{}"
        elif self._given or reply.tool_calls:
            rest = "" if self._given else reply.text
        else:
            found = extract_json(reply.text)
            ended_otherwise = reply.refusal or reply.finish_reason in ("length", "content_filter")
            if found is None and not self._is_last and not ended_otherwise:
                raise NoJsonError("the answer holds no JSON")
            rest = reply.text if found is None else json.dumps(found, ensure_ascii=False)
        self._given.append(rest)
        if not self._tool and extract_json("".join(self._given)) is None and (better := extract_json(reply.text)):
            self._given = [json.dumps(better, ensure_ascii=False)]  # what flowed was JSON in appearance only
        return delta._replace(text=delta.text + rest, reply=replace(reply, text="".join(self._given)))

    def _as_text(self, delta: ChatDelta) -> ChatDelta:
        if self._tool:
            # Text beside the call is not the answer; text instead of it is looked at when no call can follow any more.
            text = "".join(call.arguments for call in delta.tool_calls if call.position == 0)
        else:
            text = self._flow.feed(delta.text)
        if text:
            self._given.append(text)
        return delta._replace(text=text, tool_calls=() if self._tool else delta.tool_calls)


class _JsonFlow:
    """Lets through the one JSON value in a text, as it comes."""

    def __init__(self, opening: str) -> None:
        first = r"[\"}]" if opening == "{" else r"[\[{\"\]\d\-tfn]"
        self._begins = re.compile(re.escape(opening) + r"\s*" + first)
        self._may_begin = re.compile(re.escape(opening) + r"\s*\Z")
        self._state: Literal["before", "in", "behind"] = "before"
        self._held = ""
        self._depth = 0
        self._within = False
        self._escaped = False

    def feed(self, text: str) -> str:
        """The part of the text that belongs to the JSON."""
        if self._state == "before" and text:
            held = self._held + text
            start = self._begins.search(held)
            if start is None:
                maybe = self._may_begin.search(held)
                self._held = held[maybe.start() :] if maybe else ""
                return ""
            self._state = "in"
            text = held[start.start() :]
        if self._state != "in":
            return ""
        for at, char in enumerate(text):
            if self._within:
                self._within = self._escaped or char != '"'
                self._escaped = char == "\\" and not self._escaped
            elif char == '"':
                self._within = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self._state = "behind"
                    return text[: at + 1]
        return text


def extract_json(text: str) -> Any | None:
    """The JSON object or list in a model's text: bare, in a fence, or behind and before other words; None if none."""
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
    # From each bracket that may open the value, the first before the others, to the last that may close it.
    openings = [at for at, char in enumerate(text) if char in "{["]
    for at in openings[:_SEARCHED]:
        closing = "}" if text[at] == "{" else "]"
        end = text.rfind(closing, at)
        for _ in range(_SEARCHED):
            if end <= at:
                break
            yield text[at : end + 1]
            end = text.rfind(closing, at, end)
