"""What can be seen in a picture."""

from io import BytesIO

from PIL import Image, ImageChops

from aki_transport.emulator.pictures import COLOURS


def opened(png):
    image = Image.open(BytesIO(png))
    image.load()
    return image


def share(image, name, tolerance=40):
    """How much of the picture has nearly the colour of that name."""
    size, wanted = image.width * image.height, COLOURS[name]
    colours = image.convert("RGB").getcolors(size)
    near = (n for n, colour in colours if all(abs(a - b) <= tolerance for a, b in zip(colour, wanted, strict=True)))
    return sum(near) / size


def changed_box(before, after):
    """The box of the pixels that differ, without the strip below: the first and the last ones; None where none does."""
    above = (0, 0, before.width, round(before.height * 0.9))
    box = ImageChops.difference(*(image.convert("RGB").crop(above) for image in (before, after))).getbbox()
    return box and (box[0], box[1], box[2] - 1, box[3] - 1)
