"""A scene in pixels: backgrounds, scenery, shapes and letters."""

from math import sin
from random import Random

from PIL import Image, ImageDraw, ImageFont

from aki_transport.emulator.drawing_colours import Colour, mixed
from aki_transport.emulator.drawing_layout import HORIZON, Box, Placed
from aki_transport.emulator.drawing_scene import Light, Scene
from aki_transport.emulator.drawing_shapes import SHAPES, Paint, Part

_DAY = ((122, 184, 236), (220, 238, 250))
_SKIES: dict[Light, tuple[Colour, Colour]] = {
    "day": _DAY,
    "night": ((14, 20, 52), (52, 62, 116)),
    "dusk": ((92, 74, 142), (252, 168, 92)),
}
_GRASS: dict[Light, Colour] = {"day": (146, 196, 104), "night": (32, 58, 52), "dusk": (122, 128, 76)}
_PAPERS: tuple[Colour, ...] = ((250, 243, 228), (232, 240, 246), (240, 234, 246), (234, 244, 234), (250, 234, 228))
_BOW: tuple[Colour, ...] = (
    (222, 60, 60), (242, 146, 48), (250, 216, 70), (80, 170, 90), (60, 120, 210), (126, 80, 180),
)  # fmt: skip
_DARK: Colour = (12, 12, 18)
_LIGHT: Colour = (255, 255, 255)
_SHADE = 0.05  # how far a plain background leads from lighter to darker


def backdrop(size: tuple[int, int], scene: Scene, dice: Random) -> Image.Image:
    """What is behind the things: a plain colour, paper, or sky and grass."""
    if scene.background is not None or not (scene.land or scene.light != "day"):
        colour = scene.background or dice.choice(_PAPERS)
        image = _graded(size, mixed(colour, _LIGHT, _SHADE), mixed(colour, _DARK, _SHADE))
    else:
        image = _graded(size, *_SKIES[scene.light])
        if scene.light == "night":
            _stars(image, dice)
    names = {item.name for item in scene.items}
    if scene.land and scene.background is None and "sea" not in names:
        _hills(image, _GRASS[scene.light])
    return image


def paint(image: Image.Image, placed: Placed, dice: Random) -> None:
    """Draw one thing; the image is expected to be larger than shown, and shrunk afterwards."""
    match placed.name:
        case "mountain":
            _mountains(image, placed.colour, dice)
        case "sea":
            _sea(image, placed.colour)
        case "rainbow":
            _rainbow(image)
        case _:
            draw = ImageDraw.Draw(image)
            for part in SHAPES[placed.name].parts:
                _part(draw, part, placed.box, shown(part.paint, placed.colour))


def outline(placed: Placed, size: tuple[int, int]) -> Image.Image:
    """A mask of that size, white where the thing is."""
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for part in SHAPES[placed.name].parts:
        _part(draw, part, placed.box, 255)
    return mask


def font(size: float) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The letters Pillow brings along."""
    return ImageFont.load_default(max(8, size))


def write(image: Image.Image, text: str) -> None:
    """Large letters across the picture, in a colour that can be read on it."""
    width, height = image.size
    draw = ImageDraw.Draw(image)
    letters = font(height / 7)
    wide = draw.textlength(text, letters)
    if wide > width * 0.86:
        letters = font(height / 7 * width * 0.86 / wide)
    where = (width / 2, height * 0.12)
    rim = max(1, height // 180)
    draw.text(where, text, (30, 30, 40), letters, anchor="mm", stroke_width=rim, stroke_fill=_LIGHT)


def _graded(size: tuple[int, int], above: Colour, below: Colour) -> Image.Image:
    steps = 64
    strip = Image.new("RGB", (1, steps))
    strip.putdata([mixed(above, below, step / (steps - 1)) for step in range(steps)])
    return strip.resize(size, Image.Resampling.BILINEAR)


def _stars(image: Image.Image, dice: Random) -> None:
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(60):
        x, y, r = dice.uniform(0, width), dice.uniform(0, height * HORIZON), dice.uniform(0.8, 2.2) * width / 700
        draw.ellipse((x - r, y - r, x + r, y + r), (250, 248, 230))


def _hills(image: Image.Image, colour: Colour) -> None:
    width, height = image.size
    draw = ImageDraw.Draw(image)
    for level, share, phase in ((HORIZON, 0.22, 0.6), (HORIZON + 0.07, 0.0, 2.4)):
        ridge = [(x, height * (level + 0.022 * sin(phase + 5 * x / width))) for x in range(0, width + 9, 8)]
        draw.polygon([*ridge, (width, height), (0, height)], mixed(colour, _DAY[1], share))


def _mountains(image: Image.Image, colour: Colour, dice: Random) -> None:
    width, height = image.size
    draw = ImageDraw.Draw(image)
    base = height * (HORIZON + 0.02)
    start = dice.uniform(0, 0.3)
    for rank in (0, 1):
        tone = mixed(colour, _LIGHT, 0.32 - 0.32 * rank)
        for number in range(-1, 3 + rank):
            x = width * (start + 0.42 * number + 0.2 * rank)
            top = height * (dice.uniform(0.16, 0.3) + 0.14 * rank)
            half = (base - top) * dice.uniform(0.75, 0.95)
            draw.polygon(((x, top), (x + half, base), (x - half, base)), tone)
            draw.polygon(((x, top), (x + half, base), (x + half * 0.12, base)), mixed(tone, _DARK, 0.14))
            down, snow = (base - top) * 0.26, half * 0.26
            tips = ((x + snow, down), (x + snow * 0.45, down * 0.78), (x, down * 1.12), (x - snow * 0.5, down * 0.8))
            draw.polygon(((x, top), *((px, top + py) for px, py in tips), (x - snow, top + down)), (247, 250, 252))
    below = image.crop((0, round(base) + 1, width, height))
    draw.rectangle((0, round(base), width, round(base) + below.height // 40), mixed(colour, _DARK, 0.1))


def _sea(image: Image.Image, colour: Colour) -> None:
    width, height = image.size
    top = round(height * HORIZON)
    water = _graded((width, height - top), mixed(colour, _LIGHT, 0.3), mixed(colour, _DARK, 0.15))
    image.paste(water, (0, top))
    draw = ImageDraw.Draw(image)
    for row in range(5):
        y = top + (height - top) * (0.14 + 0.18 * row)
        swing = (height - top) * 0.018 * (1 + row / 2)
        wave = [(x, y + swing * sin(x / width * (38 - 4 * row) + row * 1.7)) for x in range(0, width + 9, 8)]
        draw.line(wave, mixed(colour, _LIGHT, 0.55), max(2, height // 250), joint="curve")


def _rainbow(image: Image.Image) -> None:
    width, height = image.size
    draw = ImageDraw.Draw(image)
    outer, thick = width * 0.46, width * 0.022
    for number, colour in enumerate(_BOW):
        r = outer - number * thick
        box = (width / 2 - r, height * 0.7 - r * 1.1, width / 2 + r, height * 0.7 + r * 1.1)
        draw.arc(box, 180, 360, colour, round(thick) + 2)


def _part(draw: ImageDraw.ImageDraw, part: Part, box: Box, colour: Colour | int) -> None:
    left, top, right, _ = box
    side = right - left
    points = [(left + x * side, top + y * side) for x, y in part.points]
    match part.kind:
        case "polygon":
            draw.polygon(points, colour)
        case "ellipse":
            draw.ellipse((*points[0], *points[1]), colour)
        case "line":
            thick = max(1, round(part.thick * side))
            draw.line(points, colour, thick, joint="curve")
            for x, y in (points[0], points[-1]):
                draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), colour)


def shown(paint: Paint, main: Colour) -> Colour:
    """The colour of a part of a thing that has this colour."""
    match paint:
        case "main":
            return main
        case "dark":
            return mixed(main, _DARK, 0.26)
        case "light":
            return mixed(main, _LIGHT, 0.35)
        case _:
            return paint
