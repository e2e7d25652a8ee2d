"""Reads content blocks in LangChain's standard forms (v0 and v1), OpenAI's, Anthropic's and Gemini's."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from langchain_core.messages.content import KNOWN_BLOCK_TYPES

from aki_transport.messages import Audio, Dialect, File, Image, Part, RawBlock, Text
from langchain_aki.errors import ConfigurationError

_AUDIO_FORMATS = {"mpeg": "mp3", "wave": "wav"}  # MIME subtype to OpenAI's name of the format
# LangChain's own fields of a block, which no service knows.
_BOOKKEEPING = frozenset({"type", "id", "index", "annotations", "extras", "metadata"})
_SOURCE_FIELDS = frozenset(
    {"source_type", "url", "base64", "data", "mime_type", "mimeType", "file_id", "file_uri", "filename"}
)
_OPENAI_TYPES = frozenset({"input_audio", "input_image", "input_file", "input_video", "refusal"})
_ANTHROPIC_TYPES = frozenset(
    {"document", "search_result", "server_tool_use", "container_upload", "mcp_tool_use", "tool_reference"}
)
_SERVER_TOOLS = {"code_interpreter": "code_execution"}  # LangChain's name to Anthropic's


def read_block(block: Mapping[str, Any]) -> Part:
    """A content block as a part, an unknown one as a `RawBlock`; `ConfigurationError` if it holds nothing."""
    match block:
        case {"type": "non_standard", "value": Mapping() as value}:
            return read_block(value)
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return Text(text, _extra(block, "text"))
        case {"text": str(text)} if "type" not in block:
            return Text(text, _extra(block, "text"))
        case {"type": "text", "text": None}:
            return Text("")
        case {"type": "text-plain", "text": str(plain)}:
            extra = _extra(block, "text", "title", *_SOURCE_FIELDS)
            title = _filename(block) or block.get("title")
            return File(text=plain, mime_type="text/plain", filename=title, extra=extra)
        case {"type": "image_url" | "input_image", "image_url": str(url)}:
            return Image(url=url, detail=block.get("detail"), extra=_extra(block, "image_url", "detail", "file_id"))
        case {"type": "input_image", "file_id": str(file_id)}:
            extra = _extra(block, "image_url", "detail", "file_id")
            return Image(file_id=file_id, detail=block.get("detail"), extra=extra)
        # What the processors of many models take.
        case {"image": str(url)} if block.get("type", "image") == "image":
            return Image(url=url, extra=_extra(block, "image"))
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            return Image(url=url, detail=image.get("detail"), extra=_nested_extra(block, "image_url", "url", "detail"))
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(audio_format)}}:
            return Audio(data, audio_format, _nested_extra(block, "input_audio", "data", "format"))
        case {"type": "file", "file": Mapping() as file}:
            extra = _nested_extra(block, "file", "file_id", "file_data", "filename")
            return _file(file.get("file_data"), file.get("file_id"), file.get("filename"), extra)
        case {"type": "input_file"}:
            extra = _extra(block, "file_data", "file_url", *_SOURCE_FIELDS)
            document = _file(block.get("file_data"), block.get("file_id"), block.get("filename"), extra)
            return replace(document, url=block.get("file_url") or document.url)
    media = _read_media(block)
    if media is None and not block.keys() - _BOOKKEEPING:
        raise ConfigurationError(f"a content block of type {block.get('type')!r} holds nothing that could be sent.")
    return media or RawBlock(block, dialect_of(block))


def dialect_of(block: Mapping[str, Any]) -> Dialect | None:
    """Whose form a block has; None if that cannot be told."""
    kind = str(block.get("type"))
    if kind in _OPENAI_TYPES or (kind.endswith("_url") and kind in block):  # {"type": "video_url", "video_url": {…}}
        return "openai"
    if kind in _ANTHROPIC_TYPES or kind.endswith("_tool_result") or isinstance(block.get("source"), Mapping):
        return "anthropic"
    return None


def maker_block(block: Mapping[str, Any]) -> RawBlock | None:
    """A block of an earlier answer in the form of its maker; None for LangChain's own, which no service takes back."""
    fields = {name: value for name, value in block.items() if name not in ("index", "extras")}
    extras = dict(block.get("extras") or {})
    match fields:
        case {"type": "server_tool_call", "name": name}:
            kind, server_name = "server_tool_use", _SERVER_TOOLS.get(name, name)
            if name == "remote_mcp":
                kind, server_name = "mcp_tool_use", extras.pop("tool_name", name)
            made = {"type": kind, "id": fields.get("id"), "name": server_name, "input": fields.get("args") or {}}
            return RawBlock({**made, **extras}, "anthropic")
        case {"type": "server_tool_result"} if "block_type" in extras:
            made = {"type": extras.pop("block_type"), "tool_use_id": fields.get("tool_call_id")}
            return RawBlock({**made, "content": fields.get("output") or [], **extras}, "anthropic")
        case {"type": str(kind)} if kind in KNOWN_BLOCK_TYPES and not isinstance(fields.get("source"), Mapping):
            return None
    return RawBlock({name: value for name, value in block.items() if name != "index"}, dialect_of(block))


def _read_media(block: Mapping[str, Any]) -> Part | None:
    """A picture, a document, sound or a film; None if it is something else, or its source has an unknown form."""
    kind = str(block.get("type"))
    source = _find_source(block)
    url, mime_type, file_id = (source.get(name) for name in ("url", "mime_type", "file_id"))
    base64, mime_type = _read_data(source.get("base64"), mime_type)
    if not base64 and isinstance(url, str) and url.startswith("data:"):
        base64, mime_type = _read_data(url, mime_type)
        url = None if base64 else url
    if kind == "media":  # Gemini's
        major = str(mime_type).partition("/")[0]
        kind = major if major in ("image", "audio", "video") else "file"
    extra = _extra(block, "source", "detail", *_SOURCE_FIELDS)
    if kind == "image" and (url or base64 or file_id):
        return Image(url, base64, mime_type, block.get("detail"), file_id, extra)
    if kind in ("file", "document", "text-plain") and (url or base64 or file_id or source.get("text") is not None):
        title = extra.pop("title", None)
        return File(base64, mime_type, _filename(block) or title, file_id, url, source.get("text"), extra)
    if kind == "audio" and base64:
        subtype = (mime_type or "audio/wav").rpartition("/")[2].removeprefix("x-")
        return Audio(base64, _AUDIO_FORMATS.get(subtype, subtype), extra)
    if kind in ("audio", "video") and file_id:
        return RawBlock({"type": "file", "file": {"file_id": file_id}, **extra}, "openai")
    if kind in ("audio", "video") and (url or base64):
        url = url or f"data:{mime_type or 'video/mp4'};base64,{base64}"
        return RawBlock({"type": f"{kind}_url", f"{kind}_url": {"url": url}, **extra}, "openai")
    return None


def _find_source(block: Mapping[str, Any]) -> dict[str, Any]:
    """The block's data under our names: `url`, `base64` with `mime_type`, `file_id`, or `text`."""
    source = block.get("source")
    if isinstance(source, Mapping):  # Anthropic
        is_text = source.get("type") == "text"
        return {
            "url": source.get("url"),
            "base64": None if is_text else source.get("data"),
            "text": source.get("data") if is_text else None,
            "mime_type": source.get("media_type"),
            "file_id": source.get("file_id"),
        }
    source_type = block.get("source_type")
    if source_type is not None:  # LangChain's v0 blocks
        return {
            "url": block.get("url"),
            "base64": block.get("data") if source_type == "base64" else None,
            "text": block.get("text") if source_type == "text" else None,
            "mime_type": block.get("mime_type"),
            "file_id": block.get("id") if source_type == "id" else None,
        }
    return {
        "url": block.get("url") or block.get("file_uri"),
        "base64": block.get("base64") or block.get("data"),
        "mime_type": block.get("mime_type") or block.get("mimeType"),
        "file_id": block.get("file_id"),
    }


def _file(data: Any, file_id: Any, filename: Any, extra: dict[str, Any]) -> File:
    """A file in OpenAI's form, whose data is a data URL, base64 text or, at some gateways, an address."""
    if isinstance(data, str) and data.startswith(("http://", "https://")):
        return File(filename=filename, file_id=file_id, url=data, extra=extra)
    base64, mime_type = _read_data(data, None)
    return File(base64 or None, mime_type, filename, file_id, extra=extra)


def _read_data(data: Any, mime_type: str | None) -> tuple[str | None, str | None]:
    """Base64 text and its MIME type, from such text, a data URL or bytes; None if it is something else."""
    if isinstance(data, bytes | bytearray):
        return b64encode(data).decode(), mime_type
    if not isinstance(data, str):
        return None, mime_type
    header, separator, base64 = data.partition(";base64,")
    return (base64, header.removeprefix("data:") or mime_type) if separator else (data, mime_type)


def _extra(block: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """The fields that are not understood here, together with those that LangChain's blocks keep in `extras`."""
    extra = {name: value for name, value in block.items() if name not in known and name not in _BOOKKEEPING}
    for kept in _kept_fields(block):
        extra |= {name: value for name, value in kept.items() if name not in ("filename", "name", "metadata")}
    return extra


def _kept_fields(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The fields of others that LangChain's blocks keep: older ones in `metadata`, newer ones in `extras`."""
    extras = block.get("extras")
    converted = extras.get("metadata") if isinstance(extras, Mapping) else None
    for fields in (extras, block.get("metadata"), converted):
        if isinstance(fields, Mapping):
            yield fields


def _nested_extra(block: Mapping[str, Any], name: str, *known: str) -> dict[str, Any]:
    inner = {key: value for key, value in block[name].items() if key not in known}
    return {**_extra(block, name), **({name: inner} if inner else {})}


def _filename(block: Mapping[str, Any]) -> str | None:
    names = (fields.get("filename") for fields in (block, *_kept_fields(block)))
    return next((str(name) for name in names if name), None)
