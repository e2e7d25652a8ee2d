"""AKI.IO's Anthropic-compatible interface."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.answering import complete
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.interfaces import (
    LOST,
    Errors,
    Events,
    Interface,
    check_range,
    event,
    has_key,
    json_object,
    reading,
)
from aki_transport.emulator.models import Catalog, Model
from aki_transport.emulator.prompt import (
    Call,
    Choice,
    Completion,
    Effort,
    Prompt,
    Refusal,
    Tool,
    Turn,
    choose,
    deltas,
)
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script

_KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TEXTS = {
    401: "invalid x-api-key",
    402: "Your credit balance is too low to access the API.",
    429: "This request would exceed your account's rate limit. Please try again later.",
    529: "Overloaded",
}
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_CHOICES: dict[str, Choice] = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
_REQUIRED = ("model", "messages", "max_tokens")
_OPTIONAL = ("stream", "system", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice", "thinking",
             "metadata", "cache_control", "service_tier")  # fmt: skip
# The kinds of blocks that stand in a message of either role.
_BLOCKS = {
    "user": ("text", "image", "document", "tool_result"),
    "assistant": ("text", "tool_use", "thinking", "redacted_thinking"),
}
_LEAST_BUDGET, _LARGE_BUDGET = 1024, 16_384  # tokens


def _write(refusal: Refusal, request: RecordedRequest) -> dict[str, Any]:
    status = refusal.status or 400
    # 500 and above are the server's own.
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
    return {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": request.request_id}


_ERRORS = Errors(_write, {status: Refusal(text, status) for status, text in _TEXTS.items()})


def interface(key: str, catalog: Catalog, script: Script) -> Interface:
    """The interface, for holders of this key."""

    def models(_request: RecordedRequest, _faults: Faults) -> Response:
        created = [datetime.fromtimestamp(int(model.created), UTC).isoformat() for model in catalog.listed]
        data = [
            # The last field is not of Anthropic's form; AKI's page says that it may be there, and 0.
            {
                "type": "model",
                "id": each.id,
                "display_name": each.id,
                "created_at": at,
                "max_model_len": each.listed_window,
            }
            for each, at in zip(catalog.listed, created, strict=True)
        ]
        return JSONResponse({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})

    def messages(request: RecordedRequest, faults: Faults) -> Response:
        body = json_object(request)
        if missing := [name for name in _REQUIRED if name not in body]:
            raise Refusal(f"{missing[0]}: Field required")
        if unknown := [name for name in body if name not in _REQUIRED + _OPTIONAL]:
            raise Refusal(f"{unknown[0]}: Extra inputs are not permitted")
        model = catalog.find(split_model(str(body["model"]))[0])
        with reading():
            prompt = _prompt(body, model)
        completion = complete(prompt, model, request, script, faults)
        stamp = {"id": f"msg_{uuid4().hex[:24]}", "model": model.id, "type": "message", "role": "assistant"}
        if body.get("stream"):
            events = [event(payload) for payload in _payloads(completion, stamp, faults)]
            return Events(events, faults, _write(LOST, request))
        return JSONResponse(_message(completion, stamp, faults))

    # The page documents x-api-key; Anthropic's own client sends the other.
    allowed = has_key(key, "x-api-key")
    endpoints = {"GET /v1/models": models, "POST /v1/messages": messages}
    return Interface(
        "/anthropic", endpoints, _ERRORS, allowed, "AKI.IO, Anthropic-compatible", key, request_id_header="request-id"
    )


def _prompt(body: dict[str, Any], model: Model) -> Prompt:
    check_range(body, "max_tokens", 1)
    check_range(body, "temperature", 0, 1)
    check_range(body, "top_p", 0, 1)
    chosen = body.get("tool_choice") or {"type": "auto"}
    offered = tuple(
        Tool(tool["name"], tool.get("description") or "", tool["input_schema"]) for tool in body.get("tools") or ()
    )
    tools, choice = choose(offered, _CHOICES[chosen["type"]], chosen.get("name", ""))
    effort = _effort(body.get("thinking") or {"type": "adaptive"}, body["max_tokens"])
    system = [Turn("system", turn.text) for turn in _converted("user", body.get("system") or ())]
    return Prompt(
        messages=(*system, *_history(body["messages"])),
        tools=tools,
        choice=choice,
        parallel=not chosen.get("disable_parallel_tool_use"),
        effort=effort if model.reasons else "none",
        stop=tuple(body.get("stop_sequences") or ()),
        max_tokens=body["max_tokens"],
    )


def _effort(thinking: Mapping[str, Any], max_tokens: int) -> Effort:
    match thinking["type"]:
        # AKI's models think unless they are asked not to.
        case "adaptive":
            return "medium"
        case "disabled":
            return "none"
        case "enabled" if _LEAST_BUDGET <= thinking["budget_tokens"] < max_tokens:
            return "high" if thinking["budget_tokens"] >= _LARGE_BUDGET else "medium"
        case _:
            raise Refusal(
                "thinking: Input should be adaptive, disabled, or enabled with budget_tokens of at least 1024; "
                "`max_tokens` must be greater than `thinking.budget_tokens`."
            )


def _history(messages: list[dict[str, Any]]) -> Iterator[Turn]:
    roles = [message["role"] for message in messages]
    if roles != [("user", "assistant")[at % 2] for at in range(len(roles))]:
        # Anthropic's own service merges by now; what is taken here is taken everywhere.
        raise Refusal(f'messages: roles must alternate between "user" and "assistant", and "user" be first: {roles}')
    if not messages or not all(message["content"] for message in messages):
        raise Refusal("messages: all messages must have non-empty content")
    for before, after in pairwise([{"content": ""}, *messages, {"content": ""}]):
        called, answered = _ids(before, "tool_use", "id"), _ids(after, "tool_result", "tool_use_id")
        if called != answered:
            raise Refusal(
                f"messages: the `tool_use` ids {called} need their `tool_result` blocks in the next message, "
                f"which has those of {answered}"
            )
    for message in messages:
        yield from _converted(message["role"], message["content"])


def _ids(message: Mapping[str, Any], kind: str, name: str) -> set[str]:
    """The IDs of a message's calls, or of those whose results it holds."""
    return {block[name] for block in message["content"] if isinstance(block, dict) and block["type"] == kind}


def _converted(role: Literal["user", "assistant"], content: Any) -> Iterator[Turn]:
    """What a message holds: the results of tools, and then the rest as one turn."""
    texts: list[str] = []
    images: list[str] = []
    calls: list[Call] = []
    blocks: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        match block["type"]:
            case kind if kind not in _BLOCKS[role]:
                raise Refusal(f"messages: Input tag '{kind}' found using 'type' is not expected here")
            case "text" if not block["text"].strip():
                raise Refusal("messages: text content blocks must be non-empty and contain non-whitespace text")
            case "text":
                texts.append(block["text"])
            case "image":
                images.append(_url(block["source"]))
            case "document" if block["source"]["type"] == "text":
                texts.append(f"[{block.get('title') or 'document'}]\n{block['source']['data']}")
            case "tool_result":
                inside = next(_converted("user", block.get("content") or ()), Turn("user", ""))
                text = f"Error: {inside.text}" if block.get("is_error") else inside.text
                yield Turn("tool", text, inside.images, call_id=block["tool_use_id"])
            case "tool_use":
                calls.append(Call(block["id"], block["name"], json.dumps(block["input"], ensure_ascii=False)))
            case "thinking" if block.get("signature") != _signature(block["thinking"]):
                raise Refusal("messages: Invalid `signature` in `thinking` block")
    if texts or images or calls or role == "assistant":
        yield Turn(role, "\n".join(texts), tuple(images), tuple(calls))


def _url(source: Mapping[str, str]) -> str:
    return source["url"] if source["type"] == "url" else f"data:{source['media_type']};base64,{source['data']}"


def _signature(thinking: str) -> str:
    """The signature that a thinking block has, and has to be sent back with."""
    return base64.b64encode(hashlib.blake2b(thinking.encode(), digest_size=48).digest()).decode()


def _message(completion: Completion, stamp: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    content = [block for block, _, _ in _blocks(completion)]
    return {**stamp, "content": content, **_end(completion, faults), "usage": _usage(completion)}


def _payloads(completion: Completion, stamp: Mapping[str, Any], faults: Faults) -> Iterator[dict[str, Any]]:
    usage = {**_usage(completion), "output_tokens": min(1, completion.completion_tokens)}
    head = {**stamp, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": head}
    yield {"type": "ping"}
    for index, (_, start, added) in enumerate(_blocks(completion)):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in added:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    if not faults.no_finish:
        written = {"output_tokens": completion.completion_tokens}
        yield {"type": "message_delta", "delta": _end(completion, faults), "usage": written}
    if not faults.no_done:
        yield {"type": "message_stop"}


def _blocks(completion: Completion) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
    """Each complete block, as it starts in a stream, and what is added to it there."""
    if text := completion.reasoning:
        signature = {"signature": _signature(text)}
        added = [{"type": "thinking_delta", "thinking": part} for part in deltas(text)]
        thinking = {"type": "thinking", "thinking": text, **signature}
        yield (
            thinking,
            {**thinking, "thinking": "", "signature": ""},
            [*added, {"type": "signature_delta", **signature}],
        )
    if text := completion.text:
        added = [{"type": "text_delta", "text": part} for part in deltas(text)]
        yield {"type": "text", "text": text}, {"type": "text", "text": ""}, added
    for call in completion.calls:
        block = {"type": "tool_use", "id": f"toolu_{call.id.removeprefix('call_')}", "name": call.name, "input": {}}
        added = [{"type": "input_json_delta", "partial_json": part} for part in ["", *deltas(call.arguments)]]
        yield {**block, "input": json.loads(call.arguments)}, block, added


def _end(completion: Completion, faults: Faults) -> dict[str, Any]:
    reason = "stop_sequence" if completion.stopped_by else _REASONS.get(completion.finish, completion.finish)
    return {"stop_reason": None if faults.no_finish else reason, "stop_sequence": completion.stopped_by}


def _usage(completion: Completion) -> dict[str, Any]:
    counted = {"input_tokens": completion.prompt_tokens, "output_tokens": completion.completion_tokens}
    return {**counted, **completion.usage}
