"""Opens image files: any path that code passes, and names in a folder that a chat model may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from aki_transport.errors import ConfigurationError

MAX_IMAGE_BYTES = 50 * 2**20

# Windows has no O_NOFOLLOW, O_DIRECTORY and O_NONBLOCK; only Windows has O_BINARY.
_FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a named pipe must not block
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def read_file(path: Path) -> bytes:
    """The bytes of a file; `ConfigurationError` if it cannot be read, is not a regular file, or has more than 50 MB."""
    try:
        data = _read(os.open(path, _FILE), path.name)
    except OSError as error:
        message = f"{path.name} cannot be read: {error.strerror}."
    else:
        if data is not None:
            return data
        message = f"{path.name} is not a file."
    raise ConfigurationError(message)


def read_file_in(folder: Path, name: str) -> bytes | None:
    """The bytes of a file in a resolved folder or below it; None if no such regular file is there.

    No symbolic link is followed. `name` may be an absolute path; `..` in it is resolved in the text alone. Raises
    `ConfigurationError` if the file cannot be read, or has more than 50 MB.
    """
    try:
        parts = Path(os.path.normpath(folder / name)).relative_to(folder).parts
        descriptor = _open_in(folder, parts)
        return None if descriptor is None else _read(descriptor, parts[-1])
    except PermissionError as error:
        message = f"{Path(name).name} cannot be read: {error.strerror}."
    except (OSError, ValueError):
        return None
    raise ConfigurationError(message)


def _open_in(folder: Path, parts: tuple[str, ...]) -> int | None:
    """A descriptor of the file, opened folder by folder, so that no link can be put in between check and use."""
    if not parts:
        return None
    if os.open not in os.supports_dir_fd:  # Windows: checked before it is opened, which is weaker
        path = folder.joinpath(*parts)
        return os.open(path, _FILE) if path.resolve(strict=True) == path else None
    current = os.open(folder, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER | _NO_LINK, dir_fd=current)
            os.close(current)
            current = inner
        return os.open(parts[-1], _FILE | _NO_LINK, dir_fd=current)
    finally:
        os.close(current)


def _read(descriptor: int, name: str) -> bytes | None:
    """The file's bytes; None if it is not a regular file. Closes the descriptor."""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        check_byte_size(name, status.st_size)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_IMAGE_BYTES + 1)  # the file may have grown
    finally:
        os.close(descriptor)
    check_byte_size(name, len(data))
    return data


def check_byte_size(name: str, size: int) -> None:
    """Raise if an image of so many bytes is too large."""
    if size > MAX_IMAGE_BYTES:
        raise ConfigurationError(f"{name} has {size // 2**20} MB; at most {MAX_IMAGE_BYTES // 2**20} are allowed.")
