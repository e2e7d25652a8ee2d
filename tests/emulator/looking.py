"""What can be seen in a picture."""

from io import BytesIO

from PIL import Image

from aki_transport.emulator.pictures import COLOURS


def opened(png):
    image = Image.open(BytesIO(png))
    image.load()
    return image


def share(image, name, tolerance=40):
    """How much of the picture has nearly the colour of that name."""
    raw = image.convert("RGB").tobytes()
    pixels = zip(raw[::3], raw[1::3], raw[2::3], strict=True)
    near = sum(all(abs(a - b) <= tolerance for a, b in zip(pixel, COLOURS[name], strict=True)) for pixel in pixels)
    return near / (image.width * image.height)


def changed_box(before, after):
    """The box of the pixels that differ, without the strip below; None where none does."""
    differs = [
        (x, y)
        for y in range(round(before.height * 0.9))
        for x in range(before.width)
        if before.getpixel((x, y)) != after.getpixel((x, y))
    ]
    if not differs:
        return None
    across, down = zip(*differs, strict=True)
    return min(across), min(down), max(across), max(down)
