"""Pictures: what is asked for, what comes back, and where they are kept for the next step."""

from __future__ import annotations

import base64
import binascii
import io
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aki_transport.errors import ConfigurationError, InvalidResponseError

MAX_IMAGE = 50 * 2**20
"""Bytes that a picture may have."""

SMALLEST, LARGEST = 128, 2048
"""Pixels of a side, by AKI.IO's page of its native API."""

_WIDEST = 16384  # pixels; what claims more is made to exhaust whoever opens it

MOST = 10
"""Pictures of one call."""

_KINDS = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)


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
        >>> GeneratedImage.read(open("cat.png", "rb").read()).width  # doctest: +SKIP
        1024
    """

    data: bytes
    mime_type: str
    width: int
    height: int
    seed: int | None = None
    prompt: str = ""
    model: str | None = None
    id: str = field(default_factory=lambda: f"img_{secrets.token_hex(3)}")

    @classmethod
    def read(
        cls, data: bytes, *, prompt: str = "", model: str | None = None, seed: int | None = None
    ) -> GeneratedImage:
        """A picture out of its bytes.

        Raises:
            ConfigurationError: They are no PNG, JPEG, GIF or WebP, or more than 50 MB.
        """
        if len(data) > MAX_IMAGE:
            raise ConfigurationError(
                f"the picture has {len(data) // 2**20} MB; at most {MAX_IMAGE // 2**20} are taken."
            )
        kind = next((kind for mark, at, kind in _KINDS if data[at : at + len(mark)] == mark), None)
        width, height = (-1, -1) if kind is None else _size_of(data)
        if kind is None or width < 1 or height < 1:
            raise ConfigurationError(f"{len(data)} bytes that begin with {data[:8]!r} are no PNG, JPEG, GIF or WebP.")
        if max(width, height) > _WIDEST:
            raise ConfigurationError(f"the picture claims {width}x{height} pixels; a side has at most {_WIDEST}.")
        return cls(data, kind, width, height, seed=seed, prompt=prompt, model=model)

    def save(self, path: str | Path) -> Path:
        """Write the file, and give its path; a folder gets a file named after the ID."""
        path = Path(path)
        if path.is_dir():
            path = path / f"{self.id}.{self.mime_type.rpartition('/')[2].replace('jpeg', 'jpg')}"
        path.write_bytes(self.data)
        return path

    def to_base64(self) -> str:
        """The bytes as base64 text."""
        return base64.b64encode(self.data).decode("ascii")

    def to_data_url(self) -> str:
        """The picture as an address that holds it."""
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


def _too_large(name: str, size: int) -> str:
    return f"{name} has {size // 2**20} MB; at most {MAX_IMAGE // 2**20} are taken."


def _size_of(data: bytes) -> tuple[int, int]:
    import imagesize  # type: ignore[import-untyped]  # noqa: PLC0415  only who has pictures needs it

    try:
        width, height = imagesize.get(io.BytesIO(data), exif_rotation=False)
    except Exception:  # noqa: BLE001  a broken header makes it fail in many ways
        return -1, -1
    return int(width), int(height)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What is asked of a model that draws; what is None is not sent. With `images` it is asked to change them."""

    prompt: str
    model: str | None = None
    endpoint: str | None = None
    n: int = 1
    size: tuple[int, int] | None = None
    images: tuple[GeneratedImage, ...] = ()
    seed: int | None = None
    negative_prompt: str | None = None
    steps: int | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)


def read_size(size: str | tuple[int, int] | None) -> tuple[int, int] | None:
    """Width and height in pixels.

    Raises:
        ConfigurationError: It is no size like `"1024x1024"`, or a side is out of range.
    """
    if size is None:
        return None
    sides = size.lower().split("x") if isinstance(size, str) else size
    try:
        width, height = (int(side) for side in sides)
    except (TypeError, ValueError):
        raise ConfigurationError(f"size={size!r} is no size; use one like '1024x1024'.") from None
    if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
        raise ConfigurationError(f"size={size!r} is out of range; a side has {SMALLEST} to {LARGEST} pixels.")
    return width, height


def checked(request: ImageRequest) -> ImageRequest:
    """The request, if it can be sent.

    Raises:
        ConfigurationError: The prompt is empty, or a number is out of range.
    """
    if not request.prompt.strip():
        raise ConfigurationError("the prompt is empty; say what the picture shall show.")
    for name, least, most in (("n", 1, MOST), ("steps", 1, 1000), ("seed", -1, 2**32 - 1)):
        value = getattr(request, name)
        if value is not None and not least <= value <= most:
            raise ConfigurationError(f"{name}={value} is out of range; use {least} to {most}.")
    return request


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
        data = base64.b64decode(text[text.index(",") + 1 :] if text.startswith("data:") else text, validate=True)
        return GeneratedImage.read(data, prompt=prompt, model=model, seed=seed)
    except (ValueError, binascii.Error) as error:
        words = f"the answer's picture is no base64 text: {error}"
    except ConfigurationError as error:
        words = f"the answer holds no picture: {error.message}"
    raise InvalidResponseError(words)


class ImageStore:
    """Keeps pictures by their IDs, the newest ones; from any thread.

    What a model says is only ever looked up: an ID, or a file below `folder` if one is allowed.

    Args:
        max_items: Pictures that are kept, 1 or more.
        max_bytes: Bytes that are kept, in all.
        folder: A folder whose files a model may name. None: none.

    Example:
        >>> store = ImageStore(max_items=10)
        >>> len(store)
        0
    """

    def __init__(self, max_items: int = 100, max_bytes: int = 256 * 2**20, folder: str | Path | None = None) -> None:
        if max_items < 1 or max_bytes < 1:
            raise ConfigurationError(f"an ImageStore keeps at least one picture, not {max_items} in {max_bytes} bytes.")
        self.max_items = max_items
        self.max_bytes = max_bytes
        self.folder = None if folder is None else Path(folder).resolve()
        self._images: OrderedDict[str, GeneratedImage] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def add(self, image: Any) -> GeneratedImage:
        """Keep a picture, and give it with the ID by which it is kept.

        Args:
            image: A `GeneratedImage` (or the dict that a checkpoint made of one), bytes, a path, or a PIL image. For
                code only: a path is read wherever it lies.

        Raises:
            ConfigurationError: It is no picture, or too large for the store.
        """
        picture = as_image(image)
        size = len(picture.data)
        if size > self.max_bytes:
            raise ConfigurationError(f"{picture.id} has {size} bytes, and the store keeps {self.max_bytes}.")
        with self._lock:
            there = self._images.get(picture.id)
            while there is not None and there.data != picture.data:
                picture = replace(picture, id=f"img_{secrets.token_hex(3)}")
                there = self._images.get(picture.id)
            if there is not None:
                self._images.move_to_end(picture.id)
                return there
            self._images[picture.id] = picture
            self._size += size
            while len(self._images) > self.max_items or self._size > self.max_bytes:
                _, oldest = self._images.popitem(last=False)
                self._size -= len(oldest.data)
        return picture

    def get(self, image_id: str) -> GeneratedImage:
        """The picture of that ID.

        Raises:
            ConfigurationError: There is none; the message names those there are.
        """
        with self._lock:
            found = self._images.get(image_id)
            known = list(self._images)[-5:]
        if found is None:
            here = f"there are {', '.join(known)}" if known else "there is no picture yet; generate one first"
            raise ConfigurationError(f"no picture has the ID {image_id[:80]!r}; {here}.")
        return found

    def find(self, name: str) -> GeneratedImage:
        """What a model means by a name: the picture of an ID, or a file below the allowed folder.

        Raises:
            ConfigurationError: It is neither; the message says what to pass instead.
        """
        name = name.strip()
        if name.startswith("img_") or self.folder is None:
            if not name.startswith("img_"):
                raise ConfigurationError(
                    f"{name[:80]!r} is no picture's ID. Paths, addresses and data are not read here: pass the ID of a"
                    " picture of this conversation, like img_3f9c2a."
                )
            return self.get(name)
        path = _below(self.folder, name)
        if path is None:
            raise ConfigurationError(
                f"{name[:80]!r} is not allowed: pass the ID of a picture, like img_3f9c2a, or the name of a picture"
                " file in the allowed folder."
            )
        return self.add(path)

    def find_all(self, named: Any) -> tuple[GeneratedImage, ...]:
        """What is meant by an argument of a tool: names, of a model, or pictures, of code; all of them are kept.

        Args:
            named: An ID, several of them with commas between, or what `add` takes, or a list of that.

        Raises:
            ConfigurationError: A name is none, or something is no picture.
        """
        if isinstance(named, str):
            names = [name for name in named.split(",") if name.strip()] if "img_" in named else [named]
            return tuple(self.find(name) for name in names)
        if isinstance(named, list | tuple):
            return tuple(found for each in named for found in self.find_all(each))
        return (self.add(named),)

    def __deepcopy__(self, _: Any) -> ImageStore:
        return self  # a copy of what uses it goes on with the same pictures

    def __len__(self) -> int:
        return len(self._images)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._images

    def __repr__(self) -> str:
        return f"ImageStore({len(self)} of {self.max_items} pictures, {self._size} of {self.max_bytes} bytes)"


def _below(folder: Path, name: str) -> Path | None:
    """The regular file of that name below the folder, symbolic links and `..` resolved first; None if there is none."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


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
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return GeneratedImage.read(buffer.getvalue())
    raise ConfigurationError(
        f"{type(image).__name__} is no picture; pass a GeneratedImage, bytes, a pathlib.Path or a PIL image."
    )


def as_images(images: Any) -> tuple[GeneratedImage, ...]:
    """One picture or several, out of what code may pass."""
    many = images if isinstance(images, Sequence) and not isinstance(images, bytes | bytearray | str) else [images]
    return tuple(as_image(image) for image in many)


def _from_file(path: Path) -> GeneratedImage:
    try:
        size = path.stat().st_size
        if size > MAX_IMAGE:
            raise ConfigurationError(_too_large(path.name, size))
        return GeneratedImage.read(path.read_bytes())
    except OSError as error:
        words = f"{path.name} cannot be read: {error.strerror}."
    raise ConfigurationError(words)


def in_words(images: Sequence[GeneratedImage], sources: Sequence[GeneratedImage] = ()) -> str:
    """What a model is told of new pictures: their IDs and sizes, and never their data."""
    made = ", ".join(f"{image.id} ({image.width}x{image.height})" for image in images)
    what = f"{len(images)} images" if len(images) > 1 else "1 image"
    if sources:
        return f"Made {what} out of {', '.join(source.id for source in sources)}: {made}."
    return f"Generated {what}: {made}. To change one, pass its ID."
