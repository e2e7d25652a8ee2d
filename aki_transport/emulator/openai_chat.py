"""A chat completion in OpenAI's form, as every service that has the form gives it."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from aki_transport.emulator.completion import EMPTY, Completion, complete, prompt_tokens
from aki_transport.emulator.errors import Errors, Refusal
from aki_transport.emulator.faces import Handler, endpoint, json_object
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.models import Model
from aki_transport.emulator.openai_answer import answer, events
from aki_transport.emulator.openai_prompt import read_prompt
from aki_transport.emulator.prompt import Prompt
from aki_transport.emulator.record import Seen


@dataclass(frozen=True, slots=True)
class Chat:
    """A request and all of its answer, before any of it is sent."""

    model: Model
    completion: Completion
    prompt_tokens: int
    stream: bool
    with_usage: bool

    @property
    def cost(self) -> Decimal:
        """What it costs, in US dollars."""
        return self.model.price.of(self.prompt_tokens, self.completion.completion_tokens)

    def response(self, faults: Faults, lost: dict[str, Any]) -> Response:
        """The answer, whole or in events.

        Args:
            faults: What is to go wrong with it.
            lost: What the stream says when its worker is gone.
        """
        stamp = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": self.model.id}
        if not self.stream:
            return JSONResponse(answer(self.completion, self.prompt_tokens, stamp, faults))
        used = self.prompt_tokens if self.with_usage else None
        return events(self.completion, used, stamp, faults, lost)


def routes(
    allowed: Callable[[Seen], bool], models: Sequence[dict[str, Any]], chat: Handler, errors: Errors
) -> list[BaseRoute]:
    """The two endpoints.

    Args:
        allowed: Whether the request carries the key.
        models: The entries of the listing.
        chat: Answers a completion.
        errors: The service's.
    """

    def listing(_seen: Seen, _faults: Faults) -> Response:
        return JSONResponse({"object": "list", "data": list(models)})

    return [
        Route("/models", endpoint(listing, allowed, errors)),
        Route("/chat/completions", endpoint(chat, allowed, errors), methods=["POST"]),
    ]


def entries(models: Iterable[Model]) -> list[dict[str, Any]]:
    """The models as OpenAI lists them."""
    return [{"id": model.id, "object": "model", "created": model.created, "owned_by": model.owner} for model in models]


def read_chat(seen: Seen, faults: Faults, resolve: Callable[[str], Model]) -> Chat:
    """The request, answered by the model that `resolve` names.

    Raises:
        Malformed: The body is no JSON object.
        Refusal: The request is none that can be carried out.
    """
    body = json_object(seen)
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal("Missing required parameter: 'model'.")
    model = resolve(split_model(name)[0])
    prompt = read_prompt(body, model)
    used = _fits(prompt, model)
    completion = EMPTY if faults.empty else complete(prompt, model.max_output)
    stream = bool(body.get("stream"))
    return Chat(model, completion, used, stream, stream and _with_usage(body))


def _with_usage(body: dict[str, Any]) -> bool:
    match body.get("stream_options"):
        case {"include_usage": True}:
            return True
        case None | {}:
            return False
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
