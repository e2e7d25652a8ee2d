"""Reads image files: any path that code passes, and names in a folder that a chat model may read."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG

from aki_transport.errors import ConfigurationError

MAX_IMAGE_BYTES = 50 * 2**20


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        ConfigurationError: It cannot be read, is not a regular file, or is larger than 50 MB.
    """
    try:
        status = path.stat()
        if S_ISREG(status.st_mode):
            check_byte_size(path.name, status.st_size)
            return path.read_bytes()
        message = f"{path.name} is not a file."
    except OSError as error:
        message = f"{path.name} cannot be read: {error.strerror}."
    raise ConfigurationError(message)


def read_file_in(folder: Path, name: str) -> bytes | None:
    """The bytes of a file in `folder` or below it. No symbolic link is followed.

    Args:
        folder: A folder, as `Path.resolve` gives it.
        name: A path relative to it, or an absolute one; `..` is resolved in the text alone.

    Returns:
        None if there is no such regular file, if it is outside of the folder, or if itself or one of its folders is a
        link.

    Raises:
        ConfigurationError: It cannot be read, or is larger than 50 MB.
    """
    path = Path(os.path.normpath(folder / name))
    try:
        is_allowed = path.is_relative_to(folder) and path.resolve(strict=True) == path and path.is_file()
    except (OSError, ValueError, RuntimeError):  # of names that cannot be, and of links in a circle
        return None
    return read_file(path) if is_allowed else None


def check_byte_size(name: str, size: int) -> None:
    """Raise if an image of so many bytes is too large."""
    if size > MAX_IMAGE_BYTES:
        raise ConfigurationError(f"{name} has {size // 2**20} MB; at most {MAX_IMAGE_BYTES // 2**20} are allowed.")
