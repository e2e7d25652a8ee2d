"""AKI.IO's Anthropic-compatible interface."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aki_transport.emulator.anthropic_answer import events, message
from aki_transport.emulator.anthropic_errors import ERRORS
from aki_transport.emulator.anthropic_prompt import check_fields, read_prompt
from aki_transport.emulator.completion import EMPTY, complete, prompt_tokens
from aki_transport.emulator.errors import Refusal
from aki_transport.emulator.faces import Face, endpoint, json_object
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.models import MODELS, Model, or_fallback
from aki_transport.emulator.prompt import Prompt
from aki_transport.emulator.record import Seen


def face(key: str) -> Face:
    """The interface, for holders of this key."""

    def allowed(seen: Seen) -> bool:
        # The page documents x-api-key; Anthropic's own client sends the other.
        return seen.headers.get("x-api-key") == key or seen.headers.get("authorization") == f"Bearer {key}"

    return Face(
        "/anthropic",
        [
            Route("/v1/models", endpoint(_models, allowed, ERRORS)),
            Route("/v1/messages", endpoint(_messages, allowed, ERRORS), methods=["POST"]),
        ],
        ERRORS,
        title="AKI.IO, Anthropic-compatible",
        key=key,
        request_id="request-id",
    )


def _models(_seen: Seen, _faults: Faults) -> Response:
    data = [_entry(model) for model in MODELS]
    return JSONResponse({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})


def _entry(model: Model) -> dict[str, Any]:
    created = datetime.fromtimestamp(int(model.created), UTC)
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": f"{created:%Y-%m-%dT%H:%M:%SZ}",
        # Not of Anthropic's form; AKI's page says that it may be there, and 0.
        "max_model_len": model.listed_window,
    }


def _messages(seen: Seen, faults: Faults) -> Response:
    body = json_object(seen)
    check_fields(body)
    model = or_fallback(split_model(body["model"])[0])
    prompt = read_prompt(body, model)
    used = prompt_tokens(prompt)
    _check_window(prompt, used, model)
    completion = EMPTY if faults.empty else complete(prompt, model.max_output)
    stamp = {"id": f"msg_{uuid4().hex[:24]}", "model": model.id}
    if body.get("stream"):
        return events(completion, used, stamp, faults)
    return JSONResponse(message(completion, used, stamp, faults))


def _check_window(prompt: Prompt, used: int, model: Model) -> None:
    wanted = prompt.max_tokens or 0
    if used > model.window:
        raise Refusal(f"prompt is too long: {used} tokens > {model.window} maximum")
    if used + wanted > model.window:
        raise Refusal(
            f"input length and `max_tokens` exceed context limit: {used} + {wanted} > {model.window}, "
            "decrease input length or `max_tokens` and try again"
        )
