"""AKI.IO's Anthropic-compatible interface."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.answering import complete
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.interfaces import Errors, Events, Interface, Refusal, json_object, route, status_text
from aki_transport.emulator.models import Catalog, Model
from aki_transport.emulator.prompt import Call, Choice, Completion, Effort, NamedTool, Prompt, Tool, Turn, deltas
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
_TYPES = {str: "string", bool: "boolean", list: "list", int: "integer", float: "number", dict: "dictionary"}
_REQUIRED = ("model", "messages", "max_tokens")
_PARAMETERS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "messages": (list,),
    "max_tokens": (int,),
    "stream": (bool,),
    "system": (str, list),
    "temperature": (float, int),
    "top_p": (float, int),
    "top_k": (int,),
    "stop_sequences": (list,),
    "tools": (list,),
    "tool_choice": (dict,),
    "thinking": (dict,),
    "metadata": (dict,),
    "cache_control": (dict,),
    "service_tier": (str,),
}
_BOUNDS = {"max_tokens": (1, None), "top_k": (0, None), "temperature": (0, 1), "top_p": (0, 1)}
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LEAST_BUDGET = 1024
# Where more of a budget makes the emulator think longer.
_BUDGETS: tuple[tuple[int, Effort], ...] = ((16_384, "high"), (4096, "medium"), (0, "low"))


def _body(message: str, kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _refuse(refusal: Refusal, request: RecordedRequest) -> Response:
    return _fail(refusal.status or 400, refusal.message, request)


def _fail(status: int, message: str | None, request: RecordedRequest) -> Response:
    # 500 and above are the server's own.
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
    body = {**_body(message or status_text(status)[1], kind), "request_id": request.request_id}
    return JSONResponse(body, status)


_ERRORS = Errors(_refuse, _fail, {status: Refusal(text, status) for status, text in _TEXTS.items()})


def interface(key: str, catalog: Catalog, script: Script) -> Interface:
    """The interface, for holders of this key."""

    def allowed(request: RecordedRequest) -> bool:
        # The page documents x-api-key; Anthropic's own client sends the other.
        return request.headers.get("x-api-key") == key or request.headers.get("authorization") == f"Bearer {key}"

    def models(_request: RecordedRequest, _faults: Faults) -> Response:
        data = [_entry(model) for model in catalog.listed]
        return JSONResponse({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})

    def messages(request: RecordedRequest, faults: Faults) -> Response:
        body = json_object(request)
        _check_parameters(body)
        model = catalog.find(split_model(body["model"])[0])
        prompt = _prompt(body, model)
        completion = complete(prompt, model.max_output, request, script, faults)
        stamp = {"id": f"msg_{uuid4().hex[:24]}", "model": model.id, "type": "message", "role": "assistant"}
        if body.get("stream"):
            return Events(_events(completion, stamp, faults))
        return JSONResponse(_message(completion, stamp, faults))

    routes = [
        route("/v1/models", models, allowed, _ERRORS),
        route("/v1/messages", messages, allowed, _ERRORS, ["POST"]),
    ]
    return Interface("/anthropic", routes, _ERRORS, "AKI.IO, Anthropic-compatible", key, request_id="request-id")


def _entry(model: Model) -> dict[str, Any]:
    created = datetime.fromtimestamp(int(model.created), UTC)
    entry = {"type": "model", "id": model.id, "display_name": model.id, "created_at": f"{created:%Y-%m-%dT%H:%M:%SZ}"}
    # Not of Anthropic's form; AKI's page says that it may be there, and 0.
    return {**entry, "max_model_len": model.listed_window}


def _check_parameters(body: dict[str, Any]) -> None:
    for name in _REQUIRED:
        if name not in body:
            raise Refusal(f"{name}: Field required")
    for name, value in body.items():
        if name not in _PARAMETERS:
            raise Refusal(f"{name}: Extra inputs are not permitted")
        _check_type(value, name, *_PARAMETERS[name])
        least, most = _BOUNDS.get(name, (None, None))
        if least is not None and value < least:
            raise Refusal(f"{name}: Input should be greater than or equal to {least}")
        if most is not None and value > most:
            raise Refusal(f"{name}: Input should be less than or equal to {most}")
    if not body["model"]:
        raise Refusal("model: String should have at least 1 character")


def _check_type(value: Any, at: str, *kinds: type) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise Refusal(f"{at}: Input should be a valid {_TYPES[kinds[-1] if list in kinds else kinds[0]]}")


def _prompt(body: dict[str, Any], model: Model) -> Prompt:
    system = _Blocks("system", body.get("system", ""), "system")
    turns = (*((Turn("system", system.text),) if system.text else ()), *_history(body["messages"]))
    if not model.sees and any(turn.images for turn in turns):
        raise Refusal(f"The model {model.id} has no image input; send text only.")
    tools = tuple(_tool(each, f"tools.{index}") for index, each in enumerate(body.get("tools", ())))
    if len({tool.name for tool in tools}) < len(tools):
        raise Refusal("tools: Tool names must be unique.")
    stops = body.get("stop_sequences", ())
    if not all(isinstance(stop, str) and stop.strip() for stop in stops):
        raise Refusal("stop_sequences: each stop sequence must be a string that contains non-whitespace")
    effort = _effort(body.get("thinking"), body["max_tokens"])
    prompt = Prompt(
        turns=turns,
        tools=tools,
        choice=_choice(body.get("tool_choice"), tools),
        parallel=not body.get("tool_choice", {}).get("disable_parallel_tool_use"),
        effort=effort if model.reasons else "none",
        stop=tuple(stops),
        max_tokens=body["max_tokens"],
    )
    used, wanted = prompt.tokens(), body["max_tokens"]
    if used > model.window:
        raise Refusal(f"prompt is too long: {used} tokens > {model.window} maximum")
    if used + wanted > model.window:
        raise Refusal(
            f"input length and `max_tokens` exceed context limit: {used} + {wanted} > {model.window}, "
            "decrease input length or `max_tokens` and try again"
        )
    return prompt


def _effort(thinking: Any, max_tokens: int) -> Effort:
    match thinking:
        # AKI's models think unless they are asked not to.
        case None | {"type": "adaptive"}:
            return "medium"
        case {"type": "disabled"}:
            return "none"
        case {"type": "enabled", "budget_tokens": int(budget)} if budget >= _LEAST_BUDGET:
            if budget >= max_tokens:
                raise Refusal("`max_tokens` must be greater than `thinking.budget_tokens`.")
            return next(effort for least, effort in _BUDGETS if budget >= least)
        case value:
            raise Refusal(
                f"thinking: Input should be enabled with a budget of 1024 or more, disabled or adaptive: {value}"
            )


def _tool(value: Any, at: str) -> Tool:
    match value:
        case {"type": str(kind)} if kind != "custom":
            raise Refusal(f"{at}: Input tag '{kind}' found using 'type' does not match the expected tag: 'custom'")
        case {"name": str(name), "input_schema": {"type": "object"} as schema} if _NAME.fullmatch(name):
            return Tool(name, str(value.get("description") or ""), schema)
        case _:
            raise Refusal(f"{at}: Input should have a name of letters and digits, and an input_schema of type 'object'")


def _choice(value: Any, tools: tuple[Tool, ...]) -> Choice:
    if value is not None and not tools:
        raise Refusal("tool_choice may only be specified while providing tools.")
    match value:
        case None | {"type": "auto"}:
            return "auto"
        case {"type": "none"}:
            return "none"
        case {"type": "any"}:
            return "required"
        case {"type": "tool", "name": str(name)}:
            if all(tool.name != name for tool in tools):
                raise Refusal(f"Tool '{name}' not found in provided tools")
            return NamedTool(name)
        case _:
            raise Refusal(f"tool_choice: Input should be auto, any, tool with its name, or none, not {value!r}")


class _Blocks:
    """The content of a message, read block by block.

    Args:
        place: Where it stands: `"system"`, `"user"`, `"assistant"` or `"tool_result"`.
        content: A string or a list of blocks.
        at: What the interface calls that, as in `messages.0.content`.
    """

    def __init__(self, place: str, content: Any, at: str) -> None:
        self._place = place
        self.texts: list[str] = []
        self.images: list[str] = []
        self.calls: list[Call] = []
        self.results: list[Turn] = []
        # The results that stand before any other block.
        self.first_results: list[str] = []
        _check_type(content, at, str, list)
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) and content else content
        for index, block in enumerate(blocks):
            _check_type(block, f"{at}.{index}", dict)
            self._read(block, f"{at}.{index}")
            if len(self.results) == index + 1:
                self.first_results.append(str(block["tool_use_id"]))

    @property
    def text(self) -> str:
        """All of its text."""
        return "\n".join(self.texts)

    def _read(self, block: dict[str, Any], at: str) -> None:
        match self._place, block:
            case _, {"type": "text", "text": str(text)}:
                if not text.strip():
                    raise Refusal("messages: text content blocks must be non-empty and contain non-whitespace text")
                self.texts.append(text)
            case "user" | "tool_result", {"type": "image", "source": source}:
                self.images.append(_image(source, f"{at}.image.source"))
            case "user" | "tool_result", {"type": "document", "source": {"type": "text", "data": str(text)}}:
                self.texts.append(f"[{block.get('title') or 'document'}]\n{text}")
            case "user", {"type": "tool_result", "tool_use_id": str(id_)}:
                inside = _Blocks("tool_result", block.get("content") or "", f"{at}.tool_result.content")
                text = f"Error: {inside.text}" if block.get("is_error") else inside.text
                self.results.append(Turn("tool", text, tuple(inside.images), call_id=id_))
            case "assistant", {"type": "tool_use", "id": str(id_), "name": str(name), "input": dict(value)} if (
                _NAME.fullmatch(id_)
            ):
                self.calls.append(Call(id_, name, json.dumps(value, ensure_ascii=False)))
            case "assistant", {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
                if signature != _signature(text):
                    raise Refusal(f"{at}: Invalid `signature` in `thinking` block")
            case "assistant", {"type": "redacted_thinking"}:
                pass
            case _:
                kind = block.get("type")
                raise Refusal(f"{at}: Input tag '{kind}' found using 'type' is not expected here, or lacks a field")


def _history(messages: list[Any]) -> Iterator[Turn]:
    if not messages:
        raise Refusal("messages: at least one message is required")
    for index, message in enumerate(messages):
        _check_message(message, f"messages.{index}")
    if messages[0]["role"] != "user":
        raise Refusal('messages: first message must use the "user" role')
    for first, second in pairwise(messages):
        if first["role"] == second["role"]:
            # Anthropic's own service merges by now; what is taken here is taken everywhere.
            raise Refusal(
                'messages: roles must alternate between "user" and "assistant", '
                f'but found multiple "{first["role"]}" roles in a row'
            )
    contents = [
        _Blocks(message["role"], message["content"], f"messages.{index}.content")
        for index, message in enumerate(messages)
    ]
    _check_results(contents)
    for message, blocks in zip(messages, contents, strict=True):
        yield from blocks.results
        if blocks.texts or blocks.images or blocks.calls or message["role"] == "assistant":
            yield Turn(message["role"], blocks.text, tuple(blocks.images), tuple(blocks.calls))


def _check_message(message: Any, at: str) -> None:
    _check_type(message, at, dict)
    role = message.get("role")
    if role == "system":
        raise Refusal(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
            'not "system" as an input message role.'
        )
    if role not in ("user", "assistant"):
        raise Refusal(f"{at}.role: Input should be 'user' or 'assistant'")
    if extra := message.keys() - {"role", "content"}:
        raise Refusal(f"{at}.{min(extra)}: Extra inputs are not permitted")
    if "content" not in message:
        raise Refusal(f"{at}.content: Field required")
    if message["content"] in ("", []):
        raise Refusal(f"{at}: all messages must have non-empty content")


def _check_results(contents: list[_Blocks]) -> None:
    """Every call has its result, first thing in the next message; every result has its call."""
    nothing = _Blocks("user", "", "")
    every = [call.id for blocks in contents for call in blocks.calls]
    if len(set(every)) < len(every):
        raise Refusal("messages: `tool_use` ids must be unique")
    for index, (blocks, after) in enumerate(pairwise([nothing, *contents, nothing]), start=-1):
        called = [call.id for call in blocks.calls]
        if missing := [id_ for id_ in called if id_ not in after.first_results]:
            raise Refusal(
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        for result in after.results:
            if result.call_id not in called:
                raise Refusal(
                    f"messages.{index + 1}.content: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{result.call_id}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                    "previous message."
                )
            called.remove(result.call_id)


def _image(source: Any, at: str) -> str:
    match source:
        case {"type": "base64", "media_type": str(media), "data": str(data)}:
            if media not in _IMAGES:
                raise Refusal(f"{at}.base64.media_type: Input should be {', '.join(map(repr, _IMAGES))}")
            try:
                base64.b64decode(data, validate=True)
            except binascii.Error:
                raise Refusal(f"{at}.base64.data: invalid base64 data") from None
            return f"data:{media};base64,{data}"
        case {"type": "url", "url": str(url)}:
            return url
        case _:
            raise Refusal(f"{at}: Input should be a base64 or url source")


def _signature(thinking: str) -> str:
    """The signature that a thinking block has, and has to be sent back with."""
    return base64.b64encode(hashlib.blake2b(thinking.encode(), digest_size=48).digest()).decode()


def _message(completion: Completion, stamp: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if text := completion.reasoning:
        content.append({"type": "thinking", "thinking": text, "signature": _signature(text)})
    if completion.text:
        content.append({"type": "text", "text": completion.text})
    content += [{**_tool_use(call), "input": _input(call.arguments)} for call in completion.calls]
    return {**stamp, "content": content, **_end(completion, faults), "usage": _usage(completion)}


def _events(completion: Completion, stamp: Mapping[str, Any], faults: Faults) -> list[bytes]:
    written = [_event(payload) for payload in _payloads(completion, stamp, faults)]
    for after in (faults.stream_error, faults.event_error):
        if after is not None:
            return [*written[:after], _event(_body("The worker was lost.", "api_error"))]
    return written


def _payloads(completion: Completion, stamp: Mapping[str, Any], faults: Faults) -> Iterator[dict[str, Any]]:
    usage = {**_usage(completion), "output_tokens": min(1, completion.completion_tokens)}
    head = {**stamp, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": head}
    yield {"type": "ping"}
    for index, (start, added) in enumerate(_started(completion)):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in added:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    if not faults.no_finish:
        written = {"output_tokens": completion.completion_tokens}
        yield {"type": "message_delta", "delta": _end(completion, faults), "usage": written}
    if not faults.no_done:
        yield {"type": "message_stop"}


def _started(completion: Completion) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it starts, and what is added to it."""
    if text := completion.reasoning:
        parts = [{"type": "thinking_delta", "thinking": part} for part in deltas(text)]
        parts.append({"type": "signature_delta", "signature": _signature(text)})
        yield {"type": "thinking", "thinking": "", "signature": ""}, parts
    if completion.text:
        parts = [{"type": "text_delta", "text": part} for part in deltas(completion.text)]
        yield {"type": "text", "text": ""}, parts
    for call in completion.calls:
        pieces = ["", *deltas(call.arguments)]
        yield _tool_use(call), [{"type": "input_json_delta", "partial_json": part} for part in pieces]


def _end(completion: Completion, faults: Faults) -> dict[str, Any]:
    reason = "stop_sequence" if completion.stopped_by else _REASONS.get(completion.finish, completion.finish)
    return {"stop_reason": None if faults.no_finish else reason, "stop_sequence": completion.stopped_by}


def _usage(completion: Completion) -> dict[str, Any]:
    counted = {"input_tokens": completion.prompt_tokens, "output_tokens": completion.completion_tokens}
    return {**counted, **completion.usage}


def _tool_use(call: Call) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{call.id.removeprefix('call_')}", "name": call.name, "input": {}}


def _input(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        # The limit cut them; a message in one piece can only say so by its stop reason.
        return {}


def _event(payload: Mapping[str, Any]) -> bytes:
    written = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return f"event: {payload['type']}\ndata: {written}\n\n".encode()
