"""What a drawn picture says about itself inside its PNG, so that a later edit finds the things in it."""

import json
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from aki_transport.emulator.drawing_layout import Placed

_KEY = "aki-emulator"


@dataclass(frozen=True, slots=True)
class Notes:
    """What is known about a picture.

    Attributes:
        said: The prompt and the instructions since; they stand in the strip below the picture.
        placed: The things and their boxes.
        strip: The height of that strip, 0 if there is none.
    """

    said: tuple[str, ...] = ()
    placed: tuple[Placed, ...] = ()
    strip: int = 0


def to_png(image: Image.Image, notes: Notes) -> bytes:
    """The file."""
    info = PngInfo()
    info.add_text(_KEY, json.dumps(asdict(notes)))
    out = BytesIO()
    image.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def notes_of(image: Image.Image) -> Notes:
    """The notes of an opened file; empty ones if it has none that fit it."""
    try:
        match json.loads(str(image.info.get(_KEY))):
            case {"said": list(said), "placed": list(placed), "strip": int(strip)} if 0 <= strip < image.height:
                return Notes(tuple(map(str, said)), tuple(map(_placed, placed)), strip)
            case _:
                return Notes()
    except (ValueError, TypeError, KeyError):
        return Notes()


def _placed(value: Any) -> Placed:
    red, green, blue = (min(max(int(part), 0), 255) for part in value["colour"])
    left, top, right, bottom = map(int, value["box"])
    return Placed(str(value["name"]), (red, green, blue), (left, top, right, bottom))
