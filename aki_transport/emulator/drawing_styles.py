"""Styles a whole picture can have, and the words that ask for them."""

import re
from collections.abc import Callable
from random import Random

from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

Style = Callable[[Image.Image], Image.Image]

_GRAIN = 192  # pixels along the side of the paper's pattern
_DAUBED = 600
_LINE = 40  # how strong an edge must be to be inked


def _sepia(image: Image.Image) -> Image.Image:
    return ImageOps.colorize(ImageOps.grayscale(image), (44, 26, 12), (255, 240, 208), (172, 132, 88))


def _gray(image: Image.Image) -> Image.Image:
    return ImageOps.grayscale(image).convert("RGB")


def _blur(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(max(2.0, min(image.size) / 60)))


def _sketch(image: Image.Image) -> Image.Image:
    # A pencil darkens where the picture differs from its own blur.
    gray = ImageOps.grayscale(image)
    soft = gray.filter(ImageFilter.GaussianBlur(max(1.5, min(image.size) / 150)))
    strokes = ImageChops.difference(gray, soft).point(lambda value: max(0, 250 - 5 * value))
    shade = gray.point(lambda value: 205 + value // 5)
    return ImageChops.multiply(strokes, shade).convert("RGB")


def _pixels(image: Image.Image) -> Image.Image:
    width, height = image.size
    cell = max(4, min(width, height) // 40)
    small = image.resize((max(1, width // cell), max(1, height // cell)), Image.Resampling.BOX)
    return ImageOps.posterize(small, 5).resize((width, height), Image.Resampling.NEAREST)


def _watercolour(image: Image.Image) -> Image.Image:
    span = max(1, min(image.size) // 180)
    wet = _daubed(image, 9).filter(ImageFilter.GaussianBlur(span / 3))
    pale = Image.blend(wet, Image.new("RGB", image.size, (255, 252, 244)), 0.28)
    rims = (
        _edges(wet).filter(ImageFilter.GaussianBlur(span)).point(lambda value: 255 - min(90, 4 * value)).convert("RGB")
    )
    # Always the same noise: the grain of the paper.
    noise = Random(0).randbytes(_GRAIN * _GRAIN)  # noqa: S311  # no secret
    paper = Image.frombytes("L", (_GRAIN, _GRAIN), noise).resize(image.size, Image.Resampling.BICUBIC)
    grain = paper.point(lambda value: 243 + value // 22).convert("RGB")
    return ImageChops.multiply(ImageChops.multiply(pale, rims), grain)


def _oil(image: Image.Image) -> Image.Image:
    thick = _daubed(image, 7)
    relief = ImageOps.grayscale(thick).filter(ImageFilter.EMBOSS).point(lambda value: 128 + (value - 128) // 2)
    return ImageEnhance.Color(ImageChops.overlay(thick, relief.convert("RGB"))).enhance(1.25)


def _cartoon(image: Image.Image) -> Image.Image:
    flat = ImageOps.posterize(image.filter(ImageFilter.MedianFilter(5)), 3)
    lines = _edges(image).filter(ImageFilter.MaxFilter(3)).point(lambda value: 0 if value > _LINE else 255)
    return ImageChops.multiply(ImageEnhance.Color(flat).enhance(1.5), lines.convert("RGB"))


def _daubed(image: Image.Image, width: int) -> Image.Image:
    """The picture in patches of one colour; worked out small, for it takes long."""
    small = ImageOps.contain(image, (_DAUBED, _DAUBED)) if max(image.size) > _DAUBED else image
    return small.filter(ImageFilter.ModeFilter(width)).resize(image.size, Image.Resampling.BICUBIC)


def _edges(image: Image.Image) -> Image.Image:
    found = ImageOps.grayscale(image).filter(ImageFilter.FIND_EDGES)
    # The filter takes the rim of the picture for one.
    return ImageOps.expand(ImageOps.crop(found, 2), 2)


def _night(image: Image.Image) -> Image.Image:
    return ImageChops.multiply(image, Image.new("RGB", image.size, (70, 84, 140)))


STYLES: dict[str, Style] = {
    "sepia": _sepia,
    "gray": _gray,
    "invert": ImageOps.invert,
    "blur": _blur,
    "sketch": _sketch,
    "pixels": _pixels,
    "watercolour": _watercolour,
    "oil": _oil,
    "cartoon": _cartoon,
    "night": _night,
}
_WORDS = {
    "sepia": r"sepia|vintage|old photo\w*",
    "gray": r"gr[ae]y[\s-]?scale|black[\s-]and[\s-]white|monochrome|desaturated?|schwarz[\s-]?wei(?:ß|ss)|graustufen",
    "invert": r"invert\w*|negative|invertier\w*",
    "blur": r"blur\w*|out of focus|unscharf|weichzeichn\w*",
    "sketch": r"sketch\w*|pencil|charcoal|line[\s-]drawing|edges|outlines?|skizze|bleistift\w*|zeichnung",
    "pixels": r"pixel[\s-]?art|pixel\w*|8[\s-]bit|mosaic",
    "watercolour": r"water[\s-]?colou?rs?|aquarell\w*",
    "oil": r"oil[\s-]paint\w*|impressionist\w*|van gogh|ölgemälde|oil on canvas",
    "cartoon": r"cartoon\w*|comic|anime|poster|pop[\s-]art",
}
_PATTERNS = {name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for name, words in _WORDS.items()}


def styles_in(text: str) -> tuple[str, ...]:
    """The styles a text names."""
    return tuple(name for name, pattern in _PATTERNS.items() if pattern.search(text))
