"""What a model may try to pass for a picture, and a folder in which some of it lies."""

import os
import struct
from pathlib import Path

import pytest

from tests.pictures import a_png

REFUSED = [
    pytest.param("/etc/hostname", id="a path"),
    pytest.param("/etc/passwd", id="a path with secrets"),
    pytest.param("~/.ssh/id_rsa", id="a home path"),
    pytest.param("file:///etc/hostname", id="a file URL"),
    pytest.param("../outside.png", id="a way out of the folder"),
    pytest.param("below/../../outside.png", id="a longer way out"),
    pytest.param("out.png", id="a link out of the folder"),
    pytest.param("chain.png", id="a link to a link out"),
    pytest.param("way/outside.png", id="a linked folder"),
    pytest.param("loop.png", id="a link to itself"),
    pytest.param("http://127.0.0.1/cat.png", id="a URL"),
    pytest.param("http://169.254.169.254/latest/meta-data", id="a URL of the cloud"),
    pytest.param("data:image/png;base64,iVBORw0KGgo=", id="a data URL"),
    pytest.param("iVBORw0KGgo=", id="base64"),
    pytest.param("sparse.png", id="a file of 1 GB"),
    pytest.param("claim.png", id="a header that claims 1 GB"),
    pytest.param("img_000000", id="an unknown ID"),
    pytest.param("pipe.png", id="a FIFO"),
    pytest.param("below", id="a folder"),
    pytest.param(".", id="the folder"),
    pytest.param("", id="nothing"),
    pytest.param("note.txt", id="a file that is no picture"),
    pytest.param("gone.png", id="a file that is not there"),
    pytest.param("cat.png\0.txt", id="a zero byte"),
    pytest.param("a" * 5000, id="a long name"),
]
# Each refusal holds one of these.
HINTS = ("pass the ID", "pass an ID", "generate one first", "allowed", "not a PNG")


def allowed_folder(root: Path) -> Path:
    """A folder with pictures, and with what must not be read; a picture lies beside it."""
    folder = root / "allowed"
    (folder / "below").mkdir(parents=True)
    (root / "outside.png").write_bytes(a_png())
    for name in ("cat.png", "below/dog.png", "img_1.png", "a, b.png"):
        (folder / name).write_bytes(a_png())
    (folder / "note.txt").write_text("root: a secret")
    (folder / "out.png").symlink_to(root / "outside.png")
    (folder / "chain.png").symlink_to(folder / "out.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "way").symlink_to(root)
    with (folder / "sparse.png").open("wb") as file:
        file.write(a_png())
        file.truncate(2**30)
    (folder / "claim.png").write_bytes(a_png()[:16] + struct.pack(">II", 16384, 16384) + a_png()[24:])
    os.mkfifo(folder / "pipe.png")
    return folder
