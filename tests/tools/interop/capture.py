"""Writes down what the servers answer, byte for byte: `tests/captured/*.json`, which `make test` plays again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from tests.tools.interop.features import CALL_TOOL, HELLO, ODD_HISTORY, PNG, SCHEMA, TOOL_TURN
from tests.tools.interop.servers import WINDOW, Server

FOLDER = Path(__file__).parents[2] / "captured"
# Of an answer's headers those that a client reads.
_HEADERS = ("content-type", "retry-after", "x-request-id", "request-id", "x-litellm-call-id")


def capture(server: Server, file: str, *, failing_of: Server | None = None) -> None:
    """Ask the server without any client of ours, and keep its answers in this file."""
    rows = [_asked(server, *question) for question in _questions(server)]
    if failing_of is not None:
        rows += [_asked(failing_of, model, "chat", _chat(model=model)) for model in failing_of.failing]
    FOLDER.mkdir(exist_ok=True)
    page = {"server": server.name, "version": server.version, "model": server.model, "answers": rows}
    (FOLDER / file).write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n")


def capture_refused_histories(servers: Iterable[Server], file: str) -> None:
    """Keep what each server, which is one chat template, refuses of the histories that the features ask."""
    refused = []
    for server in servers:
        for name, history in (("odd history", ODD_HISTORY), ("tool results", TOOL_TURN)):
            row = _asked(server, name, "chat", _chat(model=server.model, messages=history, max_tokens=8))
            # A model that cannot write an answer in the template's format is no refusal of the history.
            if row["status"] >= HTTPStatus.BAD_REQUEST and "The model produced" not in row["body"]:
                refused.append({"template": server.name, **row})
    (FOLDER / file).write_text(json.dumps({"refused": refused}, indent=1, ensure_ascii=False) + "\n")


def _chat(**fields: Any) -> dict[str, Any]:
    return {"messages": HELLO, **fields}


def _questions(server: Server) -> Iterator[tuple[Any, ...]]:
    """Name, kind and body of each request, and the key where it is another one."""
    model = {"model": server.model}
    bounded = {**model, "max_tokens": 40}
    longer = {**model, "max_tokens": 200}  # a random model that no grammar binds does not end by itself
    stream = {"stream": True, "stream_options": {"include_usage": True}}
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]
    forced = {"tools": [CALL_TOOL], "tool_choice": "required"}
    schema = {"type": "json_schema", "json_schema": {"name": "Person", "schema": SCHEMA}}
    yield "listing", "models", None
    yield "limits", "model/info", None
    yield "answer", "chat", _chat(**bounded)
    yield "stream", "chat", _chat(**bounded, **stream)
    yield "forced tool", "chat", _chat(**longer, **forced)
    yield "forced tool, streamed", "chat", _chat(**longer, **forced, **stream)
    yield "object", "chat", _chat(**longer, response_format=schema)
    yield "unknown model", "chat", _chat(model="no-such-model", max_tokens=40)
    yield "wrong key", "chat", _chat(**bounded), "sk-of-somebody-else"
    yield "no key", "chat", _chat(**bounded), None
    yield "overflow", "chat", _chat(**model, messages=[{"role": "user", "content": "how now " * WINDOW}])
    yield "picture", "chat", _chat(**bounded, messages=picture)
    if server.anthropic_url is None:
        return
    yield "answer", "messages", _chat(**bounded)
    yield "stream", "messages", _chat(**bounded, stream=True)
    yield "unknown model", "messages", _chat(model="no-such-model", max_tokens=40)
    yield "wrong key", "messages", _chat(**bounded), "sk-of-somebody-else"
    yield "overflow", "messages", _chat(**bounded, messages=[{"role": "user", "content": "how now " * WINDOW}])


_PATHS = {"models": "/models", "model/info": "/model/info", "chat": "/chat/completions", "messages": "/messages"}
_OWN_KEY = object()


def _asked(server: Server, name: str, kind: str, body: Any, key: Any = _OWN_KEY) -> dict[str, Any]:
    key = server.key if key is _OWN_KEY else key
    headers = {} if key is None else {"authorization": f"Bearer {key}", "x-api-key": key}
    method = "GET" if body is None else "POST"
    answer = httpx.request(method, f"{server.url}{_PATHS[kind]}", json=body, headers=headers, timeout=120)
    kept = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
    text = answer.text
    if kind == "model/info" and answer.is_success:  # hundreds of prices that are null
        rows = [_without_nulls(row) for row in answer.json()["data"]]
        text = json.dumps({"data": rows})
    return {"name": name, "kind": kind, "status": answer.status_code, "headers": kept, "body": text}


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    info = {name: value for name, value in row["model_info"].items() if value is not None}
    return {**row, "model_info": info}
