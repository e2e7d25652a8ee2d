"""How requests and answers are said: one module per protocol, all with the functions that `Wire` lists.

A wire is pure: values and dicts in, values out. It never sends, sleeps or asks the time. Every answer, whole or in
pieces, comes to its decoder as payloads: the events of a stream, the one body of a blocking answer, or the states of a
job, which the transport polls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from aki_transport.errors import APIStatusError, ConfigurationError
from aki_transport.messages import ChatDelta, ChatRequest, JobProgress
from aki_transport.models.catalog import Listing
from aki_transport.transport import Call, Decoder

if TYPE_CHECKING:
    from aki_transport.images.image import GeneratedImage
    from aki_transport.images.request import ImageRequest


class Wire(Protocol):
    """What each module of this package offers.

    Attributes:
        BY_ENDPOINT: Whether a model is an endpoint there, so that its address names it and no other one can answer.
        TAKES: The fields of a request that it can say; `"images"` are pictures within messages.
        RANGES: The least and the greatest value of some of them.
    """

    BY_ENDPOINT: bool
    TAKES: frozenset[str]
    RANGES: Mapping[str, tuple[float, float]]

    def models(self) -> Call:
        """The call that lists the models."""

    def read_models(self, body: str | bytes) -> Listing:
        """The models in the answer to it; `InvalidResponseError` if it is no list of models."""

    def chat(self, request: ChatRequest, *, stream: bool) -> Call:
        """The call that says `request`."""

    def decoder(
        self,
        request: ChatRequest,
        headers: Mapping[str, str],
        *,
        on_model: Callable[[str], None],
        on_progress: Callable[[JobProgress], None] | None = None,
        empty_is_failure: bool = False,
        stream: bool = True,
    ) -> Decoder[ChatDelta]:
        """What reads the answer's payloads.

        Args:
            request: What was asked.
            headers: The answer's headers.
            on_model: Told the name of the model that answers, before anything of the answer is given out.
            on_progress: Told how far a job is whenever that has changed.
            empty_is_failure: An answer with no content and 0 completion tokens is a failed worker.
            stream: Whether the answer is given out as it comes.
        """

    def without_refused(self, request: ChatRequest, error: APIStatusError) -> ChatRequest | None:
        """The same request without the side matter that `error` refuses; None if it refuses anything else."""


class ImageWire(Protocol):
    """What each module of this package for pictures offers.

    Attributes:
        TAKES: The fields of a request that it can say; without `"n"` every picture is a call of its own.
        EDITS_BY: The model that changes pictures where none is named; None leaves that to the service.
    """

    TAKES: frozenset[str]
    EDITS_BY: str | None

    def draw(self, request: ImageRequest) -> Call:
        """The call that asks for pictures."""

    def ImageDecoder(  # noqa: N802  a class
        self, request: ImageRequest, on_progress: Callable[[JobProgress], None] | None
    ) -> Decoder[list[GeneratedImage]]:
        """What reads its answer."""


# Names of modules: each is imported with the first client that speaks it.
WIRES = ("openai", "anthropic", "native")
IMAGE_WIRES = ("openai", "native")

if TYPE_CHECKING:
    from aki_transport.wire import anthropic, native, native_images, openai, openai_images

    _WIRES: tuple[Wire, ...] = (openai, anthropic, native)
    _IMAGE_WIRES: tuple[ImageWire, ...] = (openai_images, native_images)


def find_wire(protocol: str) -> Wire:
    """The wire of that protocol."""
    if protocol not in WIRES:
        raise ConfigurationError(f"protocol={protocol!r} is unknown; use {', '.join(map(repr, WIRES))}.")
    wire: Wire = _module(protocol)
    return wire


def find_image_wire(protocol: str) -> ImageWire:
    """The wire for pictures of that protocol."""
    if protocol not in IMAGE_WIRES:
        built = " or ".join(f"protocol={name!r}" for name in IMAGE_WIRES)
        raise ConfigurationError(f"protocol={protocol!r} makes no pictures; use {built}.")
    wire: ImageWire = _module(f"{protocol}_images")
    return wire


def _module(name: str) -> Any:
    return import_module(f"{__name__}.{name}")
