"""`ImageStore`: keeps images between the calls of a chat model, which refers to them by ID."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aki_transport.errors import ConfigurationError
from aki_transport.images.files import read_file_in
from aki_transport.images.image import GeneratedImage, as_image, image_from_file, new_image_id
from aki_transport.images.request import check_source_count

_MAX_QUOTED = 80  # characters of a model's argument that an error message repeats
_MAX_LISTED = 5  # IDs in an error message


@dataclass(slots=True)
class _Contents:
    """The images of a store and of all its scopes, by scope and ID, oldest first."""

    images: OrderedDict[tuple[str | None, str], GeneratedImage] = field(default_factory=OrderedDict)
    size: int = 0
    lock: Any = field(default_factory=threading.Lock)


class ImageStore:
    """Keeps the newest images by ID. Thread-safe.

    A chat model can only refer to images by ID, or by file name in `folder` if that is set. Paths outside it and URLs
    are never opened. Several users can share a store: `scope` gives each of them a part of it that the others neither
    see nor reach.

    Args:
        max_items: The largest number of images, 1 or more; those of all scopes count.
        max_bytes: The largest size of all images together, in bytes.
        folder: A folder whose images a chat model may read; None for no folder. Symbolic links in it are not followed.

    Example:
        >>> store = ImageStore(max_items=10)
        >>> (image,) = Client().generate_image("a red lighthouse")
        >>> store.add(image).id == image.id
        True
        >>> store.get(image.id).model, store.find(image.id).model, len(store.find_all(f"{image.id}, {image.id}"))
        ('z-image-turbo', 'z-image-turbo', 2)
        >>> store.scope("anna").add(image).id in store.scope("bert")
        False
    """

    def __init__(self, max_items: int = 100, max_bytes: int = 256 * 2**20, folder: str | Path | None = None) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self.folder = None if folder is None else Path(folder).resolve()
        self._scope: str | None = None
        self._contents = _Contents()  # set before anything is raised: tools that print a traceback show this object
        if max_items < 1 or max_bytes < 1:
            raise ConfigurationError(
                f"an ImageStore must hold at least one image, not {max_items} in {max_bytes} bytes."
            )

    def scope(self, name: str) -> ImageStore:
        """The part of this store that belongs to one conversation or user.

        Args:
            name: Identifies the conversation or user, e.g. a LangGraph `thread_id`.

        Raises:
            ConfigurationError: The name is empty.
        """
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"scope={name!r} does not identify a conversation; use a text that is not empty.")
        part = object.__new__(ImageStore)
        part.__dict__.update(self.__dict__, _scope=name)
        return part

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
        contents = self._contents
        with contents.lock:
            existing = contents.images.get((self._scope, kept.id))
            while existing is not None and existing.data != kept.data:
                kept = replace(kept, id=new_image_id())
                existing = contents.images.get((self._scope, kept.id))
            if existing is not None:
                contents.images.move_to_end((self._scope, kept.id))
                return existing
            contents.images[self._scope, kept.id] = kept
            contents.size += size
            while len(contents.images) > self.max_items or contents.size > self.max_bytes:
                _, oldest = contents.images.popitem(last=False)
                contents.size -= len(oldest.data)
        return kept

    def get(self, image_id: str) -> GeneratedImage:
        """The image of that ID.

        Raises:
            ConfigurationError: The store has none. In a scope, the message lists the newest IDs of the scope.
        """
        with self._contents.lock:
            image = self._contents.images.get((self._scope, image_id))
        if image is None:
            raise ConfigurationError(f"no image has the ID {image_id[:_MAX_QUOTED]!r}; {self._hint()}.")
        return image

    def find(self, name: str) -> GeneratedImage:
        """The image that a chat model refers to: by ID, or by its file name in the allowed folder.

        Raises:
            ConfigurationError: There is no such image; the message says what to pass instead.
        """
        name = name.strip()
        if name in self:
            return self.get(name)
        data = None if self.folder is None else read_file_in(self.folder, name)
        if data is not None:
            return self.add(image_from_file(data, Path(name).name))
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

    def _hint(self) -> str:
        """What to pass instead of an unknown ID. Without a scope, the IDs may be those of other conversations."""
        if not len(self):
            return "there is no image yet; generate one first"
        if self._scope is None:
            return "pass an ID that an earlier call of this conversation returned"
        return f"there are {', '.join([image.id for image in self][-_MAX_LISTED:])}"

    def _unknown(self, argument: Any) -> ConfigurationError:
        quoted = repr(argument[:_MAX_QUOTED] if isinstance(argument, str) else argument)[: _MAX_QUOTED + 2]
        alternative = "" if self.folder is None else ", or the name of an image file in the allowed folder"
        return ConfigurationError(
            f"{quoted} is not an image ID. Paths, URLs and data are not accepted: pass the ID of an image of this"
            f" conversation, like img_3f9c2a81d04b7e65{alternative}."
        )

    def __getstate__(self) -> dict[str, Any]:
        with self._contents.lock:
            images = [(scope, image) for (scope, _), image in self._contents.images.items()]
        if self._scope is not None:
            images = [(scope, image) for scope, image in images if scope == self._scope]
        return {**self.__dict__, "_contents": images}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _contents=_Contents())
        contents = self._contents
        for scope, image in state["_contents"]:
            contents.images[scope, image.id] = image
            contents.size += len(image.data)

    def __deepcopy__(self, _: Any) -> ImageStore:
        return self  # copies of a tool share its images

    def __iter__(self) -> Iterator[GeneratedImage]:
        """The images, oldest first; not those of other scopes."""
        with self._contents.lock:
            return iter([image for (scope, _), image in self._contents.images.items() if scope == self._scope])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, image_id: object) -> bool:
        return (self._scope, image_id) in self._contents.images

    def __repr__(self) -> str:
        contents = self._contents
        return (
            f"ImageStore({len(contents.images)} of {self.max_items} images, {contents.size} of {self.max_bytes} bytes)"
        )


def describe_images(images: Sequence[GeneratedImage], sources: Sequence[GeneratedImage] = ()) -> str:
    """The text about images, made from those in `sources`, for a chat model: IDs and sizes, never their data."""
    ids = ", ".join(f"{image.id} ({image.width}x{image.height})" for image in images)
    count = f"{len(images)} images" if len(images) > 1 else "1 image"
    if sources:
        return f"Made {count} out of {', '.join(source.id for source in sources)}: {ids}."
    return f"Generated {count}: {ids}. To change one, pass its ID."
