"""Which colour a word names, in English or German."""

import re

Colour = tuple[int, int, int]

_NAMED: dict[str, tuple[Colour, str]] = {
    "red": ((214, 40, 40), "scarlet crimson rot"),
    "blue": ((33, 98, 214), "azure blau"),
    "green": ((46, 150, 70), "grün gruen"),
    "yellow": ((250, 209, 48), "gelb"),
    "orange": ((243, 134, 32), "orangefarben"),
    "purple": ((128, 62, 172), "violet lilac lila violett"),
    "pink": ((245, 130, 178), "rosa"),
    "brown": ((132, 84, 48), "braun"),
    "black": ((20, 20, 22), "schwarz"),
    "white": ((255, 255, 255), "weiß weiss"),
    "gray": ((138, 142, 148), "grey grau"),
    "cyan": ((38, 190, 206), "turquoise türkis tuerkis"),
    "teal": ((16, 124, 124), "petrol"),
    "magenta": ((212, 30, 142), "fuchsia"),
    "navy": ((22, 38, 92), "marineblau"),
    "gold": ((218, 168, 38), "golden"),
    "silver": ((192, 197, 203), "silber silbern"),
    "beige": ((232, 214, 180), "cream sand"),
    "lime": ((150, 210, 50), "limette"),
    "maroon": ((120, 24, 40), "burgundy weinrot"),
}
_BY_WORD = {word: colour for name, (colour, others) in _NAMED.items() for word in (name, *others.split())}
_TONES = {"dark": -1, "deep": -1, "dunkel": -1, "light": 1, "pale": 1, "bright": 1, "pastel": 1, "hell": 1}
_ENDING = re.compile(r"(?:e|er|es|en|em)$")
_HEX = re.compile(r"#[0-9a-f]{6}")
_DARK = (12, 12, 18)
_LIGHT = (255, 255, 255)


def colour_of(word: str) -> Colour | None:
    """The colour a single word names: `red`, `rotes`, `dunkelblau`, `#3366ff`."""
    plain = word.lower()
    if _HEX.fullmatch(plain):
        return (int(plain[1:3], 16), int(plain[3:5], 16), int(plain[5:7], 16))
    for form in (plain, _ENDING.sub("", plain)):
        if form in _BY_WORD:
            return _BY_WORD[form]
        for tone, way in _TONES.items():
            if (rest := form.removeprefix(tone).lstrip("-")) != form and rest in _BY_WORD:
                return toned(_BY_WORD[rest], way)
    return None


def tone_of(word: str) -> int:
    """-1 for `dark` and the like, 1 for `light`, else 0."""
    return _TONES.get(_ENDING.sub("", word.lower()), 0)


def toned(colour: Colour, way: int) -> Colour:
    """The colour darker (-1), lighter (1) or as it is (0)."""
    return mixed(colour, _DARK if way < 0 else _LIGHT, 0.45 if way else 0.0)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """The first colour with that share of the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return (red, green, blue)
