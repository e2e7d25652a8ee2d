"""The image endpoints of AKI.IO's OpenAI-compatible interface."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message

from aki_transport.emulator.drawing import draw
from aki_transport.emulator.editing import edit
from aki_transport.emulator.editing_canvas import NoPicture
from aki_transport.emulator.errors import Errors, Malformed, Refusal
from aki_transport.emulator.faces import json_object
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.images_payload import ELSEWHERE, payload
from aki_transport.emulator.record import Seen

# The listing names neither; the second is invented, after the native endpoint for edits.
_DRAWS = "z-image-turbo"
_EDITS = "qwen-image-edit"
_MOST = 4
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_SMALLEST, _LARGEST = 128, 2048
_USUAL = (1024, 1024)
_MODEL = re.compile(rb'name="model"(?:\r\n[^\r\n]+)*\r\n\r\n([^\r\n]*)\r\n')
_IMAGES = ("image", "image[]")

Size = tuple[int, int]
_Answer = Callable[[Request, Seen, Faults], Any]


def routes(allowed: Callable[[Seen], bool], errors: Errors) -> list[BaseRoute]:
    """The two endpoints.

    Args:
        allowed: Whether the request carries the key.
        errors: The service's.
    """
    return [
        Route("/images/generations", _endpoint(_generations, allowed, errors), methods=["POST"]),
        Route("/images/edits", _endpoint(_edits, allowed, errors), methods=["POST"]),
    ]


def model_of(seen: Seen) -> Any:
    """The model a request names in JSON or in a form."""
    if isinstance(seen.body, dict):
        return seen.body.get("model")
    found = _MODEL.search(seen.raw) if _is_form(seen) else None
    return found.group(1).decode("utf-8", "replace") if found else None


def _endpoint(answer: _Answer, allowed: Callable[[Seen], bool], errors: Errors) -> Callable[[Request], Any]:
    async def respond(request: Request) -> Response:
        seen: Seen = request.scope["aki.seen"]
        if not allowed(seen):
            return errors.by_status(401, seen)
        try:
            response: Response = await answer(request, seen, request.scope["aki.faults"])
        except Refusal as refusal:
            return errors.refuse(refusal, seen)
        except Malformed as malformed:
            return errors.fail(400, str(malformed), seen)
        return response

    return respond


async def _generations(_request: Request, seen: Seen, faults: Faults) -> Response:
    body = json_object(seen)
    _check_model(body.get("model"), (_DRAWS,))
    prompt, count, form = _prompt(body), _count(body.get("n")), body.get("response_format")
    if form not in (None, "b64_json"):
        raise Refusal(f"Parameter 'response_format' must be b64_json, not {form!r}.")
    width, height = _size(body.get("size")) or _USUAL
    seed = crc32(prompt.encode())
    # In a thread: other connections are served meanwhile.
    pictures = [await asyncio.to_thread(draw, prompt, width, height, seed + number) for number in range(count)]
    return _sent(pictures, faults)


async def _edits(request: Request, seen: Seen, faults: Faults) -> Response:
    if not _is_form(seen):
        raise Malformed("The request body is not multipart/form-data.")
    async with Request(request.scope, _again(seen.raw)).form() as form:
        _check_model(form.get("model"), (_EDITS, _DRAWS))
        prompt, count = _prompt(form), _count(form.get("n"))
        images = [await part.read() for name in _IMAGES for part in form.getlist(name) if isinstance(part, UploadFile)]
        size = _size(form.get("size"))
    if not images:
        raise Refusal("Missing required parameter: 'image'.")
    width, height = size or (None, None)
    try:
        pictures = [await asyncio.to_thread(edit, images, prompt, width, height, number) for number in range(count)]
    except NoPicture as error:
        raise Refusal(f"Parameter 'image' must be a picture: {error}.") from None
    return _sent(pictures, faults)


def _sent(pictures: Sequence[bytes], faults: Faults) -> Response:
    data: list[dict[str, str]] = [{"b64_json": payload(picture, faults)} for picture in pictures]
    if faults.no_images:
        data = []
    elif faults.image_url:
        data = [{"url": ELSEWHERE} for _ in data]
    elif faults.missing_b64:
        data = [{} for _ in data]
    return JSONResponse({"created": int(time.time()), "data": data})


def _is_form(seen: Seen) -> bool:
    return seen.headers.get("content-type", "").startswith("multipart/form-data")


def _again(raw: bytes) -> Callable[[], Any]:
    """Receives the body that was received already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    return receive


def _check_model(value: Any, known: tuple[str, ...]) -> None:
    if value is None:
        return
    if not isinstance(value, str) or split_model(value)[0] not in known:
        raise Refusal(f"The model {value!r} does not make images here; there is {' and '.join(known)}.")


def _prompt(given: Any) -> str:
    prompt = given.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise Refusal("Missing required parameter: 'prompt'.")
    return prompt


def _count(value: Any) -> int:
    # A form has only text.
    text = str(1 if value is None else value)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise Refusal(f"Parameter 'n' must be between 1 and {_MOST}, not {value!r}.")
    return int(text)


def _size(value: Any) -> Size | None:
    if value is None:
        return None
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (_SMALLEST <= width <= _LARGEST and _SMALLEST <= height <= _LARGEST):
        raise Refusal(
            f"Parameter 'size' must be WIDTHxHEIGHT, such as 1024x1024, with sides from {_SMALLEST} to {_LARGEST}, "
            f"not {value!r}."
        )
    return width, height
