"""The image endpoints of AKI.IO's OpenAI-compatible interface."""

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message

from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.interfaces import Handler, check_range, json_object, reading
from aki_transport.emulator.pictures import draw, edit
from aki_transport.emulator.prompt import Refusal
from aki_transport.emulator.records import RecordedRequest

# No such host: nobody is meant to fetch it.
ELSEWHERE = "https://images.invalid/picture.png"

# The listing names neither; the second is invented, after the native endpoint for edits.
_DRAWS, _EDITS = "z-image-turbo", "qwen-image-edit"
_SMALLEST, _LARGEST = 128, 2048


def image_endpoints(*, any_model: bool) -> dict[str, Handler]:
    """The two endpoints, which take two models, or any."""

    async def generations(request: RecordedRequest, faults: Faults) -> Response:
        prompt, count, size = read(json_object(request), _DRAWS)
        width, height = size or (1024, 1024)
        seed = crc32(prompt.encode())
        # In a thread: other connections are served meanwhile.
        pictures = [await asyncio.to_thread(draw, prompt, width, height, seed + number) for number in range(count)]
        return _sent(pictures, faults)

    async def edits(request: RecordedRequest, faults: Faults) -> Response:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise HTTPException(400, "The request body is not multipart/form-data.")
        async with _form_request(request).form() as form:
            prompt, count, size = read(form, _EDITS, _DRAWS)
            files = [part for name in ("image", "image[]") for part in form.getlist(name)]
            images = [await part.read() for part in files if isinstance(part, UploadFile)]
        with reading():
            pictures = [await asyncio.to_thread(edit, images, prompt, size, number) for number in range(count)]
        return _sent(pictures, faults)

    def read(body: Mapping[str, Any], *models: str) -> tuple[str, int, tuple[int, int] | None]:
        """The prompt, how many pictures, and their width and height."""
        model, prompt = body.get("model"), str(body.get("prompt") or "")
        if model is not None and not any_model and split_model(str(model))[0] not in models:
            raise Refusal(f"The model {model!r} does not make images here; there is {' and '.join(models)}.")
        if not prompt.strip():
            raise Refusal("Missing required parameter: 'prompt'.")
        with reading():
            # A form has only text.
            count = int(body.get("n") or 1)
            check_range({"n": count}, "n", 1, 4)
            size = str(body["size"]).split("x") if body.get("size") else []
            width, height = map(int, size) if size else (1024, 1024)
        for side in (width, height):
            check_range({"size": side}, "size", _SMALLEST, _LARGEST)
        return prompt, count, (width, height) if size else None

    return {"POST /images/generations": generations, "POST /images/edits": edits}


def encoded(png: bytes, faults: Faults) -> str:
    """A picture as base64, sound or spoiled by a fault."""
    if faults.bad_base64:
        return "%%% no base64 %%%"
    if faults.not_an_image:
        return base64.b64encode(b"<html><body>Bad Gateway</body></html>").decode()
    if faults.huge is not None:
        # What stands behind the end of a PNG changes nothing about the picture.
        png = png.ljust(faults.huge * 1_000_000 // 4 * 3, b"\0")
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


def _form_request(request: RecordedRequest) -> Request:
    """The request once more, for the web framework to read its form."""

    async def receive() -> Message:
        return {"type": "http.request", "body": request.raw, "more_body": False}

    content_type = request.headers["content-type"].encode("latin-1")
    # Within an app, starlette answers a broken form with a 400.
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type)], "app": None}
    return Request(scope, receive)
