"""Metadata of an answer: the fields besides its content, their names in both frameworks' messages, and the way back.

A new field of an answer that is to have a name of ours gets it in `reply_metadata`; without one it is there as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aki_transport.messages import ChatReply, Message, cache_mark, with_fields
from aki_transport.reasoning import FIELD, to_blocks

CALL_EXTRAS = "tool_call_extras"
"""The key in the additional fields of a framework's message for `ToolCall.extra`, by the ID of the call."""
REASONING_FIELD = "reasoning_field"
"""The key there for `Message.reasoning_field`, if it is not None."""
CONTENT_PARTS = "content_parts"
"""The key there for the parts of the content, in frameworks whose blocks cannot hold all of them."""
# Fields that converters read into fields of their own, or that repeat what a message holds elsewhere.
_READ = frozenset(
    {
        *("reasoning_content", "refusal", "tool_calls", "function_call", "parsed", "tool_call_id", "name"),
        *("model_provider", "cache_control", FIELD, REASONING_FIELD, CALL_EXTRAS, CONTENT_PARTS),
    }
)
_SOURCE_FIELDS = ("url", "title", "cited_text", "start_index", "end_index")


def reply_metadata(reply: ChatReply, provider: str) -> dict[str, Any]:
    """What is known about an answer: our names, and the service's own for what has none."""
    known = {
        "model_provider": provider,
        "model_name": reply.model,
        "finish_reason": reply.finish_reason,
        "stop_reason": reply.stop_reason,
        "id": reply.id,
        "request_id": reply.request_id,
        "credits_used": reply.credits_used,
        "credits_remaining": reply.credits_remaining,
        "system_fingerprint": reply.system_fingerprint,
        "logprobs": reply.logprobs,
        "token_usage": dict(reply.token_usage) or None,
    }
    details = {f"service_{name}" if name in known else name: value for name, value in reply.details.items()}
    return {name: value for name, value in {**details, **known}.items() if value is not None}


def message_fields(reply: ChatReply) -> dict[str, Any]:
    """What the message of an answer holds besides content and calls, for the additional fields of the framework's."""
    fields = {
        FIELD: to_blocks(reply.reasoning_blocks),
        REASONING_FIELD: reply.reasoning_field,
        CALL_EXTRAS: {call.id: dict(call.extra) for call in reply.tool_calls if call.extra},
        "annotations": list(reply.annotations),
    }
    return {**reply.extra, **{name: value for name, value in fields.items() if value}}


def read_source(source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a service says about a source: the fields in `_SOURCE_FIELDS`, and all others."""
    if isinstance(source, str) and source.startswith(("https://", "http://")):
        return {"url": source}, {}
    if not isinstance(source, Mapping):
        return {}, {"value": source}
    nested = source.get(str(source.get("type")))  # {"type": "url_citation", "url_citation": {…}}
    fields = dict(nested) if isinstance(nested, Mapping) else dict(source)
    if "title" not in fields and fields.get("document_title"):
        fields["title"] = fields.pop("document_title")
    known = {name: fields.pop(name) for name in _SOURCE_FIELDS if fields.get(name) is not None}
    return known, fields


def marked(message: Message, fields: Mapping[str, Any]) -> Message:
    """The message, its last part, or else its last call, with the mark of caches that its additional fields hold."""
    mark = cache_mark(fields)
    if mark and message.content:
        *parts, last = message.parts
        return replace(message, content=(*parts, with_fields(last, mark)))
    if mark and message.tool_calls:
        *calls, call = message.tool_calls
        return replace(message, tool_calls=(*calls, replace(call, extra={**call.extra, **mark})))
    return message


def maker_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The additional fields of a framework's message that go back to its maker alone, as `Message.extra`."""
    return {name: value for name, value in fields.items() if name not in _READ}
