"""One wish for pictures on its way: checked, completed, and said in as many calls as the protocol needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from aki_transport.errors import ConfigurationError
from aki_transport.images.image import GeneratedImage
from aki_transport.images.request import ImageRequest
from aki_transport.messages import JobProgress
from aki_transport.models.catalog import Listing
from aki_transport.models.resolver import ModelResolver
from aki_transport.transport import Call, Decoder, Payload
from aki_transport.wire import ImageWire

_OPTIONAL = ("size", "seed", "negative_prompt", "steps")


class PreparedImageCall:
    """One call of a wish for pictures.

    Args:
        request: What is asked, as the wire can say it.
        wire: How it is said.
        on_progress: Told how far a job is.
    """

    def __init__(
        self, request: ImageRequest, wire: ImageWire, on_progress: Callable[[JobProgress], None] | None
    ) -> None:
        self._request = request
        self._wire = wire
        self._on_progress = on_progress

    def call(self) -> Call:
        """The call."""
        return self._wire.draw(self._request)

    def decoder(self, _: Mapping[str, str]) -> Decoder[list[GeneratedImage]]:
        """What reads its answer."""
        return self._wire.ImageDecoder(self._request, self._on_progress)

    def read(self, headers: Mapping[str, str], body: Payload) -> list[GeneratedImage]:
        """The pictures out of a blocking answer."""
        decoder = self.decoder(headers)
        decoder.feed(body)
        return decoder.end()


def validate_request(request: ImageRequest, wire: ImageWire, *, protocol: str) -> ImageRequest:
    """The request, with the model that changes pictures where none is named and the protocol needs one.

    Raises:
        ConfigurationError: The protocol cannot say something that is asked.
    """
    refused = [name for name in _OPTIONAL if getattr(request, name) is not None and name not in wire.TAKES]
    if refused:
        taken = ", ".join(name for name in ("n", *_OPTIONAL) if name in wire.TAKES)
        raise ConfigurationError(
            f"protocol={protocol!r} takes no {' and no '.join(refused)} for pictures; it takes {taken}."
            " What else the service knows goes into extra_body."
        )
    if len(request.images) > 1 and "several images" not in wire.TAKES:
        raise ConfigurationError(f"protocol={protocol!r} changes one picture at a time, not {len(request.images)}.")
    if request.images and request.model is None:
        return replace(request, model=wire.EDITS_BY)
    return request


def prepare_image_calls(
    request: ImageRequest,
    wire: ImageWire,
    resolver: ModelResolver,
    listing: Listing | None,
    *,
    on_progress: Callable[[JobProgress], None] | None,
) -> list[PreparedImageCall]:
    """The calls that a wish takes: one, or one for each picture where the protocol makes one at a time.

    Raises:
        ModelNotFoundError: No endpoint is known for the model.
    """
    if request.model is not None:
        request = replace(request, endpoint=resolver.endpoint(request.model, listing, draws=True))
    if request.n == 1 or "n" in wire.TAKES:
        return [PreparedImageCall(request, wire, on_progress)]
    seeds = [_seed(request.seed, number) for number in range(request.n)]
    return [PreparedImageCall(replace(request, n=1, seed=seed), wire, on_progress) for seed in seeds]


def _seed(seed: int | None, number: int) -> int | None:
    """A seed for each picture, so that they differ and can be made again."""
    return seed if seed is None or seed < 0 else (seed + number) % 2**32
