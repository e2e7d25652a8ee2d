"""The picture turned, mirrored, tilted or seen from nearer."""

from collections.abc import Sequence
from typing import assert_never

from PIL import Image, ImageOps

from aki_transport.emulator.editing_canvas import padded
from aki_transport.emulator.editing_orders import Mirror, Step, Tilt, Turn, Zoom
from aki_transport.emulator.editing_regions import background_of

_QUARTER = 90


def moved(image: Image.Image, step: Turn | Mirror | Tilt | Zoom) -> Image.Image:
    """The picture after such a step."""
    match step:
        case Turn(degrees):
            return _turned(image, degrees)
        case Mirror(axis):
            return ImageOps.mirror(image) if axis == "horizontal" else ImageOps.flip(image)
        case Tilt():
            return _tilted(image)
        case Zoom(factor):
            return _zoomed(image, factor)
        case _:
            assert_never(step)


def swaps_sides(taken: Sequence[Step]) -> bool:
    """Whether the steps together lay the picture on its side."""
    degrees = sum(step.degrees for step in taken if isinstance(step, Turn))
    return degrees % (2 * _QUARTER) == _QUARTER


def _turned(image: Image.Image, degrees: float) -> Image.Image:
    if degrees % _QUARTER == 0:
        # Whole quarters move pixels and change none.
        return image.rotate(-degrees, expand=True)
    rim = background_of(image).colour
    turned = image.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=rim)
    return padded(turned, image.size)


def _tilted(image: Image.Image) -> Image.Image:
    width, height = image.size
    rim = background_of(image).colour
    source = (-0.06 * width, 0, -0.06 * width, height, 1.06 * width, 1.3 * height, 1.06 * width, -0.3 * height)
    return image.transform(image.size, Image.Transform.QUAD, source, Image.Resampling.BICUBIC, fillcolor=rim)


def _zoomed(image: Image.Image, factor: float) -> Image.Image:
    width, height = image.size
    if factor >= 1:
        wide, tall = width / factor / 2, height / factor / 2
        middle = (round(width / 2 - wide), round(height / 2 - tall), round(width / 2 + wide), round(height / 2 + tall))
        return image.crop(middle).resize((width, height))
    whole = Image.new("RGB", image.size, background_of(image).colour)
    small = image.resize((round(width * factor), round(height * factor)))
    whole.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return whole
