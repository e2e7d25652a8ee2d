"""A client: provider, wire and transport put together. Frameworks translate to it and from it, and do nothing else."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from aki_transport._version import __version__
from aki_transport.auth import ApiKey, checked_base_url, checked_headers, emulated
from aki_transport.errors import APIStatusError, ConfigurationError
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, JobProgress
from aki_transport.models.catalog import ModelInfo
from aki_transport.models.listing import Listing, listing_for
from aki_transport.models.resolver import ModelResolver, OnModelFallback, OnUnknownModel
from aki_transport.prepare.chat import Adaptations, PreparedChat, final_reply
from aki_transport.prepare.structured_output import NoJsonError
from aki_transport.providers import DEFAULT_PROVIDER, Provider, find_provider
from aki_transport.transport import HttpAsyncClient, HttpClient, Payload, Timeout, as_timeout, users_client
from aki_transport.wire import find_image_wire, find_wire

# What pictures take beyond that is imported with the first of them: most clients make none.
if TYPE_CHECKING:
    from aki_transport.images.image import GeneratedImage
    from aki_transport.images.request import ImageRequest
    from aki_transport.prepare.images import PreparedImageCall


class Client:
    """Talks to one provider over one protocol, from any thread and any event loop.

    Args:
        provider: A name in `PROVIDERS`, or a `Provider` of your own.
        protocol: `"openai"`, `"anthropic"` or `"native"`, as far as the provider speaks it.
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
        on_progress: Told how far a job of the native protocol is, whenever that has changed. What it raises ends the
            call.

    Raises:
        ConfigurationError: The provider or protocol is unknown, or the URL is not safe.

    Example:
        >>> client = Client(api_key="...")
        >>> client.model_info("qwen3.6-35b").context_window
        262144
        >>> client.close()
    """

    def __init__(
        self,
        provider: str | Provider = DEFAULT_PROVIDER,
        protocol: str = "openai",
        *,
        api_key: SecretStr | str | None = None,
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
        allow_insecure: bool = False,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> None:
        # Here, because importing what sends takes longer than all the rest.
        from aki_transport.transport.sender import Transport  # noqa: PLC0415

        self.provider = find_provider(provider)
        self.route = self.provider.route(protocol)
        if not base_url:
            self.route, api_key = emulated(self.provider, self.route, api_key)
        self.base_url = checked_base_url(
            base_url or self.route.base_url, title=self.provider.title, allow_insecure=allow_insecure
        )
        self._wire = find_wire(protocol)
        self._key = ApiKey(self.provider, self.base_url, api_key)
        self._transport = Transport(
            title=self.provider.title,
            base_url=self.base_url,
            key=self._key,
            key_in=self.route.key_in,
            headers={
                "user-agent": f"aki-integrations/{__version__}",
                "accept": "application/json, text/event-stream",
                "accept-encoding": "gzip",
                "content-type": "application/json",
                **checked_headers(default_headers or {}, title=self.provider.title),
            },
            timeout=as_timeout(timeout),
            total_timeout=total_timeout,
            max_retries=max_retries,
            http_client=users_client(http_client, "Client", "http_client"),
            http_async_client=users_client(http_async_client, "AsyncClient", "http_async_client"),
        )
        self._on_progress = on_progress
        self._resolver = ModelResolver(
            self.provider,
            by_endpoint=self._wire.BY_ENDPOINT,
            takes=self._wire.TAKES,
            on_unknown_model=on_unknown_model,
            on_model_fallback=on_model_fallback,
            context_window=context_window,
            max_output=max_output,
            without_key=self._transport.without_key,
        )
        self._listing: Listing | None = None
        self._adaptations = Adaptations()

    def chat(self, request: ChatRequest) -> ChatReply:
        """The whole answer.

        Raises:
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from aki_transport.messages import ChatRequest, Message
            >>> asked = ChatRequest(model="qwen3.6-35b", messages=(Message(role="user", content="What is 6 * 7?"),))
            >>> Client().chat(asked).text
            '6 * 7 = 42.'
        """
        deadline = self._transport.deadline_in()
        self._read_listing_for(request.model, deadline)
        prepared = self._prepare(request)
        while True:
            try:
                call = prepared.call(stream=False)
                if call.job is None:
                    return self._transport.send(call, prepared.read, deadline=deadline)
                return final_reply(
                    deque(self._transport.stream(call, prepared.decoder, deadline=deadline), maxlen=1).pop()
                )
            except (APIStatusError, NoJsonError) as error:
                refusal = error
            prepared.adapt(refusal)

    async def achat(self, request: ChatRequest) -> ChatReply:
        """`chat`, async."""
        deadline = self._transport.deadline_in()
        await self._aread_listing_for(request.model, deadline)
        prepared = self._prepare(request)
        while True:
            try:
                call = prepared.call(stream=False)
                if call.job is None:
                    return await self._transport.asend(call, prepared.read, deadline=deadline)
                async with aclosing(self._transport.astream(call, prepared.decoder, deadline=deadline)) as deltas:
                    last = [delta async for delta in deltas][-1]
                return final_reply(last)
            except (APIStatusError, NoJsonError) as error:
                refusal = error
            prepared.adapt(refusal)

    def stream(self, request: ChatRequest) -> Iterator[ChatDelta]:
        """The answer as it comes; the last delta holds the whole of it in `reply`.

        Raises:
            StreamInterruptedError: The stream ended before the answer did; the error holds the text so far.
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> from aki_transport.messages import ChatRequest, Message
            >>> asked = ChatRequest(model="qwen3.6-35b", messages=(Message(role="user", content="What is 6 * 7?"),))
            >>> "".join(delta.text for delta in Client().stream(asked))
            '6 * 7 = 42.'
        """
        deadline = self._transport.deadline_in()
        self._read_listing_for(request.model, deadline)
        prepared = self._prepare(request)
        while True:
            try:
                for delta in self._transport.stream(prepared.call(stream=True), prepared.decoder, deadline=deadline):
                    prepared.has_yielded = True
                    yield delta
            except (APIStatusError, NoJsonError) as error:
                refusal = error
            else:
                return
            prepared.adapt(refusal)

    async def astream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """`stream`, async."""
        deadline = self._transport.deadline_in()
        await self._aread_listing_for(request.model, deadline)
        prepared = self._prepare(request)
        while True:
            try:
                async with aclosing(
                    self._transport.astream(prepared.call(stream=True), prepared.decoder, deadline=deadline)
                ) as deltas:
                    async for delta in deltas:
                        prepared.has_yielded = True
                        yield delta
            except (APIStatusError, NoJsonError) as error:
                refusal = error
            else:
                return
            prepared.adapt(refusal)

    def generate_image(
        self,
        prompt: str,
        *,
        model: str | None = "z-image-turbo",
        n: int = 1,
        size: str | tuple[int, int] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        **more: Any,
    ) -> list[GeneratedImage]:
        """New pictures. A call that may have been billed is never repeated.

        Args:
            prompt: What they shall show.
            model: The model that draws.
            n: How many, 1 to 10; on the native protocol each is a job of its own.
            size: Pixels, like `"1024x1024"`, 128 to 2048 a side. The service may round it: the pictures say their own.
            on_progress: Told how far a job is, instead of the client's own.
            **more: On the native protocol `seed` (-1 for any), `negative_prompt` and `steps`; `extra_body` anywhere.

        Raises:
            ConfigurationError: An option is out of its range, or the protocol does not know it.
            InvalidResponseError: The answer holds no picture.
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> Client().generate_image("a red lighthouse on a hill", size="512x512")
            [GeneratedImage('img_...', 512x512, image/png, ... bytes, prompt='a red lighthouse on a hill')]
        """
        return self._run_image_calls(_wish(prompt, model=model, n=n, size=size, **more), on_progress)

    async def agenerate_image(
        self,
        prompt: str,
        *,
        model: str | None = "z-image-turbo",
        n: int = 1,
        size: str | tuple[int, int] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        **more: Any,
    ) -> list[GeneratedImage]:
        """`generate_image`, async."""
        return await self._arun_image_calls(_wish(prompt, model=model, n=n, size=size, **more), on_progress)

    def edit_image(
        self,
        prompt: str,
        images: Any,
        *,
        model: str | None = None,
        n: int = 1,
        size: str | tuple[int, int] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        **more: Any,
    ) -> list[GeneratedImage]:
        """Pictures changed by words. A call that may have been billed is never repeated.

        Args:
            prompt: What shall change.
            images: A `GeneratedImage`, bytes, a `pathlib.Path` or a PIL image; or several on the OpenAI protocol.
            model: The model that draws; None leaves it to the service (`qwen_image_edit` on the native protocol).
            n: How many variants, 1 to 10.
            size: Pixels, like `"1024x1024"`.
            on_progress: Told how far a job is, instead of the client's own.
            **more: As for `generate_image`.

        Raises:
            ConfigurationError: What was passed is no picture, or an option is out of its range or not known to the
                protocol.
            InvalidResponseError: The answer holds no picture.
            AKIError: See the tree in `aki_transport.errors`.

        Example:
            >>> client = Client()
            >>> (drawn,) = client.generate_image("a red lighthouse on a hill", size="512x512")
            >>> client.edit_image("make the lighthouse blue", drawn)
            [GeneratedImage('img_...', 512x512, image/png, ... bytes, prompt='make the lighthouse blue')]
        """
        return self._run_image_calls(_edit(prompt, images, model=model, n=n, size=size, **more), on_progress)

    async def aedit_image(
        self,
        prompt: str,
        images: Any,
        *,
        model: str | None = None,
        n: int = 1,
        size: str | tuple[int, int] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        **more: Any,
    ) -> list[GeneratedImage]:
        """`edit_image`, async."""
        return await self._arun_image_calls(_edit(prompt, images, model=model, n=n, size=size, **more), on_progress)

    def model_info(self, model: str) -> ModelInfo:
        """What is known of a model now. Never asks the service and never raises.

        Example:
            >>> Client().model_info("openai/gpt-oss-120b").id
            'gpt-oss-120b'
        """
        return self._resolver.info(model, self._known_listing())

    def models(self) -> tuple[ModelInfo, ...]:
        """Every model that the service lists, read now if it was not; the built-in table if it cannot be read.

        Example:
            >>> "qwen3.6-35b" in [info.id for info in Client().models()]
            True
        """
        self._listing_here().read(self._fetch_listing)
        return self._resolver.all(self._known_listing())

    async def amodels(self) -> tuple[ModelInfo, ...]:
        """`models`, async."""
        await self._listing_here().aread(self._afetch_listing)
        return self._resolver.all(self._known_listing())

    def refresh_models(self) -> tuple[ModelInfo, ...]:
        """Read the listing again, now; gives every model it names.

        Raises:
            AKIError: It could not be read.

        Example:
            >>> [info.source for info in Client().refresh_models() if info.id == "apertus-chat-70b"]
            ['service']
        """
        self._listing_here().read(self._fetch_listing, force=True)
        return self._resolver.all(self._known_listing())

    async def arefresh_models(self) -> tuple[ModelInfo, ...]:
        """`refresh_models`, async."""
        await self._listing_here().aread(self._afetch_listing, force=True)
        return self._resolver.all(self._known_listing())

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
        return f"Client(provider={self.provider.name!r}, protocol={self.route.protocol!r}, base_url={self.base_url!r})"

    def _prepare(self, request: ChatRequest) -> PreparedChat:
        return PreparedChat(
            request,
            wire=self._wire,
            route=self.route,
            resolver=self._resolver,
            listing=self._known_listing(),
            adaptations=self._adaptations,
            on_progress=self._on_progress,
        )

    def _run_image_calls(
        self, request: ImageRequest, on_progress: Callable[[JobProgress], None] | None
    ) -> list[GeneratedImage]:
        deadline = self._transport.deadline_in()
        request = self._validated(request)
        self._read_listing_for(request.model or "", deadline, draws=True)
        images: list[GeneratedImage] = []
        for image_call in self._prepare_image_calls(request, on_progress):
            call = image_call.call()
            if call.job is None:
                images += self._transport.send(call, image_call.read, deadline=deadline)
            else:
                images += deque(self._transport.stream(call, image_call.decoder, deadline=deadline), maxlen=1).pop()
        return images

    async def _arun_image_calls(
        self, request: ImageRequest, on_progress: Callable[[JobProgress], None] | None
    ) -> list[GeneratedImage]:
        deadline = self._transport.deadline_in()
        request = self._validated(request)
        await self._aread_listing_for(request.model or "", deadline, draws=True)
        images: list[GeneratedImage] = []
        for image_call in self._prepare_image_calls(request, on_progress):
            call = image_call.call()
            if call.job is None:
                images += await self._transport.asend(call, image_call.read, deadline=deadline)
            else:
                async with aclosing(self._transport.astream(call, image_call.decoder, deadline=deadline)) as states:
                    images += [images async for images in states][-1]
        return images

    def _validated(self, request: ImageRequest) -> ImageRequest:
        from aki_transport.prepare.images import validate_request  # noqa: PLC0415

        return validate_request(request, find_image_wire(self.route.protocol), protocol=self.route.protocol)

    def _prepare_image_calls(
        self, request: ImageRequest, on_progress: Callable[[JobProgress], None] | None
    ) -> list[PreparedImageCall]:
        from aki_transport.prepare.images import prepare_image_calls  # noqa: PLC0415

        return prepare_image_calls(
            request,
            find_image_wire(self.route.protocol),
            self._resolver,
            self._known_listing(),
            on_progress=on_progress or self._on_progress,
        )

    def _read_listing_for(self, model: str, deadline: float | None, *, draws: bool = False) -> None:
        if self._resolver.needs_listing(model, draws=draws):
            listing = self._listing_here()
            wanted = self._resolver.id_of(model, listing.known)
            listing.read(self._fetch_listing, wanted=wanted, deadline=deadline)

    async def _aread_listing_for(self, model: str, deadline: float | None, *, draws: bool = False) -> None:
        if self._resolver.needs_listing(model, draws=draws):
            listing = self._listing_here()
            wanted = self._resolver.id_of(model, listing.known)
            await listing.aread(self._afetch_listing, wanted=wanted, deadline=deadline)

    def _fetch_listing(self, deadline: float) -> Mapping[str, int]:
        return self._transport.send(self._wire.models(), self._read_listing, deadline=deadline)

    async def _afetch_listing(self, deadline: float) -> Mapping[str, int]:
        return await self._transport.asend(self._wire.models(), self._read_listing, deadline=deadline)

    def _read_listing(self, _: Mapping[str, str], body: Payload) -> Mapping[str, int]:
        return self._wire.read_models(body.data)

    def _listing_here(self) -> Listing:
        if self._listing is None:
            key = self._key()
            digest = "" if key is None else hashlib.blake2b(key.get_secret_value().encode()).hexdigest()
            self._listing = listing_for(self.provider.name, self.provider.title, self.base_url, digest)
        return self._listing

    def _known_listing(self) -> Mapping[str, int] | None:
        try:
            return self._listing_here().known
        except ConfigurationError:
            return None  # no key yet, so nothing can have been read with it


def _wish(prompt: str, **options: Any) -> ImageRequest:
    from aki_transport.images.request import asked  # noqa: PLC0415

    return asked(prompt, **options)


def _edit(prompt: str, images: Any, **options: Any) -> ImageRequest:
    from aki_transport.images.image import as_images  # noqa: PLC0415

    return _wish(prompt, images=as_images(images), **options)
