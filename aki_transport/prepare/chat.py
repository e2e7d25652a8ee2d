"""Builds the call of a chat request, with the adaptations to what the service refused (see `adaptations`)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from aki_transport.arguments import REQUEST_FIELDS
from aki_transport.errors import APIStatusError, ConfigurationError
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, JsonObject, JsonSchema, OnProgress
from aki_transport.models.catalog import Listing
from aki_transport.models.resolver import ModelResolver
from aki_transport.prepare import history, structured_output
from aki_transport.prepare.adaptations import adapted, as_remembered
from aki_transport.prepare.memory import Change, Memory
from aki_transport.prepare.structured_output import JsonDecoder, NoJsonError
from aki_transport.providers import Route
from aki_transport.transport import Call, Decoder
from aki_transport.wire import Wire

_UNOPENED = "reasoning without its beginning"


class PreparedChat:
    """One chat request to one route: its call, the decoder of the answer, and the changes after a refusal.

    What is refused is added to `memory`.

    Raises:
        ConfigurationError: The request uses a field that the protocol does not have, or a value out of its range.
        ModelNotFoundError: The service does not know the model and would answer with another one.
    """

    def __init__(
        self,
        request: ChatRequest,
        *,
        wire: Wire,
        route: Route,
        resolver: ModelResolver,
        listing: Listing | None,
        memory: Memory,
        on_progress: OnProgress | None,
    ) -> None:
        validate_request(request, wire, route)
        model = resolver.resolve(request.model, listing)
        info = resolver.info(model, listing)
        self.has_yielded = False
        self._wire = wire
        self._route = route
        self._resolver = resolver
        self._memory = memory
        self._on_progress = on_progress
        self._stream = True
        self._tried: set[str] = set()
        self._to_remember: dict[str, Change] = {}
        bound = resolver.output_bound(request, info)
        methods = structured_output.candidate_methods(request, info, wire.SUPPORTED_FIELDS)
        accepted = tuple(method for method in methods if memory.change(model, method) is None)
        request = history.with_legal_names(request)
        messages = history.reduced(request.messages, resolver.provider.name)
        messages = history.with_readable_ids(messages, route.protocol)
        request = replace(
            request,
            messages=history.with_paired_results(messages),
            model=model,
            endpoint=resolver.endpoint(request.model, listing),
            max_tokens=bound,
            own_bound=None if bound == request.max_tokens else "required" if wire.REQUIRES_MAX_TOKENS else "optional",
            send_reasoning=request.send_reasoning or route.send_reasoning,
            structured_methods=accepted or methods,
        )
        self._request = as_remembered(request, memory)
        self._json: JsonDecoder | None = None
        # Whether text may begin with reasoning whose opening tag stood in the prompt; JSON is found beside reasoning.
        is_plain = not (request.raw_prompt or request.structured_methods)
        self._may_think = info.reasoning is not False and is_plain
        # Whether a stream's text is held back for it: where the user states it, for the services of the table tell
        # reasoning from text.
        self._thinks = resolver.capabilities.get("reasoning") is True and request.reasoning_effort != "none"

    def call(self, *, stream: bool) -> Call:
        """The call, without what was refused so far; `ConfigurationError` if the conversation cannot be sent."""
        if not self._request.messages:
            raise ConfigurationError("the conversation is empty: it holds no message.")
        self._stream = stream
        request = self._request
        if request.structured_methods:
            request = structured_output.apply_method(request, request.structured_methods[0])
        return self._wire.chat(request, stream=stream)

    def decoder(self, headers: Mapping[str, str]) -> Decoder[ChatDelta]:
        """A decoder for the answer to this call."""
        inner = self._wire.decoder(
            self._request,
            headers,
            on_model=partial(self._resolver.check_served, self._request.model),
            on_progress=self._on_progress,
            empty_is_failure=self._route.empty_is_failure,
            stream=self._stream,
            on_unopened_reasoning=self._remember_unopened if self._may_think else None,
            holds_unopened_reasoning=self._may_think
            and (self._thinks or self._memory.change(self._request.model, _UNOPENED) is not None),
        )
        target, methods = self._request.response_format, self._request.structured_methods
        if not methods or not isinstance(target, JsonSchema | JsonObject):
            return inner
        self._json = JsonDecoder(inner, methods[0], target, is_last=len(methods) == 1, stream=self._stream)
        return self._json

    def _remember_unopened(self) -> None:
        self._memory.add(self._request.model, {_UNOPENED: _unchanged})

    def accepted(self, delta: ChatDelta) -> None:
        """Remember what was refused, now that the other way worked. Whether it gave an object is known at its end."""
        model = self._request.model
        if self._json is not None:
            if delta.reply is None or not self._json.has_answer:
                return
            self._memory.discard(model, _ignored(self._request))
        if self._to_remember:
            self._memory.add(model, self._to_remember)
            self._to_remember = {}

    def adapt(self, refusal: APIStatusError | NoJsonError) -> None:
        """Change the next call so that it avoids what was refused; raises `refusal` if no other form is left."""
        if isinstance(refusal, NoJsonError):
            # Once may be chance. Twice in a row, the model ignores the method, and every call would be billed twice.
            method, *rest = self._request.structured_methods
            once = _ignored(self._request)
            was_ignored = self._memory.change(self._request.model, once) is not None
            self._to_remember[method if was_ignored else once] = _unchanged
            self._request = replace(self._request, structured_methods=tuple(rest))
            self.has_yielded = False  # an answer in plain text was not returned
            return
        adaptation = None if self.has_yielded else adapted(self._request, refusal, self._tried)
        if adaptation is None:
            raise refusal
        self._request, row, change = adaptation
        self._tried.add(row.name)
        if row.is_remembered:
            self._to_remember[row.name] = change
        if row.warning:
            warnings.warn(f"{self._request.model}: {row.warning}", UserWarning, stacklevel=2)


def _unchanged(request: ChatRequest) -> ChatRequest:
    return request


def _ignored(request: ChatRequest) -> str:
    return f"{request.structured_methods[0]} was ignored once"


_OPTIONAL_FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "tools",
)


def validate_request(request: ChatRequest, wire: Wire, route: Route) -> None:
    """Raise `ConfigurationError` for a field that the protocol does not have, or a value out of its range."""
    present = [name for name in _OPTIONAL_FIELDS if getattr(request, name) not in (None, ())]
    if not isinstance(request.response_format, JsonObject | JsonSchema | None):
        present.append("response_format")
    unsupported = [name for name in present if name not in wire.SUPPORTED_FIELDS]
    if unsupported:
        supported = ", ".join(name for name in _OPTIONAL_FIELDS if name in wire.SUPPORTED_FIELDS)
        raise ConfigurationError(
            f"protocol={route.protocol!r} takes no {' and no '.join(unsupported)}; it takes {supported}."
            " Other fields of the service go into extra_body."
        )
    for name in request.fields:
        if route.protocol not in REQUEST_FIELDS.get(name, (route.protocol,)):
            protocols = ", ".join(f"protocol={protocol!r}" for protocol in sorted(REQUEST_FIELDS[name]))
            raise ConfigurationError(
                f"protocol={route.protocol!r} takes no {name}; {protocols} does. If the service knows it all the same,"
                f" pass extra_body={{{name!r}: ...}}."
            )
    for name, (minimum, maximum) in wire.RANGES.items():
        value = getattr(request, name)
        if not isinstance(value, int | float | None):
            raise ConfigurationError(f"{name}={value!r} is no number: pass one from {minimum:g} to {maximum:g}.")
        if value is not None and not minimum <= value <= maximum:
            raise ConfigurationError(
                f"{name}={value:g} is out of range: protocol={route.protocol!r} takes {minimum:g} to {maximum:g}."
            )


def final_reply(last: ChatDelta) -> ChatReply:
    """The complete reply in the last delta of a stream."""
    assert last.reply is not None  # noqa: S101  every decoder puts it there
    return last.reply
