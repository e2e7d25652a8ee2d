"""One request on its way: how it is said, and how else it can be said if the service refuses that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from aki_transport import structured
from aki_transport.catalog import Listing
from aki_transport.directory import Directory
from aki_transport.errors import APIStatusError, ConfigurationError
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, JobProgress, JsonObject, JsonSchema
from aki_transport.providers import Route
from aki_transport.structured import JsonDecoder, NoJsonError, Way
from aki_transport.transport import Call, Decoder, Payload
from aki_transport.wire import Wire


@dataclass(slots=True)
class Refused:
    """What a service has refused so far, so that it is not asked for again."""

    usage_in_streams: bool = False
    ways: set[tuple[str, Way]] = field(default_factory=set)
    ignored: Counter[tuple[str, Way]] = field(default_factory=Counter)


class Asking:
    """A request, prepared for one route.

    Args:
        request: As the user asked.
        wire: How it is said.
        route: Where.
        directory: What is known of models.
        listing: What the service lists.
        refused: What the service refused before; what it refuses now is noted there.
        on_progress: Told how far a job is.

    Raises:
        ConfigurationError: The protocol cannot say something that is asked.
        ModelNotFoundError: Nothing may be sent, for another model would answer.
    """

    def __init__(
        self,
        request: ChatRequest,
        *,
        wire: Wire,
        route: Route,
        directory: Directory,
        listing: Listing | None,
        refused: Refused,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> None:
        check_sayable(request, wire, route)
        model = directory.resolve(request.model, listing)
        info = directory.info(model, listing)
        self.given = False
        self._wire = wire
        self._route = route
        self._directory = directory
        self._refused = refused
        self._on_progress = on_progress
        self._stream = True
        self._request = replace(
            request,
            model=model,
            endpoint=directory.endpoint(request.model, listing),
            max_tokens=directory.output_bound(request, info, route.default_max_tokens),
            send_reasoning=request.send_reasoning or route.send_reasoning,
            include_usage=request.include_usage and not refused.usage_in_streams,
        )
        ways = structured.ways(request, info, wire.TAKES)
        self._ways = [way for way in ways if (model, way) not in refused.ways] or list(ways[-1:])

    def call(self, *, stream: bool) -> Call:
        """The request as it is said now."""
        self._stream = stream
        request = structured.ask(self._request, self._ways[0]) if self._ways else self._request
        return self._wire.chat(request, stream=stream)

    def decoder(self, headers: Mapping[str, str]) -> Decoder[ChatDelta]:
        """What reads the answer to it."""
        inner = self._wire.decoder(
            self._request,
            headers,
            on_model=self._check_served,
            on_progress=self._on_progress,
            empty_is_failure=self._route.empty_is_failure,
            stream=self._stream,
        )
        if not self._ways:
            return inner
        wanted = self._request.response_format
        opening = "[" if isinstance(wanted, JsonSchema) and wanted.schema.get("type") == "array" else "{"
        return JsonDecoder(inner, self._ways[0], opening=opening, is_last=len(self._ways) == 1)

    def read(self, headers: Mapping[str, str], body: Payload) -> ChatReply:
        """The whole answer out of a blocking one."""
        decoder = self.decoder(headers)
        decoder.feed(body)
        return whole(decoder.end())

    def say_otherwise(self, refusal: APIStatusError | NoJsonError) -> None:
        """Change how the request is said; raises `refusal` where it cannot be said in another way."""
        if isinstance(refusal, APIStatusError):
            if self.given:
                raise refusal
            smaller = self._wire.without_refused(self._request, refusal)
            if smaller is not None:
                self._refused.usage_in_streams = not smaller.include_usage
                self._request = smaller
                return
            if len(self._ways) < 2 or not structured.is_refused(refusal):  # noqa: PLR2004  one way is no choice
                raise refusal
            self._refused.ways.add((self._request.model, self._ways[0]))
        else:
            # Once may be the model's whim; twice, the service takes no notice, and every call would be paid for twice.
            way = (self._request.model, self._ways[0])
            self._refused.ignored[way] += 1
            if self._refused.ignored[way] > 1:
                self._refused.ways.add(way)
        self._ways = self._ways[1:]

    def _check_served(self, served: str) -> None:
        self._directory.check_served(self._request.model, served)


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


def check_sayable(request: ChatRequest, wire: Wire, route: Route) -> None:
    """Raise `ConfigurationError` if the request holds what the protocol has no words for, before anything is sent."""
    given = [name for name in _OPTIONAL if getattr(request, name) not in (None, ())]
    refused = [name for name in given if name not in wire.TAKES]
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


def whole(last: ChatDelta) -> ChatReply:
    """The answer that the last item of a stream holds."""
    assert last.reply is not None  # noqa: S101  it always does
    return last.reply
