# ruff: noqa: RUF001  # the multiplication sign is how sizes are written
"""What an image part shows without looking at its pixels: format and size."""

import base64
import binascii
import struct
from urllib.parse import unquote_to_bytes, urlsplit

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})


def describe(images: tuple[str, ...]) -> str:
    """A sentence about the images of a prompt."""
    if len(images) == 1:
        return f"I see {_one(images[0])}."
    listed = "; ".join(f"{number}. {_one(image)}" for number, image in enumerate(images, start=1))
    return f"I see {len(images)} images: {listed}."


def _one(url: str) -> str:
    if not url.startswith("data:"):
        # Never fetched: the emulator reaches nothing but its clients.
        return f"an image at {urlsplit(url).netloc or url[:40]} that was not opened"
    head, _, payload = url.partition(",")
    try:
        data = base64.b64decode(payload, validate=True) if head.endswith(";base64") else unquote_to_bytes(payload)
    except binascii.Error:
        return "an image that is not valid base64"
    size = measure(data)
    if size is None:
        return f"an image of {len(data)} bytes in a format I do not know"
    kind, width, height = size
    return f"a {kind} image of {width} × {height} pixels"


def measure(data: bytes) -> tuple[str, int, int] | None:
    """Format, width and height from the file's header."""
    try:
        if data.startswith(_PNG):
            return ("PNG", *struct.unpack(">II", data[16:24]))
        if data[:6] in (b"GIF87a", b"GIF89a"):
            return ("GIF", *struct.unpack("<HH", data[6:10]))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
    except (struct.error, IndexError):
        return None
    return None


def _webp(data: bytes) -> tuple[str, int, int] | None:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return "WebP", width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack("<I", data[21:25])
            return "WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return "WebP", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case _:
            return None


def _jpeg(data: bytes) -> tuple[str, int, int] | None:
    at = 2
    while at < len(data):
        if data[at] != 0xFF:  # noqa: PLR2004  # every JPEG marker begins so
            return None
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return "JPEG", width, height
        at += 2
        if marker not in _MARKERS_WITHOUT_LENGTH:
            at += struct.unpack(">H", data[at : at + 2])[0]
    return None
