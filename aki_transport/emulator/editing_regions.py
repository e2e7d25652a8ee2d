"""Where in a picture something is: its background, a colour, a shape."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter, ImageStat

from aki_transport.emulator.drawing_colours import Colour
from aki_transport.emulator.drawing_layout import Box

_COLOURS = 24
_SMALL = 128  # shapes are looked for in a picture of that size
_RIM_SHARE = 0.008  # a colour that makes up this much of the rim belongs to the background
_NEAR = 46  # how far the channels of one colour may be apart in a picture of any origin
_BLURRED = 64  # the same, for a patch whose rim may be smeared
_ALIKE = 26  # how far those of two colours of the background may be
_HUE = 17  # of 256
_DONE = 255  # marks a cell that was counted
_PALE, _GRAY, _DARK, _BRIGHT = 70, 55, 70, 205
_LEAST_SHARE = 0.004
# How much of the square around it a shape fills.
_FILLS = {
    "circle": 0.785, "ellipse": 0.785, "square": 1.0, "rectangle": 1.0, "triangle": 0.5, "star": 0.33, "diamond": 0.5,
    "hexagon": 0.75, "heart": 0.66, "cross": 0.46,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture.

    Attributes:
        mask: White where it is.
        colour: What it has on average.
        box: The rectangle around it.
    """

    mask: Image.Image
    colour: Colour
    box: Box


@dataclass(frozen=True, slots=True)
class _Patch:
    area: int
    box: Box
    colour: Colour


def background_of(image: Image.Image) -> Region:
    """All that has a colour of the picture's rim."""
    few = image.quantize(_COLOURS, dither=Image.Dither.NONE)
    rim = _rim(few)
    palette = few.getpalette() or []
    entries = [tuple(palette[at : at + 3]) for at in range(0, len(palette), 3)]
    colours = {index for index, each in enumerate(entries) if any(_gap(each, entries[one]) <= _ALIKE for one in rim)}
    mask = Image.frombytes("L", few.size, few.tobytes()).point(lambda index: 255 if index in colours else 0)
    return _region(image, mask.filter(ImageFilter.MedianFilter(3)))


def of_colour(image: Image.Image, wanted: Colour) -> Region | None:
    """All that a person would call by the colour's name."""
    hue, saturation, value = Image.new("RGB", (1, 1), wanted).convert("HSV").getpixel((0, 0))  # type: ignore[misc]
    hues, saturations, values = image.convert("HSV").split()
    if saturation < _GRAY:
        low, high = (_BRIGHT, 255) if value >= _BRIGHT else (0, _DARK) if value <= _DARK else (_DARK, _BRIGHT)
        # What is dark enough is black, whatever its saturation.
        gray = saturations.point(lambda each: 255 if each < _GRAY or high == _DARK else 0)
        mask = ImageChops.multiply(gray, values.point(lambda each: 255 if low <= each <= high else 0))
    else:
        near = hues.point(lambda each: 255 if min((each - hue) % 256, (hue - each) % 256) <= _HUE else 0)
        strong = saturations.point(lambda each: 255 if each >= _PALE else 0)
        lit = values.point(lambda each: 255 if each >= _GRAY else 0)
        mask = ImageChops.multiply(ImageChops.multiply(near, strong), lit)
    return _region(image, mask) if ImageStat.Stat(mask).mean[0] / 255 >= _LEAST_SHARE / 2 else None


def of_thing(image: Image.Image, box: Box, colour: Colour, near: int = _NEAR) -> Region | None:
    """What has nearly this colour within this box."""
    within = Image.new("L", image.size)
    within.paste(255, _widened(box, image.size))
    mask = ImageChops.multiply(_nearly(image, colour, near), within)
    return _region(image, mask) if mask.getbbox() else None


def of_shape(image: Image.Image, name: str | None, colour: Colour | None) -> Region | None:
    """The patch that looks most like a shape of this name and colour; without a name the largest patch."""
    patches = _patches(image)
    if colour is not None:
        hit = of_colour(image, colour)
        patches = [each for each in patches if hit is not None and _inside(hit, each.box)]
    if not patches:
        return None
    wanted = _FILLS.get(name or "")
    if wanted is None:
        best = max(patches, key=lambda each: each.area)
    else:
        best = min(patches, key=lambda each: (round(abs(_fill(each) - wanted), 1), -each.area))
    # The cells of the rim may have gone to another colour.
    return of_thing(image, _widened(best.box, image.size), best.colour, _BLURRED)


def soft(mask: Image.Image, more: int = 1) -> Image.Image:
    """The mask widened by so many pixels, and smoothed."""
    return _wider(mask, more).filter(ImageFilter.GaussianBlur(0.8))


def share(image: Image.Image, region: Region, colour: Colour) -> Image.Image:
    """How much of the region's colour each pixel has: all inside, less where the rim is mixed with what is around."""
    rim = _wider(region.mask, 2)
    around = ImageChops.subtract(_wider(region.mask, 5), rim)
    apart = max(_gap(_mean(image, around), colour), 1) if around.getbbox() else 255
    mixed = _off(image, colour).point(lambda off: max(0, 255 - 255 * off // apart))
    return ImageChops.lighter(region.mask, ImageChops.darker(mixed, rim))


def _region(image: Image.Image, mask: Image.Image) -> Region:
    box = mask.getbbox()
    return Region(mask, _mean(image, mask), box) if box else Region(mask, (0, 0, 0), (0, 0, 0, 0))


def _mean(image: Image.Image, mask: Image.Image) -> Colour:
    red, green, blue = ImageStat.Stat(image, mask).mean
    return round(red), round(green), round(blue)


def _wider(mask: Image.Image, more: int) -> Image.Image:
    return mask.filter(ImageFilter.BoxBlur(more)).point(lambda value: 255 if value else 0)


def _nearly(image: Image.Image, colour: Colour, near: int) -> Image.Image:
    return _off(image, colour).point(lambda value: 255 if value <= near else 0)


def _off(image: Image.Image, colour: Colour) -> Image.Image:
    """How far each pixel is from a colour."""
    off = ImageChops.difference(image, Image.new("RGB", image.size, colour)).split()
    return ImageChops.lighter(ImageChops.lighter(off[0], off[1]), off[2])


def _gap(one: Sequence[int], other: Sequence[int]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _widened(box: Box, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    more = max(3, (right - left) // 30)
    return max(left - more, 0), max(top - more, 0), min(right + more, size[0]), min(bottom + more, size[1])


def _rim(few: Image.Image) -> set[int]:
    width, height = few.size
    lines = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    counts: dict[int, int] = {}
    for line in lines:
        for index in few.crop(line).tobytes():
            counts[index] = counts.get(index, 0) + 1
    least = _RIM_SHARE * sum(counts.values())
    return {index for index, count in counts.items() if count >= least}


def _inside(hit: Region, box: Box) -> bool:
    return ImageStat.Stat(hit.mask.crop(box)).mean[0] > 255 * 0.25


def _fill(patch: _Patch) -> float:
    left, top, right, bottom = patch.box
    return patch.area / max((right - left) * (bottom - top), 1)


def _patches(image: Image.Image) -> list[_Patch]:
    """The connected patches of one colour that are no background, with boxes in the picture's own pixels."""
    scale = max(image.size) / _SMALL if max(image.size) > _SMALL else 1.0
    size = (max(1, round(image.width / scale)), max(1, round(image.height / scale)))
    few = image.resize(size, Image.Resampling.NEAREST).quantize(12, dither=Image.Dither.NONE)
    cells = bytearray(few.tobytes())
    behind = _rim(few)
    palette = few.getpalette() or []
    found: list[_Patch] = []
    for start, index in enumerate(cells):
        if index == _DONE:
            continue
        area, box = _flood(cells, start, size)
        if index not in behind and area >= _LEAST_SHARE * len(cells):
            left, top, right, bottom = (round(edge * scale) for edge in box)
            red, green, blue = palette[3 * index : 3 * index + 3]
            found.append(_Patch(round(area * scale * scale), (left, top, right, bottom), (red, green, blue)))
    return found


def _flood(cells: bytearray, start: int, size: tuple[int, int]) -> tuple[int, Box]:
    """The area and box of the patch that holds this cell; its cells are marked done."""
    width, height = size
    index = cells[start]
    cells[start] = _DONE
    waiting = deque([start])
    area, left, top, right, bottom = 0, width, height, 0, 0
    while waiting:
        at = waiting.popleft()
        y, x = divmod(at, width)
        area += 1
        left, top, right, bottom = min(left, x), min(top, y), max(right, x + 1), max(bottom, y + 1)
        for beside, there in (
            (at - 1, x > 0),
            (at + 1, x < width - 1),
            (at - width, y > 0),
            (at + width, y < height - 1),
        ):
            if there and cells[beside] == index:
                cells[beside] = _DONE
                waiting.append(beside)
    return area, (left, top, right, bottom)
