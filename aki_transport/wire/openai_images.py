"""OpenAI's image protocol: generates images from a prompt, and edits images."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from aki_transport.error_parsing import error_from_payload, is_error
from aki_transport.errors import InvalidResponseError
from aki_transport.images.request import ImageRequest
from aki_transport.json_text import parse_json
from aki_transport.transport import Call, Payload
from aki_transport.wire._image_decoder import ImageDecoder
from aki_transport.wire._request import set_fields

SUPPORTED_FIELDS = frozenset({"size", "n", "several images"})
DEFAULT_EDIT_MODEL: str | None = None


def images(request: ImageRequest) -> Call:
    """The call that generates images, or edits the images of the request. It may be billed, so it is not repeated."""
    fields: dict[str, Any] = {"prompt": request.prompt, **set_fields(request, "model")}
    if request.n != 1:
        fields["n"] = request.n
    if request.size is not None:
        fields["size"] = "{}x{}".format(*request.size)
    fields.update(request.extra_body)
    if not request.images:
        return Call(path="/images/generations", body=fields, repeatable=False)
    name = "image" if len(request.images) == 1 else "image[]"
    files = [
        (name, (f"{image.id}.{image.mime_type.rpartition('/')[2]}", image.data, image.mime_type))
        for image in request.images
    ]
    form = {"data": {key: _form_value(value) for key, value in fields.items()}, "files": files}
    return Call(path="/images/edits", form=form, repeatable=False)


def _form_value(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


class OpenAIImageDecoder(ImageDecoder):
    """Decodes one answer."""

    def feed(self, payload: Payload) -> None:
        """Read the one payload."""
        body = parse_json(payload.data)
        if isinstance(body, dict) and is_error({"choices": None, **body}):
            raise error_from_payload(body)
        rows = body.get("data") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not rows:
            raise InvalidResponseError("the answer holds no picture")
        self._decode([row.get("b64_json") or row.get("url") if isinstance(row, dict) else None for row in rows])


decoder = OpenAIImageDecoder
