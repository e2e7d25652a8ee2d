"""Each step of an instruction, done to the pixels."""

from dataclasses import replace
from typing import assert_never

from PIL import Image, ImageChops, ImageEnhance, ImageOps, ImageStat

from aki_transport.emulator import editing_orders as steps
from aki_transport.emulator.drawing import enlarged, rendered
from aki_transport.emulator.drawing_colours import Colour
from aki_transport.emulator.drawing_layout import Box, Placed, coloured, lay_out, luck
from aki_transport.emulator.drawing_paint import outline, paint, shown, write
from aki_transport.emulator.drawing_scene import Item, Scene
from aki_transport.emulator.drawing_shapes import SHAPES, Paint
from aki_transport.emulator.drawing_styles import STYLES
from aki_transport.emulator.editing_canvas import Canvas
from aki_transport.emulator.editing_moving import moved
from aki_transport.emulator.editing_regions import Region, background_of, of_colour, of_shape, of_thing, share, soft

_TONES: tuple[Paint, ...] = ("main", "dark", "light")
_ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "colour": ImageEnhance.Color,
}
_SAME = 70  # how far the channels of a thing's colour may be from those of the colour it is called
_EXACT = 24  # the same, of a colour that is known
_FINE = 3
_WORTH = 200  # what a thing that is covered counts for, where detail counts up to 20
_NEW_SIDE = 0.3  # of the shorter side, for a thing that is added


def done(canvas: Canvas, step: steps.Step, seed: int) -> Canvas:
    """The canvas after a step."""
    image = canvas.image
    match step:
        case steps.Recolour(target, colour):
            return _recoloured(canvas, target, colour)
        case steps.Tint(colour):
            wash = ImageChops.multiply(image, Image.new("RGB", image.size, colour))
            return replace(canvas, image=Image.blend(image, wash, 0.75), placed=())
        case steps.Background(scene):
            return _behind(canvas, scene, seed)
        case steps.Remove(target):
            return _removed(canvas, target)
        case steps.Replace(target, scene):
            return _replaced(canvas, target, scene, seed)
        case steps.Add(scene):
            return _added(canvas, scene, seed)
        case steps.Restyle(name):
            return replace(canvas, image=STYLES[name](image))
        case steps.Mirror("horizontal"):
            return replace(canvas, image=ImageOps.mirror(image), placed=tuple(_across(canvas)))
        case steps.Turn() | steps.Mirror() | steps.Tilt() | steps.Zoom():
            return replace(canvas, image=moved(image, step), placed=())
        case steps.Adjust(what, factor):
            return replace(canvas, image=_ENHANCERS[what](image).enhance(factor))
        case steps.Write(text):
            image = image.copy()
            write(image, text)
            return replace(canvas, image=image)
        case _:
            assert_never(step)


def _known(canvas: Canvas, target: steps.Target) -> list[Placed]:
    """The things a target means, of those whose place is known."""
    if target == steps.Target():
        solid = _solid(canvas)
        return [max(solid, key=lambda each: each.box[2] - each.box[0])] if solid else []
    named = [each for each in canvas.placed if target.thing in (None, each.name)]
    if target.colour is None:
        return named
    wanted = target.colour
    return [each for each in named if max(abs(a - b) for a, b in zip(each.colour, wanted, strict=True)) <= _SAME]


def _found(canvas: Canvas, target: steps.Target) -> Region | None:
    if target.colour is not None and target.thing is None:
        return of_colour(canvas.image, target.colour)
    return of_shape(canvas.image, target.thing, target.colour)


def _recoloured(canvas: Canvas, target: steps.Target, colour: Colour) -> Canvas:
    image = canvas.image
    known = _known(canvas, target)
    placed = canvas.placed
    for thing in known:
        before = image
        for tone in _TONES:
            old = shown(tone, thing.colour)
            if (region := of_thing(before, thing.box, old, _EXACT)) is not None:
                image = _shifted(image, region, old, shown(tone, colour))
        placed = tuple(replace(each, colour=colour) if each == thing else each for each in placed)
    if image is canvas.image:
        region = _found(canvas, target)
        if region is None:
            return canvas
        image = _shifted(image, region, region.colour, colour)
    return replace(canvas, image=image, placed=placed)


def _shifted(image: Image.Image, region: Region, old: Colour, new: Colour) -> Image.Image:
    """Each pixel moved as far as the two colours are apart, so that shades stay."""
    part = share(image, region, old)
    bands = []
    for band, a, b in zip(image.split(), old, new, strict=True):
        step = part.point([round(value / 255 * abs(b - a)) for value in range(256)])
        bands.append(ImageChops.add(band, step) if b > a else ImageChops.subtract(band, step))
    return Image.merge("RGB", bands)


def _behind(canvas: Canvas, scene: Scene | None, seed: int) -> Canvas:
    solid = _solid(canvas)
    # Scenery has no rim of its own to be found by.
    open_air = len(solid) < len(canvas.placed)
    mask = Image.new("L", canvas.image.size, 255) if open_air else background_of(canvas.image).mask
    for thing in solid:
        mask = ImageChops.subtract(mask, outline(thing, canvas.image.size))
    mask = soft(mask)
    if scene is None:
        cut = canvas.image.copy()
        cut.putalpha(ImageOps.invert(mask))
        return replace(canvas, image=cut, placed=tuple(solid))
    size = canvas.image.size
    scene = coloured(scene, seed)
    behind = lay_out(scene, size, seed, "behind")
    fresh = rendered(scene, behind, size, seed, "behind")
    return replace(canvas, image=Image.composite(fresh, canvas.image, mask), placed=(*behind, *solid))


def _solid(canvas: Canvas) -> list[Placed]:
    return [each for each in canvas.placed if SHAPES[each.name].place != "scenery"]


def _removed(canvas: Canvas, target: steps.Target) -> Canvas:
    known = [each for each in _known(canvas, target) if SHAPES[each.name].place != "scenery"]
    if known:
        image = canvas.image
        for thing in known:
            image = _filled(image, thing.box, None)
        return replace(canvas, image=image, placed=tuple(each for each in canvas.placed if each not in known))
    region = _found(canvas, target)
    if region is None:
        return canvas
    return replace(canvas, image=_filled(canvas.image, region.box, soft(region.mask, 4)))


def _replaced(canvas: Canvas, target: steps.Target, scene: Scene, seed: int) -> Canvas:
    known = [each for each in _known(canvas, target) if SHAPES[each.name].place != "scenery"]
    region = None if known else _found(canvas, target)
    if not known and region is None:
        return canvas
    boxes = [each.box for each in known] or [region.box for region in [region] if region]
    was = known[0].colour if known else region.colour if region else None
    items = [replace(item, colour=item.colour or SHAPES[item.name].colour or was) for item in scene.items]
    canvas = _removed(canvas, target)
    for number, box in enumerate(boxes):
        canvas = _with(canvas, items[number % len(items)], _squared(box), seed)
    return canvas


def _added(canvas: Canvas, scene: Scene, seed: int) -> Canvas:
    for number, item in enumerate(coloured(scene, seed).items):
        if SHAPES[item.name].place == "scenery":
            whole = (0, 0, *canvas.image.size)
            fresh = _with(canvas, item, whole, seed)
            behind = background_of(canvas.image).mask
            canvas = replace(fresh, image=Image.composite(fresh.image, canvas.image, behind))
        else:
            canvas = _with(canvas, item, _free_box(canvas, item, seed + number), seed)
    return canvas


def _with(canvas: Canvas, item: Item, box: Box, seed: int) -> Canvas:
    """The canvas with a thing drawn into a box."""
    if item.colour is None:
        raise ValueError(f"{item.name} has no colour yet")
    placed = Placed(item.name, item.colour, box)
    image = canvas.image.copy()
    scenery = SHAPES[item.name].place == "scenery"
    left, top, right, bottom = (0, 0, *image.size) if scenery else _grown(box, 4, image.size)
    fine = 1 if scenery else _FINE
    size = (right - left, bottom - top)
    part = image.crop((left, top, right, bottom)).resize((size[0] * fine, size[1] * fine), Image.Resampling.NEAREST)
    inside = replace(placed, box=(box[0] - left, box[1] - top, box[2] - left, box[3] - top))
    paint(part, enlarged(inside, fine), luck(seed, item.name))
    image.paste(part.resize(size, Image.Resampling.BOX), (left, top))
    return replace(canvas, image=image, placed=(*canvas.placed, placed))


def _grown(box: Box, gap: int, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    return max(left - gap, 0), max(top - gap, 0), min(right + gap, size[0]), min(bottom + gap, size[1])


def _free_box(canvas: Canvas, item: Item, seed: int) -> Box:
    """Where there is least to see, so that little is hidden."""
    image = canvas.image
    width, height = image.size
    side = round(min(image.size) * _NEW_SIDE * min(item.size, 1.6))
    sky = SHAPES[item.name].place == "sky"
    rows = (0.04, 0.1) if sky else (0.64, 0.56) if SHAPES[item.name].place == "ground" else (0.08, 0.35, 0.62)
    dice = luck(seed, item.name)
    spots = [
        (round((width - side) * (0.03 + 0.94 * column / 6)), round(min(height * row, height - side)))
        for row in rows
        for column in range(7)
    ]
    dice.shuffle(spots)
    gray = ImageOps.grayscale(image)
    solid = _solid(canvas)

    def hidden(spot: tuple[int, int]) -> int:
        box = (spot[0], spot[1], spot[0] + side, spot[1] + side)
        detail = ImageStat.Stat(gray.crop(box)).stddev[0]
        return round(detail / 6) + _WORTH * sum(_overlap(box, each.box) for each in solid) // (side * side)

    left, top = min(spots, key=hidden)
    return left, top, left + side, top + side


def _overlap(one: Box, other: Box) -> int:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0) * max(tall, 0)


def _filled(image: Image.Image, box: Box, mask: Image.Image | None) -> Image.Image:
    """The box filled from what is left and right of it, row by row; with a mask, only there."""
    left, top, right, bottom = _grown(box, max(3, (box[2] - box[0]) // 40), image.size)
    sides = [x for x in (left - 1, right) if 0 <= x < image.width] or [0]
    rows = Image.new("RGB", (2, bottom - top))
    for number, x in enumerate((sides[0], sides[-1])):
        rows.paste(image.crop((x, top, x + 1, bottom)), (number, 0))
    patch = rows.resize((right - left, bottom - top), Image.Resampling.BILINEAR)
    whole = image.copy()
    whole.paste(patch, (left, top))
    return whole if mask is None else Image.composite(whole, image, mask)


def _squared(box: Box) -> Box:
    left, top, right, bottom = box
    half = max(right - left, bottom - top) // 2
    x, y = (left + right) // 2, (top + bottom) // 2
    return x - half, y - half, x + half, y + half


def _across(canvas: Canvas) -> list[Placed]:
    width = canvas.image.width
    return [
        replace(each, box=(width - each.box[2], each.box[1], width - each.box[0], each.box[3]))
        for each in canvas.placed
    ]
