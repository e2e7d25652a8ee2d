"""AKI.IO's OpenAI-compatible interface."""

from starlette.responses import Response

from aki_transport.emulator import images_api
from aki_transport.emulator.faces import Face
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.models import MODELS, or_fallback
from aki_transport.emulator.openai_chat import entries, read_chat, routes
from aki_transport.emulator.openai_errors import ERRORS, LOST
from aki_transport.emulator.record import Seen


def face(key: str) -> Face:
    """The interface, for holders of this key."""

    def allowed(seen: Seen) -> bool:
        # The open server compares the whole header, so `bearer` does not pass.
        return seen.headers.get("authorization") == f"Bearer {key}"

    listed = [
        {**entry, "max_model_len": model.listed_window} for entry, model in zip(entries(MODELS), MODELS, strict=True)
    ]
    return Face(
        "/v1",
        [*routes(allowed, listed, _chat, ERRORS), *images_api.routes(allowed, ERRORS)],
        ERRORS,
        title="AKI.IO, OpenAI-compatible",
        key=key,
        model=images_api.model_of,
    )


def _chat(seen: Seen, faults: Faults) -> Response:
    return read_chat(seen, faults, or_fallback).response(faults, LOST)
