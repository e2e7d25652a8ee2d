"""A completion in Anthropic's form: one message, or the events of a stream."""

import json
from collections.abc import Iterator
from typing import Any

from aki_transport.emulator import tokens
from aki_transport.emulator.anthropic_errors import LOST
from aki_transport.emulator.anthropic_thinking import signature
from aki_transport.emulator.completion import Completion, Finish
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.prompt import Call
from aki_transport.emulator.sending import Events

_DELTA = 3  # tokens; a word or two
_REASONS: dict[Finish, str] = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def message(completion: Completion, used: int, stamp: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """The whole answer."""
    content: list[dict[str, Any]] = []
    if completion.reasoning:
        content.append(_thinking(completion.reasoning, signature(completion.reasoning)))
    if completion.text:
        content.append({"type": "text", "text": completion.text})
    content.extend({**_tool_use(call), "input": _input(call.arguments)} for call in completion.calls)
    usage = {"input_tokens": used, "output_tokens": completion.completion_tokens}
    return {**_head(stamp), "content": content, **_end(completion, faults), "usage": usage}


def events(completion: Completion, used: int, stamp: dict[str, Any], faults: Faults) -> Events:
    """The answer as server-sent events."""
    written = [_event(payload) for payload in _payloads(completion, used, stamp, faults)]
    for after in (faults.stream_error, faults.event_error):
        if after is not None:
            return Events([*written[:after], _event(LOST)])
    return Events(written)


def _payloads(completion: Completion, used: int, stamp: dict[str, Any], faults: Faults) -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": used, "output_tokens": min(1, completion.completion_tokens)}
    head = {**_head(stamp), "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": head}
    yield {"type": "ping"}
    for index, (start, deltas) in enumerate(_blocks(completion)):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    if not faults.no_finish:
        written = {"output_tokens": completion.completion_tokens}
        yield {"type": "message_delta", "delta": _end(completion, faults), "usage": written}
    if not faults.no_done:
        yield {"type": "message_stop"}


def _blocks(completion: Completion) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it starts, and what is added to it."""
    if completion.reasoning:
        parts = tokens.groups(completion.reasoning, _DELTA)
        deltas = [{"type": "thinking_delta", "thinking": part} for part in parts]
        yield (
            _thinking("", ""),
            [*deltas, {"type": "signature_delta", "signature": signature(completion.reasoning)}],
        )
    if completion.text:
        parts = tokens.groups(completion.text, _DELTA)
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": part} for part in parts]
    for call in completion.calls:
        pieces = ["", *tokens.groups(call.arguments, _DELTA)]
        yield _tool_use(call), [{"type": "input_json_delta", "partial_json": part} for part in pieces]


def _head(stamp: dict[str, Any]) -> dict[str, Any]:
    return {**stamp, "type": "message", "role": "assistant"}


def _end(completion: Completion, faults: Faults) -> dict[str, Any]:
    reason = "stop_sequence" if completion.stopped_by else _REASONS[completion.finish]
    return {"stop_reason": None if faults.no_finish else reason, "stop_sequence": completion.stopped_by}


def _thinking(text: str, signed: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signed}


def _tool_use(call: Call) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{call.id.removeprefix('call_')}", "name": call.name, "input": {}}


def _input(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        # The limit cut them; a whole message can only say so by its stop reason.
        return {}


def _event(payload: dict[str, Any]) -> bytes:
    written = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return f"event: {payload['type']}\ndata: {written}\n\n".encode()
