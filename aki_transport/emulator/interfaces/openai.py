"""AKI.IO's OpenAI-compatible interface; and a chat completion in OpenAI's form, as every service gives it."""

import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.answering import complete
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.interfaces import (
    LOST,
    Errors,
    Events,
    Handler,
    Interface,
    check_range,
    event,
    has_key,
    json_object,
    reading,
)
from aki_transport.emulator.interfaces.images import image_endpoints
from aki_transport.emulator.models import Catalog, Model
from aki_transport.emulator.prompt import EFFORTS, Call, Completion, Prompt, Refusal, Tool, Turn, choose, count, deltas
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script


def _write(refusal: Refusal, _request: RecordedRequest) -> dict[str, Any]:
    error = {"message": refusal.message, "type": refusal.kind or "invalid_request_error", "param": None}
    return {"error": {**error, "code": refusal.code or "request_failed"}}


ERRORS = Errors(
    _write,
    {
        401: Refusal("Incorrect API key provided.", 401, "invalid_api_key"),
        402: Refusal("Insufficient credits: please top up.", 402, "insufficient_credits", "insufficient_quota"),
        429: Refusal("Rate limit reached for requests.", 429, "rate_limit_exceeded", "rate_limit_exceeded"),
    },
    # AKI's own status for every request it cannot carry out.
    status=404,
    by_framework=True,
)


def interface(key: str, catalog: Catalog, script: Script) -> Interface:
    """The interface, for holders of this key."""

    def chat(request: RecordedRequest, faults: Faults) -> Response:
        return answer_chat(request, faults, catalog, script, ERRORS)[0]

    endpoints: dict[str, Handler] = {
        "GET /models": list_models(catalog, with_windows=True),
        "POST /chat/completions": chat,
        **image_endpoints(any_model=catalog.any_name),
    }
    return Interface("/v1", endpoints, ERRORS, has_key(key), "AKI.IO, OpenAI-compatible", key)


def list_models(catalog: Catalog, *, with_windows: bool = False) -> Handler:
    """The endpoint that lists the models."""
    data: list[dict[str, Any]] = [
        {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owner}
        | ({"max_model_len": model.listed_window} if with_windows else {})
        for model in catalog.listed
    ]
    return lambda _request, _faults: JSONResponse({"object": "list", "data": data})


def answer_chat(
    request: RecordedRequest, faults: Faults, catalog: Catalog, script: Script, errors: Errors
) -> tuple[Response, Model, Completion]:
    """The answer to a request, in one or as events; `Refusal` where it cannot be carried out."""
    body = json_object(request)
    if not isinstance(name := body.get("model"), str) or not name:
        raise Refusal("Missing required parameter: 'model'.")
    model = catalog.find(split_model(name)[0])
    with reading():
        prompt = _prompt(body, model)
        with_usage = (body.get("stream_options") or {}).get("include_usage") is True
    completion = complete(prompt, model, request, script, faults)
    stamp = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model.id}
    if not body.get("stream"):
        return JSONResponse(_answer(completion, stamp, faults)), model, completion
    events = [event(chunk) for chunk in _chunks(completion, stamp, faults, with_usage=with_usage)]
    if not faults.no_done:
        events.append(b"data: [DONE]\n\n")
    return Events(events, faults, errors.write(LOST, request)), model, completion


def _prompt(body: dict[str, Any], model: Model) -> Prompt:
    if not body.get("messages"):
        raise Refusal("Missing required parameter: 'messages'.")
    check_range(body, "temperature", 0, 2)
    check_range(body, "top_p", 0, 1)
    check_range(body, "n", 1, 1)
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    check_range({"max_tokens": limit}, "max_tokens", 1)
    effort: Any = body.get("reasoning_effort") or "medium"
    if effort not in EFFORTS:
        raise Refusal(f"Parameter 'reasoning_effort' must be one of {', '.join(EFFORTS)}, not {effort!r}.")
    stop = body.get("stop") or ()
    kind: Any = body.get("tool_choice") or "auto"
    kind, name = (kind, "") if isinstance(kind, str) else ("required", kind["function"]["name"])
    functions = [tool["function"] for tool in body.get("tools") or ()]
    offered = tuple(
        Tool(each["name"], each.get("description") or "", each.get("parameters") or {}) for each in functions
    )
    tools, choice = choose(offered, kind, name)
    return Prompt(
        messages=tuple(map(_turn, body["messages"])),
        tools=tools,
        choice=choice,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=_schema(body.get("response_format") or {"type": "text"}),
        effort=effort if model.reasons else "none",
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        max_tokens=limit,
    )


def _schema(form: dict[str, Any]) -> dict[str, Any] | None:
    if form["type"] == "json_schema":
        schema: dict[str, Any] = form["json_schema"]["schema"]
        return schema
    return {"text": None, "json_object": {}}[form["type"]]


def _turn(message: Mapping[str, Any]) -> Turn:
    role: Any = "system" if message["role"] == "developer" else message["role"]
    content = message.get("content") or ()
    # Further kinds of parts (sound, files, another service's thinking) are taken, and not read.
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts = [part["text"] for part in parts if part["type"] == "text"]
    images = [part["image_url"] for part in parts if part["type"] == "image_url"]
    urls = tuple(image if isinstance(image, str) else image["url"] for image in images)
    calls = tuple(
        Call(call.get("id") or "", call["function"]["name"], call["function"].get("arguments") or "{}")
        for call in message.get("tool_calls") or ()
    )
    return Turn(role, "\n".join(texts), urls, calls, message.get("tool_call_id"))


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


def _chunks(
    completion: Completion, stamp: Mapping[str, Any], faults: Faults, *, with_usage: bool
) -> Iterator[dict[str, Any]]:
    base = {**stamp, "object": "chat.completion.chunk"}
    parts: list[tuple[dict[str, Any], str | None]] = [(delta, None) for delta in _deltas(completion)]
    if not faults.no_finish:
        parts.append(({}, completion.finish))
    for delta, finish in parts:
        yield {**base, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
    if with_usage:
        yield {**base, "choices": [], "usage": _usage(completion)}


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
    prompt, written, reasoning = completion.prompt_tokens, completion.completion_tokens, count(completion.reasoning)
    details = {"completion_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else {}
    counted = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    return {**counted, **details, **completion.usage}
