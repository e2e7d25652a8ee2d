"""Where the things of a scene stand, for a seed."""

from dataclasses import dataclass, replace
from random import Random

from aki_transport.emulator.drawing_colours import Colour
from aki_transport.emulator.drawing_scene import Item, Scene
from aki_transport.emulator.drawing_shapes import SHAPES

Box = tuple[int, int, int, int]

HORIZON = 0.66
_GROUND = 0.92
_PALETTE: tuple[Colour, ...] = (
    (214, 72, 62), (52, 116, 190), (240, 176, 52), (66, 150, 110), (134, 84, 170), (228, 120, 86), (40, 150, 170),
)  # fmt: skip
_PER_ROW = 5
# Neighbouring seeds land far apart along this step.
_GOLDEN = 0.6180339887


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing and the square it fills."""

    name: str
    colour: Colour
    box: Box


def luck(seed: int, *about: object) -> Random:
    """Chance that is the same for the same words and seed."""
    return Random("|".join(map(str, (seed, *about))))  # noqa: S311  # no secret


def coloured(scene: Scene, seed: int) -> Scene:
    """The scene with a colour for each thing that was given none."""
    palette = list(_PALETTE)
    luck(seed, "colours").shuffle(palette)
    used = [item.colour for item in scene.items if item.colour] + ([scene.background] if scene.background else [])
    items: list[Item] = []
    for item in scene.items:
        # The one that is easiest to tell from what is there.
        free = max(palette, key=lambda each: min((_apart(each, other) for other in used), default=0))
        colour = item.colour or SHAPES[item.name].colour or free
        used.append(colour)
        items.append(replace(item, colour=colour))
    return replace(scene, items=tuple(items))


def lay_out(scene: Scene, size: tuple[int, int], seed: int, words: str) -> list[Placed]:
    """The things of a coloured scene, those behind first."""
    width, height = size
    dice = luck(seed, words)
    flying = [item for item in scene.items if SHAPES[item.name].place == "sky"]
    wide = [item for item in scene.items if SHAPES[item.name].place == "scenery"]
    rest = [item for item in scene.items if SHAPES[item.name].place in ("free", "ground")]
    placed = [_placed(item, (0, 0, width, height)) for item in wide]
    placed += [_in_sky(item, number, len(flying), size, dice, seed) for number, item in enumerate(flying)]
    columns = _columns(rest)
    if seed % 2 and not any(item.relation in ("left", "right") for item in rest):
        columns.reverse()
    rows = -(-len(columns) // _PER_ROW) or 1
    each = -(-len(columns) // rows) or 1
    for number, column in enumerate(columns):
        row, at = divmod(number, each)
        inside = min(each, len(columns) - row * each)
        top = height * (0.28 if flying and scene.land else 0.0)
        tall = (height - top) / rows
        cell = (width * at / inside, top + row * tall, width * (at + 1) / inside, top + (row + 1) * tall)
        placed += _in_cell(column, cell, scene, height if rows == 1 else 0, dice, seed + number)
    return placed


def _columns(items: list[Item]) -> list[list[Item]]:
    """The things from left to right, each with what stands below it; one drawn inside another follows it."""
    columns: list[list[Item]] = []
    joined: Item | None = None
    for item in items:
        match joined.relation if joined else None:
            case "above":
                columns[-1].append(item)
            case "below":
                columns[-1].insert(0, item)
            case "inside" if SHAPES[item.name].place == "free":
                columns[-1].insert(0, item)
            case "right":
                columns.insert(len(columns) - 1, [item])
            case _:
                columns.append([item])
        joined = item
    return columns


def _in_cell(
    column: list[Item], cell: tuple[float, float, float, float], scene: Scene, height: int, dice: Random, seed: int
) -> list[Placed]:
    left, top, right, bottom = cell
    wide, tall = right - left, bottom - top
    around = [item for item in column if item.relation == "inside"]
    levels = [item for item in column if item not in around] or column
    biggest = min(wide * 0.86, tall * 0.82 / len(levels)) * (0.72 if len(levels) == 1 else 0.95)
    sizes = [min(biggest * item.size, wide * 0.94, tall * 0.94 / len(levels)) for item in levels]
    sizes = [side * dice.uniform(0.86, 1.0) for side in sizes]
    middle = left + wide / 2 + (wide - max(sizes)) * 0.8 * (_spread(seed, 1) - 0.5)
    grounded = bool(height) and scene.land and SHAPES[levels[-1].name].place == "ground"
    y = height * _GROUND - sum(sizes) - dice.uniform(0, 0.05) * height if grounded else None
    if y is None:
        y = top + (tall - sum(sizes)) * (0.5 + 0.8 * (_spread(seed, 2) - 0.5))
    placed: list[Placed] = []
    for item, side in zip(levels, sizes, strict=True):
        placed.append(_square(item, middle, y + side / 2, side))
        placed += [_square(inner, middle, y + side / 2, side * 0.45) for inner in around if len(levels) < len(column)]
        around = []
        y += side
    return placed


def _in_sky(item: Item, number: int, count: int, size: tuple[int, int], dice: Random, seed: int) -> Placed:
    width, height = size
    side = min(width / (count + 0.6), min(size) * 0.24) * item.size * dice.uniform(0.85, 1.1)
    slot = width / count
    middle = slot * number + side * 0.55 + max(slot - side * 1.1, 0) * _spread(seed + number, 3)
    return _square(item, middle, height * dice.uniform(0.05, 0.16) + side / 2, side)


def _apart(one: Colour, other: Colour) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _spread(seed: int, salt: int) -> float:
    return (seed * _GOLDEN * salt + 0.31 * salt) % 1


def _square(item: Item, x: float, y: float, side: float) -> Placed:
    half = side / 2
    return _placed(item, (round(x - half), round(y - half), round(x + half), round(y + half)))


def _placed(item: Item, box: Box) -> Placed:
    if item.colour is None:
        raise ValueError(f"{item.name} has no colour yet")
    return Placed(item.name, item.colour, box)
