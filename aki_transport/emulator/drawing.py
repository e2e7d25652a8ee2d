"""Pictures drawn from prompts."""

from dataclasses import replace

from PIL import Image

from aki_transport.emulator.drawing_layout import Placed, coloured, lay_out, luck
from aki_transport.emulator.drawing_notes import Notes, to_png
from aki_transport.emulator.drawing_paint import backdrop, paint, write
from aki_transport.emulator.drawing_scene import Item, Scene, read_scene, without
from aki_transport.emulator.drawing_strip import strip_height, with_strip
from aki_transport.emulator.drawing_styles import STYLES

_FINE = 2  # drawn this much larger, for smooth edges
_LARGE = 1400  # from here on the pixels are small enough


def draw(prompt: str, width: int, height: int, seed: int, *, negative: str = "") -> bytes:
    """A PNG of what the prompt names, the same for the same arguments.

    Args:
        prompt: What to draw, in English or German.
        width: In pixels.
        height: In pixels, the strip with the prompt's words included.
        seed: Another one places and colours the things differently.
        negative: Things named here are left out.
    """
    strip = strip_height(height)
    size = (width, height - strip)
    scene = coloured(without(read_scene(prompt), negative), seed)
    if not scene.items and not scene.land and scene.text is None:
        scene = replace(scene, items=_abstract(seed, prompt))
    placed = lay_out(scene, size, seed, prompt)
    image = rendered(scene, placed, size, seed, prompt)
    for style in scene.styles:
        image = STYLES[style](image)
    notes = Notes((prompt,), tuple(placed), strip)
    return to_png(with_strip(image, notes.said, strip), notes)


def rendered(scene: Scene, placed: list[Placed], size: tuple[int, int], seed: int, words: str) -> Image.Image:
    """The scene's background with the things on it."""
    dice = luck(seed, "paint", words)
    fine = 1 if max(size) >= _LARGE else _FINE
    image = backdrop((size[0] * fine, size[1] * fine), scene, dice)
    for each in placed:
        paint(image, enlarged(each, fine), dice)
    if scene.text is not None:
        write(image, scene.text)
    return image.resize(size, Image.Resampling.BOX) if fine > 1 else image


def enlarged(placed: Placed, times: int) -> Placed:
    """The thing in a picture that many times as large."""
    left, top, right, bottom = placed.box
    return replace(placed, box=(left * times, top * times, right * times, bottom * times))


def _abstract(seed: int, prompt: str) -> tuple[Item, ...]:
    """Something to look at for words that name nothing."""
    dice = luck(seed, "abstract", prompt)
    shapes = ("circle", "triangle", "hexagon", "diamond", "star", "square")
    plain = coloured(
        Scene(tuple(Item(dice.choice(shapes)) for _ in range(7)), None, "day", land=False, styles=(), text=None), seed
    )
    return tuple(replace(item, size=dice.uniform(0.7, 1.4)) for item in plain.items)
