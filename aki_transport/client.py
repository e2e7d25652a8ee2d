"""The client: prepares a call, sends it, asks again after a refusal. Both framework packages convert to and from it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from aki_transport._version import __version__
from aki_transport.auth import (
    EMULATOR_VARIABLE,
    ApiKey,
    ApiKeySource,
    checked_base_url,
    checked_headers,
    emulated,
    shown_url,
)
from aki_transport.errors import APIStatusError, NotFoundError
from aki_transport.images.image import GeneratedImage, ImageList, as_images
from aki_transport.images.request import ImageRequest, build_image_request
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, OnProgress
from aki_transport.models.catalog import ModelInfo
from aki_transport.models.listing import ServiceListing
from aki_transport.models.resolver import ModelResolver, OnModelFallback, OnUnknownModel
from aki_transport.prepare.chat import PreparedChat, final_reply
from aki_transport.prepare.images import requests_of_calls, validate_request
from aki_transport.prepare.memory import Memory
from aki_transport.prepare.structured_output import NoJsonError
from aki_transport.providers import DEFAULT_PROVIDER, Provider, base_url_hint, default_protocol, find_provider
from aki_transport.transport import Call, HttpAsyncClient, HttpClient, Timeout, as_timeout, users_client
from aki_transport.wire import find_image_wire, find_wire


class Client:
    """Talks to one provider over one protocol, from any thread and any event loop.

    Args:
        provider: A name in `PROVIDERS`, or a `Provider` of your own.
        protocol: `"openai"`, `"anthropic"` or `"native"`, as far as the provider has it. Default: what `base_url` ends
            in tells, else `"openai"`, else the provider's first.
        api_key: The key, or a function that returns it, asked for each attempt; else the provider's environment
            variables are read at the first use.
        base_url: Where the protocol's paths start, instead of the provider's own address.
        timeout: Seconds for any single wait, or a `Timeout`.
        total_timeout: Seconds for a complete call with its repetitions.
        max_retries: Attempts after the first.
        default_headers: Sent with every call.
        http_client: An `httpx.Client` of your own; never closed here.
        http_async_client: An `httpx.AsyncClient` of your own; never closed here.
        on_unknown_model: What an ID does that the service does not list: `"raise"`, `"warn"` or `"allow"`.
        on_model_fallback: What an answer of another model does: `"raise"`, `"warn"` or `"ignore"`.
        context_window: Tokens, instead of what service and table say.
        max_output: Tokens, instead of what the table says.
        capabilities: What models can, instead of what the table says: `tools`, `images`, `reasoning` and
            `structured_output`, each True or False.
        allow_insecure: Take plain http for other hosts than loopback.
        model_listing: False: the service's listing of models is never read.
        http_engine: What carries async calls: `"httpx"`, or `"aiohttp"` for thousands of streams at once.
        on_progress: Called with the progress of a native job whenever it changes; what it raises ends the call.

    Raises:
        ConfigurationError: The provider or protocol is unknown, or the URL is not safe.

    Example:
        >>> client = Client(api_key="...")
        >>> client.model_info("qwen3.6-35b").context_window, client.planned_output("qwen3.6-35b")
        (262144, 8192)
        >>> client.key_origin()
        'api_key='
        >>> client.close()
    """

    def __init__(
        self,
        provider: str | Provider = DEFAULT_PROVIDER,
        protocol: str | None = None,
        *,
        api_key: ApiKeySource = None,
        base_url: str | None = None,
        timeout: float | Timeout | None = None,
        total_timeout: float | None = None,
        max_retries: int = 2,
        default_headers: Mapping[str, str] | None = None,
        http_client: HttpClient | None = None,
        http_async_client: HttpAsyncClient | None = None,
        on_unknown_model: OnUnknownModel = "raise",
        on_model_fallback: OnModelFallback = "raise",
        context_window: int | None = None,
        max_output: int | None = None,
        capabilities: Mapping[str, bool] | None = None,
        allow_insecure: bool = False,
        model_listing: bool = True,
        http_engine: Literal["httpx", "aiohttp"] = "httpx",
        on_progress: OnProgress | None = None,
    ) -> None:
        # Here, because importing what sends takes longer than all the rest.
        from aki_transport.transport.sender import Transport  # noqa: PLC0415

        self.provider = find_provider(provider)
        protocol = default_protocol(self.provider, base_url, "openai") if protocol is None else protocol
        self.route = self.provider.route(protocol)
        if not base_url:
            self.route, api_key = emulated(self.provider, self.route, api_key)
        self.base_url = checked_base_url(
            base_url or self.route.base_url, title=self.provider.title, allow_insecure=allow_insecure
        )
        self._wire = find_wire(protocol)
        is_emulated = self.route not in self.provider.routes
        self._key = ApiKey(
            self.provider, self.base_url, api_key, origin=EMULATOR_VARIABLE if is_emulated else "api_key="
        )
        self._transport = Transport(
            title=self.provider.title,
            base_url=self.base_url,
            key=self._key,
            key_places=self.route.key_places,
            headers={
                "user-agent": f"aki-integrations/{__version__}",
                "accept": "application/json, text/event-stream",
                "accept-encoding": "gzip",
                "content-type": "application/json",
                **checked_headers(default_headers or {}, title=f"{self.provider.title}: default_headers"),
            },
            timeout=as_timeout(timeout),
            total_timeout=total_timeout,
            max_retries=max_retries,
            http_client=users_client(http_client, "Client", "http_client"),
            http_async_client=users_client(http_async_client, "AsyncClient", "http_async_client"),
            http_engine=http_engine,
        )
        self._on_progress = on_progress
        self._resolver = ModelResolver(
            provider=self.provider,
            models_are_endpoints=self._wire.MODELS_ARE_ENDPOINTS,
            requires_max_tokens=self._wire.REQUIRES_MAX_TOKENS,
            default_max_tokens=self.route.default_max_tokens,
            is_own_host=not base_url or urlsplit(self.base_url).hostname in self.provider.hosts,
            supported_fields=self._wire.SUPPORTED_FIELDS,
            on_unknown_model=on_unknown_model,
            on_model_fallback=on_model_fallback,
            context_window=context_window,
            max_output=max_output,
            capabilities=capabilities or {},
            without_key=self._transport.without_key,
        )
        self._listing = ServiceListing(
            provider=self.provider,
            base_url=self.base_url,
            key=self._key,
            call=self._wire.models(),
            parse=self._wire.read_models,
            transport=self._transport,
            is_read=model_listing,
        )
        self._memory = Memory(self.base_url)

    def chat(self, request: ChatRequest) -> ChatReply:
        """The complete answer.

        Raises:
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from aki_transport.messages import ChatRequest, Message
            >>> request = ChatRequest(model="qwen3.6-35b", messages=(Message(role="user", content="What is 6 * 7?"),))
            >>> Client().chat(request).text
            '6 * 7 = 42.'
        """
        return final_reply(deque(self._deltas(request, stream=False), maxlen=1).pop())

    async def achat(self, request: ChatRequest) -> ChatReply:
        """`chat`, async."""
        return final_reply([delta async for delta in self._adeltas(request, stream=False)][-1])

    def stream(self, request: ChatRequest) -> Iterator[ChatDelta]:
        """The answer as it arrives; the last delta holds the complete one in `reply`.

        Raises:
            StreamInterruptedError: The stream ended before the answer did; the error holds the text so far.
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from aki_transport.messages import ChatRequest, Message
            >>> request = ChatRequest(model="qwen3.6-35b", messages=(Message(role="user", content="What is 6 * 7?"),))
            >>> "".join(delta.text for delta in Client().stream(request))
            '6 * 7 = 42.'
        """
        return self._deltas(request, stream=True)

    def astream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """`stream`, async."""
        return self._adeltas(request, stream=True)

    def _deltas(self, request: ChatRequest, *, stream: bool) -> Iterator[ChatDelta]:
        deadline = self._transport.deadline()
        if self._resolver.needs_listing(request.model):
            self._listing.read(self._resolver.wanted_id(request.model, self._listing.known), deadline)
        prepared = self._prepare(request)
        while True:
            try:
                for delta in self._transport.run(prepared.call(stream=stream), prepared.decoder, deadline=deadline):
                    prepared.has_yielded = stream
                    prepared.accepted(delta)
                    yield delta
            except (APIStatusError, NoJsonError) as error:
                refusal = self._with_hint(error)
            else:
                return
            prepared.adapt(refusal)

    async def _adeltas(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[ChatDelta, None]:
        deadline = self._transport.deadline()
        if self._resolver.needs_listing(request.model):
            await self._listing.aread(self._resolver.wanted_id(request.model, self._listing.known), deadline)
        prepared = self._prepare(request)
        while True:
            try:
                deltas = self._transport.arun(prepared.call(stream=stream), prepared.decoder, deadline=deadline)
                async with aclosing(deltas):
                    async for delta in deltas:
                        prepared.has_yielded = stream
                        prepared.accepted(delta)
                        yield delta
            except (APIStatusError, NoJsonError) as error:
                refusal = self._with_hint(error)
            else:
                return
            prepared.adapt(refusal)

    def generate_image(
        self, prompt: str, *, model: str | None = "z-image-turbo", on_progress: OnProgress | None = None, **options: Any
    ) -> list[GeneratedImage]:
        """New pictures. A call that may have been billed is never repeated.

        Args:
            prompt: What they shall show.
            model: The model that draws.
            on_progress: Told how far a job is, instead of the client's own.
            **options: `n`: how many, 1 to 10; on the native protocol each is a job of its own. `size`: pixels, like
                `"1024x1024"`, 128 to 2048 a side; the service may round it, and the pictures say their own. On the
                native protocol `seed` (-1 for any), `negative_prompt` and `steps`; `extra_body` anywhere.

        Raises:
            ConfigurationError: An option is out of its range, or the protocol does not know it.
            InvalidResponseError: The answer holds no picture.
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> Client().generate_image("a red lighthouse on a hill", size="512x512")
            [GeneratedImage('img_...', 512x512, image/png, ... bytes, prompt='a red lighthouse on a hill')]
        """
        request = self._image_request(prompt, model=model, **options)
        deadline = self._transport.deadline()
        if self._resolver.needs_listing(request.model or "", for_images=True):
            self._listing.read(self._resolver.wanted_id(request.model or "", self._listing.known), deadline)
        images = ImageList()
        for call, decoder in self._image_calls(request, on_progress):
            results = self._transport.run(call, decoder, deadline=deadline)
            images += deque(results, maxlen=1).pop()
        return images

    async def agenerate_image(
        self, prompt: str, *, model: str | None = "z-image-turbo", on_progress: OnProgress | None = None, **options: Any
    ) -> list[GeneratedImage]:
        """`generate_image`, async."""
        request = self._image_request(prompt, model=model, **options)
        deadline = self._transport.deadline()
        if self._resolver.needs_listing(request.model or "", for_images=True):
            await self._listing.aread(self._resolver.wanted_id(request.model or "", self._listing.known), deadline)
        images = ImageList()
        for call, decoder in self._image_calls(request, on_progress):
            results = self._transport.arun(call, decoder, deadline=deadline)
            async with aclosing(results):
                images += [result async for result in results][-1]
        return images

    def edit_image(self, prompt: str, images: Any, *, model: str | None = None, **options: Any) -> list[GeneratedImage]:
        """Pictures changed by words. A call that may have been billed is never repeated.

        Args:
            prompt: What shall change.
            images: A `GeneratedImage`, bytes, a `pathlib.Path` or a PIL image; or several on the OpenAI protocol.
            model: The model that draws; None leaves it to the service (`qwen_image_edit` on the native protocol).
            **options: As for `generate_image`.

        Raises:
            AKIError: As for `generate_image`; a `ConfigurationError` too if what was passed is no picture.

        Example:
            >>> client = Client()
            >>> (drawn,) = client.generate_image("a red lighthouse on a hill", size="512x512")
            >>> client.edit_image("make the lighthouse blue", drawn)
            [GeneratedImage('img_...', 512x512, image/png, ... bytes, prompt='make the lighthouse blue')]
        """
        return self.generate_image(prompt, model=model, images=images, **options)

    async def aedit_image(
        self, prompt: str, images: Any, *, model: str | None = None, **options: Any
    ) -> list[GeneratedImage]:
        """`edit_image`, async."""
        return await self.agenerate_image(prompt, model=model, images=images, **options)

    def model_info(self, model: str) -> ModelInfo:
        """What is known of a model now. Never asks the service and never raises."""
        return self._resolver.info(model, self._listing.known)

    def models(self) -> tuple[ModelInfo, ...]:
        """Every model that the service lists, read now if it was not; the built-in table if it cannot be read.

        Example:
            >>> "qwen3.6-35b" in [info.id for info in Client().models()]
            True
        """
        self._listing.read()
        return self._resolver.all(self._listing.known)

    async def amodels(self) -> tuple[ModelInfo, ...]:
        """`models`, async."""
        await self._listing.aread()
        return self._resolver.all(self._listing.known)

    def refresh_models(self) -> tuple[ModelInfo, ...]:
        """Read the listing again, now; gives every model it names.

        Raises:
            AKIError: It could not be read.

        Example:
            >>> [info.source for info in Client().refresh_models() if info.id == "apertus-chat-70b"]
            ['service']
        """
        self._listing.refresh()
        return self._resolver.all(self._listing.known)

    async def arefresh_models(self) -> tuple[ModelInfo, ...]:
        """`refresh_models`, async."""
        await self._listing.arefresh()
        return self._resolver.all(self._listing.known)

    def key_origin(self) -> str | None:
        """Where the key comes from: `"api_key="` or the name of an environment variable; None if none is needed.

        Raises:
            ConfigurationError: There is no key.
        """
        return self._key.origin if self._key.function or self._key() else None

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
        if "base_url" not in vars(self):
            return object.__repr__(self)  # refused while it was made, and shown with the variables of that traceback
        url = shown_url(self.base_url)
        return f"Client(provider={self.provider.name!r}, protocol={self.route.protocol!r}, base_url={url!r})"

    def _with_hint(self, error: APIStatusError | NoJsonError) -> APIStatusError | NoJsonError:
        """The error; a 404 of a path also tells what may be wrong with the base URL."""
        if type(error) is NotFoundError:
            error.add_hint(base_url_hint(self.route.protocol, self.base_url))
        return error

    def planned_output(self, model: str) -> int | None:
        """The `max_tokens` that is sent with a prompt of usual length if the user sets none; None if none is sent."""
        return self._resolver.planned_output(self.model_info(model))

    def _prepare(self, request: ChatRequest) -> PreparedChat:
        return PreparedChat(
            request,
            wire=self._wire,
            route=self.route,
            resolver=self._resolver,
            listing=self._listing.known,
            memory=self._memory,
            on_progress=self._on_progress,
        )

    def _image_request(self, prompt: str, **options: Any) -> ImageRequest:
        if "images" in options:
            options["images"] = as_images(options["images"])
        request, protocol = build_image_request(prompt, **options), self.route.protocol
        return validate_request(request, find_image_wire(protocol), protocol=protocol)

    def _image_calls(self, request: ImageRequest, on_progress: OnProgress | None) -> Iterator[tuple[Call, Any]]:
        """Each call, with what makes the decoder of its answer."""
        wire = find_image_wire(self.route.protocol)
        for each in requests_of_calls(request, wire, self._resolver, self._listing.known):
            yield wire.images(each), partial(wire.decoder, each, on_progress=on_progress or self._on_progress)
