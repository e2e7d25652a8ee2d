"""Reads an image's type and size from the first bytes of its file.

A reader of its own instead of a library: the four formats take few lines, and the number of steps has a bound whatever
the bytes are.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_MAX_SEGMENTS = 4096  # of a JPEG before its size; a long color profile takes 255

_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM, RST0 to RST7 (ITU T.81, table B.1)
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 without DHT, JPG, DAC
_JPEG_FILL = 0xFF


class ImageHeader(NamedTuple):
    """A file's type, and its size in pixels."""

    mime_type: str
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader | None:
    """The header of a PNG, JPEG, GIF or WebP file, from enough of its beginning; None if it is none of these."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            return ImageHeader("image/png", *struct.unpack_from(">II", data, 16))
        if data.startswith((b"GIF87a", b"GIF89a")):
            return ImageHeader("image/gif", *struct.unpack_from("<HH", data, 6))
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _read_webp(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(data)
    except struct.error:  # the file ends within its header
        return None
    return None


def _read_webp(data: bytes) -> ImageHeader | None:
    # RFC 9649, section 2.7 (VP8X) and 3.4 (VP8L); RFC 6386, section 9.1 (VP8).
    kind = data[12:16]
    if kind == b"VP8X":
        width_low, width_high, height_low, height_high = struct.unpack_from("<HBHB", data, 24)
        return ImageHeader("image/webp", 1 + width_low + (width_high << 16), 1 + height_low + (height_high << 16))
    if kind == b"VP8L" and data[20:21] == b"\x2f":
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageHeader("image/webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader("image/webp", width & 0x3FFF, height & 0x3FFF)
    return None


def _read_jpeg(data: bytes) -> ImageHeader | None:
    position = 2
    for _ in range(_MAX_SEGMENTS):
        start, marker = struct.unpack_from(">BB", data, position)
        if start != _JPEG_FILL:
            return None
        if marker == _JPEG_FILL:
            position += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            position += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return ImageHeader("image/jpeg", width, height)
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            position += 2 + length
    return None
