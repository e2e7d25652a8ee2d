"""What an answer's content holds besides text: LlamaIndex's blocks of pictures, sound and sources, and the way back."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from llama_index.core.base.llms.types import AudioBlock, CitationBlock, ContentBlock, ImageBlock, TextBlock

from aki_transport.message_fields import read_source
from aki_transport.messages import ChatReply, Part, RawBlock, Text


def kept_blocks(reply: ChatReply) -> Iterator[ContentBlock]:
    """The pictures, the sound and the sources of an answer."""
    raw = [part.fields for part in reply.parts if isinstance(part, RawBlock)]
    images = reply.extra.get("images")
    for fields in (*raw, *(images if isinstance(images, list) else ())):
        match fields:
            case {"image_url": {"url": str(url)} | str(url)}:
                yield _image(url)
    match reply.extra.get("audio"):
        case {"data": str(data)} if (sound := _decoded(data)) is not None:
            yield AudioBlock(audio=sound)
    texts = [part.extra for part in reply.parts if isinstance(part, Text)]
    cited = [source for extra in texts for source in (*extra.get("citations", ()), *extra.get("annotations", ()))]
    for source in (*cited, *reply.annotations):
        known, others = read_source(source)
        if known:
            yield _citation(known, others)


def _image(url: str) -> ImageBlock:
    header, separator, data = url.partition(";base64,")
    picture = _decoded(data) if separator else None
    if picture is None:
        return ImageBlock(url=url)
    return ImageBlock(image=picture, image_mimetype=header.removeprefix("data:"))


def _decoded(data: str) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True) or None
    except ValueError:
        return None


def _citation(known: Mapping[str, Any], others: Mapping[str, Any]) -> CitationBlock:
    numbers = {name: value for name, value in {**known, **others}.items() if type(value) is int}
    return CitationBlock(
        cited_content=TextBlock(text=str(known.get("cited_text", ""))),
        source=str(known.get("url") or others.get("source") or known.get("title", "")),
        title=str(known.get("title", "")),
        additional_location_info=numbers,
    )


def content_parts(parts: tuple[Part, ...]) -> dict[str, Any]:
    """The parts of an answer in their maker's form."""
    dialects = [part.dialect for part in parts if isinstance(part, RawBlock)]
    blocks = [
        {"type": "text", "text": part.text, **part.extra} if isinstance(part, Text) else dict(part.fields)
        for part in parts
        if isinstance(part, Text | RawBlock)
    ]
    return {"protocol": dialects[0] if dialects else None, "blocks": blocks}


def read_content_parts(kept: Any, text: str) -> tuple[Part, ...]:
    """The parts again; empty if the message has another text by now."""
    blocks = kept.get("blocks") if isinstance(kept, Mapping) else None
    if not isinstance(blocks, list):
        return ()
    parts: list[Part] = []
    for block in blocks:
        match block:
            case {"type": "text", "text": str(part_text)}:
                parts.append(Text(part_text, {k: v for k, v in block.items() if k not in ("type", "text")}))
            case dict():
                parts.append(RawBlock(block, kept.get("protocol")))
    return tuple(parts) if "".join(part.text for part in parts if isinstance(part, Text)) == text else ()
