"""`ImageStore`: keeps images between the calls of a chat model, which refers to them by ID."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aki_transport.errors import ConfigurationError
from aki_transport.images.image import GeneratedImage, as_image, new_image_id
from aki_transport.images.request import check_source_count

_MAX_QUOTED = 80  # characters of a model's argument that an error message repeats


class ImageStore:
    """Keeps the newest images by ID. Thread-safe.

    A chat model can only refer to images by ID, or by file name in `folder` if that is set. Paths outside it and URLs
    are never opened.

    Args:
        max_items: The largest number of images, 1 or more.
        max_bytes: The largest size of all images together, in bytes.
        folder: A folder whose images a chat model may read; None for no folder.

    Example:
        >>> store = ImageStore(max_items=10)
        >>> (image,) = Client().generate_image("a red lighthouse")
        >>> store.add(image).id == image.id
        True
        >>> store.get(image.id).model, store.find(image.id).model, len(store.find_all(f"{image.id}, {image.id}"))
        ('z-image-turbo', 'z-image-turbo', 2)
    """

    def __init__(self, max_items: int = 100, max_bytes: int = 256 * 2**20, folder: str | Path | None = None) -> None:
        if max_items < 1 or max_bytes < 1:
            raise ConfigurationError(
                f"an ImageStore must hold at least one image, not {max_items} in {max_bytes} bytes."
            )
        self.max_items = max_items
        self.max_bytes = max_bytes
        self.folder = None if folder is None else Path(folder).resolve()
        self._images: OrderedDict[str, GeneratedImage] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def add(self, image: Any) -> GeneratedImage:
        """Keep an image, and return it. Its ID changes if another image in the store has the same.

        Args:
            image: A `GeneratedImage` (or the dict that a LangGraph checkpoint makes of one), bytes, a path, or a PIL
                image. Never pass a path that a chat model wrote: any file is read, not only those in `folder`.

        Raises:
            ConfigurationError: It is not an image, or too large for the store.
        """
        kept = as_image(image)
        size = len(kept.data)
        if size > self.max_bytes:
            raise ConfigurationError(
                f"{kept.id} has {size} bytes, and the store holds {self.max_bytes}; use a larger max_bytes."
            )
        with self._lock:
            existing = self._images.get(kept.id)
            while existing is not None and existing.data != kept.data:
                kept = replace(kept, id=new_image_id())
                existing = self._images.get(kept.id)
            if existing is not None:
                self._images.move_to_end(kept.id)
                return existing
            self._images[kept.id] = kept
            self._size += size
            while len(self._images) > self.max_items or self._size > self.max_bytes:
                _, oldest = self._images.popitem(last=False)
                self._size -= len(oldest.data)
        return kept

    def get(self, image_id: str) -> GeneratedImage:
        """The image of that ID.

        Raises:
            ConfigurationError: The store has none; the message lists the newest IDs.
        """
        with self._lock:
            image = self._images.get(image_id)
            newest = list(self._images)[-5:]
        if image is None:
            hint = f"there are {', '.join(newest)}" if newest else "there is no image yet; generate one first"
            raise ConfigurationError(f"no image has the ID {image_id[:_MAX_QUOTED]!r}; {hint}.")
        return image

    def find(self, name: str) -> GeneratedImage:
        """The image that a chat model refers to: by ID, or by its file name in the allowed folder.

        Raises:
            ConfigurationError: There is no such image; the message says what to pass instead.
        """
        name = name.strip()
        if name in self:
            return self.get(name)
        path = None if self.folder is None else _file_in(self.folder, name)
        if path is not None:
            return self.add(path)
        if name.startswith("img_"):
            return self.get(name)
        raise self._unknown(name)

    def find_all(self, argument: Any) -> tuple[GeneratedImage, ...]:
        """The images that a tool's argument refers to. Those that code passed are added to the store.

        Args:
            argument: An ID, several IDs separated by commas, anything that `add` accepts except a `str`, or a list of
                these.

        Raises:
            ConfigurationError: There is no such image, or an item is not an image.
        """
        if isinstance(argument, str):
            several = "," in argument and "img_" in argument
            items = [name for name in argument.split(",") if name.strip()] if several else [argument]
        else:
            items = list(argument) if isinstance(argument, list | tuple) else [argument]
        if not items:
            raise self._unknown(argument)
        check_source_count(len(items))
        return tuple(self._find_one(item) for item in items)

    def _find_one(self, item: Any) -> GeneratedImage:
        if isinstance(item, str):
            return self.find(item)
        if isinstance(item, list | tuple | int | float | None) or (
            isinstance(item, dict) and not isinstance(item.get("data"), bytes)
        ):
            raise self._unknown(item)  # a chat model's JSON can contain these types, but never an image
        return self.add(item)

    def _unknown(self, argument: Any) -> ConfigurationError:
        quoted = repr(argument[:_MAX_QUOTED] if isinstance(argument, str) else argument)[: _MAX_QUOTED + 2]
        alternative = "" if self.folder is None else ", or the name of an image file in the allowed folder"
        return ConfigurationError(
            f"{quoted} is not an image ID. Paths, URLs and data are not accepted: pass the ID of an image of this"
            f" conversation, like img_3f9c2a{alternative}."
        )

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            settings = {"max_items": self.max_items, "max_bytes": self.max_bytes, "folder": self.folder}
            return {**settings, "images": list(self._images.values())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        images: Sequence[GeneratedImage] = state["images"]
        self.__init__(state["max_items"], state["max_bytes"], state["folder"])  # type: ignore[misc]
        for image in images:
            self.add(image)

    def __deepcopy__(self, _: Any) -> ImageStore:
        return self  # copies of a tool share its images

    def __iter__(self) -> Iterator[GeneratedImage]:
        """The images, oldest first."""
        with self._lock:
            return iter(list(self._images.values()))

    def __len__(self) -> int:
        return len(self._images)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._images

    def __repr__(self) -> str:
        return f"ImageStore({len(self)} of {self.max_items} images, {self._size} of {self.max_bytes} bytes)"


def _file_in(folder: Path, name: str) -> Path | None:
    """The regular file of that name in the folder, symbolic links and `..` resolved; None if there is none."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def describe_images(images: Sequence[GeneratedImage], sources: Sequence[GeneratedImage] = ()) -> str:
    """The text about new images for a chat model: their IDs and sizes, never their data.

    Args:
        images: The new images.
        sources: The images that they were made from.
    """
    ids = ", ".join(f"{image.id} ({image.width}x{image.height})" for image in images)
    count = f"{len(images)} images" if len(images) > 1 else "1 image"
    if sources:
        return f"Made {count} out of {', '.join(source.id for source in sources)}: {ids}."
    return f"Generated {count}: {ids}. To change one, pass its ID."
