"""Pictures of a few shapes, drawn from prompts and changed by instructions; anything else is a labelled card."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from random import Random

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

COLOURS = {
    "red": (214, 40, 40),
    "blue": (33, 98, 214),
    "green": (46, 150, 70),
    "yellow": (250, 209, 48),
    "orange": (243, 134, 32),
    "purple": (128, 62, 172),
    "pink": (245, 130, 178),
    "brown": (132, 84, 48),
    "black": (20, 20, 22),
    "white": (255, 255, 255),
    "gray": (138, 142, 148),
    "azure": (206, 226, 244),
}
# Each shape's own colour and its parts, those behind first: a colour, or none for that of the shape, and the part's
# points in a unit square whose top left corner is 0, 0; two points are the box of an ellipse.
SHAPES: dict[str, tuple[str, dict[tuple[float, ...], str]]] = {
    "hill": ("green", {(-0.2, 0.25, 1.2, 1.75): ""}),
    "sun": ("yellow", {(0.1, 0.1, 0.9, 0.9): ""}),
    "tree": ("green", {(0.43, 0.6, 0.57, 0.6, 0.57, 1, 0.43, 1): "brown", (0.15, 0, 0.85, 0.7): ""}),
    "house": ("orange", {(0.1, 0.45, 0.9, 0.45, 0.9, 1, 0.1, 1): "", (0, 0.45, 0.5, 0, 1, 0.45): "brown"}),
    "boat": ("brown", {(0, 0.7, 1, 0.7, 0.8, 1, 0.2, 1): "", (0.5, 0, 0.5, 0.65, 0.95, 0.65): "white"}),
    "lighthouse": (
        "red",
        {
            (0.38, 0.28, 0.62, 0.28, 0.7, 1, 0.3, 1): "",
            (0.36, 0.45, 0.64, 0.45, 0.66, 0.6, 0.34, 0.6): "white",
            (0.42, 0.14, 0.58, 0.14, 0.58, 0.28, 0.42, 0.28): "white",
            (0.36, 0.14, 0.5, 0, 0.64, 0.14): "black",
        },
    ),
    "circle": ("blue", {(0, 0, 1, 1): ""}),
    "square": ("blue", {(0.05, 0.05, 0.95, 0.05, 0.95, 0.95, 0.05, 0.95): ""}),
    "star": ("yellow", {(0.5, 0, 1, 0.8, 0, 0.8): "", (0.5, 1, 1, 0.25, 0, 0.25): ""}),
}
_KEY = "aki-emulator"
_STRIP = 0.08  # of the height, for the text below a picture
_FINE = 2  # drawn this much larger, for smooth edges
_PAPER, _INK = (250, 249, 246), (60, 62, 70)


@dataclass(frozen=True, slots=True)
class Item:
    """A shape in a picture: its colour, and the square it fills in shares of the shorter side: left, top and side."""

    shape: str
    colour: str
    place: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows; it is kept in the file, so that an edit knows what is there."""

    items: tuple[Item, ...]
    background: str
    caption: str


def read_scene(prompt: str, seed: int) -> Scene:
    """The shapes and colours that a prompt names; another seed places them differently."""
    background, colour = "azure", ""
    shapes: list[tuple[str, str]] = []
    for word in re.findall(r"[a-z]+", prompt.lower()):
        shape = next((name for name in SHAPES if word in (name, f"{name}s")), None)
        if word in COLOURS:
            colour = word
        elif word in ("background", "sky") and colour:
            background, colour = colour, ""
        elif shape is not None:
            shapes.append((shape, colour or SHAPES[shape][0]))
            colour = ""
    return Scene(tuple(_placed(shapes, Random(f"{seed} {prompt}"))), background, prompt)  # noqa: S311  # no secret


def _placed(shapes: list[tuple[str, str]], dice: Random) -> list[Item]:
    """Hills behind, the sun above, and the rest side by side."""
    items: list[Item] = []
    beside = [shape for shape, _ in shapes if shape not in ("hill", "sun")]
    width, left = 1 / max(len(beside), 1), 0.0
    for shape, colour in shapes:
        if shape == "hill":
            items.insert(0, Item(shape, colour, (0.0, 0.45, 1.0)))
        elif shape == "sun":
            items.append(Item(shape, colour, (dice.uniform(0.02, 0.75), dice.uniform(0.02, 0.08), 0.2)))
        else:
            side = min(0.62, width * 0.9)
            items.append(Item(shape, colour, (left + (width - side) * dice.random(), 0.86 - side, side)))
            left += width
    return items


def draw(prompt: str, width: int, height: int, seed: int) -> bytes:
    """A PNG of so many pixels of what the prompt names, the same for the same seed."""
    scene = read_scene(prompt, seed)
    return to_png(paint(scene, (width, height)), scene)


def paint(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """The scene as a picture; without a shape, a card that holds its caption."""
    width, height = size[0] * _FINE, size[1] * _FINE
    unit = min(width, height)
    image = Image.new("RGB", (width, height), COLOURS[scene.background])
    canvas = ImageDraw.Draw(image)
    for item in scene.items:
        left, top, side = (share * unit for share in item.place)
        left, top = left + (width - unit) / 2, top + (height - unit) / 2
        for points, colour in SHAPES[item.shape][1].items():
            spots = [(left + x * side, top + y * side) for x, y in zip(points[::2], points[1::2], strict=True)]
            shape = canvas.ellipse if len(spots) == 2 else canvas.polygon  # noqa: PLR2004  # corners of its box
            shape(spots, fill=COLOURS[colour or item.colour])
    return with_caption(image.resize(size, Image.Resampling.BOX), scene.caption)


def with_caption(image: Image.Image, text: str) -> Image.Image:
    """The picture with a text on a strip over its lower edge; what does not fit is cut."""
    image = image.convert("RGB")
    canvas, room = ImageDraw.Draw(image), image.width - 8
    top = image.height - max(12, round(image.height * _STRIP))
    canvas.rectangle((0, top, image.width, image.height), _PAPER)
    text, font = " ".join(text.split())[:200], ImageFont.load_default(max(9, image.height // 24))
    while canvas.textlength(text, font) > room:
        text = text.removesuffix(" …")[:-1] + " …"
    canvas.text((image.width / 2, (top + image.height) / 2), text, _INK, font, anchor="mm")
    return image


def to_png(image: Image.Image, scene: Scene | None) -> bytes:
    """The file, with the scene in it."""
    info = PngInfo()
    if scene is not None:
        info.add_text(_KEY, json.dumps(asdict(scene)))
    out = BytesIO()
    image.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def opened(data: bytes) -> tuple[Image.Image, Scene | None]:
    """The picture, and its scene where it was drawn here; `ValueError` where the data is none."""
    try:
        image = Image.open(BytesIO(data))
        image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"no picture: {error}") from None
    if not isinstance(text := image.info.get(_KEY), str):
        return image, None
    value = json.loads(text)
    return image, Scene(**{**value, "items": tuple(Item(**each) for each in value["items"])})


def edit(images: Sequence[bytes], instruction: str, size: tuple[int, int] | None, seed: int) -> bytes:
    """A PNG of the first of the pictures with the change, such as `"make the lighthouse blue"`.

    What the instruction names and the picture does not have changes nothing; the strip below the picture says so.
    """
    (image, scene), *_ = map(opened, images)
    size = size or image.size
    changed = scene and _changed(scene, instruction.lower(), seed)
    if changed is None:
        caption = f"Nothing changed, not found: {instruction}"
        return to_png(with_caption(image.convert("RGB").resize(size), caption), scene)
    changed = replace(changed, caption=instruction)
    return to_png(paint(changed, size), changed)


def _changed(scene: Scene, text: str, seed: int) -> Scene | None:
    """The scene after the change; `None` where what is to be changed is not there."""
    shapes = [name for name in SHAPES if re.search(rf"\b{name}s?\b", text)]
    colours = [word for word in re.findall(r"[a-z]+", text) if word in COLOURS]
    if shapes and re.search(r"\badd\b", text):
        return replace(scene, items=(*scene.items, *read_scene(text, seed).items))
    meant = [item for item in scene.items if item.shape in shapes]
    if meant and re.search(r"\b(?:remove|delete)\b", text):
        return replace(scene, items=tuple(item for item in scene.items if item not in meant))
    if colours and re.search(r"\b(?:background|sky)\b", text):
        return replace(scene, background=colours[-1])
    if colours and meant:
        items = (replace(item, colour=colours[-1]) if item in meant else item for item in scene.items)
        return replace(scene, items=tuple(items))
    return None
