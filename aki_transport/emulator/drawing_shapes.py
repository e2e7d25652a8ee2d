"""What things look like: parts of plain geometry inside a square of side 1, y downwards."""

from dataclasses import dataclass
from math import cos, pi, sin
from typing import Literal

from aki_transport.emulator.drawing_colours import Colour

Point = tuple[float, float]
Paint = Colour | Literal["main", "dark", "light"]
Place = Literal["free", "ground", "sky", "scenery"]

_WOOD: Colour = (116, 76, 44)
_INK: Colour = (34, 34, 40)
_GLASS: Colour = (140, 176, 206)
_SKIN: Colour = (240, 200, 168)


@dataclass(frozen=True, slots=True)
class Part:
    """One filled form, or a line of that thickness."""

    kind: Literal["polygon", "ellipse", "line"]
    paint: Paint
    points: tuple[Point, ...]
    thick: float = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A thing: where it stands, its own colour if it has one, the words for it, and its parts."""

    place: Place
    colour: Colour | None
    words: str
    parts: tuple[Part, ...] = ()


def _round(cx: float, cy: float, rx: float, ry: float | None = None, paint: Paint = "main") -> Part:
    ry = rx if ry is None else ry
    return Part("ellipse", paint, ((cx - rx, cy - ry), (cx + rx, cy + ry)))


def _poly(*points: Point, paint: Paint = "main") -> Part:
    return Part("polygon", paint, points)


def _box(left: float, top: float, right: float, bottom: float, paint: Paint = "main") -> Part:
    return Part("polygon", paint, ((left, top), (right, top), (right, bottom), (left, bottom)))


def _line(*points: Point, thick: float, paint: Paint = "main") -> Part:
    return Part("line", paint, points, thick)


def _around(count: int, radius: float, turn: float = -pi / 2) -> tuple[Point, ...]:
    angles = (turn + 2 * pi * step / count for step in range(count))
    return tuple((0.5 + radius * cos(angle), 0.5 + radius * sin(angle)) for angle in angles)


def _star(tips: int, outer: float, inner: float) -> Part:
    far, near = _around(tips, outer), _around(tips, inner, -pi / 2 + pi / tips)
    return _poly(*(point for pair in zip(far, near, strict=True) for point in pair))


def _heart() -> Part:
    steps = [2 * pi * step / 60 for step in range(60)]
    return _poly(
        *(
            (
                0.5 + 0.47 * sin(t) ** 3,
                0.47 - 0.03 * (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)),
            )
            for t in steps
        )
    )


def _crescent() -> Part:
    outer = [(-pi / 2 - pi * step / 30) for step in range(31)]
    inner = [(pi / 2 + pi * step / 30) for step in range(31)]
    return _poly(
        *((0.6 + 0.45 * cos(t), 0.5 + 0.45 * sin(t)) for t in outer),
        *((0.6 + 0.2 * cos(t), 0.5 + 0.45 * sin(t)) for t in inner),
    )


_SUN = (_star(14, 0.5, 0.34), _round(0.5, 0.5, 0.33, paint="light"), _round(0.5, 0.5, 0.3))
_HOUSE = (
    _box(0.68, 0.12, 0.78, 0.4, paint=_WOOD),
    _box(0.12, 0.42, 0.88, 1.0),
    _poly((0.04, 0.44), (0.5, 0.06), (0.96, 0.44), paint="dark"),
    _box(0.42, 0.66, 0.58, 1.0, paint=_WOOD),
    _round(0.555, 0.84, 0.014, paint=(240, 200, 80)),
    *(_box(left, 0.56, left + 0.16, 0.72, paint=_GLASS) for left in (0.2, 0.64)),
    *(_line((left + 0.08, 0.56), (left + 0.08, 0.72), thick=0.014, paint=(255, 255, 255)) for left in (0.2, 0.64)),
)
_TREE = (
    _poly((0.44, 1.0), (0.46, 0.55), (0.54, 0.55), (0.57, 1.0), paint=_WOOD),
    *(_round(x, y, 0.23, paint="dark") for x, y in ((0.3, 0.46), (0.7, 0.46), (0.5, 0.52))),
    *(_round(x, y, r) for x, y, r in ((0.32, 0.4, 0.21), (0.68, 0.4, 0.21), (0.5, 0.27, 0.25), (0.5, 0.44, 0.22))),
)
_CAT = (
    _line((0.78, 0.85), (0.93, 0.74), (0.92, 0.55), (0.97, 0.46), thick=0.07),
    _round(0.55, 0.76, 0.28, 0.23),
    _poly((0.17, 0.38), (0.19, 0.05), (0.42, 0.24)),
    _poly((0.47, 0.24), (0.67, 0.05), (0.69, 0.38)),
    _poly((0.22, 0.3), (0.23, 0.14), (0.34, 0.24), paint="light"),
    _poly((0.54, 0.24), (0.63, 0.14), (0.65, 0.3), paint="light"),
    _round(0.43, 0.42, 0.27, 0.23),
    *(_round(x, 0.95, 0.09, 0.05) for x in (0.38, 0.56)),
    *(_round(x, 0.4, 0.042, 0.055, paint=(240, 240, 225)) for x in (0.33, 0.53)),
    *(_round(x, 0.4, 0.018, 0.048, paint=_INK) for x in (0.33, 0.53)),
    _poly((0.4, 0.49), (0.46, 0.49), (0.43, 0.53), paint=(226, 120, 130)),
    *(
        _line((0.43 + d * 0.1, 0.53), (0.43 + d * 0.36, y), thick=0.01, paint=_INK)
        for d in (-1, 1)
        for y in (0.48, 0.57)
    ),
)
_DOG = (
    _line((0.84, 0.6), (0.97, 0.42), thick=0.06),
    *(_box(x, 0.7, x + 0.09, 1.0, paint="dark") for x in (0.42, 0.72)),
    *(_box(x, 0.7, x + 0.09, 1.0) for x in (0.34, 0.8)),
    _round(0.61, 0.64, 0.28, 0.17),
    _round(0.32, 0.38, 0.2, 0.19),
    _round(0.17, 0.46, 0.14, 0.09),
    _round(0.45, 0.42, 0.075, 0.17, paint="dark"),
    _round(0.06, 0.43, 0.04, paint=_INK),
    _round(0.27, 0.33, 0.026, paint=_INK),
    _line((0.08, 0.51), (0.2, 0.53), thick=0.014, paint=_INK),
)
_FLOWER = (
    _line((0.5, 0.4), (0.5, 1.0), thick=0.045, paint=(52, 140, 66)),
    _round(0.62, 0.74, 0.12, 0.05, paint=(52, 140, 66)),
    *(_round(0.5 + (x - 0.5) * 0.55, 0.32 + (y - 0.5) * 0.55, 0.13) for x, y in _around(7, 0.36)),
    _round(0.5, 0.32, 0.1, paint=(250, 200, 60)),
)
_BIRD = (
    _poly((0.72, 0.5), (1.0, 0.4), (0.96, 0.62), paint="dark"),
    _round(0.52, 0.54, 0.29, 0.2),
    _round(0.26, 0.4, 0.15),
    _poly((0.14, 0.36), (0.0, 0.43), (0.14, 0.47), paint=(244, 160, 40)),
    _poly((0.42, 0.5), (0.74, 0.48), (0.62, 0.2), paint="dark"),
    _round(0.23, 0.37, 0.025, paint=_INK),
)
_FISH = (
    _poly((0.7, 0.5), (0.98, 0.3), (0.98, 0.7), paint="dark"),
    _poly((0.36, 0.34), (0.6, 0.18), (0.64, 0.38), paint="dark"),
    _round(0.42, 0.5, 0.38, 0.22),
    _round(0.2, 0.45, 0.04, paint=(255, 255, 255)),
    _round(0.19, 0.45, 0.02, paint=_INK),
)
_BOAT = (
    _box(0.49, 0.08, 0.52, 0.74, paint=_WOOD),
    _poly((0.54, 0.1), (0.54, 0.66), (0.92, 0.66), paint=(250, 248, 240)),
    _poly((0.47, 0.2), (0.47, 0.66), (0.18, 0.66), paint=(226, 226, 222)),
    _poly((0.05, 0.72), (0.97, 0.72), (0.82, 0.95), (0.18, 0.95)),
)
_CAR = (
    _poly((0.22, 0.56), (0.34, 0.34), (0.68, 0.34), (0.82, 0.56)),
    _poly((0.29, 0.55), (0.37, 0.4), (0.49, 0.4), (0.49, 0.55), paint=_GLASS),
    _poly((0.53, 0.55), (0.53, 0.4), (0.66, 0.4), (0.74, 0.55), paint=_GLASS),
    _poly((0.04, 0.84), (0.04, 0.62), (0.12, 0.55), (0.9, 0.55), (0.97, 0.65), (0.97, 0.84)),
    *(_round(x, 0.84, 0.13, paint=_INK) for x in (0.26, 0.75)),
    *(_round(x, 0.84, 0.06, paint=(200, 200, 205)) for x in (0.26, 0.75)),
)
_PERSON = (
    *(_line((0.5 + d * 0.06, 0.6), (0.5 + d * 0.1, 0.98), thick=0.1, paint=_INK) for d in (-1, 1)),
    *(_line((0.5 + d * 0.12, 0.36), (0.5 + d * 0.27, 0.6), thick=0.08, paint="dark") for d in (-1, 1)),
    _poly((0.36, 0.32), (0.64, 0.32), (0.66, 0.66), (0.34, 0.66)),
    _round(0.5, 0.17, 0.13, paint=_SKIN),
    *(_round(x, 0.16, 0.015, paint=_INK) for x in (0.45, 0.55)),
)

SHAPES: dict[str, Shape] = {
    "circle": Shape("free", None, "circle disc disk ball dot kreis kugel", (_round(0.5, 0.5, 0.48),)),
    "square": Shape("free", None, "square box cube quadrat würfel", (_box(0.04, 0.04, 0.96, 0.96),)),
    "rectangle": Shape("free", None, "rectangle rechteck", (_box(0.0, 0.22, 1.0, 0.78),)),
    "triangle": Shape("free", None, "triangle pyramid dreieck", (_poly((0.5, 0.06), (0.98, 0.92), (0.02, 0.92)),)),
    "star": Shape("free", None, "star stern", (_star(5, 0.5, 0.2),)),
    "heart": Shape("free", (226, 52, 80), "heart herz", (_heart(),)),
    "diamond": Shape("free", None, "diamond rhombus raute", (_poly((0.5, 0.0), (0.88, 0.5), (0.5, 1.0), (0.12, 0.5)),)),
    "ellipse": Shape("free", None, "ellipse oval egg", (_round(0.5, 0.5, 0.5, 0.32),)),
    "hexagon": Shape("free", None, "hexagon sechseck", (_poly(*_around(6, 0.5)),)),
    "cross": Shape("free", None, "cross kreuz", (_box(0.37, 0.02, 0.63, 0.98), _box(0.02, 0.37, 0.98, 0.63))),
    "arrow": Shape(
        "free",
        None,
        "arrow pfeil",
        (_box(0.02, 0.4, 0.6, 0.6), _poly((0.56, 0.2), (0.98, 0.5), (0.56, 0.8))),
    ),
    "house": Shape("ground", (226, 178, 128), "house cottage hut cabin building haus hütte gebäude", _HOUSE),
    "tree": Shape("ground", (58, 142, 66), "tree oak baum", _TREE),
    "flower": Shape("ground", (232, 84, 132), "flower rose tulip blume", _FLOWER),
    "cat": Shape("ground", (226, 146, 66), "cat kitten katze", _CAT),
    "dog": Shape("ground", (166, 114, 70), "dog puppy hund", _DOG),
    "car": Shape("ground", (206, 52, 52), "car auto", _CAR),
    "person": Shape("ground", (60, 110, 190), "person man woman child boy girl people mensch mann frau", _PERSON),
    "boat": Shape("ground", (178, 62, 48), "boat ship sailboat boot schiff", _BOAT),
    "fish": Shape("free", (240, 140, 60), "fish fisch", _FISH),
    "bird": Shape("sky", (70, 120, 196), "bird vogel", _BIRD),
    "sun": Shape("sky", (252, 205, 52), "sun sonne sunset sunrise sonnenuntergang sonnenaufgang", _SUN),
    "moon": Shape("sky", (246, 236, 196), "moon mond", (_crescent(),)),
    "cloud": Shape(
        "sky",
        (250, 251, 253),
        "cloud wolke",
        (
            *(_round(x, y, r) for x, y, r in ((0.22, 0.59, 0.18), (0.45, 0.46, 0.24), (0.7, 0.57, 0.2))),
            _box(0.2, 0.58, 0.72, 0.77),
        ),
    ),
    "mountain": Shape("scenery", (112, 124, 146), "mountain hill alp alps berg gebirge alpen hügel"),
    "sea": Shape("scenery", (40, 122, 178), "sea ocean lake river water beach meer ozean fluss wasser strand"),
    "rainbow": Shape("scenery", None, "rainbow regenbogen"),
}
_PLURALS = ("", "s", "es", "n", "en", "e", "er")
_IRREGULAR = {"men": "person", "women": "person", "children": "person", "bäume": "tree", "bäumen": "tree"} | {
    "häuser": "house", "häusern": "house", "vögel": "bird", "alpine": "mountain", "puppies": "dog",
}  # fmt: skip
_BY_WORD = {
    word + ending: name for name, shape in SHAPES.items() for word in shape.words.split() for ending in _PLURALS
}


def thing_of(word: str) -> str | None:
    """The name of the thing a word stands for, in the singular or plural."""
    return _IRREGULAR.get(word.lower()) or _BY_WORD.get(word.lower())
