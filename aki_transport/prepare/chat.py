"""Builds the call of a chat request; drops features that the service refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from aki_transport.errors import APIStatusError, ConfigurationError
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, JobProgress, JsonObject, JsonSchema
from aki_transport.models.catalog import Listing
from aki_transport.models.resolver import ModelResolver
from aki_transport.prepare import structured_output
from aki_transport.prepare.structured_output import JsonDecoder, NoJsonError, StructuredMethod
from aki_transport.providers import Route
from aki_transport.transport import Call, Decoder, Payload
from aki_transport.wire import Wire


@dataclass(slots=True)
class Adaptations:
    """Features that the service refused earlier; they are not sent to it again."""

    usage_in_streams: bool = False
    methods: set[tuple[str, StructuredMethod]] = field(default_factory=set)
    ignored: Counter[tuple[str, StructuredMethod]] = field(default_factory=Counter)


class PreparedChat:
    """A chat request on its method to one route: the call, the decoder of its answer, and what changes after a refusal.

    Args:
        request: The user's request.
        wire: The protocol.
        route: The interface of the provider.
        resolver: Resolves the model's ID and its limits.
        listing: The models that the service lists; None if that is not known.
        adaptations: Features that the service refused earlier; new refusals are added.
        on_progress: Called with the progress of a job.

    Raises:
        ConfigurationError: The protocol has no field for something in the request.
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
        adaptations: Adaptations,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> None:
        validate_request(request, wire, route)
        model = resolver.resolve(request.model, listing)
        info = resolver.info(model, listing)
        self.has_yielded = False
        self._wire = wire
        self._route = route
        self._resolver = resolver
        self._adaptations = adaptations
        self._on_progress = on_progress
        self._stream = True
        self._request = replace(
            request,
            model=model,
            endpoint=resolver.endpoint(request.model, listing),
            max_tokens=resolver.output_bound(request, info, route.default_max_tokens),
            send_reasoning=request.send_reasoning or route.send_reasoning,
            include_usage=request.include_usage and not adaptations.usage_in_streams,
        )
        methods = structured_output.candidate_methods(request, info, wire.TAKES)
        self._methods = [method for method in methods if (model, method) not in adaptations.methods] or list(
            methods[-1:]
        )

    def call(self, *, stream: bool) -> Call:
        """The call, without the features that were refused so far."""
        self._stream = stream
        request = structured_output.apply_method(self._request, self._methods[0]) if self._methods else self._request
        return self._wire.chat(request, stream=stream)

    def decoder(self, headers: Mapping[str, str]) -> Decoder[ChatDelta]:
        """A decoder for the answer to this call."""
        inner = self._wire.decoder(
            self._request,
            headers,
            on_model=self._check_served,
            on_progress=self._on_progress,
            empty_is_failure=self._route.empty_is_failure,
            stream=self._stream,
        )
        if not self._methods:
            return inner
        wanted = self._request.response_format
        opening = "[" if isinstance(wanted, JsonSchema) and wanted.schema.get("type") == "array" else "{"
        return JsonDecoder(inner, self._methods[0], opening=opening, is_last=len(self._methods) == 1)

    def read(self, headers: Mapping[str, str], body: Payload) -> ChatReply:
        """The reply in a blocking answer."""
        decoder = self.decoder(headers)
        decoder.feed(body)
        return final_reply(decoder.end())

    def adapt(self, refusal: APIStatusError | NoJsonError) -> None:
        """Change how the request is said; raises `refusal` where it cannot be said in another method."""
        if isinstance(refusal, APIStatusError):
            if self.has_yielded:
                raise refusal
            smaller = self._wire.without_refused(self._request, refusal)
            if smaller is not None:
                self._adaptations.usage_in_streams = not smaller.include_usage
                self._request = smaller
                return
            if len(self._methods) < 2 or not structured_output.is_refused(refusal):  # noqa: PLR2004  there is no other method
                raise refusal
            self._adaptations.methods.add((self._request.model, self._methods[0]))
        else:
            # Once may be chance. Twice means that the service ignores the method, and each call would be billed twice.
            method = (self._request.model, self._methods[0])
            self._adaptations.ignored[method] += 1
            if self._adaptations.ignored[method] > 1:
                self._adaptations.methods.add(method)
        self._methods = self._methods[1:]

    def _check_served(self, served: str) -> None:
        self._resolver.check_served(self._request.model, served)


_OPTIONAL = (
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
    """Raise `ConfigurationError` if the request uses a field that the protocol does not have. Nothing was sent then."""
    present = [name for name in _OPTIONAL if getattr(request, name) not in (None, ())]
    refused = [name for name in present if name not in wire.TAKES]
    wanted = request.response_format
    if wanted is not None and not isinstance(wanted, JsonObject | JsonSchema) and "response_format" not in wire.TAKES:
        refused.append("response_format")
    if refused:
        taken = ", ".join(name for name in _OPTIONAL if name in wire.TAKES)
        raise ConfigurationError(
            f"protocol={route.protocol!r} takes no {' and no '.join(refused)}; it takes {taken}."
            " What else the service knows goes into extra_body."
        )
    for name, (least, most) in wire.RANGES.items():
        value = getattr(request, name)
        if value is not None and not least <= value <= most:
            raise ConfigurationError(
                f"{name}={value:g} is out of range: protocol={route.protocol!r} takes {least:g} to {most:g}."
            )


def final_reply(last: ChatDelta) -> ChatReply:
    """The complete reply, which the last delta of a stream carries."""
    assert last.reply is not None  # noqa: S101  it always does
    return last.reply
