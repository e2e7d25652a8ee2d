"""What is asked of a model that draws, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aki_transport.arguments import unknown_argument
from aki_transport.errors import ConfigurationError
from aki_transport.images.image import GeneratedImage

SMALLEST, LARGEST = 128, 2048
"""Pixels of a side, by AKI.IO's page of its native API."""

MOST = 10
"""Pictures of one call."""

MOST_BY_MODEL = 4
"""Pictures that a model may ask for in one call of a tool; each is billed."""

MOST_SOURCES = 16
"""Pictures that one is made out of; OpenAI's own bound."""

_NUMBERS = {"n": (1, MOST), "steps": (1, 1000), "seed": (-1, 2**32 - 1)}
_MORE = ("seed", "negative_prompt", "steps", "extra_body")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What is asked of a model that draws; what is None is not sent. With `images` it is asked to change them."""

    prompt: str
    model: str | None = None
    endpoint: str | None = None
    n: int = 1
    size: tuple[int, int] | None = None
    images: tuple[GeneratedImage, ...] = ()
    seed: int | None = None
    negative_prompt: str | None = None
    steps: int | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)


def asked(
    prompt: str,
    *,
    model: str | None,
    n: int = 1,
    size: str | tuple[int, int] | None = None,
    images: tuple[GeneratedImage, ...] = (),
    **more: Any,
) -> ImageRequest:
    """The request, if every argument of it is one.

    Raises:
        ConfigurationError: An argument is unknown, of another type than it has to be, or out of range.
    """
    for name in more:
        if name not in _MORE:
            raise unknown_argument("A call for pictures", name, ("prompt", "model", "n", "size", "on_progress", *_MORE))
    more["extra_body"] = {} if more.get("extra_body") is None else more["extra_body"]
    request = ImageRequest(prompt=prompt, model=model, n=n, size=read_size(size), images=images, **more)
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigurationError("the prompt is empty; say what the picture shall show.")
    for name, (least, most) in _NUMBERS.items():
        value = getattr(request, name)
        if value is None and name != "n":
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigurationError(f"{name}={value!r} is no whole number; use {least} to {most}.")
        if not least <= value <= most:
            raise ConfigurationError(f"{name}={value} is out of range; use {least} to {most}.")
    for name, value, kind in (
        ("model", model, str),
        ("negative_prompt", request.negative_prompt, str),
        ("extra_body", request.extra_body, Mapping),
    ):
        if value is not None and not isinstance(value, kind):
            raise ConfigurationError(f"{name}={value!r} is no {kind.__name__.lower()}.")
    check_count(len(images))
    return request


def check_count(sources: int) -> None:
    """Raise if so many pictures cannot be worked on at once."""
    if sources > MOST_SOURCES:
        raise ConfigurationError(f"{sources} pictures are too many to change at once; at most {MOST_SOURCES} are sent.")


def read_size(size: str | tuple[int, int] | None) -> tuple[int, int] | None:
    """Width and height in pixels.

    Raises:
        ConfigurationError: It is no size like `"1024x1024"`, or a side is out of range.
    """
    if size is None:
        return None
    sides = size.lower().split("x") if isinstance(size, str) else size
    try:
        width, height = (int(side) if isinstance(side, str) else side for side in sides)
        in_range = SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST
        whole = isinstance(width, int) and isinstance(height, int)
    except (TypeError, ValueError):
        whole = in_range = False
    if not whole:
        raise ConfigurationError(f"size={size!r} is no size; use one like '1024x1024'.")
    if not in_range:
        raise ConfigurationError(f"size={size!r} is out of range; a side has {SMALLEST} to {LARGEST} pixels.")
    return width, height
