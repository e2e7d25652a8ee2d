"""Pictures changed by instructions."""

from collections.abc import Sequence
from dataclasses import replace

from PIL import ImageChops, ImageEnhance

from aki_transport.emulator.editing_canvas import Canvas, combined, finished, labelled, opened
from aki_transport.emulator.editing_moving import swaps_sides
from aki_transport.emulator.editing_orders import Background
from aki_transport.emulator.editing_reading import read_instruction
from aki_transport.emulator.editing_steps import done

# What another seed changes if the instruction leaves no choice.
_LIGHTS = (1.0, 0.97, 1.03, 0.94)


def edit(images: Sequence[bytes], prompt: str, width: int | None, height: int | None, seed: int) -> bytes:
    """A PNG of the picture after an instruction, or of several pictures combined; never the picture as it was.

    Args:
        images: The files, at least one.
        prompt: What to change, in English or German; words that are not understood become a label.
        width: In pixels; `None` keeps the first picture's.
        height: In pixels; `None` keeps the first picture's.
        seed: Another one places what is added differently, and lights the picture a little differently.

    Raises:
        NoPicture: One of the files is none.
    """
    first = combined([opened(data) for data in images], prompt)
    # What is cut out has to stay cut out.
    taken = sorted(read_instruction(prompt), key=lambda step: step == Background(None))
    canvas = first
    for step in taken:
        canvas = done(canvas, step, seed)
    if len(images) == 1 and _same(first, canvas):
        canvas = labelled(canvas, prompt)
    light = _LIGHTS[seed % len(_LIGHTS)]
    if light != 1:
        canvas = replace(canvas, image=ImageEnhance.Brightness(canvas.image).enhance(light))
    was = first.size[::-1] if swaps_sides(taken) else first.size
    return finished(canvas, (width or was[0], height or was[1]), prompt)


def _same(one: Canvas, other: Canvas) -> bool:
    if one.image.size != other.image.size or one.image.mode != other.image.mode:
        return False
    return ImageChops.difference(one.image, other.image).getbbox() is None
