"""AKI.IO's OpenAI-compatible interface; and a chat completion in OpenAI's form, as every service gives it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from aki_transport.emulator.answering import complete
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.interfaces import (
    Errors,
    Events,
    Handler,
    Interface,
    Refusal,
    framework_error,
    json_object,
    route,
)
from aki_transport.emulator.interfaces import images as image_routes
from aki_transport.emulator.models import Catalog, Model
from aki_transport.emulator.prompt import Call, Choice, Completion, NamedTool, Prompt, Role, Tool, Turn, deltas
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_EFFORTS = ("none", "low", "medium", "high")
_MAX_STOPS = 4


def _refuse(refusal: Refusal, _request: RecordedRequest) -> Response:
    error = {"message": refusal.message, "type": refusal.kind or "invalid_request_error", "param": None}
    # 404 is AKI's own status for every request it cannot carry out.
    return JSONResponse({"error": {**error, "code": refusal.code or "request_failed"}}, refusal.status or 404)


ERRORS = Errors(
    _refuse,
    framework_error,
    {
        401: Refusal("Incorrect API key provided.", 401, "invalid_api_key"),
        402: Refusal("Insufficient credits: please top up.", 402, "insufficient_credits", "insufficient_quota"),
        429: Refusal("Rate limit reached for requests.", 429, "rate_limit_exceeded", "rate_limit_exceeded"),
    },
)
# What a stream ends with when its worker is gone.
_LOST = {"error": {"message": "The worker was lost.", "type": "server_error", "param": None, "code": "server_error"}}


def interface(key: str, catalog: Catalog, script: Script) -> Interface:
    """The interface, for holders of this key."""

    def allowed(request: RecordedRequest) -> bool:
        # The open server compares the header as it is, so `bearer` does not pass.
        return request.headers.get("authorization") == f"Bearer {key}"

    def chat(request: RecordedRequest, faults: Faults) -> Response:
        return answer_chat(request, faults, catalog, script, _LOST)

    windows = [{"max_model_len": model.listed_window} for model in catalog.listed]
    routes = chat_routes(allowed, catalog, chat, ERRORS, windows)
    routes += image_routes.routes(allowed, ERRORS, any_model=catalog.any_name)
    return Interface("/v1", routes, ERRORS, "AKI.IO, OpenAI-compatible", key, model=image_routes.model_of)


def chat_routes(
    allowed: Callable[[RecordedRequest], bool],
    catalog: Catalog,
    chat: Handler,
    errors: Errors,
    extra: Sequence[Mapping[str, Any]] = (),
) -> list[BaseRoute]:
    """The two endpoints of a chat service; its listing with further fields for each model, if there are some."""
    models = [
        {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owner}
        for model in catalog.listed
    ]
    listed = [{**model, **more} for model, more in zip(models, extra, strict=True)] if extra else models

    def listing(_request: RecordedRequest, _faults: Faults) -> Response:
        return JSONResponse({"object": "list", "data": listed})

    return [route("/models", listing, allowed, errors), route("/chat/completions", chat, allowed, errors, ["POST"])]


def answer_chat(
    request: RecordedRequest,
    faults: Faults,
    catalog: Catalog,
    script: Script,
    lost: Mapping[str, Any],
    pay: Callable[[Decimal], Mapping[str, str]] = lambda _: {},
) -> Response:
    """The answer to a request, in one or as events; `Refusal` where it cannot be carried out.

    Args:
        request: The request.
        faults: What is to go wrong with the answer.
        catalog: The models there are.
        script: What is to be answered instead of what the model would.
        lost: What a stream ends with when its worker is gone.
        pay: Takes the cost in US dollars; the headers that tell of it.
    """
    body = json_object(request)
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal("Missing required parameter: 'model'.")
    model = catalog.find(split_model(name)[0])
    prompt = _prompt(body, model)
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise Refusal("Parameter 'stream_options' must be an object.")
    used, wanted = prompt.tokens(), prompt.max_tokens or 0
    if used + wanted > model.window:
        # vLLM's words, which clients look for.
        raise Refusal(
            f"This model's maximum context length is {model.window} tokens. However, you requested {used + wanted} "
            f"tokens ({used} in the messages, {wanted} in the completion). Please reduce the length of the messages.",
            400,
            "context_length_exceeded",
        )
    completion = complete(prompt, model.max_output, request, script, faults)
    stamp = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model.id}
    with_usage = options.get("include_usage") is True
    response: Response = (
        Events(_events(completion, stamp, faults, lost, with_usage=with_usage))
        if body.get("stream")
        else JSONResponse(_answer(completion, stamp, faults))
    )
    response.headers.update(pay(model.price.of(completion.prompt_tokens, completion.completion_tokens)))
    return response


def _prompt(body: dict[str, Any], model: Model) -> Prompt:
    messages = _list(body, "messages")
    if not messages:
        raise Refusal("Missing required parameter: 'messages'.")
    for name, most in (("temperature", 2), ("top_p", 1)):
        value = body.get(name) or 0
        if not isinstance(value, int | float) or not 0 <= value <= most:
            raise Refusal(f"Parameter '{name}' must be between 0 and {most}, not {value!r}.")
    limits = [body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    if not all(type(limit) is int and limit > 0 for limit in limits):
        raise Refusal(f"Parameter 'max_tokens' must be a positive integer, not {limits[0]!r}.")
    if body.get("n") not in (None, 1):
        raise Refusal("Parameter 'n' must be 1.")
    effort: Any = body.get("reasoning_effort") or "medium"
    if effort not in _EFFORTS:
        raise Refusal(f"Parameter 'reasoning_effort' must be one of none, low, medium, high, not {effort!r}.")
    stop = body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or len(stops) > _MAX_STOPS or not all(isinstance(each, str) for each in stops):
        raise Refusal("Parameter 'stop' must be a string or up to 4 strings.")
    tools = tuple(_tool(tool) for tool in _list(body, "tools"))
    turns = tuple(_turn(message) for message in messages)
    if not model.sees and any(turn.images for turn in turns):
        raise Refusal(f"The model {model.id} has no image input; send text only.")
    return Prompt(
        turns=turns,
        tools=tools,
        choice=_choice(body.get("tool_choice"), tools),
        parallel=body.get("parallel_tool_calls") is not False,
        schema=_schema(body.get("response_format")),
        effort=effort if model.reasons else "none",
        stop=tuple(stops),
        max_tokens=limits[0] if limits else None,
    )


def _list(body: dict[str, Any], name: str) -> list[Any]:
    value = body.get(name) or []
    if not isinstance(value, list):
        raise Refusal(f"Parameter '{name}' must be a list.")
    return value


def _schema(value: Any) -> dict[str, Any] | None:
    match value:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case _:
            raise Refusal("Parameter 'response_format' must be text, json_object, or json_schema with its schema.")


def _tool(value: Any) -> Tool:
    match value:
        case {"type": "function", "function": {"name": str(name), **rest}}:
            schema = rest.get("parameters") or {}
            if isinstance(schema, dict):
                return Tool(name, str(rest.get("description") or ""), schema)
    raise Refusal("Parameter 'tools' must hold functions with a name, whose parameters are a JSON schema.")


def _choice(value: Any, tools: tuple[Tool, ...]) -> Choice:
    match value:
        case None | "auto":
            return "auto"
        case "none":
            return "none"
        case "required" if tools:
            return "required"
        case {"type": "function", "function": {"name": str(name)}} if any(tool.name == name for tool in tools):
            return NamedTool(name)
        case _:
            raise Refusal(f"Parameter 'tool_choice' names no tool of the request: {value!r}.")


def _turn(message: Any) -> Turn:
    match message:
        case {"role": str(role), **rest} if role in _ROLES and isinstance(rest.get("tool_call_id") or "", str):
            content = rest.get("content") or ""
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            texts, images = _content(parts, role)
            calls = tuple(_call(call) for call in _list(message, "tool_calls"))
            return Turn(_ROLES[role], "\n".join(texts), tuple(images), calls, message.get("tool_call_id"))
        case _:
            raise Refusal("Parameter 'messages' must hold objects with a role: system, user, assistant or tool.")


def _content(parts: Any, role: str) -> tuple[list[str], list[str]]:
    if not isinstance(parts, list):
        raise Refusal("A message's 'content' must be a string or a list of parts.")
    texts: list[str] = []
    images: list[str] = []
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}} | {"type": "image_url", "image_url": str(url)}:
                images.append(url)
            case {"type": str()} if role == "assistant":
                # History another service wrote (thinking, refusals, its own form of tool calls).
                continue
            case _:
                kind = part.get("type") if isinstance(part, dict) else part
                raise Refusal(f"A content part of type {kind!r} is not supported; there are text and image_url.")
    return texts, images


def _call(value: Any) -> Call:
    match value:
        case {"function": {"name": str(name), **rest}, **outer}:
            return Call(str(outer.get("id") or ""), name, str(rest.get("arguments") or "{}"))
        case _:
            raise Refusal("A message's 'tool_calls' must hold functions with a name.")


def _answer(completion: Completion, stamp: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": completion.text}
    if completion.reasoning:
        message["reasoning_content"] = completion.reasoning
    if completion.calls:
        message["content"] = completion.text or None
        message["tool_calls"] = [_written_call(call, call.arguments) for call in completion.calls]
    finish = None if faults.no_finish else completion.finish
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {**stamp, "object": "chat.completion", "choices": [choice], "usage": _usage(completion)}


def _events(
    completion: Completion, stamp: Mapping[str, Any], faults: Faults, lost: Mapping[str, Any], *, with_usage: bool
) -> list[bytes]:
    base = {**stamp, "object": "chat.completion.chunk"}
    older = bool(faults.role_every_chunk)
    role = {"role": "assistant"} if older else {}
    parts: list[tuple[dict[str, Any], str | None]] = [(delta, None) for delta in _deltas(completion)]
    if not faults.no_finish:
        parts.append(({}, "stop" if older else completion.finish))
    chunks: list[dict[str, Any]] = [
        {**base, "choices": [{"index": 0, "delta": {**role, **delta}, "logprobs": None, "finish_reason": finish}]}
        for delta, finish in parts
    ]
    if with_usage and not older:
        chunks.append({**base, "choices": [], "usage": _usage(completion)})
    written = [_event(chunk) for chunk in chunks]
    if faults.stream_error is not None:
        return [*written[: faults.stream_error], _event(lost)]
    if faults.event_error is not None:
        return [*written[: faults.event_error], b"event: error\n" + _event(lost)]
    return written if faults.no_done else [*written, b"data: [DONE]\n\n"]


def _deltas(completion: Completion) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    yield from ({"reasoning_content": part} for part in deltas(completion.reasoning))
    yield from ({"content": part} for part in deltas(completion.text))
    for index, call in enumerate(completion.calls):
        yield {"tool_calls": [{"index": index, **_written_call(call, "")}]}
        for part in deltas(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


def _written_call(call: Call, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _usage(completion: Completion) -> dict[str, Any]:
    prompt, written, reasoning = completion.prompt_tokens, completion.completion_tokens, completion.reasoning_tokens
    details = {"completion_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else {}
    counted = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    return {**counted, **details, **completion.usage}


def _event(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
