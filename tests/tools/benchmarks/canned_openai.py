"""Canned answers on OpenAI's wire: text, tool calls and pictures."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from functools import cache
from typing import Any

from tests.tools.benchmarks.asking import ANSWER, IMAGE_PIECE, MODEL, WORDS, arguments, wanted
from tests.tools.benchmarks.canned import EVENTS_PER_WRITE, Written, as_events, as_json, body

_MODELS = (MODEL, "llama3-chat-70b", "minimax-m2.5-230b", "gpt-oss-120b")
_USAGE = {"prompt_tokens": 21, "completion_tokens": 200, "total_tokens": 221}
_CALL_ID = "c7f3a2b91"  # nine letters and digits, the only form that Mistral's own models give


@cache
def models() -> Written:
    """The models there are."""
    rows = [
        {"id": name, "object": "model", "created": 1767225600, "owned_by": "aki", "max_model_len": 0}
        for name in _MODELS
    ]
    return as_json({"object": "list", "data": rows})


def chat(asked: bytes) -> Written:
    """A tool call where tools are offered, else text; whole or streamed."""
    said = json.loads(asked)
    pieces, _, every = wanted(asked.decode())
    tools = said.get("tools")
    if tools:
        name = tools[0]["function"]["name"]
        return _streamed_call(name, pieces) if said.get("stream") else _whole_call(name)
    return _streamed(pieces, 1 if every else EVENTS_PER_WRITE) if said.get("stream") else _whole()


def image(asked: bytes) -> Written:
    """A picture, of as many pieces as the prompt asks for."""
    return _image(wanted(asked.decode()).pieces)


@cache
def _whole() -> Written:
    return _completion({"role": "assistant", "content": ANSWER}, "stop")


@cache
def _whole_call(name: str) -> Written:
    (written,) = arguments(0)
    calls = [{"id": _CALL_ID, "type": "function", "function": {"name": name, "arguments": written}}]
    return _completion({"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls")


def _completion(message: dict[str, Any], finish: str) -> Written:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return as_json({**_frame("chat.completion"), "choices": [choice], "usage": _USAGE})


@cache
def _streamed(count: int, per_write: int) -> Written:
    deltas: list[dict[str, Any]] = [{"content": WORDS[position % len(WORDS)]} for position in range(count)]
    deltas[0]["role"] = "assistant"
    return _chunks(deltas, "stop", per_write)


@cache
def _streamed_call(name: str, count: int) -> Written:
    begun = {"index": 0, "id": _CALL_ID, "type": "function", "function": {"name": name, "arguments": ""}}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None, "tool_calls": [begun]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in arguments(count)]
    return _chunks(deltas, "tool_calls")


def _chunks(deltas: list[dict[str, Any]], finish: str, per_write: int = EVENTS_PER_WRITE) -> Written:
    frame, count = _frame("chat.completion.chunk"), len(deltas)
    payloads = [
        {**frame, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
        for delta in deltas
    ]
    payloads.append({**frame, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish}]})
    usage = {"prompt_tokens": 21, "completion_tokens": count, "total_tokens": 21 + count}
    payloads.append({**frame, "choices": [], "usage": usage})
    return as_events(payloads, end=b"data: [DONE]\n\n", per_write=per_write)


@cache
def _image(pieces: int) -> Written:
    """A PNG of 1024 by 1024 pixels by its header, and as large as is wanted by what follows that."""
    data = _png(pieces * IMAGE_PIECE * 3 // 4)
    return body(b'{"created":1767225600,"data":[{"b64_json":"%b"}]}' % base64.b64encode(data))


def _png(size: int) -> bytes:
    header = struct.pack(">IIBBBBB", 1024, 1024, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _part(b"IHDR", header) + _part(b"IDAT", bytes(size)) + _part(b"IEND", b"")


def _part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-7f3c2a9b51d04e68", "object": kind, "created": 1767225600, "model": MODEL}
