"""Valid answers, from which the changed ones are made."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.pictures import a_png
from tests.scenarios import ERRORS as ERROR_ROWS
from tests.scenarios import SCENARIOS, Scenario, chunk, reply, tokens
from tests.script_server import MODELS
from tests.transport import native_says
from tests.transport.anthropic_says import message, text, thinking, tool_use
from tests.transport.test_anthropic_answers import ALL

_PICTURE = base64.b64encode(a_png()).decode()
_LOGPROBS = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b"}]}]}
CHOICE = {"index": 0, "delta": {"content": "a"}, "finish_reason": None, "logprobs": _LOGPROBS}


def _bodies() -> list[list[Any]]:
    rows = [row.blocking for row in SCENARIOS if row.blocking is not None and row.blocking.status == 200]
    found = [b"".join(answer.chunks) for answer in rows]
    return [[body] for body in map(_read, found) if isinstance(body, dict)]


def _streams() -> list[list[Any]]:
    return [found for row in SCENARIOS if (found := _events(row))]


def _events(row: Scenario) -> list[Any]:
    lines = b"".join(() if row.stream is None else row.stream.chunks).decode("utf-8", "replace").splitlines()
    said = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [event for each in said if isinstance(event := "[DONE]" if each == "[DONE]" else _read(each), dict | str)]


def _read(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
_CALLS = [CALL, {**CALL, "id": "call_2", "index": 1}]
_MESSAGE = {"reasoning": None, "reasoning_content": "Hm", "refusal": "", "function_call": CALL["function"]}
_TOP = {
    "usage": tokens(prompt_tokens_details={"cached_tokens": 1}, completion_tokens_details={}, input_tokens=None),
    **dict.fromkeys(("system_fingerprint", "error", "status", "service_tier")),
}
OPENAI = [
    [reply([{"type": "text", "text": "Hello"}], **_MESSAGE, tool_calls=_CALLS, top=_TOP)],
    [reply("Hello", top={"choices": [{**CHOICE, "message": {"content": "a"}, "finish_reason": "stop"}]})],
    *_bodies(),
]
OPENAI_STREAM = [
    [
        chunk("Hel", **_MESSAGE, tool_calls=_CALLS),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
        chunk(finish="stop", top=_TOP),
        "[DONE]",
    ],
    [chunk(top={"choices": [CHOICE]}), chunk(top={"choices": [CHOICE]}), chunk(finish="stop"), "[DONE]"],
    *_streams(),
]
_HIDDEN = {"type": "redacted_thinking", "data": "ZA=="}
ANTHROPIC = [[message(text("Hello"), thinking("Hm", "c2ln"), _HIDDEN, tool_use("a", "add", {"city": "Paris"}))]]
ANTHROPIC_STREAM = [ALL]
NATIVE = [
    [native_says.STARTED, native_says.working("Hel"), native_says.working("Hello"), native_says.done("Hello")],
    [native_says.STARTED, native_says.working({"thinking": "Hm", "content": "Hel"}), native_says.done("Hello")],
    [native_says.result("<think>Hm</think>Hello")],
    [{"success": False, "error": "Job lapsed!", "job_id": "JID1", "job_state": "lapsed"}],
]
PICTURES = [
    [{"created": 1, "data": [{"b64_json": _PICTURE}, {"b64_json": f"data:image/png;base64,{_PICTURE}"}]}],
    [{"data": [{"url": "https://example.com/a.png"}]}],
]
NATIVE_PICTURES = [
    [
        native_says.STARTED,
        native_says.working(progress=40),
        {"success": True, "job_id": "JID1", "job_state": "done", "job_result": {"images": [_PICTURE], "seed": 7}},
    ],
    [{"success": True, "images": [f"data:image/png;base64,{_PICTURE}"]}],
]
LISTING = [[{"object": "list", "data": [dict(row) for row in MODELS]}], [[dict(MODELS[0])]]]
ENDPOINTS = [[{"success": True, "endpoints": ["llama3_8b_chat", {"name": "z_image_turbo"}]}]]
ERRORS = [[_read(b"".join(row.blocking.chunks))] for row in ERROR_ROWS if row.blocking is not None] + [
    [{"error": {"message": "no", "type": "invalid_request_error", "code": "invalid_api_key", "param": None}}],
    [{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}],
    [{"success": False, "error": "Queue reached max length", "job_id": "JID1", "job_state": "lapsed"}],
    [{"detail": [{"loc": ["body"], "msg": "field required", "type": "missing"}]}],
]
