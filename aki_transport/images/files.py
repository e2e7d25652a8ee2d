"""Opens image files: any path that code passes, and names in a folder that a chat model may read."""

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
        data = _read(path)
    except OSError as error:
        message = f"{path.name} cannot be read: {error.strerror}."
    else:
        if data is not None:
            return data
        message = f"{path.name} is not a file."
    raise ConfigurationError(message)


def read_file_in(folder: Path, name: str) -> bytes | None:
    """The bytes of a file in a resolved folder or below it; None if no such regular file is there.

    No symbolic link is followed. `name` may be an absolute path; `..` in it is resolved in the text alone.

    Raises:
        ConfigurationError: It cannot be read, or is larger than 50 MB.
    """
    path = Path(os.path.normpath(folder / name))
    try:
        return _read(path) if path.is_relative_to(folder) and path.resolve(strict=True) == path else None
    except PermissionError as error:
        message = f"{path.name} cannot be read: {error.strerror}."
    except (OSError, ValueError, RuntimeError):  # no such file, no name that a file can have, links in a circle
        return None
    raise ConfigurationError(message)


def _read(path: Path) -> bytes | None:
    """The bytes of a file; None if it is not a regular one, for a named pipe would block."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        return None
    check_byte_size(path.name, status.st_size)
    with path.open("rb") as file:
        data = file.read(MAX_IMAGE_BYTES + 1)  # the file may have grown
    check_byte_size(path.name, len(data))
    return data


def check_byte_size(name: str, size: int) -> None:
    """Raise if an image of so many bytes is too large."""
    if size > MAX_IMAGE_BYTES:
        raise ConfigurationError(f"{name} has {size // 2**20} MB; at most {MAX_IMAGE_BYTES // 2**20} are allowed.")
