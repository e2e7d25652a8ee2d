"""Where pictures are kept for the next step, and what a model may name there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aki_transport.errors import ConfigurationError
from aki_transport.images.image import GeneratedImage, as_image, new_id
from aki_transport.images.request import check_count

_SHOWN = 80  # characters of a model's words that a refusal repeats


class ImageStore:
    """Keeps pictures by their IDs, the newest ones; from any thread.

    What a model says is only ever looked up: an ID, or a file below `folder` if one is allowed.

    Args:
        max_items: Pictures that are kept, 1 or more.
        max_bytes: Bytes that are kept, in all.
        folder: A folder whose pictures a model may name. None: none.

    Example:
        >>> store = ImageStore(max_items=10)
        >>> (drawn,) = Client().generate_image("a red lighthouse")
        >>> store.add(drawn).id == drawn.id
        True
        >>> store.get(drawn.id).model, store.find(drawn.id).model, len(store.find_all(f"{drawn.id}, {drawn.id}"))
        ('z-image-turbo', 'z-image-turbo', 2)
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
            raise ConfigurationError(
                f"{picture.id} has {size} bytes, and the store keeps {self.max_bytes}; give it a larger max_bytes."
            )
        with self._lock:
            there = self._images.get(picture.id)
            while there is not None and there.data != picture.data:
                picture = replace(picture, id=new_id())
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
            raise ConfigurationError(f"no picture has the ID {image_id[:_SHOWN]!r}; {here}.")
        return found

    def find(self, name: str) -> GeneratedImage:
        """What a model means by a name: the picture of an ID, or a file below the allowed folder.

        Raises:
            ConfigurationError: It is neither; the message says what to pass instead.
        """
        name = name.strip()
        if name in self:
            return self.get(name)
        path = None if self.folder is None else _below(self.folder, name)
        if path is not None:
            return self.add(path)
        if name.startswith("img_"):
            return self.get(name)
        raise self._refused(name)

    def find_all(self, named: Any) -> tuple[GeneratedImage, ...]:
        """What is meant by an argument of a tool: names, of a model, or pictures, of code; all of them are kept.

        Args:
            named: An ID, several of them with commas between, or what `add` takes, or a list of that.

        Raises:
            ConfigurationError: A name is none, or something is no picture.
        """
        if isinstance(named, str):
            several = "," in named and "img_" in named
            each = [name for name in named.split(",") if name.strip()] if several else [named]
        else:
            each = list(named) if isinstance(named, list | tuple) else [named]
        if not each:
            raise self._refused(named)
        check_count(len(each))
        return tuple(self._find_one(one) for one in each)

    def _find_one(self, named: Any) -> GeneratedImage:
        if isinstance(named, str):
            return self.find(named)
        if isinstance(named, list | tuple | int | float | None) or (
            isinstance(named, dict) and not isinstance(named.get("data"), bytes)
        ):
            raise self._refused(named)  # these can come from a model's JSON, pictures cannot
        return self.add(named)

    def _refused(self, named: Any) -> ConfigurationError:
        shown = repr(named[:_SHOWN] if isinstance(named, str) else named)[: _SHOWN + 2]
        file = "" if self.folder is None else ", or the name of a picture in the allowed folder"
        return ConfigurationError(
            f"{shown} is no picture's ID. Paths, addresses and data are not taken: pass the ID of a picture of this"
            f" conversation, like img_3f9c2a{file}."
        )

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            kept = {"max_items": self.max_items, "max_bytes": self.max_bytes, "folder": self.folder}
            return {**kept, "images": list(self._images.values())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        images: Sequence[GeneratedImage] = state["images"]
        self.__init__(state["max_items"], state["max_bytes"], state["folder"])  # type: ignore[misc]
        for image in images:
            self.add(image)

    def __deepcopy__(self, _: Any) -> ImageStore:
        return self  # a copy of what uses it goes on with the same pictures

    def __iter__(self) -> Iterator[GeneratedImage]:
        """The pictures, from the oldest to the newest."""
        with self._lock:
            return iter(list(self._images.values()))

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


def in_words(images: Sequence[GeneratedImage], sources: Sequence[GeneratedImage] = ()) -> str:
    """What a model is told of new pictures: their IDs and sizes, and never their data."""
    made = ", ".join(f"{image.id} ({image.width}x{image.height})" for image in images)
    what = f"{len(images)} images" if len(images) > 1 else "1 image"
    if sources:
        return f"Made {what} out of {', '.join(source.id for source in sources)}: {made}."
    return f"Generated {what}: {made}. To change one, pass its ID."
