"""Image requests before they are sent: checked, completed, and split into as many calls as the protocol needs."""

from __future__ import annotations

from dataclasses import replace

from aki_transport.errors import ConfigurationError
from aki_transport.images.request import ImageRequest
from aki_transport.models.catalog import Listing
from aki_transport.models.resolver import ModelResolver
from aki_transport.wire import ImageWire

_OPTIONAL_FIELDS = ("size", "seed", "negative_prompt", "steps")


def validate_request(request: ImageRequest, wire: ImageWire, *, protocol: str) -> ImageRequest:
    """The request, with the protocol's model for edits if it names none.

    Raises `ConfigurationError` if the protocol does not have one of its fields, or edits one image at a time.
    """
    unsupported = [
        name for name in _OPTIONAL_FIELDS if getattr(request, name) is not None and name not in wire.SUPPORTED_FIELDS
    ]
    if unsupported:
        supported = ", ".join(name for name in ("n", *_OPTIONAL_FIELDS) if name in wire.SUPPORTED_FIELDS)
        raise ConfigurationError(
            f"protocol={protocol!r} takes no {' and no '.join(unsupported)} for pictures; it takes {supported}."
            " Other fields of the service go into extra_body."
        )
    if len(request.images) > 1 and "several images" not in wire.SUPPORTED_FIELDS:
        raise ConfigurationError(f"protocol={protocol!r} changes one picture at a time, not {len(request.images)}.")
    if request.images and request.model is None:
        return replace(request, model=wire.DEFAULT_EDIT_MODEL)
    return request


def requests_of_calls(
    request: ImageRequest, wire: ImageWire, resolver: ModelResolver, listing: Listing | None
) -> list[ImageRequest]:
    """The request of each call: one call, or one per image if the protocol makes one image at a time.

    Raises `ModelNotFoundError` if no endpoint is known for the model.
    """
    if request.model is not None:
        request = replace(request, endpoint=resolver.endpoint(request.model, listing, for_images=True))
    if request.n == 1 or "n" in wire.SUPPORTED_FIELDS:
        return [request]
    seeds = [_seed(request.seed, number) for number in range(request.n)]
    return [replace(request, n=1, seed=seed) for seed in seeds]


def _seed(seed: int | None, number: int) -> int | None:
    """A seed per image, so that the images differ and can be reproduced."""
    return seed if seed is None or seed < 0 else (seed + number) % 2**32
