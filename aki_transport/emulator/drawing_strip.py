"""The strip below a picture that says in words what it shows."""

from PIL import Image, ImageDraw

from aki_transport.emulator.drawing_paint import font

_SHARE = 0.075
_LEAST = 16
_PAPER = (250, 249, 246)
_INK = (70, 72, 80)
_LINE = (222, 220, 214)
# Drawn this much larger: at their real size the letters would be set to whole pixels.
_FINE = 3
_LONGEST = 400  # characters that could be shown at best
_SIZES = (0.44, 0.38, 0.32)


def strip_height(height: int) -> int:
    """How much of a picture's height the strip takes."""
    return max(_LEAST, round(height * _SHARE))


def with_strip(image: Image.Image, said: tuple[str, ...], height: int) -> Image.Image:
    """The picture with a strip of that height below it, in which the words are cut if there is no room."""
    width, top = image.size
    whole = Image.new(image.mode, (width, top + height), _PAPER)
    whole.paste(image, (0, 0))
    strip = Image.new("RGB", (width * _FINE, height * _FINE), _PAPER)
    draw = ImageDraw.Draw(strip)
    draw.line((0, 0, strip.width, 0), _LINE, max(_FINE, strip.height // 20))
    words = [" ".join(text[:_LONGEST].split()) for text in said]
    room = strip.width - strip.height
    # The first words go first.
    texts = [" > ".join(["…", *words[start:]] if start else words) for start in range(len(words))]
    tries = [(text, font(strip.height * size)) for text in texts for size in _SIZES] or [("", font(_LEAST))]
    text, letters = next((each for each in tries if draw.textlength(*each) <= room), tries[-1])
    if draw.textlength(text, letters) > room:
        while text and draw.textlength(f"{text} …", letters) > room:
            text = text.rpartition(" ")[0] or text[:-1]
        text = f"{text} …"
    draw.text((strip.width / 2, strip.height / 2), text, _INK, letters, anchor="mm")
    whole.paste(strip.resize((width, height), Image.Resampling.LANCZOS), (0, top))
    return whole
