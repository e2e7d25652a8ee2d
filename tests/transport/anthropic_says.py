"""What a service that speaks Anthropic's protocol says, and a client that hears it without a socket."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from aki_transport import Client
from tests.transport.asking import MODEL, answered_by

USAGE = {"input_tokens": 5, "output_tokens": 3}
LISTING = {"data": [{"type": "model", "id": name} for name in (MODEL, "llama3-chat-70b", "minimax-m2.5-230b")]}
STREAM = {"content-type": "text/event-stream"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def thinking(words: str, signature: str = "") -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": signature}


def tool_use(call_id: str, name: str, given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def message(*content: Any, stop: Any = "end_turn", **top: Any) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "usage": USAGE}
    return {**head, "content": list(content), "stop_reason": stop, "stop_sequence": None, **top}


def start(**top: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": message(stop=None, **{"usage": {"input_tokens": 5}, **top})}


def begin(index: Any, block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def grow(index: Any, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", **fields}}


def say(words: str, index: Any = 0) -> dict[str, Any]:
    return grow(index, "text", text=words)


def stop(index: Any = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def close(reason: Any = "end_turn", usage: Any = None, **delta: Any) -> dict[str, Any]:
    usage = {"output_tokens": 3} if usage is None else usage
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **delta}, "usage": usage}


END = {"type": "message_stop"}
PING = {"type": "ping"}


def streamed(*events: Mapping[str, Any], reason: Any = "end_turn") -> list[Mapping[str, Any]]:
    return [start(), *events, close(reason), END]


def written(events: Iterable[Mapping[str, Any]]) -> bytes:
    """The events as bytes, each under its name."""
    return "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events).encode()


def hearing(said: Mapping[str, Any] | bytes) -> Client:
    """A client that is told this, a blocking answer or the bytes of a stream; the listing is answered apart."""

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=LISTING)
        answer = {"headers": STREAM, "content": said} if isinstance(said, bytes) else {"json": said}
        return httpx.Response(200, **answer)

    return answered_by(respond, protocol="anthropic")
