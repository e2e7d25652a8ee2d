"""Adaptations: how a request is changed when the service refuses a feature. One row each; `memory` keeps them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from aki_transport.error_parsing import refused_fields
from aki_transport.errors import APIStatusError, BadRequestError, ContextOverflowError, NotFoundError
from aki_transport.messages import ChatRequest, Message, StructuredMethod, Tool, ToolNamed
from aki_transport.prepare import history
from aki_transport.prepare.memory import Change, Memory
from aki_transport.schemas import flat_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """One way to say a request otherwise.

    Args:
        name: Names it in what is remembered.
        fields: Names of the refused field, as a service states them in `param`, `loc` or its message.
        message: What a refusal says; its field, if it names one, stands before its message.
        warning: What the user is told, as the answer may differ.
        change: Makes the request that is sent instead.
        change_for: Makes `change` of the refusal, where that tells more than that it is one.
        is_remembered: Whether it is remembered for the model once the other way worked; else it concerns one request.
        is_overflow: Whether it concerns a request that does not fit into the context window, instead of all others.
    """

    name: str
    fields: tuple[str, ...] = ()
    message: str = ""
    change: Change = lambda request: request
    change_for: Callable[[APIStatusError], Change] | None = None
    warning: str = ""
    is_remembered: bool = True
    is_overflow: bool = False

    def is_told_by(self, refusal: APIStatusError) -> bool:
        """Whether the refusal is about this."""
        named = refused_fields(refusal)
        if any(re.search(rf"(?<![a-z]){name}(?![a-z_])", field) for name in self.fields for field in named):
            return True
        if self.message and re.search(
            self.message, f"{' '.join(named)}: {refusal.code}: {refusal.message}", re.IGNORECASE
        ):
            return True
        return any(re.search(rf"(?<![\w]){name}(?!\w)", refusal.message) for name in self.fields if "_" in name)


def _change_history(change: Callable[[tuple[Message, ...]], tuple[Message, ...]]) -> Change:
    return lambda request: replace(request, messages=change(request.messages))


def _change_each_message(change: Callable[[Message], Message]) -> Change:
    return _change_history(lambda messages: tuple(map(change, messages)))


def _other_token_bound(request: ChatRequest) -> ChatRequest:
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
    return request if request.max_tokens is None else replace(request, max_tokens_field=other[request.max_tokens_field])


def _automatic_choice(request: ChatRequest) -> ChatRequest:
    is_forced = request.tool_choice == "required" or isinstance(request.tool_choice, ToolNamed)
    return replace(request, tool_choice="auto") if is_forced else request


def _without_thinking(request: ChatRequest) -> ChatRequest:
    fields = {name: value for name, value in request.fields.items() if name != "thinking"}
    messages = tuple(map(history.without_reasoning, request.messages))
    return replace(request, messages=messages, reasoning_effort=None, fields=fields)


def _with_user_at_end(request: ChatRequest) -> ChatRequest:
    last = request.messages[-1]
    if last.role != "assistant" or last.tool_calls:
        return request
    return replace(request, messages=(*request.messages, Message(role="user", content="Please continue.")))


def _with_flat_tools(request: ChatRequest) -> ChatRequest:
    tools = (
        replace(tool, parameters=flat_schema(tool.parameters)) if isinstance(tool, Tool) else tool
        for tool in request.tools
    )
    return replace(request, tools=tuple(tools))


# Anthropic: "input length and `max_tokens` exceed context limit: 188240 + 8192 > 200000, decrease input length".
_SUM = re.compile(r"(\d{1,9}) ?\+ ?\d{1,9} ?>=? ?(\d{1,9})")
# vLLM: "… and your request has 20 input tokens", with the difference in brackets, as the bound > 1024 - 20.
_DIFFERENCE = re.compile(r"> ?(\d{1,9}) ?- ?(\d{1,9})")
# Anthropic: "max_tokens: 8192 > 4096, which is the maximum"; OpenAI: "supports at most 4096 completion tokens".
_BOUND = re.compile(r"(?:\d ?>|at most|less than or equal to|<=|maximum (?:is|of)|in the range \[1,|up to) ?(\d{1,9})")
# OpenAI, vLLM: "maximum context length is 4097 tokens. However, you requested 9000 tokens (808 in the messages, …".
# TGI: "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 50 `inputs` tokens and 8192 `max_new_tokens`".
_WINDOW = re.compile(r"(?:context|model|max_new_tokens)[^.\d]{0,60}?(\d{1,9})")
_PROMPT = re.compile(
    r"(\d{1,9}) (?:tokens )?(?:in|from) the (?:messages|prompt|input)|(\d{1,9}) `?(?:input|prompt)s?`? tokens"
)


def _without_own_bound(refusal: APIStatusError) -> Change:
    return partial(_within, most=_named_bound(refusal.message))


def _within(request: ChatRequest, most: int | None) -> ChatRequest:
    """Without a bound of ours; where the protocol requires one, with as much as there is room for, else with half."""
    if request.max_tokens is None or request.own_bound is None or (most is not None and most <= 0):
        return request
    if request.own_bound == "optional":
        return replace(request, max_tokens=None)
    is_less = most is not None and most < request.max_tokens
    return replace(request, max_tokens=most if is_less else max(1, request.max_tokens // 2))


def _named_bound(message: str) -> int | None:
    """The tokens that a message says there are for the answer."""
    if match := _SUM.search(message):
        return int(match[2]) - int(match[1])
    if match := _DIFFERENCE.search(message):
        return int(match[1]) - int(match[2])
    window, prompt = _WINDOW.search(message), _PROMPT.search(message)
    if window and prompt:
        return int(window[1]) - int(prompt[1] or prompt[2])
    bound = _BOUND.search(message)
    return int(bound[1]) if bound else None


def _without_named_fields(refusal: APIStatusError) -> Change:
    """Without the fields of earlier answers that it names, which some gateways do not take back."""
    names = frozenset(re.findall(r"\w+", f"{' '.join(refused_fields(refusal))} {refusal.message}")) - {"type"}
    return _change_each_message(partial(history.without_fields, names=names))


_PERMANENT = (500, 501)  # some servers answer so where a template or a grammar refuses
_NOT_TAKEN = (
    r"(not support|unsupport|unknown|unrecogni|unexpected|not permitted|not allowed|extra inputs|additional prop"
    r"|no endpoints found that)"  # OpenRouter, as 404
)

_OTHER_CAUSE = (  # the history, or the text, is refused
    r"messages?\W*[\[.]|\broles?\b|tool.(call|use).id|tool.(result|message)|followed by|preceding|history|conversation"
    r"|pre-?fill|polic(y|ies)|moderat|safety|harm|blocked"
)
# Both methods' words for each: gateways turn one method into the other.
_METHODS: tuple[StructuredMethod, ...] = ("json_schema", "function_calling")
_METHOD = (
    r"(response.?format|json.?schema|json.?mode|structured.?output|guided"
    r"|\b(tools?|tool.?(use|choice|calls?|calling)|functions?.?(calls?|calling))\b)"
)


def _next_method(method: StructuredMethod) -> Change:
    def change(request: ChatRequest) -> ChatRequest:
        first, *rest = request.structured_methods or ("",)
        return replace(request, structured_methods=tuple(rest)) if rest and first == method else request

    return change


# Of the rows that a refusal fits, the first is taken that was not tried for this call and changes the request. So rows
# that tell a cause more exactly stand before those with wider words. What is remembered is applied in this order too.
TABLE = (
    Adaptation(
        name="alternatives of tools",
        message=r"(any|one|all)of.{0,60}at the top level",
        change=_with_flat_tools,
    ),
    *(
        Adaptation(
            name=f"this schema by {method}",
            is_remembered=False,
            message=r"^\S*\.(parameters|input_schema|schema)\b|invalid_json_schema|json_validate_failed|tool_use_failed"
            r"|invalid schema|grammar|in context=|\$(ref|defs)|additional.?properties|\b(any|one|all)of\b"
            r"|(json|response).{0,60}combined with|calling with a response"  # tools beside it are the cause
            r"|schema.{0,60}(feature|keyword|complex|deep|depth|recurs|nest|too (large|long|many))"
            r"|(feature|keyword|complex|recurs).{0,60}schema",
            change=_next_method(method),
        )
        for method in _METHODS
    ),
    *(
        Adaptation(
            name=method,
            fields=("response_format", "json_schema", "guided_json", "tools", "tool_choice", "functions"),
            message=rf"(?s)^(?!.*({_OTHER_CAUSE}))"
            rf".*({_METHOD}.{{0,80}}({_NOT_TAKEN}|requires|enabled|disabled|available)|({_NOT_TAKEN}|invalid).{{0,80}}{_METHOD})",
            change=_next_method(method),
        )
        for method in _METHODS
    ),
    Adaptation(
        name="stream_options",
        fields=("stream_options", "include_usage"),
        change=lambda request: replace(request, include_usage=False),
    ),
    Adaptation(
        name="stop",
        fields=("stop", "stop_sequences"),
        message=rf"{_NOT_TAKEN}.{{0,40}}\bstop\b|\bstop\b.{{0,40}}{_NOT_TAKEN}",
        change=lambda request: replace(request, sends_stop=request.sends_stop and not request.stop),
    ),
    Adaptation(
        name="max_completion_tokens",
        fields=("max_completion_tokens",),
        message=rf"{_NOT_TAKEN}.{{0,80}}max_tokens|max_tokens\W.{{0,40}}{_NOT_TAKEN}",
        change=_other_token_bound,
    ),
    Adaptation(
        name="own max_tokens",
        fields=("max_tokens", "max_completion_tokens", "max_new_tokens"),
        message=r"(output|completion|new|generated) tokens",
        change_for=_without_own_bound,
    ),
    Adaptation(
        name="room for the answer",
        is_remembered=False,
        fields=("max_tokens", "max_completion_tokens", "max_new_tokens"),
        message=r"in the completion|(output|completion|new|generated) tokens",
        change_for=_without_own_bound,
        is_overflow=True,
    ),
    Adaptation(
        name="parallel_tool_calls",
        fields=("parallel_tool_calls", "disable_parallel_tool_use"),
        change=lambda request: replace(request, parallel_tool_calls=None),
    ),
    Adaptation(
        name="tool_choice",
        is_remembered=False,
        fields=("tool_choice",),
        message=r"tool.?choice|forc\w+ (a )?tool|thinking (may not|cannot|can't) be .{0,20}(tool|forc)",
        change=_automatic_choice,
        warning="it takes no forced tool call (tool_choice); it was asked again with tool_choice='auto'.",
    ),
    Adaptation(
        name="all reasoning",
        message=r"must be passed back|reasoning.{0,20}missing|missing.{0,4}reasoning",
        change=history.with_all_reasoning,
    ),
    Adaptation(
        name="thinking in this turn",
        is_remembered=False,
        message=r"expected.{0,6}thinking.{0,40}but found|must start with a thinking block",
        change=_without_thinking,
        warning="this turn of tools began without thoughts, so it was asked to answer without thinking.",
    ),
    Adaptation(  # signed by another model, or for another history
        name="this reasoning",
        is_remembered=False,
        fields=("signature",),
        message=r"signature.{0,40}thinking|thinking.{0,60}signature|thinking. blocks?",
        change=_change_each_message(history.without_reasoning),
    ),
    Adaptation(
        name="reasoning",
        fields=("reasoning_content", "reasoning", "thinking", "reasoning_details"),
        change=_change_each_message(history.without_reasoning),
    ),
    Adaptation(
        name="fields of answers",
        message=_NOT_TAKEN,
        change_for=_without_named_fields,
    ),
    Adaptation(
        name="name",
        fields=("name",),
        message=rf"""{_NOT_TAKEN}.{{0,60}}(\b|['"`.])name\b|\bname['"`]?\W.{{0,40}}{_NOT_TAKEN}""",
        change=_change_each_message(lambda message: replace(message, name=None)),
    ),
    Adaptation(
        name="call IDs",
        fields=("tool_call_id",),
        message=r"tool.?calls?.{0,6}ids?\b.{0,120}(length|pattern|match|must|long|9)",
        change=_change_history(history.with_short_ids),
    ),
    Adaptation(
        name="attachments in results",
        message=r"role\W+user\W.{0,40}after.{0,20}role\W+tool|user.{0,40}after.{0,40}\btool\b",
        change=lambda request: replace(
            request, attachments_in_results=history.has_attachments_in_results(request.messages)
        ),
    ),
    Adaptation(
        name="pictures of tools",
        is_remembered=False,  # it may be one picture
        message=r"(image|vision|multi-?modal).{0,60}not support|support.{0,30}(image|vision|multi-?modal)"
        r"|at most 0 image|unsupported image|unknown variant .?image",
        change=_change_each_message(history.without_attachments),
        warning="it does not take the pictures of tools; it was told that they are left out.",
    ),
    Adaptation(
        name="calls without tools",
        is_remembered=False,
        message=r"toolconfig field must be defined|without .?tools=.? param|blocks must define tools",
        change=lambda request: (
            request if request.tools else replace(request, messages=history.with_calls_in_words(request.messages))
        ),
    ),
    Adaptation(
        name="results without calls",
        is_remembered=False,
        message=r"tool.{0,30}must be a response to|unexpected .?tool_use_id|tool_call_id\W+(is )?not found"
        r"|role\W+tool\W.{0,20}after.{0,20}role",
        change=_change_history(history.without_lone_results),
    ),
    Adaptation(
        name="answer at the end",
        is_remembered=False,
        message=r"pre-?fill|expected last role|last message is from the assistant|must end with a user",
        change=_with_user_at_end,
        warning="it takes no conversation that ends with an answer; it was asked by the user to continue.",
    ),
    Adaptation(
        name="empty content",
        message=r"role\W+(assistant|tool)\W.{0,20}must not be empty|either content or tool_calls, but not none"
        r"|text content blocks must be non-empty|text field in the contentblock.{0,60}blank"
        r"|missing .?(messages|input)\.content",
        change=_change_history(history.without_empty_content),
    ),
    Adaptation(
        name="system first",
        is_remembered=False,
        message=r"system.{0,60}(first|begin|start|once|only|must|one|single|multiple)"
        r"|(first|begin|only one|multiple).{0,60}system|role\W+system"
        r"|(invalid|unexpected|unknown) (message )?role",
        change=_change_history(history.with_system_first),
    ),
    Adaptation(
        name="no system",
        is_remembered=False,
        message=rf"(system|developer).{{0,40}}({_NOT_TAKEN}|not enabled)|got .?system|{_NOT_TAKEN}.{{0,20}}system"
        r"|should be 'user'(, | or )'assistant'|no user (query|message)",
        change=_change_history(history.without_system),
    ),
    Adaptation(
        name="alternating",
        is_remembered=False,
        message=r"alternat|consecutive|in a row|(same|successive) role|role\W+user\W.{0,40}after.{0,20}role\W+user",
        change=_change_history(lambda messages: history.merged(history.with_system_first(messages))),
    ),
)


def adapted(
    request: ChatRequest, refusal: APIStatusError, tried: set[str]
) -> tuple[ChatRequest, Adaptation, Change] | None:
    """The request in another form that the refusal asks for, and the change; None if there is none."""
    if not (
        isinstance(refusal, BadRequestError) or type(refusal) is NotFoundError or refusal.status_code in _PERMANENT
    ):
        return None
    is_overflow = isinstance(refusal, ContextOverflowError)
    for row in TABLE:
        if row.name in tried or row.is_overflow != is_overflow or not row.is_told_by(refusal):
            continue
        change = row.change if row.change_for is None else row.change_for(refusal)
        changed = change(request)
        if changed != request:
            return changed, row, change
    return None


def as_remembered(request: ChatRequest, memory: Memory) -> ChatRequest:
    """The request without what the service refused before."""
    for row in () if memory.is_empty else TABLE:
        change = memory.change(request.model, row.name)
        if change is not None:
            request = change(request)
    return request
