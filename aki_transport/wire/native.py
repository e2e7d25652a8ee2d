"""AKI.IO's own API for language models: every model is an endpoint, every answer the result of a job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json

from aki_transport.error_parsing import error_from_payload
from aki_transport.errors import APIStatusError, ConfigurationError, InvalidResponseError
from aki_transport.messages import ChatRequest, Image, JobProgress, Message, Text
from aki_transport.models.catalog import Listing
from aki_transport.transport import Call
from aki_transport.wire._job import read_error, starting
from aki_transport.wire._native_decoder import NativeDecoder

BY_ENDPOINT = True
TAKES = frozenset({"temperature", "top_p", "top_k", "max_tokens", "stop", "images"})
# Source: AKI.IO's page of this API.
RANGES: Mapping[str, tuple[float, float]] = {"temperature": (0, 1), "top_p": (0, 1)}


def models() -> Call:
    """The call that lists the endpoints. The key is optional there, and would have to stand in the address."""
    return Call(path="/endpoints", method="GET", max_retries=0)


def read_models(body: str | bytes) -> Listing:
    """The endpoints in the answer to `models()`.

    Raises:
        APIStatusError: The answer is an error.
        InvalidResponseError: It is no list of endpoints.
    """
    try:
        said = from_json(body)
    except ValueError as error:
        raise InvalidResponseError(f"the list of endpoints is not JSON: {error}") from None
    if isinstance(said, dict) and said.get("success") is False:
        raise read_error(error_from_payload(said))
    rows = said.get("endpoints") if isinstance(said, dict) else None
    names = [row.get("name") if isinstance(row, dict) else row for row in rows] if isinstance(rows, list) else []
    found = {name: 0 for name in names if isinstance(name, str) and name}
    if not found:
        raise InvalidResponseError("the list of endpoints names none")
    return found


def chat(request: ChatRequest, *, stream: bool) -> Call:
    """The call that starts the job; what is not given is not sent. `stop` is left to the decoder."""
    body: dict[str, Any] = {}
    if request.plain:
        body["text_context"] = "\n".join(map(_raw, request.messages))
    else:
        body["chat_context"] = json.dumps([_message(message) for message in request.messages], ensure_ascii=False)
    for name, ours in (("temperature",) * 2, ("top_p",) * 2, ("top_k",) * 2, ("max_gen_tokens", "max_tokens")):
        value = getattr(request, ours)
        if value is not None:
            body[name] = value
    body.update(request.extra_body)
    return starting(request.endpoint or request.model, body, stream=stream)


def decoder(
    request: ChatRequest,
    headers: Mapping[str, str],
    *,
    on_model: Callable[[str], None],  # noqa: ARG001  the endpoint is the model: no other one can answer
    on_progress: Callable[[JobProgress], None] | None = None,
    empty_is_failure: bool = False,  # noqa: ARG001  this API says when a worker failed
    stream: bool = True,
) -> NativeDecoder:
    """What reads the states of the job."""
    return NativeDecoder(request, headers, on_progress=on_progress, stream=stream)


def without_refused(request: ChatRequest, error: APIStatusError) -> ChatRequest | None:  # noqa: ARG001  other wires do
    """Nothing of a request is a side matter here."""
    return None


def _raw(message: Message) -> str:
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
    if isinstance(message.content, str):
        return message.content
    if all(isinstance(part, Text) for part in message.content):
        return "\n".join(part.text for part in message.content if isinstance(part, Text))
    said: list[dict[str, Any]] = []
    for part in message.content:
        match part:
            case Text(text):
                said.append({"type": "text", "text": text})
            case Image() if part.as_url.startswith("data:"):
                said.append({"image": part.as_url})
            case Image():
                raise ConfigurationError(
                    "protocol='native' takes pictures as data (base64) only, not by their address."
                )
            case _:
                raise ConfigurationError(
                    f"protocol='native' takes text and pictures, no {type(part).__name__.lower()}."
                )
    return said
