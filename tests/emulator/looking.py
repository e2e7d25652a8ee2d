"""What can be seen in a picture."""

from io import BytesIO

from PIL import Image

from aki_transport.emulator.drawing_colours import colour_of


def opened(png):
    image = Image.open(BytesIO(png))
    image.load()
    return image


def share(image, name, tolerance=40):
    """How much of the picture has nearly the colour of that name."""
    wanted = colour_of(name)
    raw = image.convert("RGB").tobytes()
    pixels = zip(raw[::3], raw[1::3], raw[2::3], strict=True)
    near = sum(all(abs(a - b) <= tolerance for a, b in zip(pixel, wanted, strict=True)) for pixel in pixels)
    return near / (image.width * image.height)
