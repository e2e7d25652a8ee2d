"""`ImageRequest`: the arguments of a call for images, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aki_transport.arguments import unknown_argument
from aki_transport.errors import ConfigurationError
from aki_transport.images.image import GeneratedImage

MIN_SIDE, MAX_SIDE = 128, 2048  # pixels; source: AKI.IO's documentation of its native API
MAX_IMAGES = 10  # of one call
MAX_IMAGES_PER_TOOL_CALL = 4  # that a chat model may request; each is billed
MAX_PROMPT = 8000  # characters of a prompt that a chat model writes
MAX_SOURCES = 16  # images to be changed in one call; source: OpenAI's documentation of its images API

_NUMBERS = {"n": (1, MAX_IMAGES), "steps": (1, 1000), "seed": (-1, 2**32 - 1)}
_OPTIONAL = ("seed", "negative_prompt", "steps", "extra_body")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A request for new images or, with `images`, for changes to these. Fields that are None are not sent."""

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


def build_image_request(
    prompt: str,
    *,
    model: str | None,
    n: int = 1,
    size: str | tuple[int, int] | None = None,
    images: tuple[GeneratedImage, ...] = (),
    **options: Any,
) -> ImageRequest:
    """A request; `ConfigurationError` if an argument is unknown, has the wrong type, or is out of range."""
    for name in options:
        if name not in _OPTIONAL:
            raise unknown_argument("A call for images", name)
    options["extra_body"] = {} if options.get("extra_body") is None else options["extra_body"]
    request = ImageRequest(prompt=prompt, model=model, n=n, size=parse_size(size), images=images, **options)
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigurationError("the prompt is empty; describe the image.")
    for name, (minimum, maximum) in _NUMBERS.items():
        value = getattr(request, name)
        if value is None and name != "n":
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigurationError(f"{name}={value!r} is not an integer; use {minimum} to {maximum}.")
        if not minimum <= value <= maximum:
            raise ConfigurationError(f"{name}={value} is out of range; use {minimum} to {maximum}.")
    for name, value, expected in (
        ("model", model, str),
        ("negative_prompt", request.negative_prompt, str),
        ("extra_body", request.extra_body, Mapping),
    ):
        if value is not None and not isinstance(value, expected):
            raise ConfigurationError(f"{name}={value!r} is not a {expected.__name__.lower()}.")
    check_source_count(len(images))
    return request


def check_source_count(count: int) -> None:
    """Raise if so many images cannot be changed in one call."""
    if count > MAX_SOURCES:
        raise ConfigurationError(
            f"{count} images are too many to change in one call; at most {MAX_SOURCES} are allowed."
        )


def parse_size(size: str | tuple[int, int] | None) -> tuple[int, int] | None:
    """Width and height in pixels of `"1024x1024"`; `ConfigurationError` for another form, or a side out of range."""
    if size is None:
        return None
    sides = size.lower().split("x") if isinstance(size, str) else size
    try:
        width, height = (int(side) if isinstance(side, str) else side for side in sides)
        in_range = MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE
        valid = isinstance(width, int) and isinstance(height, int)
    except (TypeError, ValueError):
        valid = in_range = False
    if not valid:
        raise ConfigurationError(f"size={size!r} is not a size; use the form '1024x1024'.")
    if not in_range:
        raise ConfigurationError(f"size={size!r} is out of range; each side must have {MIN_SIDE} to {MAX_SIDE} pixels.")
    return width, height
