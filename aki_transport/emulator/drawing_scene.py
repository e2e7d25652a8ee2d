"""What a prompt wants to be seen: things with their colours, and what is behind them."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from aki_transport.emulator.drawing_colours import Colour, colour_of, tone_of, toned
from aki_transport.emulator.drawing_shapes import SHAPES, thing_of
from aki_transport.emulator.drawing_styles import styles_in
from aki_transport.emulator.facts import quoted

Relation = Literal["above", "below", "left", "right", "inside"]
Light = Literal["day", "night", "dusk"]

_WORD = re.compile(r"#[0-9a-fA-F]{6}|[^\W\d_]+(?:-[^\W\d_]+)*|\d+|[,.;:!?]")
_COUNTS = dict.fromkeys("a an one ein eine einen einem einer eines".split(), 1) | {  # noqa: SIM905  # a list
    word: number
    for number, words in enumerate(
        (
            "two zwei pair",
            "three drei some einige",
            "four vier several",
            "five fünf many viele",
            "six sechs",
            "seven sieben",
        ),
        start=2,
    )
    for word in words.split()
}
_MOST = 9
_LARGE = ("big", "large", "huge", "giant", "groß", "große", "großer", "großes", "großen")
_SMALL = ("small", "little", "tiny", "klein", "kleine", "kleiner", "kleines", "kleinen")
_SIZES = dict.fromkeys(_LARGE, 1.35) | dict.fromkeys(_SMALL, 0.6)
_BEHIND = frozenset(("background", "backdrop", "wall", "paper", "canvas", "hintergrund", "wand", "sky", "himmel"))
_LAND = re.compile(
    r"\b(?:landscape|meadow|field|garden|park|grass|countryside|village|landschaft|wiese|garten)\b", re.IGNORECASE
)
_NIGHT = re.compile(r"\b(?:night|midnight|starry|nacht|nachts)\b", re.IGNORECASE)
_DUSK = re.compile(r"\b(?:sunset|sunrise|dusk|dawn|evening|sonnenuntergang|sonnenaufgang|abend)\b", re.IGNORECASE)
_LINKS = frozenset(("is", "in", "coloured", "colored", "painted", "ist"))
_BREAKS = frozenset(("and", "und", "with", "mit", "on", "auf", "next", ",", ".", ";"))
_RELATIONS: tuple[tuple[re.Pattern[str], Relation], ...] = (
    (re.compile(r"\b(?:above|over|on top of|über|on|auf)\b", re.IGNORECASE), "above"),
    (re.compile(r"\b(?:below|under|beneath|underneath|unter)\b", re.IGNORECASE), "below"),
    (re.compile(r"\b(?:left|links)\b", re.IGNORECASE), "left"),
    (re.compile(r"\b(?:right|rechts)\b", re.IGNORECASE), "right"),
    (re.compile(r"\b(?:in|inside|within|into)\b", re.IGNORECASE), "inside"),
)
_SAID = re.compile(r"\b(?:text|word|words|saying|says|writing|sign|schriftzug)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to draw.

    Attributes:
        name: Its shape.
        colour: As said, else the shape's own.
        size: How much larger than usual.
        relation: Where it stands towards the next thing.
    """

    name: str
    colour: Colour | None = None
    size: float = 1.0
    relation: Relation | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a prompt names."""

    items: tuple[Item, ...]
    background: Colour | None
    light: Light
    land: bool
    styles: tuple[str, ...]
    text: str | None


def read_scene(prompt: str) -> Scene:
    """The scene of a prompt in English or German."""
    items, background = _things(prompt)
    outside = any(SHAPES[item.name].place in ("sky", "scenery") or item.name in ("tree", "house") for item in items)
    said = quoted(prompt)
    return Scene(
        items=items,
        background=background,
        light="night" if _NIGHT.search(prompt) else "dusk" if _DUSK.search(prompt) else "day",
        land=outside or _LAND.search(prompt) is not None,
        styles=styles_in(prompt),
        text=said[0] if said and _SAID.search(prompt) else None,
    )


def without(scene: Scene, unwanted: str) -> Scene:
    """The scene without the things another text names."""
    names = {item.name for item in read_scene(unwanted).items}
    return replace(scene, items=tuple(item for item in scene.items if item.name not in names))


def colours_in(text: str) -> list[Colour]:
    """The colours a text names, in order."""
    found: list[Colour] = []
    tone = 0
    for word in _WORD.findall(text):
        if (colour := colour_of(word)) is not None:
            found.append(toned(colour, tone))
        tone = tone_of(word)
    return found


def _things(prompt: str) -> tuple[tuple[Item, ...], Colour | None]:
    items: list[Item] = []
    background: Colour | None = None
    colour: Colour | None = None
    owner = ""  # whose colour may still follow, as in "the background is blue"
    count, size, tone, start = 1, 1.0, 0, 0
    for match in _WORD.finditer(prompt):
        word = match.group().lower()
        name = thing_of(word)
        if name is not None:
            if items:
                items[-1] = replace(items[-1], relation=_relation(prompt[start : match.start()]))
            items.extend([Item(name, colour, size)] * (1 if SHAPES[name].place == "scenery" else count))
            owner = "" if colour else "item"
            colour, count, size, tone, start = None, 1, 1.0, 0, match.end()
        elif word in _BEHIND:
            background = colour or background
            owner = "" if colour else "background"
            colour, count, size, tone, start = None, 1, 1.0, 0, match.end()
        elif (named := colour_of(word)) is not None:
            colour, tone = toned(named, tone), 0
            if owner == "item":
                items[-1] = replace(items[-1], colour=colour)
            elif owner == "background":
                background = colour
            colour, owner = None if owner else colour, ""
        else:
            tone = tone_of(word) or tone
            size = _SIZES.get(word, size)
            count = _COUNTS.get(word, min(int(word), _MOST) if word.isdigit() and int(word) else count)
            owner = owner if word in _LINKS or tone_of(word) else ""
            if word in _BREAKS:
                colour, tone = None, 0
    return tuple(items[: 2 * _MOST]), background


def _relation(between: str) -> Relation | None:
    found = ((pattern.search(between), relation) for pattern, relation in _RELATIONS)
    return next((relation for hit, relation in found if hit), None)
