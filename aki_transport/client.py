"""A client: provider, wire and transport put together. Frameworks translate to it and from it, and do nothing else."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal, Self, TypeAlias

import httpx
from pydantic import SecretStr

from aki_transport import catalog, structured
from aki_transport._version import __version__
from aki_transport.access import Key, checked_base_url, checked_headers
from aki_transport.catalog import ModelInfo
from aki_transport.errors import (
    APIStatusError,
    ConfigurationError,
    ModelFallbackError,
    ModelLimitWarning,
    ModelMismatchWarning,
    ModelNotFoundError,
)
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, Text
from aki_transport.providers import Provider, find_provider
from aki_transport.structured import NoJsonError
from aki_transport.transport import Call, Decoder, Payload, Timeout, Transport
from aki_transport.transport.listing import PATIENCE, Listing, listing_for
from aki_transport.wire import find_wire

OnUnknownModel: TypeAlias = Literal["raise", "warn", "allow"]
OnModelFallback: TypeAlias = Literal["raise", "warn", "ignore"]

_LEAST_OUTPUT = 1024  # tokens that an answer always gets, however long its prompt
_BYTES_PER_TOKEN = 4
_TOKENS_PER_PICTURE = 1024


class Client:
    """Talks to one provider over one protocol, from any thread and any event loop.

    Args:
        provider: `"aki"`, `"aacflow"`, `"ak_ai_core"` or a `Provider` of your own.
        protocol: `"openai"`, or another that the provider speaks.
        api_key: The key; else the provider's environment variables are read at the first use. A key from the
            environment goes only to the provider's own hosts and to loopback addresses.
        base_url: Where the protocol's paths start, instead of the provider's own address.
        timeout: Seconds for any single wait, or a `Timeout` (default: 10 s to connect, 600 s for a blocking answer,
            120 s between the pieces of a stream).
        total_timeout: Seconds for a whole call with its repetitions; None is no bound.
        max_retries: Attempts after the first, 0 or more.
        default_headers: Sent with every call.
        http_client: An `httpx.Client` of your own; never closed here.
        http_async_client: An `httpx.AsyncClient` of your own; never closed here.
        on_unknown_model: What an ID does that the service does not list, where the service would answer with another
            model in silence: `"raise"`, `"warn"` or `"allow"`.
        on_model_fallback: What an answer of another model does: `"raise"`, `"warn"` or `"ignore"`.
        context_window: Tokens, instead of what service and table say.
        max_output: Tokens, instead of what the table says.
        allow_insecure: Take plain http for other hosts than loopback.

    Raises:
        ConfigurationError: The provider or protocol is unknown, or the URL is not safe.

    Example:
        >>> client = Client(api_key="...")
        >>> client.model_info("qwen3.6-35b").context_window
        262144
    """

    def __init__(
        self,
        provider: str | Provider = "aki",
        protocol: str = "openai",
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        timeout: float | Timeout | None = None,
        total_timeout: float | None = None,
        max_retries: int = 2,
        default_headers: Mapping[str, str] | None = None,
        http_client: httpx.Client | None = None,
        http_async_client: httpx.AsyncClient | None = None,
        on_unknown_model: OnUnknownModel = "raise",
        on_model_fallback: OnModelFallback = "raise",
        context_window: int | None = None,
        max_output: int | None = None,
        allow_insecure: bool = False,
    ) -> None:
        self.provider = find_provider(provider)
        self.route = self.provider.route(protocol)
        self.base_url = checked_base_url(
            base_url or self.route.base_url, title=self.provider.title, allow_insecure=allow_insecure
        )
        self._wire = find_wire(protocol)
        self._key = Key(self.provider, self.base_url, api_key)
        self._transport = Transport(
            title=self.provider.title,
            base_url=self.base_url,
            key=self._key,
            key_in=self.route.key_in,
            headers={
                "user-agent": f"aki-integrations/{__version__}",
                "accept": "application/json, text/event-stream",
                "accept-encoding": "gzip, deflate",
                "content-type": "application/json",
                **checked_headers(default_headers or {}, title=self.provider.title),
            },
            timeout=as_timeout(timeout),
            total_timeout=total_timeout,
            max_retries=max_retries,
            http_client=_users(http_client, httpx.Client, "http_client"),
            http_async_client=_users(http_async_client, httpx.AsyncClient, "http_async_client"),
        )
        self._on_unknown_model = on_unknown_model
        self._on_model_fallback = on_model_fallback
        self._context_window = context_window
        self._max_output = max_output
        self._table = catalog.load_table(self.provider.catalog)
        self._listing: Listing | None = None
        self._infos: dict[str, tuple[catalog.Listing | None, ModelInfo]] = {}
        self._usage_refused = False
        self._ways_refused: set[tuple[str, structured.Way]] = set()
        self._said: set[tuple[str, str]] = set()

    def chat(self, request: ChatRequest) -> ChatReply:
        """The whole answer.

        Raises:
            AKIError: See the tree in `aki_transport.errors`.
        """
        self._read_listing_for(request.model)
        asking = _Asking(self, request)
        while True:
            try:
                return self._transport.send(asking.call(stream=False), asking.read)
            except (APIStatusError, NoJsonError) as error:
                refusal = error
            asking.say_otherwise(refusal)

    async def achat(self, request: ChatRequest) -> ChatReply:
        """`chat`, async."""
        await self._aread_listing_for(request.model)
        asking = _Asking(self, request)
        while True:
            try:
                return await self._transport.asend(asking.call(stream=False), asking.read)
            except (APIStatusError, NoJsonError) as error:
                refusal = error
            asking.say_otherwise(refusal)

    def stream(self, request: ChatRequest) -> Iterator[ChatDelta]:
        """The answer as it comes; the last delta holds the whole of it in `reply`.

        Raises:
            StreamInterruptedError: The stream ended before the answer did; the error holds the text so far.
            AKIError: See the tree in `aki_transport.errors`.
        """
        self._read_listing_for(request.model)
        asking = _Asking(self, request)
        while True:
            try:
                for delta in self._transport.stream(asking.call(stream=True), asking.decoder):
                    asking.given = True
                    yield delta
            except (APIStatusError, NoJsonError) as error:
                refusal = error
            else:
                return
            asking.say_otherwise(refusal)

    async def astream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """`stream`, async."""
        await self._aread_listing_for(request.model)
        asking = _Asking(self, request)
        while True:
            try:
                async with aclosing(self._transport.astream(asking.call(stream=True), asking.decoder)) as deltas:
                    async for delta in deltas:
                        asking.given = True
                        yield delta
            except (APIStatusError, NoJsonError) as error:
                refusal = error
            else:
                return
            asking.say_otherwise(refusal)

    def model_info(self, model: str) -> ModelInfo:
        """What is known of a model now. Never asks the service and never raises."""
        listing = self._known_listing()
        cached = self._infos.get(model)
        if cached is not None and cached[0] is listing:
            return cached[1]
        info = catalog.describe(
            model, self._table, listing, context_window=self._context_window, max_output=self._max_output
        )
        self._infos[model] = (listing, info)
        return info

    def models(self) -> tuple[ModelInfo, ...]:
        """Every model that the service lists, read now if it was not; the built-in table if it cannot be read."""
        self._listing_here().read(self._fetch_listing)
        return self._described()

    async def amodels(self) -> tuple[ModelInfo, ...]:
        """`models`, async."""
        await self._listing_here().aread(self._afetch_listing)
        return self._described()

    def refresh_models(self) -> tuple[ModelInfo, ...]:
        """Read the listing again, now.

        Raises:
            AKIError: It could not be read.
        """
        self._listing_here().read(self._fetch_listing, force=True)
        return self._described()

    async def arefresh_models(self) -> tuple[ModelInfo, ...]:
        """`refresh_models`, async."""
        await self._listing_here().aread(self._afetch_listing, force=True)
        return self._described()

    def close(self) -> None:
        """Give the connections back; they close if no other client of this process uses them. May be used again."""
        self._transport.close()

    async def aclose(self) -> None:
        """`close`, for the running event loop's connections too."""
        await self._transport.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Client(provider={self.provider.name!r}, protocol={self.route.protocol!r}, base_url={self.base_url!r})"

    def _read_listing_for(self, model: str) -> None:
        if self.provider.fallback_model is not None:
            self._listing_here().read(self._fetch_listing, wanted=self._id_of(model))

    async def _aread_listing_for(self, model: str) -> None:
        if self.provider.fallback_model is not None:
            await self._listing_here().aread(self._afetch_listing, wanted=self._id_of(model))

    def _id_of(self, model: str) -> str:
        return catalog.resolve(model, self._table, self._known_listing()) or model

    def _fetch_listing(self) -> catalog.Listing:
        return self._transport.send(self._wire.models(), lambda _, body: catalog.read_listing(body), within=PATIENCE)

    async def _afetch_listing(self) -> catalog.Listing:
        return await self._transport.asend(
            self._wire.models(), lambda _, body: catalog.read_listing(body), within=PATIENCE
        )

    def _listing_here(self) -> Listing:
        if self._listing is None:
            key = self._key()
            digest = "" if key is None else hashlib.blake2b(key.get_secret_value().encode()).hexdigest()
            self._listing = listing_for(self.provider.name, self.provider.title, self.base_url, digest)
        return self._listing

    def _known_listing(self) -> catalog.Listing | None:
        try:
            return self._listing_here().known
        except ConfigurationError:
            return None  # no key yet, so nothing can have been read with it

    def _described(self) -> tuple[ModelInfo, ...]:
        known = self._known_listing()
        return tuple(catalog.describe(model, self._table, known) for model in (self._table if known is None else known))

    def _resolve(self, model: str) -> str:
        """The ID to send.

        Raises:
            ModelNotFoundError: The service does not list it and would answer with another model in silence.
        """
        listing = self._known_listing()
        found = catalog.resolve(model, self._table, listing)
        if found is not None:
            return found
        if listing is None or self.provider.fallback_model is None or self._on_unknown_model == "allow":
            return model
        near = catalog.closest(model, listing)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        words = (
            f"no model {model!r}.{hint} The service would let {self.provider.fallback_model} answer in silence."
            f" It lists: {', '.join(sorted(listing))}."
        )
        if self._on_unknown_model == "raise":
            raise ModelNotFoundError(
                f"{words} Nothing was sent.",
                closest=near,
                available=tuple(listing),
                provider=self.provider.title,
                model=model,
            )
        self._warn_once(("unknown", model), f"{self.provider.title}: {words}", ModelMismatchWarning)
        return model

    def _check_served(self, asked: str, served: str) -> None:
        """Raise or warn where another model answers than the one that was asked."""
        fallback = self.provider.fallback_model
        if fallback is None or served == asked or (asked, served) in self._said or self._on_model_fallback == "ignore":
            return
        if catalog.same_model(asked, served, self._table):
            self._said.add((asked, served))
            return
        is_fallback = catalog.same_model(fallback, served, self._table)
        words = f"{asked!r} was asked, but {served!r} answers"
        if is_fallback and self._on_model_fallback == "raise":
            raise ModelFallbackError(
                f"{words}: the service's fallback for models it does not know or cannot serve."
                " Nothing of that answer was used; on_model_fallback='warn' would take it.",
                requested=asked,
                served=served,
                provider=self.provider.title,
                model=asked,
            )
        self._warn_once((asked, served), f"{self.provider.title}: {words}.", ModelMismatchWarning)

    def _warn_once(self, key: tuple[str, str], words: str, category: type[Warning]) -> None:
        if key not in self._said:
            self._said.add(key)
            warnings.warn(words, category, stacklevel=2)

    def _output_bound(self, request: ChatRequest, info: ModelInfo) -> int | None:
        """The `max_tokens` to send: the user's own, or the route's default where that fits beside the prompt."""
        wanted = request.max_tokens
        if wanted is not None:
            if info.output_source != "default" and wanted > info.max_output:
                words = f"max_tokens={wanted} is more than the {info.max_output} that {info.id} is known to give"
                self._warn_once(("limit", f"{info.id} {wanted}"), f"{self.provider.title}: {words}.", ModelLimitWarning)
            return wanted
        if self.route.default_max_tokens is None:
            return None
        bound = min(self.route.default_max_tokens, info.max_output)
        room = info.context_window - _estimate(request)
        return bound if room >= bound else max(min(room, bound), min(_LEAST_OUTPUT, bound))


class _Asking:
    """One request on its way: how it is said, and how else it can be said if the service refuses that."""

    def __init__(self, client: Client, request: ChatRequest) -> None:
        model = client._resolve(request.model)
        info = client.model_info(model)
        self.given = False
        self._client = client
        self._request = replace(
            request,
            model=model,
            max_tokens=client._output_bound(request, info),
            send_reasoning=request.send_reasoning or client.route.send_reasoning,
            include_usage=request.include_usage and not client._usage_refused,
        )
        self._ways = list(structured.ways(request, info))
        if len(self._ways) > 1:
            self._ways = [way for way in self._ways if (model, way) not in client._ways_refused] or self._ways[-1:]

    def call(self, *, stream: bool) -> Call:
        """The request as it is said now."""
        request = structured.ask(self._request, self._ways[0]) if self._ways else self._request
        return self._client._wire.chat(request, stream=stream)

    def decoder(self, headers: Mapping[str, str]) -> Decoder[ChatDelta]:
        """What reads the answer to it."""
        client, asked = self._client, self._request.model
        inner = client._wire.decoder(
            self._request,
            headers,
            on_model=lambda served: client._check_served(asked, served),
            empty_is_failure=client.route.empty_is_failure,
        )
        if not self._ways:
            return inner
        return structured.JsonDecoder(inner, self._ways[0], is_last=len(self._ways) == 1)

    def read(self, headers: Mapping[str, str], body: bytes) -> ChatReply:
        """The whole answer out of a blocking one."""
        decoder = self.decoder(headers)
        decoder.feed(Payload("body", body))
        reply = decoder.end().reply
        assert reply is not None  # noqa: S101  the last delta always has one
        return reply

    def say_otherwise(self, refusal: APIStatusError | NoJsonError) -> None:
        """Change how the request is said; raises `refusal` where it cannot be said in another way."""
        client, request = self._client, self._request
        if isinstance(refusal, APIStatusError):
            if self.given:
                raise refusal
            smaller = client._wire.without_refused(request, refusal)
            if smaller is not None:
                client._usage_refused = not smaller.include_usage
                self._request = smaller
                return
            if len(self._ways) < 2 or not structured.is_refused(refusal):  # noqa: PLR2004  one way is no choice
                raise refusal
            client._ways_refused.add((request.model, self._ways[0]))
        self._ways = self._ways[1:]


def _estimate(request: ChatRequest) -> int:
    """Cautiously, the prompt's tokens: UTF-8 bytes / 4, which characters alone never exceed."""
    size = pictures = 0
    for message in request.messages:
        if isinstance(message.content, str):
            size += len(message.content.encode("utf-8", "replace"))
            continue
        for part in message.content:
            if isinstance(part, Text):
                size += len(part.text.encode("utf-8", "replace"))
            else:
                pictures += 1
    return size // _BYTES_PER_TOKEN + pictures * _TOKENS_PER_PICTURE


def as_timeout(given: Any) -> Timeout:
    """A `Timeout` from a number of seconds, an `httpx.Timeout` or a mapping of our fields."""
    match given:
        case None:
            return Timeout()
        case Timeout():
            return given
        case bool():
            pass
        case int() | float() if given > 0:
            return Timeout(connect=min(10.0, given), answer=float(given), chunk=float(given))
        case httpx.Timeout():
            return Timeout(connect=given.connect, answer=given.read, chunk=given.read)
    raise ConfigurationError(f"timeout={given!r} is no number of seconds above 0 and no Timeout.")


def _users(client: Any, kind: type[Any], field: str) -> Any:
    """The user's client, if it is one."""
    if client is None or isinstance(client, kind):
        return client
    found = f"{type(client).__module__}.{type(client).__qualname__}"
    raise ConfigurationError(f"{field}= takes an httpx.{kind.__name__}, not {found}.")
