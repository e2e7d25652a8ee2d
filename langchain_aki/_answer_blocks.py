"""LangChain's standard content blocks of our messages: reasoning, text, refusal, calls, pictures, sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import get_translator, register_translator

from aki_transport.message_fields import CALL_EXTRAS, read_source
from langchain_aki._content_blocks import dialect_of

_OUTPUT_VERSION = "aki/v1"
"""Marks messages of ours under the names of providers for which LangChain has a translator of its own."""
_CALL_TYPES = ("tool_call", "tool_call_chunk", "tool_use", "invalid_tool_call")
_SOUND = (("SUQz", "audio/mpeg"), ("//", "audio/mpeg"), ("T2dn", "audio/ogg"), ("ZkxhQ", "audio/flac"))  # base64
_shared_names: set[str] = set()


def register(provider: str) -> None:
    """Translate the messages of a provider here; those that another integration made under its name, as before."""
    theirs = get_translator(provider)
    if theirs is None:
        register_translator(provider, translate_content, translate_content_chunk)
    elif provider not in _shared_names and theirs["translate_content"] is not translate_content:
        _shared_names.add(provider)

        def translate(message: AIMessage) -> list[types.ContentBlock]:
            return (translate_content if _is_ours(message) else theirs["translate_content"])(message)

        def translate_chunk(chunk: AIMessageChunk) -> list[types.ContentBlock]:
            return (translate_content_chunk if _is_ours(chunk) else theirs["translate_content_chunk"])(chunk)

        register_translator(provider, translate, translate_chunk)


def message_metadata(provider: str) -> dict[str, Any]:
    """What tells LangChain how to read the content of a message."""
    metadata = {"model_provider": provider}
    return {**metadata, "output_version": _OUTPUT_VERSION} if provider in _shared_names else metadata


def _is_ours(message: AIMessage) -> bool:
    return message.response_metadata.get("output_version") == _OUTPUT_VERSION


def translate_content(message: AIMessage) -> list[types.ContentBlock]:
    """The blocks of a complete message."""
    blocks = _content_blocks(message)
    extras = message.additional_kwargs.get(CALL_EXTRAS) or {}
    for call in message.tool_calls:
        block = {"type": "tool_call", "id": call["id"], "name": call["name"], "args": call["args"]}
        blocks.append({**block, "extras": extras[call["id"]]} if call["id"] in extras else block)
    for invalid_call in message.invalid_tool_calls:
        blocks.append({**invalid_call, "type": "invalid_tool_call"})
    return cast("list[types.ContentBlock]", blocks)


def translate_content_chunk(chunk: AIMessageChunk) -> list[types.ContentBlock]:
    """The blocks of a chunk, or of the sum of all chunks of a stream."""
    if chunk.chunk_position == "last":
        return translate_content(chunk)
    blocks = _content_blocks(chunk)
    for call_chunk in chunk.tool_call_chunks:
        blocks.append({**call_chunk, "type": "tool_call_chunk"})
    return cast("list[types.ContentBlock]", blocks)


def _content_blocks(message: AIMessage) -> list[dict[str, Any]]:
    content, fields = message.content, message.additional_kwargs
    blocks: list[dict[str, Any]] = []
    reasoning = fields.get("reasoning_content")
    if reasoning:
        blocks.append({"type": "reasoning", "reasoning": reasoning})
    if fields.get("executed_tools"):
        blocks += _executed_tools(fields["executed_tools"])
    if isinstance(content, str):
        if content:
            blocks.append({"type": "text", "text": content})
    else:
        for block in content:
            if isinstance(block, str):
                blocks += [{"type": "text", "text": block}] if block else []
            elif block.get("type") not in _CALL_TYPES:
                blocks += _following(blocks, standard_blocks(block))
            elif block.keys() == {"type", "id", "index", "extras"}:
                blocks.append(block)  # what the last chunk of a stream adds to a call
    if fields.get("annotations"):
        _annotate(blocks, fields["annotations"])
    blocks += _media(fields)
    refusal = fields.get("refusal")
    if refusal:
        block = {"type": "refusal", "refusal": refusal}
        # A standard block since langchain-core 1.7.5. The events of earlier versions only pass block types they know.
        is_standard = hasattr(types, "RefusalContentBlock")
        blocks.append(block if is_standard else {"type": "non_standard", "value": block})
    return blocks


def _following(blocks: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The new blocks, without one that only has the sources of the text before it, which get them."""
    last = blocks[-1] if blocks else {}
    if len(new) == 1 and new[0]["type"] == last.get("type") == "text" and not new[0]["text"]:
        if "annotations" in new[0]:
            last["annotations"] = [*last.get("annotations", ()), *new[0]["annotations"]]
        return []
    return new


def standard_blocks(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A block of an answer as LangChain's; none for text that is empty."""
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str):
        sources = block.get("citations")
        block = {name: value for name, value in block.items() if name != "citations"}
        if sources:
            block["annotations"] = [*block.get("annotations", ()), *map(standard_annotation, sources)]
        return [block] if block.keys() != {"type", "text"} or block["text"] else []
    if kind in types.KNOWN_BLOCK_TYPES and not isinstance(block.get("source"), Mapping):
        return [dict(block)]
    message = AIMessage(content=[dict(block)])
    translator = get_translator("anthropic") if dialect_of(block) == "anthropic" else None
    standard = message.content_blocks if translator is None else translator["translate_content"](message)
    # LangChain's made-up IDs would be others each time.
    return [{k: v for k, v in each.items() if k != "id" or not str(v).startswith("lc_")} for each in standard]


def standard_annotation(source: Any) -> dict[str, Any]:
    """What a service says about a source, as LangChain's citation."""
    citation, extras = read_source(source)
    if not citation:
        return {"type": "non_standard_annotation", "value": extras}
    return {"type": "citation", **citation, **({"extras": extras} if extras else {})}


def _annotate(blocks: list[dict[str, Any]], sources: list[Any]) -> None:
    """Put the sources of the answer on its text, which may have them already."""
    texts = [block for block in blocks if block["type"] == "text"]
    if not texts:
        blocks.append({"type": "text", "text": ""})
    elif any("annotations" in block for block in texts):
        return
    (texts or blocks)[-1]["annotations"] = list(map(standard_annotation, sources))


def _executed_tools(executed: Any) -> list[dict[str, Any]]:
    """The tools that the service ran itself, in the form that Groq's answers have."""
    translator = get_translator("groq")
    if translator is None or not isinstance(executed, list) or not all(isinstance(tool, dict) for tool in executed):
        return [{"type": "non_standard", "value": {"executed_tools": executed}}]
    message = AIMessage(content="", additional_kwargs={"executed_tools": executed})
    return [dict(block) for block in translator["translate_content"](message)]


def _media(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Pictures and sound, which stand beside the text."""
    images = fields.get("images")
    for image in images if isinstance(images, list) else ():
        if isinstance(image, Mapping):
            yield from standard_blocks({name: value for name, value in image.items() if name != "index"})
    audio = fields.get("audio")
    if isinstance(audio, Mapping) and audio.get("data"):
        extras = {name: value for name, value in audio.items() if name not in ("id", "data")}
        identity = {"id": audio["id"]} if audio.get("id") else {}
        mime_type = next((kind for start, kind in _SOUND if str(audio["data"]).startswith(start)), "audio/wav")
        yield {"type": "audio", **identity, "base64": audio["data"], "mime_type": mime_type, "extras": extras}
