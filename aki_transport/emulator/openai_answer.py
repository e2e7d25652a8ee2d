"""A completion in OpenAI's form: one object, or the chunks of a stream."""

import json
from collections.abc import Iterator
from typing import Any

from aki_transport.emulator import tokens
from aki_transport.emulator.completion import Completion
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.prompt import Call
from aki_transport.emulator.sending import Events

_DELTA = 3  # tokens; a word or two


def answer(completion: Completion, used: int, stamp: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """The whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": completion.text}
    if completion.reasoning:
        message["reasoning_content"] = completion.reasoning
    if completion.calls:
        message["content"] = completion.text or None
        message["tool_calls"] = [_call(call) for call in completion.calls]
    finish = None if faults.no_finish else completion.finish
    return {
        **stamp,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _usage(completion, used),
    }


def events(
    completion: Completion, used: int | None, stamp: dict[str, Any], faults: Faults, lost: dict[str, Any]
) -> Events:
    """The answer as server-sent events; with usage if `used` is given.

    Args:
        completion: The answer.
        used: How many tokens the prompt has.
        stamp: What every chunk carries.
        faults: What is to go wrong.
        lost: What the stream says when its worker is gone.
    """
    base = {**stamp, "object": "chat.completion.chunk"}
    older = bool(faults.role_every_chunk)
    chunks: list[dict[str, Any]] = []
    for delta in _deltas(completion):
        content = {"role": "assistant", **delta} if older else delta
        chunks.append({**base, "choices": [_choice(content, None)]})
    if not faults.no_finish:
        finish = "stop" if older else completion.finish
        chunks.append({**base, "choices": [_choice({"role": "assistant"} if older else {}, finish)]})
    if used is not None and not older:
        chunks.append({**base, "choices": [], "usage": _usage(completion, used)})
    written = [_event(chunk) for chunk in chunks]
    if faults.stream_error is not None:
        return Events([*written[: faults.stream_error], _event(lost)])
    if faults.event_error is not None:
        return Events([*written[: faults.event_error], b"event: error\n" + _event(lost)])
    return Events(written if faults.no_done else [*written, b"data: [DONE]\n\n"])


def _deltas(completion: Completion) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for part in tokens.groups(completion.reasoning, _DELTA):
        yield {"reasoning_content": part}
    for part in tokens.groups(completion.text, _DELTA):
        yield {"content": part}
    for index, call in enumerate(completion.calls):
        start = _call(Call(call.id, call.name, ""))
        yield {"tool_calls": [{"index": index, **start}]}
        for part in tokens.groups(call.arguments, _DELTA):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


def _choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(completion: Completion, used: int) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "prompt_tokens": used,
        "completion_tokens": completion.completion_tokens,
        "total_tokens": used + completion.completion_tokens,
    }
    if completion.reasoning_tokens:
        usage["completion_tokens_details"] = {"reasoning_tokens": completion.reasoning_tokens}
    return usage


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
