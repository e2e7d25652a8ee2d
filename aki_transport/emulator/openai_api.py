"""The OpenAI-compatible interface: its routes, its listing, and what it refuses."""

import time
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from aki_transport.emulator.completion import complete, prompt_tokens
from aki_transport.emulator.errors import Refusal, framework_error, html_error, openai_error
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.models import MODELS, Model, resolve
from aki_transport.emulator.openai_answer import answer, events
from aki_transport.emulator.openai_prompt import read_prompt
from aki_transport.emulator.prompt import Prompt
from aki_transport.emulator.record import Seen
from aki_transport.emulator.sending import Events

_CLIENT_ERRORS = {
    401: Refusal("Incorrect API key provided.", status=401, code="invalid_api_key"),
    429: Refusal(
        "Rate limit reached for requests.", status=429, code="rate_limit_exceeded", kind="rate_limit_exceeded"
    ),
}
_NO_CREDITS = Refusal(
    "Insufficient credits: please top up your account.",
    status=402,
    code="insufficient_credits",
    kind="insufficient_quota",
)


def routes(key: str) -> list[BaseRoute]:
    """The interface, for holders of this key."""

    def allowed(request: Request) -> bool:
        # The open server compares the whole header, so `bearer` does not pass.
        return request.headers.get("authorization") == f"Bearer {key}"

    async def models(request: Request) -> Response:
        return _listing() if allowed(request) else openai_error(_CLIENT_ERRORS[401])

    async def chat(request: Request) -> Response:
        if not allowed(request):
            return openai_error(_CLIENT_ERRORS[401])
        try:
            return _chat(request.scope["aki.seen"], request.scope["aki.faults"])
        except Refusal as refusal:
            return openai_error(refusal)

    return [Route("/v1/models", models), Route("/v1/chat/completions", chat, methods=["POST"])]


def early(faults: Faults) -> Response:
    """The answer of a fault that asks for a status."""
    if faults.credits:
        return openai_error(_NO_CREDITS)
    if faults.html is not None:
        return html_error(faults.html)
    status = faults.status or 500
    if status in _CLIENT_ERRORS:
        return openai_error(_CLIENT_ERRORS[status])
    if status >= 500:  # noqa: PLR2004  # the server's own errors are the framework's
        return framework_error(status)
    return openai_error(Refusal(f"The request failed with status {status}.", status=status))


def _listing() -> Response:
    data = [
        {
            "id": model.id,
            "object": "model",
            "created": model.created,
            "owned_by": model.owner,
            "max_model_len": model.listed_window,
        }
        for model in MODELS
    ]
    return JSONResponse({"object": "list", "data": data})


def _chat(seen: Seen, faults: Faults) -> Response:
    body = seen.body
    if not isinstance(body, dict):
        return framework_error(400, "The request body is not a JSON object.")
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal("Missing required parameter: 'model'.")
    model = resolve(split_model(name)[0])
    prompt = read_prompt(body, model)
    used = _fits(prompt, model)
    completion = complete(prompt, model.max_output)
    stamp = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model.id}
    if not body.get("stream"):
        return JSONResponse(answer(completion, used, stamp, faults))
    match body.get("stream_options"):
        case {"include_usage": True}:
            return Events(events(completion, used, stamp, faults))
        case None | {}:
            return Events(events(completion, None, stamp, faults))
        case _:
            raise Refusal("Parameter 'stream_options' must be an object.")


def _fits(prompt: Prompt, model: Model) -> int:
    used = prompt_tokens(prompt)
    wanted = prompt.max_tokens or 0
    if used + wanted > model.window:
        # vLLM's words, which clients look for.
        raise Refusal(
            f"This model's maximum context length is {model.window} tokens. However, you requested {used + wanted} "
            f"tokens ({used} in the messages, {wanted} in the completion). Please reduce the length of the messages.",
            status=400,
            code="context_length_exceeded",
        )
    return used
