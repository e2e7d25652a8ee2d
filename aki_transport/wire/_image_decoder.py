"""What the decoders of both image protocols share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aki_transport.images.image import GeneratedImage, decode_image
from aki_transport.images.request import ImageRequest
from aki_transport.messages import OnProgress


class ImageDecoder:
    """Base of the decoders: collects the images. `ImageWire.decoder` documents the arguments and the errors."""

    text = ""

    def __init__(
        self,
        request: ImageRequest,
        headers: Mapping[str, str],  # noqa: ARG002  of use to chats alone
        *,
        on_progress: OnProgress | None,  # noqa: ARG002  of use to jobs alone
    ) -> None:
        self.finished = False
        self.complete = False
        self._request = request
        self._images: list[GeneratedImage] = []

    def end(self) -> list[GeneratedImage]:
        """The images."""
        return self._images

    def _decode(self, data: list[Any], seed: int | None = None) -> None:
        request = self._request
        self._images = [decode_image(item, prompt=request.prompt, model=request.model, seed=seed) for item in data]
        self.finished = self.complete = True
