"""What the image workers of the native interface do: their parameters, and pictures in so many steps."""

import base64
import binascii
from collections.abc import Callable, Mapping
from random import SystemRandom
from typing import Any

from aki_transport.emulator.drawing import draw
from aki_transport.emulator.editing import edit
from aki_transport.emulator.editing_canvas import NoPicture
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.images_payload import ELSEWHERE, payload
from aki_transport.emulator.job import Report, Work
from aki_transport.emulator.native_errors import Invalid
from aki_transport.emulator.native_parameters import Parameter

OUTPUTS = {"images": "image_list", "seed": "integer", "prompt": "string", "error": "string"}
PROGRESS = {"images": "image_list"}

_STEPS = 20
_SECONDS_PER_STEP = 0.01  # tests wait for them
_GRID = 32
_SEEDS = 2**31
_RANDOM = SystemRandom()


def _parameters(side: int | None) -> tuple[Parameter, ...]:
    return (
        Parameter("prompt", "string", required=True),
        Parameter("negative_prompt", "string"),
        Parameter("width", "integer", 128, 2048, side),
        Parameter("height", "integer", 128, 2048, side),
        # -1 stands for any; the answer says which.
        Parameter("seed", "integer", minimum=-1, default=-1),
        Parameter("steps", "integer", minimum=1, maximum=100, default=_STEPS),
    )


DRAW = _parameters(1024)
# Without a size the picture keeps its own.
EDIT = (*_parameters(None), Parameter("image", "image", required=True))


def drawn(values: Mapping[str, Any], faults: Faults) -> Work:
    """The job of drawing a picture."""
    width, height = _on_grid(values["width"]), _on_grid(values["height"])
    negative = values["negative_prompt"] or ""
    return _work(values, faults, lambda seed: draw(values["prompt"], width, height, seed, negative=negative))


def edited(values: Mapping[str, Any], faults: Faults) -> Work:
    """The job of changing a picture.

    Raises:
        Invalid: The image is none.
    """
    picture = _decoded(values["image"])
    width, height = (side and _on_grid(side) for side in (values["width"], values["height"]))
    try:
        return _work(values, faults, lambda seed: edit([picture], values["prompt"], width, height, seed))
    except NoPicture as error:
        raise Invalid([f"Invalid image: {error}"]) from None


def _work(values: Mapping[str, Any], faults: Faults, picture: Callable[[int], bytes]) -> Work:
    steps: int = values["steps"]
    seed = values["seed"] if values["seed"] >= 0 else _RANDOM.randrange(_SEEDS)
    images = [f"data:image/PNG;base64,{payload(picture(seed), faults)}"]
    result: dict[str, Any] = {"images": images, "seed": seed, "prompt": values["prompt"]}
    if faults.no_images:
        result["images"] = []
    elif faults.image_url:
        result["images"] = [ELSEWHERE]
    elif faults.missing_b64:
        del result["images"]

    def report(part: float) -> Report | None:
        done = int(part * steps)
        return Report(100 * done // steps, {}) if done else None

    return Work(steps * _SECONDS_PER_STEP, report, result)


def _on_grid(side: int) -> int:
    return max(round(side / _GRID), 1) * _GRID


def _decoded(url: str) -> bytes:
    head, _, data = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        raise Invalid(["Parameter image has to be a data URL, such as data:image/png;base64,..."])
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise Invalid(["Parameter image is no valid base64"]) from None
