"""What can be done to a picture: each kind of step, and what it is about."""

from dataclasses import dataclass
from typing import Literal

from aki_transport.emulator.drawing_colours import Colour
from aki_transport.emulator.drawing_scene import Scene


@dataclass(frozen=True, slots=True)
class Target:
    """What a step is about: a thing, a colour, both, or neither for the picture's main thing."""

    thing: str | None = None
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class Recolour:
    """Give the target another colour."""

    target: Target
    colour: Colour


@dataclass(frozen=True, slots=True)
class Tint:
    """Bathe the whole picture in a colour."""

    colour: Colour


@dataclass(frozen=True, slots=True)
class Background:
    """Put another scene behind the things; `None` leaves nothing there."""

    scene: Scene | None


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the target away."""

    target: Target


@dataclass(frozen=True, slots=True)
class Replace:
    """Put something else where the target is."""

    target: Target
    scene: Scene


@dataclass(frozen=True, slots=True)
class Add:
    """Put things into the picture."""

    scene: Scene


@dataclass(frozen=True, slots=True)
class Restyle:
    """Give the whole picture a style."""

    name: str


@dataclass(frozen=True, slots=True)
class Turn:
    """Turn the picture clockwise."""

    degrees: float


@dataclass(frozen=True, slots=True)
class Mirror:
    """Swap the picture's sides."""

    axis: Literal["horizontal", "vertical"]


@dataclass(frozen=True, slots=True)
class Tilt:
    """Show the picture from the side."""


@dataclass(frozen=True, slots=True)
class Zoom:
    """Show its middle only, or show it smaller."""

    factor: float


@dataclass(frozen=True, slots=True)
class Adjust:
    """More or less light, contrast or colour."""

    what: Literal["brightness", "contrast", "colour"]
    factor: float


@dataclass(frozen=True, slots=True)
class Write:
    """Put words on the picture."""

    text: str


Step = Recolour | Tint | Background | Remove | Replace | Add | Restyle | Turn | Mirror | Tilt | Zoom | Adjust | Write
