"""OpenAI's image calls: pictures out of words, and pictures changed by words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from aki_transport.error_parsing import error_from_payload, is_error
from aki_transport.errors import InvalidResponseError
from aki_transport.images.image import GeneratedImage, decode_image
from aki_transport.images.request import ImageRequest
from aki_transport.messages import JobProgress
from aki_transport.transport import Call, Form, Payload
from aki_transport.wire._decoder import READ

TAKES = frozenset({"size", "n", "several images"})
EDITS_BY: str | None = None
"""The model that changes pictures where none is named; the service has one of its own here."""


def draw(request: ImageRequest) -> Call:
    """The call that asks for new pictures, or for changes of those it holds. It may be billed, and is not repeated."""
    fields: dict[str, Any] = {"prompt": request.prompt}
    if request.model is not None:
        fields["model"] = request.model
    if request.n != 1:
        fields["n"] = request.n
    if request.size is not None:
        fields["size"] = "{}x{}".format(*request.size)
    fields.update(request.extra_body)
    if not request.images:
        return Call(path="/images/generations", body=fields, repeatable=False)
    name = "image" if len(request.images) == 1 else "image[]"
    files = tuple(
        (name, f"{image.id}.{image.mime_type.rpartition('/')[2]}", image.data, image.mime_type)
        for image in request.images
    )
    form = Form(fields={key: _in_a_form(value) for key, value in fields.items()}, files=files)
    return Call(path="/images/edits", form=form, repeatable=False)


def _in_a_form(value: Any) -> str:
    """A value as a form can hold it: a text as it is, anything else as JSON writes it."""
    return value if isinstance(value, str) else to_json(value).decode()


class ImageDecoder:
    """Reads the answer."""

    def __init__(
        self,
        request: ImageRequest,
        on_progress: Callable[[JobProgress], None] | None,  # noqa: ARG002  there are no jobs here
    ) -> None:
        self.finished = False
        self.complete = False
        self.text = ""
        self._request = request
        self._images: list[GeneratedImage] = []

    def feed(self, payload: Payload) -> None:
        """Read the one payload.

        Raises:
            APIStatusError: It is an error.
            InvalidResponseError: It holds no pictures.
        """
        try:
            said = from_json(payload.data)
        except ValueError as error:
            shown = payload.data[:READ]
            words = shown.decode("utf-8", "replace") if isinstance(shown, bytes) else shown
            raise InvalidResponseError(f"the answer is not JSON ({error}): {words!r}") from None
        if isinstance(said, dict) and is_error({"choices": None, **said}):
            raise error_from_payload(said)
        rows = said.get("data") if isinstance(said, dict) else None
        if not isinstance(rows, list) or not rows:
            raise InvalidResponseError("the answer holds no picture")
        self._images = [
            decode_image(_picture(row), prompt=self._request.prompt, model=self._request.model) for row in rows
        ]
        self.finished = self.complete = True

    def end(self) -> list[GeneratedImage]:
        """The pictures."""
        return self._images


def _picture(row: Mapping[str, Any] | Any) -> Any:
    return (row.get("b64_json") or row.get("url")) if isinstance(row, dict) else None
