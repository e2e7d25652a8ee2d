"""Conversations, changed into what a service can read."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from aki_transport.messages import (
    ChatRequest,
    Message,
    Part,
    RawBlock,
    Text,
    Tool,
    ToolCall,
    ToolNamed,
    cache_mark,
    tool_name,
)
from aki_transport.schemas import legal_name

log = logging.getLogger("aki_transport")

_ANTHROPIC_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")  # the only IDs that the templates of Mistral's models take


def reduced(messages: tuple[Message, ...], provider: str) -> tuple[Message, ...]:
    """The messages, of which those that another service wrote hold only what everyone can read."""
    return tuple(_reduced(message, provider) for message in messages)


def _reduced(message: Message, provider: str) -> Message:
    if message.role != "assistant" or message.provider == provider:
        return message
    if not isinstance(message.content, str):
        parts = tuple(_readable(part) for part in message.content if not isinstance(part, RawBlock))
        if len(parts) < len(message.content):
            log.debug("blocks that only their maker understands are not sent: an answer of %s", message.provider)
        texts = [part.text for part in parts if isinstance(part, Text) and not part.extra]
        message = replace(message, content="".join(texts) if len(texts) == len(parts) else parts)
    if message.provider is None:
        return message
    calls = tuple(replace(call, extra=cache_mark(call.extra)) for call in message.tool_calls)
    match message.extra.get("audio"):
        case {"transcript": str(transcript)} if not message.content:
            message = replace(message, content=transcript)  # the sound is kept by its maker alone
    return replace(without_reasoning(message), tool_calls=calls, extra={})


def _readable(part: Part) -> Part:
    """The part without the sources that its text cites, which have their maker's form."""
    return replace(part, extra=cache_mark(part.extra)) if isinstance(part, Text) and part.extra else part


def without_reasoning(message: Message) -> Message:
    """The message without its reasoning, in any field."""
    if message.role != "assistant":
        return message
    extra = {name: value for name, value in message.extra.items() if "reasoning" not in name}
    return replace(message, reasoning="", reasoning_blocks=(), reasoning_field=None, extra=extra)


def with_all_reasoning(request: ChatRequest) -> ChatRequest:
    """The request with reasoning in each answer: some models refuse those that have none, or an empty one."""
    if request.send_reasoning == "never":
        return request
    messages = (
        replace(each, reasoning=each.reasoning or " ")
        if each.role == "assistant" and not each.reasoning_blocks
        else each
        for each in request.messages
    )
    return replace(request, send_reasoning="always", messages=tuple(messages))


def without_fields(message: Message, names: Collection[str]) -> Message:
    """An answer, and its calls, without its maker's fields of these names."""
    if message.role != "assistant":
        return message
    calls = tuple(replace(call, extra=_without(call.extra, names)) for call in message.tool_calls)
    return replace(message, tool_calls=calls, extra=_without(message.extra, names))


def _without(extra: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in extra.items() if name not in names}


def has_attachments_in_results(messages: tuple[Message, ...]) -> bool:
    """Whether a tool returned something other than text."""
    return any(not isinstance(part, Text) for message in messages if message.role == "tool" for part in message.parts)


def without_attachments(message: Message) -> Message:
    """A tool's result with a word in place of what is no text."""
    if not has_attachments_in_results((message,)):
        return message
    note = Text("[An attachment of this result is left out: the model does not take it.]")
    return replace(message, content=tuple(part if isinstance(part, Text) else note for part in message.parts))


def with_readable_ids(messages: tuple[Message, ...], protocol: str) -> tuple[Message, ...]:
    """The messages with the IDs of calls and results rewritten in pairs, where the protocol cannot take them.

    No protocol takes an empty ID, or two calls of one message with the same. Anthropic's takes each ID once in a
    conversation, and letters, digits, `_` and `-` only; on OpenAI's, some models want back the IDs that they wrote.
    """
    if protocol == "anthropic":
        return _with_ids(messages, lambda call_id, seen: call_id in seen or not _ANTHROPIC_ID.fullmatch(call_id))
    return _with_ids(messages, lambda call_id, _: not call_id)


def with_short_ids(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with IDs of nine letters and digits."""
    return _with_ids(messages, lambda call_id, _: not _SHORT_ID.fullmatch(call_id))


def _with_ids(messages: tuple[Message, ...], must_change: Callable[[str, set[str]], bool]) -> tuple[Message, ...]:
    seen: set[str] = set()
    open_ids: defaultdict[str, list[str]] = defaultdict(list)  # old ID -> new IDs whose result is still to come
    unanswered: list[str] = []
    result = []
    for index, message in enumerate(messages):
        changed = message
        if message.tool_calls:
            open_ids.clear()
            ids: list[str] = []
            for call in message.tool_calls:
                is_refused = call.id in ids or must_change(call.id, seen)
                ids.append(_new_id(index, len(ids)) if is_refused else call.id)
                open_ids[call.id or call.name].append(ids[-1])  # some integrations take the name for the ID of both
            seen.update(ids)
            unanswered = list(ids)
            if ids != [call.id for call in message.tool_calls]:
                pairs = zip(message.tool_calls, ids, strict=True)
                changed = replace(message, tool_calls=tuple(replace(call, id=new) for call, new in pairs))
        elif message.role == "tool":
            # A result without an ID is that of the first call that has none yet.
            waiting = open_ids.get(message.tool_call_id or "") or (unanswered if not message.tool_call_id else [])
            if waiting:
                new_id = waiting.pop(0) if len(waiting) > 1 else waiting[0]  # which a second result of the call has too
                if new_id in unanswered:
                    unanswered.remove(new_id)
                changed = replace(message, tool_call_id=new_id)
        result.append(changed)
    return tuple(result)


def with_paired_results(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with one result for each call, directly behind the calls: protocols refuse any other order.

    A call that was never answered, as its run was interrupted or its arguments are broken, gets a result that says so.
    """
    groups: list[list[Message]] = []
    group_of: dict[str | None, list[Message]] = {}
    for message in messages:
        group = group_of.get(message.tool_call_id) if message.role == "tool" else None
        if group is None:
            groups.append([message])
            group_of.update((call.id, groups[-1]) for call in message.tool_calls)
            continue
        at = next((at for at, each in enumerate(group) if each.tool_call_id == message.tool_call_id), None)
        if at is None:
            group.append(message)
        else:  # one that waited for a person has a second result once it ran
            group[at] = replace(message, content=_joined([group[at], message]))
    for group in groups:
        results = {each.tool_call_id for each in group[1:]}
        if group is not groups[-1] or results:  # else the caller asks with open calls
            group.extend(_no_result(call) for call in group[0].tool_calls if call.id not in results)
    return tuple(message for group in groups for message in group)


def without_lone_results(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with results whose call is gone, as a history was cut between them, in words of the user."""
    calls = {call.id for message in messages for call in message.tool_calls}
    return tuple(
        replace(
            message,
            role="user",
            tool_call_id=None,
            is_error=False,
            content=(Text("The result of an earlier tool call:"), *message.parts),
        )
        if message.role == "tool" and message.tool_call_id not in calls
        else message
        for message in messages
    )


def with_calls_in_words(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with calls and their results as text, for a request without tools."""
    told = (
        replace(
            message,
            tool_calls=(),
            content=(
                *message.parts,
                *(Text(f"[I called {call.name}: {call.arguments}]") for call in message.tool_calls),
            ),
        )
        if message.tool_calls
        else message
        for message in messages
    )
    return without_lone_results(tuple(told))


_NO_CONTENT = {"assistant": "(no text)", "tool": "(no output)"}  # a blank is refused too


def without_empty_content(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages without answers that hold nothing; calls and results without text say so."""
    return tuple(
        message if _has_content(message) else replace(message, content=_NO_CONTENT.get(message.role, message.content))
        for message in messages
        if message.role != "assistant" or message.tool_calls or _has_content(message)
    )


def _has_content(message: Message) -> bool:
    return any(not isinstance(part, Text) or part.text.strip() for part in message.parts)


def _no_result(call: ToolCall) -> Message:
    log.debug("the call of %s has no result: one that says so is sent", call.name)
    return Message(
        role="tool", content="No result: this call was not run to its end.", tool_call_id=call.id, is_error=True
    )


def _new_id(index: int, position: int) -> str:
    """An ID that every service takes, and that is the same in each request of a thread."""
    return hashlib.blake2b(f"{index}.{position}".encode(), digest_size=8).hexdigest()[:9]


def with_legal_names(request: ChatRequest) -> ChatRequest:
    """The request with names of tools that protocols take."""
    originals: dict[str, str] = {}
    names = [tool.name for tool in request.tools if isinstance(tool, Tool)]
    own = {tool_name(tool) for tool in request.tools if not isinstance(tool, Tool)}  # tools that the service runs
    called = [call.name for message in request.messages for call in message.tool_calls if call.name not in own]
    legal: dict[str, str] = {}
    for name in dict.fromkeys((*names, *called)):
        new, number = legal_name(name), 1
        while new != name and (new in names or new in originals):
            number += 1
            new = f"{legal_name(name)[:60]}_{number}"
        legal[name] = new
        if new != name:
            originals[new] = name
    if not originals:
        return request
    choice = request.tool_choice
    return replace(
        request,
        tools=tuple(replace(tool, name=legal[tool.name]) if isinstance(tool, Tool) else tool for tool in request.tools),
        tool_choice=_renamed(choice, legal),
        messages=tuple(
            replace(
                message,
                tool_calls=tuple(replace(call, name=legal.get(call.name, call.name)) for call in message.tool_calls),
            )
            for message in request.messages
        ),
        original_names=originals,
    )


def _renamed(choice: Any, names: Mapping[str, str]) -> Any:
    """A choice of tools, or a part of one, with other names of tools."""
    match choice:
        case ToolNamed(name):
            return ToolNamed(names.get(name, name))
        case Mapping():
            return {
                key: names.get(value, value) if key == "name" and isinstance(value, str) else _renamed(value, names)
                for key, value in choice.items()
            }
        case list():
            return [_renamed(each, names) for each in choice]
        case _:
            return choice


def with_system_first(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """One system message at the start, with the text of all of them."""
    system = [message for message in messages if message.role == "system"]
    if not system or messages[:1] == tuple(system):  # nothing to fold
        return messages
    first = replace(system[0], content=_joined(system))
    return (first, *(message for message in messages if message.role != "system"))


def without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with the text of the system's at the start of the user's first, or as that where there is none."""
    system = [message for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    if not system:
        return messages
    first = next((index for index, message in enumerate(rest) if message.role == "user"), None)
    if first is None:
        return (replace(system[0], role="user", content=_joined(system)), *rest)
    rest[first] = replace(rest[first], content=_joined([*system, rest[first]]))
    return tuple(rest)


def merged(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with neighbours of the user, or of the model without calls, as one."""
    result: list[Message] = []
    for message in messages:
        last = result[-1] if result else None
        if (
            last is not None
            and last.role == message.role
            and message.role in ("user", "assistant")
            and not last.tool_calls
            and not message.tool_calls
        ):
            result[-1] = replace(last, content=_joined([last, message]))
        else:
            result.append(message)
    return tuple(result)


def _joined(messages: list[Message]) -> str | tuple[Part, ...]:
    texts = [message.content for message in messages if isinstance(message.content, str)]
    if len(texts) == len(messages):
        return "\n\n".join(texts)
    return tuple(part for message in messages for part in message.parts)
