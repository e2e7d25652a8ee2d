"""The protocols ("wires"), listed in `WIRES`: each has a module that builds calls, and a decoder that reads answers.

All modules have the functions that `Wire` lists. They are pure: values and dicts in, values out; they never send, sleep
or read the clock. Every answer reaches its decoder as payloads: the events of a stream, the one body of a blocking
answer, or the states of a job, which the transport polls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from aki_transport.errors import ConfigurationError
from aki_transport.messages import ChatDelta, ChatRequest, OnProgress
from aki_transport.models.catalog import Listing
from aki_transport.transport import Call, Decoder

if TYPE_CHECKING:
    from aki_transport.images.image import GeneratedImage
    from aki_transport.images.request import ImageRequest


class Wire(Protocol):
    """What every chat protocol has.

    If models are endpoints, the URL names the model, so that no other model can answer. Supported are fields of a
    `ChatRequest`, and `"images"` within messages; ranges are the smallest and the largest value of some of them.
    """

    MODELS_ARE_ENDPOINTS: bool
    REQUIRES_MAX_TOKENS: bool
    SUPPORTED_FIELDS: frozenset[str]
    RANGES: Mapping[str, tuple[float, float]]

    def models(self) -> Call:
        """The call that lists the models."""

    def read_models(self, body: str | bytes) -> Listing:
        """The models in the answer to `models()`; raises `InvalidResponseError` if it is not a list of models."""

    def chat(self, request: ChatRequest, *, stream: bool) -> Call:
        """The call that sends `request`."""

    def decoder(
        self,
        request: ChatRequest,
        headers: Mapping[str, str],
        *,
        on_model: Callable[[str], None],
        on_progress: OnProgress | None = None,
        empty_is_failure: bool = False,
        stream: bool = True,
        on_unopened_reasoning: Callable[[], None] | None = None,
        holds_unopened_reasoning: bool = False,
    ) -> Decoder[ChatDelta]:
        """A decoder for the payloads of one answer to `request`, which came with `headers`.

        `on_model` is called with the name of the model that answers, before any part of the answer is returned.
        `empty_is_failure` means that an answer with no content and 0 completion tokens comes from a failed worker, and
        `stream` that the caller reads the answer while it arrives. `on_unopened_reasoning` is called if the text has an
        end of reasoning without its beginning; a blocking answer is then split there, and a streamed one too with
        `holds_unopened_reasoning`, which holds its text back until that end. Without it nothing is split there.

        Its `feed` raises `APIStatusError` or `JobError` for a payload that is an error, `InvalidResponseError` for one
        that does not follow the protocol, and what `on_model` raises. Its `end` raises `StreamInterruptedError` if the
        answer is not complete, and `ServerError` if it is empty because a worker failed.
        """


class ImageWire(Protocol):
    """What every image protocol has.

    Supported are fields of an `ImageRequest`. Without `"n"` each image needs a call of its own; with `"several images"`
    an edit takes more than one. The model for edits that name none is None where the service chooses one.
    """

    SUPPORTED_FIELDS: frozenset[str]
    DEFAULT_EDIT_MODEL: str | None

    def images(self, request: ImageRequest) -> Call:
        """The call that generates images, or edits the images of the request."""

    def decoder(
        self, request: ImageRequest, headers: Mapping[str, str], *, on_progress: OnProgress | None
    ) -> Decoder[list[GeneratedImage]]:
        """A decoder for the payloads of one answer; its `feed` raises `InvalidResponseError` if there are no images."""


# Names of modules; each is imported with the first client that uses it.
WIRES = ("openai", "anthropic", "native")
IMAGE_WIRES = ("openai", "native")

if TYPE_CHECKING:
    from aki_transport.wire import anthropic, native, native_images, openai, openai_images

    # Where a module lacks something, mypy says so here.
    _WIRES: tuple[Wire, ...] = (openai, anthropic, native)
    _IMAGE_WIRES: tuple[ImageWire, ...] = (openai_images, native_images)


def find_wire(protocol: str) -> Wire:
    """The chat protocol of that name; raises `ConfigurationError` if there is none."""
    if protocol not in WIRES:
        raise ConfigurationError(f"protocol={protocol!r} is unknown; use {', '.join(map(repr, WIRES))}.")
    return cast("Wire", import_module(f"{__name__}.{protocol}"))


def find_image_wire(protocol: str) -> ImageWire:
    """The image protocol of that name; raises `ConfigurationError` if there is none."""
    if protocol not in IMAGE_WIRES:
        supported = " or ".join(f"protocol={name!r}" for name in IMAGE_WIRES)
        raise ConfigurationError(f"protocol={protocol!r} makes no pictures; use {supported}.")
    return cast("ImageWire", import_module(f"{__name__}.{protocol}_images"))
