"""Content blocks as Anthropic's interface takes them: which there are, where, and with what fields."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Literal

from aki_transport.emulator.anthropic_thinking import signature
from aki_transport.emulator.errors import Refusal

Place = Literal["system", "user", "assistant", "tool_result"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type of block: its fields, and where it may stand."""

    places: frozenset[Place]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


_WORDS: dict[type, str] = {str: "string", dict: "dictionary", bool: "boolean"}
_FIELDS: dict[str, type] = {
    "text": str,
    "source": dict,
    "tool_use_id": str,
    "is_error": bool,
    "id": str,
    "name": str,
    "input": dict,
    "thinking": str,
    "signature": str,
    "data": str,
}
_ASKED: frozenset[Place] = frozenset(("user", "tool_result"))
_KINDS = {
    "text": _Kind(_ASKED | {"system", "assistant"}, ("text",), ("citations",)),
    "image": _Kind(_ASKED, ("source",)),
    "document": _Kind(_ASKED, ("source",), ("title", "context", "citations")),
    "tool_result": _Kind(frozenset(("user",)), ("tool_use_id",), ("content", "is_error", "toolset_name")),
    "tool_use": _Kind(frozenset(("assistant",)), ("id", "name", "input"), ("caller", "toolset_name")),
    "thinking": _Kind(frozenset(("assistant",)), ("thinking", "signature")),
    "redacted_thinking": _Kind(frozenset(("assistant",)), ("data",)),
}
_EVERYWHERE = ("type", "cache_control")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def read_blocks(content: Any, place: Place, at: str) -> list[dict[str, Any]]:
    """The content's blocks, each looked over; a string is one of text, an empty one none.

    Args:
        content: A string or a list of blocks.
        place: Where it stands.
        at: What the interface calls that, as in `messages.0.content`.

    Raises:
        Refusal: A block the interface does not take.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        raise Refusal(f"{at}: Input should be a valid list")
    for index, block in enumerate(content):
        _check(block, place, f"{at}.{index}")
    return content


def plain(blocks: list[dict[str, Any]], at: str) -> tuple[str, tuple[str, ...]]:
    """What the blocks say, and the URLs of their images."""
    texts: list[str] = []
    images: list[str] = []
    for index, block in enumerate(blocks):
        match block["type"]:
            case "text":
                texts.append(block["text"])
            case "document":
                said = _document(block["source"], f"{at}.{index}.document.source")
                title = str(block.get("title") or "untitled").replace('"', "'")
                texts.append(f'<document title="{title}">\n{block.get("context") or ""}\n{said}\n</document>')
            case "image":
                images.append(_image(block["source"], f"{at}.{index}.image.source"))
            case _:
                continue
    return "\n".join(texts), tuple(images)


def _check(block: Any, place: Place, at: str) -> None:
    if not isinstance(block, dict):
        raise Refusal(f"{at}: Input should be a valid dictionary")
    known = [name for name, kind in _KINDS.items() if place in kind.places]
    name = block.get("type")
    if name not in known:
        expected = ", ".join(f"'{each}'" for each in known)
        raise Refusal(
            f"{at}: Input tag '{name}' found using 'type' does not match any of the expected tags: {expected}"
        )
    kind = _KINDS[name]
    for field in kind.required:
        if field not in block:
            raise Refusal(f"{at}.{name}.{field}: Field required")
    for field, value in block.items():
        if field not in (*_EVERYWHERE, *kind.required, *kind.optional):
            raise Refusal(f"{at}.{name}.{field}: Extra inputs are not permitted")
        if field in _FIELDS and not isinstance(value, _FIELDS[field]):
            raise Refusal(f"{at}.{name}.{field}: Input should be a valid {_WORDS[_FIELDS[field]]}")
    _check_value(block, at)


def _check_value(block: dict[str, Any], at: str) -> None:
    match block:
        case {"type": "text", "text": ""}:
            raise Refusal("messages: text content blocks must be non-empty")
        case {"type": "text", "text": str(text)} if not text.strip():
            raise Refusal("messages: text content blocks must contain non-whitespace text")
        case {"type": "tool_use", "id": str(id_)} if not _ID.fullmatch(id_):
            raise Refusal(f"{at}.tool_use.id: String should match pattern '^{_ID.pattern}$'")
        case {"type": "thinking", "thinking": str(text), "signature": str(given)} if given != signature(text):
            raise Refusal(f"{at}: Invalid `signature` in `thinking` block")


def _document(source: dict[str, Any], at: str) -> str:
    match source:
        case {"type": "text", "media_type": "text/plain", "data": str(text)}:
            return text
        case {"type": "content", "content": content}:
            return plain(read_blocks(content, "tool_result", f"{at}.content"), f"{at}.content")[0]
        case _:
            raise Refusal(f"{at}: Input tag '{source.get('type')}' found: only documents of text are supported")


def _image(source: dict[str, Any], at: str) -> str:
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
