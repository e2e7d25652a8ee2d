"""A picture on its way through an edit: opened, combined with others, fitted, finished."""

import re
from dataclasses import dataclass, replace
from io import BytesIO
from math import ceil, sqrt

from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from aki_transport.emulator.drawing_layout import Placed
from aki_transport.emulator.drawing_notes import Notes, notes_of, to_png
from aki_transport.emulator.drawing_paint import font
from aki_transport.emulator.drawing_strip import strip_height, with_strip
from aki_transport.emulator.words import shorten

_MOST_PIXELS = 4096 * 4096
_INTO = re.compile(
    r"\b(?:paste|insert|inset|onto|into|overlay|corner|in the first|on the first|einf(?:ü|ue)gen?|in das erste)\b",
    re.IGNORECASE,
)
_STACKED = re.compile(r"\b(?:above|below|vertical\w*|stack\w*|under|top|über|untereinander)\b", re.IGNORECASE)
_BLENDED = re.compile(r"\b(?:blend|mix|double exposure|superimpose|überblende\w*)\b", re.IGNORECASE)
_IN_A_ROW = 3
_INSET = 0.42
_LABEL = 0.12
_LONGEST = 120  # characters of a label


class NoPicture(ValueError):  # noqa: N818  # named for what was handed in
    """Bytes that are no picture, or one too large to work on."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture without its strip, and what is known about it.

    Attributes:
        image: The picture; RGB until its background is cut out.
        said: What stands in its strip.
        placed: The things in it whose place is known.
        striped: Whether it has a strip.
        size: Width and height it had with its strip.
    """

    image: Image.Image
    said: tuple[str, ...]
    placed: tuple[Placed, ...]
    striped: bool
    size: tuple[int, int]


def opened(data: bytes) -> Canvas:
    """The picture in a file of any format Pillow reads.

    Raises:
        NoPicture: There is none.
    """
    try:
        with Image.open(BytesIO(data)) as file:
            if file.width * file.height > _MOST_PIXELS:
                raise NoPicture(f"an image of {file.width}x{file.height} pixels is too large")
            notes = notes_of(file)
            upright = ImageOps.exif_transpose(file).convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise error if isinstance(error, NoPicture) else NoPicture("the data is no image that can be read") from None
    white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, upright).convert("RGB")
    inner = flat.crop((0, 0, flat.width, flat.height - notes.strip))
    return Canvas(inner, notes.said, notes.placed, notes.strip > 0, flat.size)


def combined(canvases: list[Canvas], instruction: str) -> Canvas:
    """All pictures as one of the first one's size."""
    first, others = canvases[0], canvases[1:]
    if not others:
        return first
    said = tuple(text for each in canvases for text in each.said)
    width, height = first.image.size
    if _BLENDED.search(instruction):
        image = first.image
        for number, other in enumerate(others, start=2):
            image = Image.blend(image, padded(other.image, image.size), 1 / number)
        return replace(first, image=image, said=said, placed=())
    if _INTO.search(instruction):
        image = first.image.copy()
        for number, other in enumerate(others):
            _inset(image, other.image, number)
        return replace(first, image=image, said=said)
    columns = len(canvases) if len(canvases) <= _IN_A_ROW else ceil(sqrt(len(canvases)))
    if _STACKED.search(instruction):
        columns = 1
    rows = ceil(len(canvases) / columns)
    image = Image.new("RGB", (width, height), (255, 255, 255))
    for number, each in enumerate(canvases):
        row, column = divmod(number, columns)
        left, top = width * column // columns, height * row // rows
        cell = (width * (column + 1) // columns - left, height * (row + 1) // rows - top)
        image.paste(padded(each.image, cell), (left, top))
    return replace(first, image=image, said=said, placed=())


def padded(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The whole picture in that size, its edges drawn out where the sides' ratio differs."""
    inner = ImageOps.contain(image, size)
    wide, tall = size[0] - inner.width, size[1] - inner.height
    whole = Image.new(image.mode, size)
    left, top = wide // 2, tall // 2
    whole.paste(inner.crop((0, 0, 1, inner.height)).resize((left + 1, inner.height)), (0, top))
    whole.paste(
        inner.crop((inner.width - 1, 0, inner.width, inner.height)).resize((wide + 1, inner.height)),
        (left + inner.width - 1, top),
    )
    whole.paste(inner, (left, top))
    whole.paste(whole.crop((0, top, size[0], top + 1)).resize((size[0], top + 1)), (0, 0))
    bottom = top + inner.height
    whole.paste(whole.crop((0, bottom - 1, size[0], bottom)).resize((size[0], tall - top + 1)), (0, bottom - 1))
    return whole


def labelled(canvas: Canvas, text: str) -> Canvas:
    """The picture made lower to make room for a label below it."""
    width, height = canvas.image.size
    bar = max(14, round(height * _LABEL))
    image = Image.new("RGB", (width, height), (36, 40, 52))
    image.paste(canvas.image.resize((width, max(1, height - bar))), (0, 0))
    draw = ImageDraw.Draw(image)
    letters = font(bar * 0.42)
    words = shorten(text, _LONGEST) or "…"
    while len(words) > 1 and draw.textlength(words, letters) > width * 0.94:
        words = words[:-1]
    draw.text((width / 2, height - bar / 2), words, (250, 250, 250), letters, anchor="mm")
    return replace(canvas, image=image, placed=())


def finished(canvas: Canvas, size: tuple[int, int], instruction: str) -> bytes:
    """The file, in that size with its strip."""
    strip = strip_height(size[1]) if canvas.striped else 0
    inner = (size[0], size[1] - strip)
    image = canvas.image if canvas.image.size == inner else padded(canvas.image, inner)
    placed = canvas.placed if canvas.image.size == inner else ()
    notes = Notes((*canvas.said, instruction), placed, strip)
    return to_png(with_strip(image, notes.said, strip) if strip else image, notes)


def _inset(image: Image.Image, other: Image.Image, number: int) -> None:
    width, height = image.size
    small = ImageOps.contain(other, (round(width * _INSET), round(height * _INSET)))
    rim = max(2, min(image.size) // 90)
    framed = ImageOps.expand(small, rim, (255, 255, 255))
    gap = min(image.size) // 25
    left = gap if number % 2 else width - framed.width - gap
    top = gap if number % 4 in (2, 3) else height - framed.height - gap
    image.paste(framed, (left, top))
