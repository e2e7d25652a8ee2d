"""AKI.IO's own API for language models, where each answer is the result of a job: builds the calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aki_transport.error_parsing import error_from_payload
from aki_transport.errors import ConfigurationError, InvalidResponseError
from aki_transport.json_text import parse_json
from aki_transport.messages import ChatRequest, File, Image, Message, RawBlock, Text
from aki_transport.models.catalog import Limits, Listing
from aki_transport.transport import Call
from aki_transport.wire._job import read_error, start_job
from aki_transport.wire._native_decoder import NativeDecoder
from aki_transport.wire._request import file_text, sendable_parts, set_fields

MODELS_ARE_ENDPOINTS = True
REQUIRES_MAX_TOKENS = False
SUPPORTED_FIELDS = frozenset({"temperature", "top_p", "top_k", "max_tokens", "stop", "images"})
# Source: AKI.IO's documentation of this API.
RANGES: Mapping[str, tuple[float, float]] = {"temperature": (0, 1), "top_p": (0, 1)}

decoder = NativeDecoder


def models() -> Call:
    """The call that lists the endpoints, without the key: it is optional there, and would have to be in the URL."""
    return Call(path="/endpoints", method="GET", max_retries=0)


def read_models(body: str | bytes) -> Listing:
    """The endpoints in the answer to `models()`; raises the error that it is, or `InvalidResponseError`."""
    payload = parse_json(body, "the list of endpoints")
    if isinstance(payload, dict) and payload.get("success") is False:
        raise read_error(error_from_payload(payload))
    rows = payload.get("endpoints") if isinstance(payload, dict) else None
    names = [row.get("name") if isinstance(row, dict) else row for row in rows] if isinstance(rows, list) else []
    endpoints = {name: Limits() for name in names if isinstance(name, str) and name}
    if not endpoints:
        raise InvalidResponseError("the list of endpoints names none")
    return endpoints


def chat(request: ChatRequest, *, stream: bool) -> Call:
    """The call that starts the job, without the fields that are None. The decoder applies `stop`."""
    body: dict[str, Any] = {}
    if request.raw_prompt:
        body["text_context"] = "\n".join(map(_prompt_text, request.messages))
    else:
        body["chat_context"] = json.dumps([_message(message) for message in request.messages], ensure_ascii=False)
    body.update(set_fields(request, "temperature", "top_p", "top_k"))
    if request.max_tokens is not None:
        body["max_gen_tokens"] = request.max_tokens
    body.update(request.extra_body)
    call = start_job(request.endpoint or request.model, body, stream=stream)
    return replace(call, headers=request.headers, timeout=request.timeout)


def _prompt_text(message: Message) -> str:
    content = _content(message)
    if not isinstance(content, str):
        raise ConfigurationError("protocol='native' takes nothing but text as a raw prompt.")
    return content


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool" or message.tool_calls:
        raise ConfigurationError(
            "protocol='native' knows no tools, but the conversation holds a tool's call or result; use another one."
        )
    return {"role": message.role, "content": _content(message)}


def _content(message: Message) -> str | list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for part in sendable_parts(message.parts, message.role, "native"):
        match part:
            case Text(text):
                blocks.append({"type": "text", "text": text})
            case Image() if part.base64 is not None or (part.url or "").startswith("data:"):
                blocks.append({"image": part.as_url})
            case Image():
                raise ConfigurationError("protocol='native' takes pictures as data (base64) only, not by URL or ID.")
            case File() if (document := file_text(part)) is not None:
                blocks.append({"type": "text", "text": document})
            case RawBlock(fields):
                kind = fields.get("type") or next(iter(fields), "")
                raise ConfigurationError(f"protocol='native' takes text and pictures, no {kind!r}.")
            case _:
                raise ConfigurationError(
                    f"protocol='native' takes text and pictures, no {type(part).__name__.lower()}."
                )
    return blocks if any("image" in block for block in blocks) else "\n".join(block["text"] for block in blocks)
