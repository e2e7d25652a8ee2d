"""What the modules that build calls share."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic_core import from_json

from aki_transport.errors import ConfigurationError
from aki_transport.messages import (
    ChatRequest,
    Dialect,
    File,
    Image,
    JsonSchema,
    Part,
    RawBlock,
    Text,
    Tool,
    ToolCall,
    cache_mark,
)
from aki_transport.schemas import rooted_schema, strict_schema

log = logging.getLogger("aki_transport")

_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/_=\s-]")
NO_PARAMETERS = {"type": "object", "properties": {}}
"""The schema of a tool without arguments."""


def set_fields(source: object, *names: str) -> dict[str, Any]:
    """Those of these fields that are set."""
    return {name: value for name in names if (value := getattr(source, name)) is not None}


def with_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body with further fields, also within its objects; its own fields win."""
    for name, value in extra.items():
        if isinstance(value, Mapping) and isinstance(body.get(name), dict):
            with_extra(body[name], value)
        else:
            body.setdefault(name, value)
    return body


def legal_schema(target: Tool | JsonSchema) -> Mapping[str, Any]:
    """The schema of a tool's arguments or of an answer, made legal where it is strict."""
    schema = rooted_schema(target.schema if isinstance(target, JsonSchema) else target.parameters or NO_PARAMETERS)
    if isinstance(target, Tool) or (target.strict and schema.get("type") == "object"):
        # Services refuse objects without a type or properties, and tools of MCP servers may leave out both.
        schema = {**schema, "type": schema.get("type") or "object", "properties": schema.get("properties") or {}}
    return strict_schema(schema) if target.strict else schema


def arguments_object(call: ToolCall) -> dict[str, Any]:
    """The arguments as an object, as every service can read them; other text is sent within one."""
    try:
        value = from_json(call.arguments or "{}", allow_inf_nan=False)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"not_json": call.arguments}


def reasoning_start(request: ChatRequest) -> int:
    """Index of the first message whose reasoning is sent back; the number of messages if none is.

    A turn of tool calls ends at the first assistant message without calls, whatever stands behind the results.
    """
    messages = request.messages
    match request.send_reasoning:
        case "always":
            return 0
        case "tool_turns":
            closing = (i for i, each in enumerate(messages) if each.role == "assistant" and not each.tool_calls)
            return max(closing, default=-1) + 1
        case _:
            return len(messages)


def sendable_parts(parts: Iterable[Part], role: str, dialect: Dialect) -> Iterator[Part]:
    """The parts without blocks that only another maker understands: what a tool returned is sent as JSON text.

    Raises `ConfigurationError` for a user's block that the protocol certainly cannot say, and for a local path as URL.
    """
    for part in parts:
        address, data = _address(part), getattr(part, "base64", None)
        if data is not None and _NOT_BASE64.search(data, 0, 256):
            address = data  # as which a path was passed
        if address is not None and not is_url(address):
            raise ConfigurationError(
                f"{address[:100]!r} is no URL that a service can read; pass a local file as bytes or base64 text"
                " (LangChain: a block with base64= and mime_type=; LlamaIndex: a block with path=)."
            )
        match part:
            case RawBlock({"type": "document_url"}) if dialect != "openai":  # Mistral's
                yield File(url=address, filename=part.fields.get("document_name"), extra=cache_mark(part.fields))
            case RawBlock({"type": "search_result", "content": list() as content}) if dialect != "anthropic":
                source = f"{part.fields.get('title')} ({part.fields.get('source')}):"
                texts = [str(block.get("text")) for block in content if isinstance(block, Mapping)]
                yield Text("\n".join((source, *texts)), cache_mark(part.fields))
            case RawBlock(fields, form) if form is not None and form != dialect:
                kind = fields.get("type")
                if role == "tool" and not (address or "").startswith("data:"):
                    yield Text(json.dumps(fields, ensure_ascii=False, default=str))
                elif role == "assistant":
                    log.debug("a block of type %r in an earlier answer is not sent: protocol=%s", kind, dialect)
                else:
                    raise ConfigurationError(
                        f"a content block of type {kind!r} has the form of protocol={form!r}; protocol={dialect!r}"
                        " cannot say it."
                    )
            case _:
                yield part


def _address(part: Part) -> str | None:
    """The URL at which the data of a part is; None if it has none."""
    match part:
        case Image(url=url) | File(url=url):
            address: Any = url
        case RawBlock(fields):  # {"type": "video_url", "video_url": …}
            value = next((value for name, value in fields.items() if str(name).endswith("_url")), None)
            address = value.get("url") if isinstance(value, Mapping) else value
        case _:
            return None
    return None if address is None else str(address)


def is_url(url: str) -> bool:
    """Whether it has a scheme: `https:`, `data:`, or a gateway's own, like `gs:`; one letter is a Windows drive.

    `file:` is none: it names a file of this machine.
    """
    scheme, colon, _ = url.partition(":")
    is_scheme = len(scheme) > 1 and scheme.isascii() and scheme.replace("-", "").replace("+", "").isalnum()
    return bool(colon) and is_scheme and scheme.lower() != "file"


def file_text(file: File) -> str | None:
    """The text of a document, None if it is no text; `ConfigurationError` if its data is not base64."""
    if file.text is not None or file.base64 is None or not file.media_type.startswith("text/"):
        return file.text
    try:
        return base64.b64decode(file.base64).decode("utf-8", "replace")
    except ValueError as error:
        reason = str(error)
    raise ConfigurationError(f"the file {file.filename or ''!r} is no text in base64: {reason}")
