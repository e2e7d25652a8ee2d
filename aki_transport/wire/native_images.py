"""AKI.IO's own API for images: jobs that report their progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aki_transport.errors import InvalidResponseError
from aki_transport.images.image import GeneratedImage, decode_image
from aki_transport.images.request import ImageRequest
from aki_transport.messages import JobProgress
from aki_transport.transport import Call, Payload
from aki_transport.wire._decoder import count_in
from aki_transport.wire._job import JobReader, start_job

SUPPORTED_FIELDS = frozenset({"size", "seed", "negative_prompt", "steps"})
DEFAULT_EDIT_MODEL: str | None = "qwen_image_edit"
"""The model that edits images where the request names none."""


def images(request: ImageRequest) -> Call:
    """The call that starts the job: a new image, or an edit of the image in the request."""
    body: dict[str, Any] = {"prompt": request.prompt}
    if request.size is not None:
        body["width"], body["height"] = request.size
    for name in ("seed", "negative_prompt", "steps"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.images:
        body["image"] = request.images[0].to_data_url()
    body.update(request.extra_body)
    return start_job(request.endpoint or request.model or "", body, stream=False)


def decoder(request: ImageRequest, *, on_progress: Callable[[JobProgress], None] | None) -> NativeImageDecoder:
    """A decoder for the states of the job."""
    return NativeImageDecoder(request, on_progress)


class NativeImageDecoder:
    """Decodes the states of one job."""

    def __init__(self, request: ImageRequest, on_progress: Callable[[JobProgress], None] | None) -> None:
        self.finished = False
        self.complete = False
        self.text = ""
        self._request = request
        self._job = JobReader(on_progress)
        self._images: list[GeneratedImage] = []

    def feed(self, payload: Payload) -> None:
        """Read one state.

        Raises:
            JobError: The job failed, lapsed or was canceled, or its result is lost.
            InvalidResponseError: Its result holds no images.
        """
        self._job.read(payload)
        result = self._job.result
        if result is None:
            return
        self.finished = self.complete = True
        rows = result.get("images")
        if isinstance(rows, str):
            rows = [rows]
        if not isinstance(rows, list) or not rows:
            raise InvalidResponseError("the job's result holds no picture")
        request, seed = self._request, count_in(result, "seed")
        self._images = [decode_image(row, prompt=request.prompt, model=request.model, seed=seed) for row in rows]

    def end(self) -> list[GeneratedImage]:
        """The images."""
        return self._images
