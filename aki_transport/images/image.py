"""`GeneratedImage`, and how one is made from bytes, files, PIL images and responses."""

from __future__ import annotations

import base64
import io
import secrets
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aki_transport.errors import ConfigurationError, InvalidResponseError
from aki_transport.images.files import MAX_IMAGE_BYTES, check_byte_size, read_file
from aki_transport.images.header import read_header

# Larger images can exhaust the memory of a program that opens them ("decompression bombs").
_MAX_SIDE = 16384
_MAX_PIXELS = 2**26

_BASE64_CHUNK = 2**20  # characters; each decoded chunk is copied once, so chunks keep the copies small
_PNG_MODES = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA"})


def new_image_id() -> str:
    """A random ID; its 64 bits cannot be guessed."""
    return f"img_{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """An image that a model made, or one to be changed.

    Args:
        data: The file's bytes.
        mime_type: The file's type, read from the bytes.
        width: Pixels, read from the bytes.
        height: Pixels, read from the bytes.
        seed: The seed that it was made with, if the service states it.
        prompt: The prompt that it was made from.
        model: The model of the request.
        id: The ID by which a chat model refers to it, like `img_3f9c2a81d04b7e65`.

    Example:
        >>> (image,) = Client().generate_image("a red lighthouse", size="512x512")
        >>> image.width, image.mime_type
        (512, 'image/png')
        >>> image.save("lighthouse.png")
        PosixPath('lighthouse.png')
        >>> image.to_data_url() == f"data:image/png;base64,{image.to_base64()}"
        True
        >>> GeneratedImage.read(image.data, prompt="a red lighthouse").height
        512
    """

    data: bytes
    mime_type: str
    width: int
    height: int
    seed: int | None = None
    prompt: str = ""
    model: str | None = None
    id: str = field(default_factory=new_image_id)

    @classmethod
    def read(
        cls, data: bytes, *, prompt: str = "", model: str | None = None, seed: int | None = None
    ) -> GeneratedImage:
        """An image from a file's bytes: at most 50 MB, 16384 pixels a side and 67 million pixels in all.

        Raises:
            ConfigurationError: The bytes are not a PNG, JPEG, GIF or WebP file, or too large.
        """
        check_byte_size("the image", len(data))
        header = read_header(data)
        if header is None or header.width < 1 or header.height < 1:
            raise ConfigurationError(
                f"{len(data)} bytes that begin with {data[:8]!r} are not a PNG, JPEG, GIF or WebP file."
            )
        mime_type, width, height = header
        if max(width, height) > _MAX_SIDE or width * height > _MAX_PIXELS:
            raise ConfigurationError(
                f"the image has {width}x{height} pixels; allowed are {_MAX_SIDE} a side and"
                f" {_MAX_PIXELS // 10**6} million in all."
            )
        return cls(data, mime_type, width, height, seed=seed, prompt=prompt, model=model)

    def save(self, path: str | Path) -> Path:
        """Write the file, and return its path. In a folder, the file is named after the ID.

        Raises:
            OSError: The file cannot be written.
        """
        path = Path(path)
        if path.is_dir():
            path = path / f"{self.id}.{self.mime_type.rpartition('/')[2].replace('jpeg', 'jpg')}"
        path.write_bytes(self.data)
        return path

    def to_base64(self) -> str:
        """The bytes as base64 text."""
        return base64.b64encode(self.data).decode("ascii")

    def to_data_url(self) -> str:
        """The image as a `data:` URL."""
        return f"data:{self.mime_type};base64,{self.to_base64()}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        """What Jupyter displays."""
        return {self.mime_type: self.to_base64(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        seed = "" if self.seed is None else f", seed={self.seed}"
        return (
            f"GeneratedImage({self.id!r}, {self.width}x{self.height}, {self.mime_type}, {len(self.data)} bytes{seed},"
            f" prompt={self.prompt!r})"
        )


class ImageList(list[GeneratedImage]):
    """A list of images that Jupyter displays as the images."""

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  takes longer to import than this file

        return " ".join(f'<img src="{image.to_data_url()}" alt="{escape(image.prompt)}">' for image in self)


def decode_image(text: Any, *, prompt: str, model: str | None, seed: int | None = None) -> GeneratedImage:
    """An image from the base64 text, or the data URL, of a response; `InvalidResponseError` if it is none."""
    if not isinstance(text, str) or not text:
        raise InvalidResponseError("the response contains no image as base64 text")
    if len(text) > MAX_IMAGE_BYTES * 4 // 3 + 1024:
        raise InvalidResponseError(f"the response's image is larger than {MAX_IMAGE_BYTES // 2**20} MB")
    if text.startswith(("http:", "https:")):
        raise InvalidResponseError(
            "the response contains the URL of an image instead of the image; URLs are not fetched"
        )
    try:
        data = _from_base64(text, text.index(",") + 1 if text.startswith("data:") else 0)
        return GeneratedImage.read(data, prompt=prompt, model=model, seed=seed)
    except ValueError as error:
        message = f"the response's image is not base64 text: {error}"
    except ConfigurationError as error:
        message = f"the response contains no image: {error.message}"
    raise InvalidResponseError(message)


def _from_base64(text: str, start: int) -> bytes:
    if text.find("=", start, -2) >= 0:
        raise ValueError("there is text after its end")
    buffer = io.BytesIO()
    for position in range(start, len(text), _BASE64_CHUNK):
        buffer.write(a2b_base64(text[position : position + _BASE64_CHUNK], strict_mode=True))
    return buffer.getvalue()  # not a copy: CPython shares the buffer


def as_image(image: Any) -> GeneratedImage:
    """An image from a `GeneratedImage`, bytes, a path or a PIL image; `ConfigurationError` if it is none of them."""
    match image:
        case GeneratedImage():
            return image
        case bytes() | bytearray() | memoryview():
            return GeneratedImage.read(bytes(image))
        case Path():
            return image_from_file(read_file(image), image.name)
        case {"data": bytes(data), "id": str(image_id)}:
            # What a checkpoint of LangGraph makes of a GeneratedImage.
            fields = {name: image.get(name) for name in ("seed", "prompt", "model") if image.get(name) is not None}
            return replace(GeneratedImage.read(data, **fields), id=image_id)
        case _ if callable(getattr(image, "save", None)) and hasattr(image, "mode"):
            return _from_pil(image)
    raise ConfigurationError(
        f"{type(image).__name__} is not an image; pass a GeneratedImage, bytes, a pathlib.Path or a PIL image."
    )


def as_images(images: Any) -> tuple[GeneratedImage, ...]:
    """Images from one, or a sequence, of the types that `as_image` accepts; `ConfigurationError` if there is none."""
    one = isinstance(images, bytes | bytearray | memoryview | str) or not isinstance(images, Sequence)
    converted = tuple(as_image(image) for image in ([images] if one else images))
    if not converted:
        raise ConfigurationError("there is no image to change; pass at least one.")
    return converted


def image_from_file(data: bytes, name: str) -> GeneratedImage:
    """An image from a file's bytes.

    Raises:
        ConfigurationError: It is not an image; the message contains nothing of the file, for a chat model may read it.
    """
    if read_header(data) is None:
        raise ConfigurationError(f"{name} is not a PNG, JPEG, GIF or WebP file.")
    return GeneratedImage.read(data)


def _from_pil(image: Any) -> GeneratedImage:
    buffer = io.BytesIO()
    try:
        (image if image.mode in _PNG_MODES else image.convert("RGB")).save(buffer, format="PNG")
    except (OSError, SystemError, ValueError) as error:
        message = f"the PIL image cannot be written as PNG: {error}"
    else:
        return GeneratedImage.read(buffer.getvalue())
    raise ConfigurationError(message)
