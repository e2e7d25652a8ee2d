"""Pictures: what they are, and how one is made out of bytes, files, other libraries' pictures and answers."""

from __future__ import annotations

import base64
import io
import secrets
import stat
from binascii import a2b_base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aki_transport.errors import ConfigurationError, InvalidResponseError

MAX_IMAGE = 50 * 2**20
"""Bytes that a picture may have."""

# What claims more pixels is made to exhaust whoever opens it.
_WIDEST = 16384
_MOST_PIXELS = 2**26

_HEADERS = (2**16, 2**22)  # bytes of a file in which its size is looked for, and then, should it not be there
_STEP = 2**20  # characters of base64 that are decoded at a time, for each step is copied
_PNG_MODES = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA"})

_KINDS = {
    "image/png": ((0, b"\x89PNG\r\n\x1a\n"),),
    "image/jpeg": ((0, b"\xff\xd8\xff"),),
    "image/gif": ((0, b"GIF8"),),
    "image/webp": ((0, b"RIFF"), (8, b"WEBP")),
}


def new_id() -> str:
    """A name for a picture."""
    return f"img_{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """A picture.

    Args:
        data: The file's bytes.
        mime_type: Its type, read from the bytes.
        width: Pixels, read from the bytes.
        height: Pixels, read from the bytes.
        seed: The number that it was made from, where the service says it.
        prompt: What was asked for.
        model: The model that was asked.
        id: The name by which a model is told of it, like `img_3f9c2a`.

    Example:
        >>> (image,) = Client().generate_image("a red lighthouse", size="512x512")
        >>> image.width, image.mime_type
        (512, 'image/png')
        >>> image.save("lighthouse.png")
        PosixPath('lighthouse.png')
    """

    data: bytes
    mime_type: str
    width: int
    height: int
    seed: int | None = None
    prompt: str = ""
    model: str | None = None
    id: str = field(default_factory=new_id)

    @classmethod
    def read(
        cls, data: bytes, *, prompt: str = "", model: str | None = None, seed: int | None = None
    ) -> GeneratedImage:
        """A picture out of its bytes, 50 MB and 67 million pixels at the most.

        Raises:
            ConfigurationError: They are no PNG, JPEG, GIF or WebP, or larger than is taken.

        Example:
            >>> (image,) = Client().generate_image("a red lighthouse", size="512x512")
            >>> GeneratedImage.read(image.data, prompt="found again").height
            512
        """
        _check_size("the picture", len(data))
        kind = _kind_of(data)
        width, height = (-1, -1) if kind is None else _size_of(data)
        if kind is None or width < 1 or height < 1:
            raise ConfigurationError(f"{len(data)} bytes that begin with {data[:8]!r} are no PNG, JPEG, GIF or WebP.")
        if max(width, height) > _WIDEST or width * height > _MOST_PIXELS:
            raise ConfigurationError(
                f"the picture claims {width}x{height} pixels; a side has at most {_WIDEST}, and all of it"
                f" {_MOST_PIXELS // 10**6} million."
            )
        return cls(data, kind, width, height, seed=seed, prompt=prompt, model=model)

    def save(self, path: str | Path) -> Path:
        """Write the file, and give its path; a folder gets a file named after the ID.

        Raises:
            OSError: The file cannot be written.
        """
        path = Path(path)
        if path.is_dir():
            path = path / f"{self.id}.{self.mime_type.rpartition('/')[2].replace('jpeg', 'jpg')}"
        path.write_bytes(self.data)
        return path

    def to_base64(self) -> str:
        """The bytes as base64 text.

        Example:
            >>> Client().generate_image("a red lighthouse")[0].to_base64()[:8]
            'iVBORw0K'
        """
        return base64.b64encode(self.data).decode("ascii")

    def to_data_url(self) -> str:
        """The picture as an address that holds it.

        Example:
            >>> Client().generate_image("a red lighthouse")[0].to_data_url()[:22]
            'data:image/png;base64,'
        """
        return f"data:{self.mime_type};base64,{self.to_base64()}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        """What a notebook shows."""
        return {self.mime_type: self.to_base64(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        seed = "" if self.seed is None else f", seed={self.seed}"
        return (
            f"GeneratedImage({self.id!r}, {self.width}x{self.height}, {self.mime_type}, {len(self.data)} bytes{seed},"
            f" prompt={self.prompt!r})"
        )


def _check_size(name: str, size: int) -> None:
    if size > MAX_IMAGE:
        raise ConfigurationError(f"{name} has {size // 2**20} MB; at most {MAX_IMAGE // 2**20} are taken.")


def _kind_of(data: bytes) -> str | None:
    return next((kind for kind, marks in _KINDS.items() if all(data.startswith(mark, at) for at, mark in marks)), None)


def _size_of(data: bytes) -> tuple[int, int]:
    import imagesize  # type: ignore[import-untyped]  # noqa: PLC0415  only who has pictures needs it

    for most in _HEADERS:
        with suppress(Exception):  # a broken header makes it fail in many ways
            width, height = imagesize.get(io.BytesIO(data[:most]), exif_rotation=False)
            if width > 0 and height > 0:
                return int(width), int(height)
    return -1, -1


def decoded(text: Any, *, prompt: str, model: str | None, seed: int | None = None) -> GeneratedImage:
    """A picture out of the base64 text, or the data URL, of an answer.

    Raises:
        InvalidResponseError: It is none.
    """
    if not isinstance(text, str) or not text:
        raise InvalidResponseError("the answer holds no picture as base64 text")
    if len(text) > MAX_IMAGE * 4 // 3 + 1024:
        raise InvalidResponseError(f"the answer's picture is larger than {MAX_IMAGE // 2**20} MB")
    if text.startswith(("http:", "https:")):
        raise InvalidResponseError(
            "the answer holds the address of a picture instead of the picture; it is not fetched"
        )
    try:
        data = _from_base64(text, text.index(",") + 1 if text.startswith("data:") else 0)
        return GeneratedImage.read(data, prompt=prompt, model=model, seed=seed)
    except ValueError as error:
        words = f"the answer's picture is no base64 text: {error}"
    except ConfigurationError as error:
        words = f"the answer holds no picture: {error.message}"
    raise InvalidResponseError(words)


def _from_base64(text: str, start: int) -> bytes:
    if text.find("=", start, -2) >= 0:
        raise ValueError("it goes on behind its end")
    buffer = io.BytesIO()
    for at in range(start, len(text), _STEP):
        buffer.write(a2b_base64(text[at : at + _STEP], strict_mode=True))
    return buffer.getvalue()  # which hands out the buffer itself


def as_image(image: Any) -> GeneratedImage:
    """A picture out of what code may pass.

    Raises:
        ConfigurationError: It is none of that, or no picture.
    """
    match image:
        case GeneratedImage():
            return image
        case bytes() | bytearray() | memoryview():
            return GeneratedImage.read(bytes(image))
        case Path():
            return _from_file(image)
        case {"data": bytes(data), "id": str(image_id)}:
            known = {name: image.get(name) for name in ("seed", "prompt", "model") if image.get(name) is not None}
            return replace(GeneratedImage.read(data, **known), id=image_id)
    if callable(getattr(image, "save", None)) and hasattr(image, "mode"):
        return _from_pil(image)
    raise ConfigurationError(
        f"{type(image).__name__} is no picture; pass a GeneratedImage, bytes, a pathlib.Path or a PIL image."
    )


def as_images(images: Any) -> tuple[GeneratedImage, ...]:
    """One picture or several, out of what code may pass.

    Raises:
        ConfigurationError: There is none, or something is no picture.
    """
    one = isinstance(images, bytes | bytearray | memoryview | str) or not isinstance(images, Sequence)
    found = tuple(as_image(image) for image in ([images] if one else images))
    if not found:
        raise ConfigurationError("there is no picture to change; pass at least one.")
    return found


def _from_file(path: Path) -> GeneratedImage:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigurationError(f"{path.name} is no file.")
        _check_size(path.name, found.st_size)
        with path.open("rb") as file:
            data = file.read(MAX_IMAGE + 1)
    except OSError as error:
        words = f"{path.name} cannot be read: {error.strerror}."
    else:
        if _kind_of(data) is not None:
            return GeneratedImage.read(data)
        words = f"{path.name} is no PNG, JPEG, GIF or WebP."  # not a word of what it is: a model may read this
    raise ConfigurationError(words)


def _from_pil(image: Any) -> GeneratedImage:
    buffer = io.BytesIO()
    try:
        (image if image.mode in _PNG_MODES else image.convert("RGB")).save(buffer, format="PNG")
    except (OSError, SystemError, ValueError) as error:
        words = f"the PIL image cannot be written as PNG: {error}"
    else:
        return GeneratedImage.read(buffer.getvalue())
    raise ConfigurationError(words)
