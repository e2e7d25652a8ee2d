"""AKI.IO's own API for images: jobs that report their progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aki_transport.errors import InvalidResponseError
from aki_transport.images.request import ImageRequest
from aki_transport.messages import OnProgress
from aki_transport.transport import Call, Payload
from aki_transport.wire._fields import count_in
from aki_transport.wire._image_decoder import ImageDecoder
from aki_transport.wire._job import JobReader, start_job
from aki_transport.wire._request import set_fields

SUPPORTED_FIELDS = frozenset({"size", "seed", "negative_prompt", "steps"})
DEFAULT_EDIT_MODEL: str | None = "qwen_image_edit"


def images(request: ImageRequest) -> Call:
    """The call that starts the job: a new image, or an edit of the image in the request."""
    body: dict[str, Any] = {"prompt": request.prompt}
    if request.size is not None:
        body["width"], body["height"] = request.size
    body.update(set_fields(request, "seed", "negative_prompt", "steps"))
    if request.images:
        body["image"] = request.images[0].to_data_url()
    body.update(request.extra_body)
    return start_job(request.endpoint or request.model or "", body, stream=False)


class NativeImageDecoder(ImageDecoder):
    """Decodes the states of one job."""

    def __init__(self, request: ImageRequest, headers: Mapping[str, str], *, on_progress: OnProgress | None) -> None:
        super().__init__(request, headers, on_progress=on_progress)
        self._job = JobReader(on_progress)

    def feed(self, payload: Payload) -> None:
        """Read one state."""
        self._job.read(payload)
        result = self._job.result
        if result is None:
            return
        self.finished = self.complete = True  # the job has ended, even if its result cannot be read
        images = result.get("images")
        if isinstance(images, str):
            images = [images]
        if not isinstance(images, list) or not images:
            raise InvalidResponseError("the job's result holds no picture")
        self._decode(images, seed=count_in(result, "seed"))


decoder = NativeImageDecoder
