"""What a service that speaks Anthropic's protocol says, for a `ScriptServer`: whole or streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.script_server import Answer, Request, json_answer, sse

MODEL = "qwen3.6-35b"


def said(request: Request, *blocks: dict[str, Any], stop: str = "end_turn") -> Answer:
    """An answer of these content blocks, in the form that the request asks for."""
    usage = {"input_tokens": 5, "output_tokens": 3}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL}
    if not request.json.get("stream"):
        return json_answer({**head, "content": list(blocks), "stop_reason": stop, "usage": usage})
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**head, "content": [], "usage": usage}}]
    for index, block in enumerate(blocks):
        events += [{**event, "index": index} for event in _events(block)]
    events += [{"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}, {"type": "message_stop"}]
    return sse(*events, done=False)


def _events(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match block:
        case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
            yield {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}}
            yield {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": text}}
            yield {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": signature}}
        case {"type": "text", "text": str(text)}:
            yield {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}
            yield {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
        case _:
            yield {"type": "content_block_start", "content_block": block}
    yield {"type": "content_block_stop"}
