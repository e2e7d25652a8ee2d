"""Pictures changed by an instruction: one thing at a time, and nothing else."""

import re
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, sqrt

from PIL import Image, ImageOps

from aki_transport.emulator.pictures import COLOURS, SHAPES, Scene, opened, paint, read_scene, to_png, with_caption

_REMOVE = re.compile(r"\b(?:remove|delete|erase)\b")
_ADD = re.compile(r"\b(?:add|put|insert)\b")


def edit(images: Sequence[bytes], instruction: str, width: int | None, height: int | None, seed: int) -> bytes:
    """A PNG of the first picture with the change; several are put beside each other.

    Args:
        images: The files.
        instruction: What to change, such as `"make the lighthouse blue"`. What it names and the picture does not have
            changes nothing; the strip below the picture says so.
        width: In pixels; the first picture's if not given.
        height: As the width.
        seed: Another one places what is added differently.

    Raises:
        NoPictureError: A file is none of a picture.
    """
    pictures = [opened(each) for each in images]
    image, scene = pictures[0]
    size = (width or image.width, height or image.height)
    if len(pictures) > 1:
        sheet = _side_by_side([each for each, _ in pictures], size)
        return to_png(with_caption(sheet, f"{instruction} ({seed})"), None)
    if re.search(r"\b(?:black and white|gray ?scale)\b", instruction, re.IGNORECASE):
        return to_png(with_caption(ImageOps.grayscale(image.convert("RGB")).resize(size), instruction), None)
    changed = scene and _changed(scene, instruction.lower(), seed)
    if changed is None:
        caption = f"Nothing changed, not found: {instruction}"
        return to_png(with_caption(image.convert("RGB").resize(size), caption), scene)
    changed = replace(changed, caption=instruction)
    return to_png(paint(changed, size), changed)


def _changed(scene: Scene, text: str, seed: int) -> Scene | None:
    """The scene after the change; `None` where what is to be changed is not there."""
    shapes = [name for name in SHAPES if re.search(rf"\b{name}s?\b", text)]
    colours = [COLOURS[word] for word in re.findall(r"[a-z]+", text) if word in COLOURS]
    if _ADD.search(text) and shapes:
        return replace(scene, items=(*scene.items, *read_scene(text, seed).items))
    meant = [item for item in scene.items if item.shape in shapes]
    if _REMOVE.search(text) and meant:
        return replace(scene, items=tuple(item for item in scene.items if item not in meant))
    if colours and re.search(r"\b(?:background|sky)\b", text):
        return replace(scene, background=colours[-1])
    if colours and meant:
        items = (replace(item, colour=colours[-1]) if item in meant else item for item in scene.items)
        return replace(scene, items=tuple(items))
    return None


def _side_by_side(images: Sequence[Image.Image], size: tuple[int, int]) -> Image.Image:
    columns = ceil(sqrt(len(images)))
    rows = ceil(len(images) / columns)
    cell = (size[0] // columns, size[1] // rows)
    sheet = Image.new("RGB", size, (255, 255, 255))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        sheet.paste(ImageOps.fit(image.convert("RGB"), cell), (column * cell[0], row * cell[1]))
    return sheet
