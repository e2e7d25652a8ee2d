"""The image endpoints of AKI.IO's OpenAI-compatible interface."""

import asyncio
import base64
import re
import time
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Message

from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.interfaces import Errors, Malformed, Refusal, json_object, route
from aki_transport.emulator.pictures import NoPictureError, draw
from aki_transport.emulator.pictures.editing import edit
from aki_transport.emulator.records import RecordedRequest

# No such host: nobody is meant to fetch it.
ELSEWHERE = "https://images.invalid/picture.png"

# The listing names neither; the second is invented, after the native endpoint for edits.
_DRAWS, _EDITS = "z-image-turbo", "qwen-image-edit"
_MOST = 4
_SMALLEST, _LARGEST = 128, 2048
_MEGABYTE = 1_000_000
_MODEL = re.compile(rb'name="model"(?:\r\n[^\r\n]+)*\r\n\r\n([^\r\n]*)\r\n')


def routes(allowed: Callable[[RecordedRequest], bool], errors: Errors, *, any_model: bool) -> list[BaseRoute]:
    """The two endpoints."""

    async def generations(request: RecordedRequest, faults: Faults) -> Response:
        body = json_object(request)
        form = body.get("response_format")
        if form not in (None, "b64_json"):
            raise Refusal(f"Parameter 'response_format' must be b64_json, not {form!r}.")
        check_model(body.get("model"), (_DRAWS,))
        prompt, count, size = _prompt(body), _count(body.get("n")), _size(body.get("size")) or (1024, 1024)
        seed = crc32(prompt.encode())
        # In a thread: other connections are served meanwhile.
        return _sent([await asyncio.to_thread(draw, prompt, *size, seed + number) for number in range(count)], faults)

    async def edits(request: RecordedRequest, faults: Faults) -> Response:
        if not _is_form(request):
            raise Malformed("The request body is not multipart/form-data.")
        async with _form_request(request).form() as form:
            check_model(form.get("model"), (_EDITS, _DRAWS))
            prompt, count, size = _prompt(form), _count(form.get("n")), _size(form.get("size")) or (None, None)
            files = [part for name in ("image", "image[]") for part in form.getlist(name)]
            images = [await part.read() for part in files if isinstance(part, UploadFile)]
        if not images:
            raise Refusal("Missing required parameter: 'image'.")
        try:
            pictures = [
                await asyncio.to_thread(edit, images, prompt, size[0], size[1], number) for number in range(count)
            ]
        except NoPictureError as error:
            raise Refusal(f"Parameter 'image' must be a picture: {error}.") from None
        return _sent(pictures, faults)

    def check_model(value: Any, known: tuple[str, ...]) -> None:
        if value is not None and not any_model and split_model(str(value))[0] not in known:
            raise Refusal(f"The model {value!r} does not make images here; there is {' and '.join(known)}.")

    return [
        route("/images/generations", generations, allowed, errors, ["POST"]),
        route("/images/edits", edits, allowed, errors, ["POST"]),
    ]


def model_of(request: RecordedRequest) -> Any:
    """The model a request names in JSON or in a form."""
    if isinstance(request.body, dict):
        return request.body.get("model")
    match = _MODEL.search(request.raw) if _is_form(request) else None
    return match.group(1).decode("utf-8", "replace") if match else None


def encoded(png: bytes, faults: Faults) -> str:
    """A picture as base64, sound or spoiled by a fault."""
    if faults.bad_base64:
        return "%%% no base64 %%%"
    if faults.not_an_image:
        return base64.b64encode(b"<html><body>Bad Gateway</body></html>").decode()
    if faults.huge is not None:
        # What stands behind the end of a PNG changes nothing about the picture.
        png = png.ljust(faults.huge * _MEGABYTE // 4 * 3, b"\0")
    return base64.b64encode(png).decode()


def _sent(pictures: Sequence[bytes], faults: Faults) -> Response:
    data = [{"b64_json": encoded(picture, faults)} for picture in pictures]
    if faults.no_images:
        data = []
    elif faults.image_url:
        data = [{"url": ELSEWHERE} for _ in data]
    elif faults.missing_b64:
        data = [{} for _ in data]
    return JSONResponse({"created": int(time.time()), "data": data})


def _is_form(request: RecordedRequest) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")


def _form_request(request: RecordedRequest) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": request.raw, "more_body": False}

    content_type = request.headers["content-type"].encode("latin-1")
    # Within an app, starlette answers a broken form with a 400.
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type)], "app": None}
    return Request(scope, receive)


def _prompt(body: Any) -> str:
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise Refusal("Missing required parameter: 'prompt'.")
    return prompt


def _count(value: Any) -> int:
    # A form has only text.
    text = str(1 if value is None else value)
    if not re.fullmatch("[1-9]", text) or int(text) > _MOST:
        raise Refusal(f"Parameter 'n' must be between 1 and {_MOST}, not {value!r}.")
    return int(text)


def _size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", value) if isinstance(value, str) else None
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (_SMALLEST <= width <= _LARGEST and _SMALLEST <= height <= _LARGEST):
        raise Refusal(
            f"Parameter 'size' must be WIDTHxHEIGHT, such as 1024x1024, with sides from {_SMALLEST} to {_LARGEST}, "
            f"not {value!r}."
        )
    return width, height
