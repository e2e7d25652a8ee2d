"""What is said otherwise after a refusal: one table, and what of it is remembered."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from aki_transport.errors import APIStatusError, BadRequestError, ContextOverflowError
from aki_transport.messages import ChatRequest, Message, ToolNamed
from aki_transport.prepare import history

REMEMBERED_FOR = 3600.0
"""Seconds after which what a service refused is tried again."""

clock = time.monotonic
"""Seconds of the clock by which that is measured; tests set another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """One way to say a request otherwise.

    Args:
        name: Names it in what is remembered.
        scope: `"service"`: remembered for the model once the other way worked. `"call"`: it concerns this one request.
        fields: Names of the refused field, as a service states them in `param`, `loc` or its message.
        message: What a refusal says; its field, if it names one, stands before its message.
        warning: What the user is told, as the answer may differ.
        change: The request, said otherwise; unchanged where there is nothing to change.
    """

    name: str
    scope: Literal["service", "call"]
    fields: tuple[str, ...] = ()
    message: str = ""
    change: Callable[[ChatRequest], ChatRequest]
    warning: str = ""

    def is_told_by(self, refusal: APIStatusError) -> bool:
        """Whether the refusal is about this."""
        named = refused_field(refusal)
        if named and any(re.search(rf"(?<![a-z]){name}(?![a-z_])", named) for name in self.fields):
            return True
        if self.message and re.search(self.message, f"{named}: {refusal.message}", re.IGNORECASE):
            return True
        return any(re.search(rf"(?<![\w]){name}(?!\w)", refusal.message) for name in self.fields if "_" in name)


def refused_field(refusal: APIStatusError) -> str:
    """The field that a refusal names in `param` or in `detail[].loc`, with dots between its parts; else empty."""
    body = refusal.body if isinstance(refusal.body, Mapping) else {}
    inner = body.get("error")
    for fields in (inner, body):
        if isinstance(fields, Mapping):
            if isinstance(fields.get("param"), str):
                return str(fields["param"])
            detail = fields.get("detail")
            if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
                return ".".join(str(part) for part in detail[0].get("loc") or ())
    return ""


def _change_messages(change: Callable[[Message], Message]) -> Callable[[ChatRequest], ChatRequest]:
    return lambda request: replace(request, messages=tuple(map(change, request.messages)))


def _other_token_bound(request: ChatRequest) -> ChatRequest:
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
    return request if request.max_tokens is None else replace(request, max_tokens_field=other[request.max_tokens_field])


def _automatic_choice(request: ChatRequest) -> ChatRequest:
    is_forced = request.tool_choice == "required" or isinstance(request.tool_choice, ToolNamed)
    return replace(request, tool_choice="auto") if is_forced else request


_PERMANENT = (500, 501)  # some servers answer so where a template or a grammar refuses
_NOT_TAKEN = (
    r"(not support|unsupport|unknown|unrecogni|unexpected|not permitted|not allowed|extra inputs|additional prop)"
)

TABLE = (
    Adaptation(
        name="stream_options",
        scope="service",
        fields=("stream_options", "include_usage"),
        change=lambda request: replace(request, include_usage=False),
    ),
    Adaptation(
        name="max_completion_tokens",
        scope="service",
        fields=("max_completion_tokens",),
        message=rf"{_NOT_TAKEN}.{{0,80}}max_tokens|max_tokens\W.{{0,40}}{_NOT_TAKEN}",
        change=_other_token_bound,
    ),
    Adaptation(
        name="parallel_tool_calls",
        scope="service",
        fields=("parallel_tool_calls", "disable_parallel_tool_use"),
        change=lambda request: replace(request, parallel_tool_calls=None),
    ),
    Adaptation(
        name="tool_choice",
        scope="call",
        fields=("tool_choice",),
        message=r"tool.?choice|forc\w+ (a )?tool|thinking (may not|cannot|can't) be .{0,20}(tool|forc)",
        change=_automatic_choice,
        warning="it takes no forced tool call (tool_choice); it was asked again with tool_choice='auto'.",
    ),
    Adaptation(
        name="reasoning",
        scope="service",
        fields=("reasoning_content", "reasoning", "thinking", "reasoning_details", "signature"),
        message=r"signature.{0,40}thinking|thinking.{0,60}signature|thinking. blocks?",
        change=_change_messages(history.without_reasoning),
    ),
    Adaptation(
        name="name",
        scope="service",
        fields=("name",),
        message=rf"""{_NOT_TAKEN}.{{0,60}}(\b|['"`.])name\b|\bname['"`]?\W.{{0,40}}{_NOT_TAKEN}""",
        change=_change_messages(lambda message: replace(message, name=None)),
    ),
    Adaptation(
        name="call IDs",
        scope="service",
        fields=("tool_call_id",),
        message=r"tool.?call.?ids?.{0,120}(length|pattern|match|must|9)",
        change=lambda request: replace(request, messages=history.with_short_ids(request.messages)),
    ),
    Adaptation(
        name="attachments in results",
        scope="service",
        message=r"role\W+user\W.{0,40}after.{0,20}role\W+tool|user.{0,40}after.{0,40}\btool\b",
        change=lambda request: replace(
            request, attachments_in_results=history.has_attachments_in_results(request.messages)
        ),
    ),
    Adaptation(
        name="system first",
        scope="call",
        message=r"system.{0,60}(first|begin|start|once|only|must|one|single|multiple)"
        r"|(first|begin|only one|multiple).{0,60}system|role\W+system",
        change=lambda request: replace(request, messages=history.with_system_first(request.messages)),
    ),
    Adaptation(
        name="alternating",
        scope="call",
        message=r"alternat|consecutive|in a row|(same|successive) role|role\W+user\W.{0,40}after.{0,20}role\W+user",
        change=lambda request: replace(request, messages=history.merged(history.with_system_first(request.messages))),
    ),
)


@dataclass(slots=True)
class Memory:
    """What the service of one client refused, for each model: not said that way again, for an hour."""

    _until: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, model: str, names: set[str]) -> None:
        """Remember what was refused, after the other way worked."""
        for name in names:
            self._until.setdefault((model, name), clock() + REMEMBERED_FOR)

    def holds(self, model: str, name: str) -> bool:
        """Whether this was refused less than an hour ago."""
        until = self._until.get((model, name))
        if until is not None and clock() >= until:
            del self._until[model, name]
            return False
        return until is not None


def adapted(request: ChatRequest, refusal: APIStatusError, tried: set[str]) -> tuple[ChatRequest, Adaptation] | None:
    """The request in another form that the refusal asks for; None if there is none."""
    is_judgement = isinstance(refusal, BadRequestError) or refusal.status_code in _PERMANENT
    if not is_judgement or isinstance(refusal, ContextOverflowError):
        return None
    for row in TABLE:
        if row.name in tried or not row.is_told_by(refusal):
            continue
        changed = row.change(request)
        if changed != request:
            return changed, row
    return None


def as_remembered(request: ChatRequest, memory: Memory) -> ChatRequest:
    """The request without what the service refused before."""
    for row in TABLE:
        if memory.holds(request.model, row.name):
            request = row.change(request)
    return request
