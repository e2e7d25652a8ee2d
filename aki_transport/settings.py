"""The constructor fields that every model class of both frameworks has, as one pydantic mixin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from operator import itemgetter
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, field_serializer, model_validator

from aki_transport.arguments import unknown_argument
from aki_transport.client import Client
from aki_transport.errors import ConfigurationError
from aki_transport.messages import ChatRequest, JobProgress, Message, SendReasoning
from aki_transport.models.catalog import ModelInfo
from aki_transport.models.resolver import OnModelFallback, OnUnknownModel
from aki_transport.providers import DEFAULT_PROVIDER, Provider, raw_protocol
from aki_transport.transport import HttpAsyncClient, HttpClient, Timeout, as_timeout, users_client

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "send_reasoning",
)


class ConnectionSettings(BaseModel):
    """Which service, and how to reach it."""

    # What a model class is mixed of makes no object itself, so that Pydantic need not prepare for any: 3 ms a class.
    model_config = ConfigDict(protected_namespaces=(), arbitrary_types_allowed=True, defer_build=True)

    provider: str | Provider = DEFAULT_PROVIDER
    """A name in `aki_transport.PROVIDERS`, or a `Provider` of your own."""
    protocol: str = "openai"
    """Which of the provider's interfaces to use: `"openai"`, `"anthropic"` or `"native"`."""
    api_key: SecretStr | None = Field(default=None, repr=False, exclude=True)
    """The key. Else the provider's environment variables (its `key_variables`) are read at the first call. A key given
    here travels with a pickle; one from the environment does not and is read again."""
    base_url: str | None = None
    """Full base of the chosen protocol (`…/v1`), instead of the provider's own."""

    timeout: float | Timeout | None = None
    """Seconds for any single wait, or a `Timeout`. Default: 10 s to connect, 600 s for a blocking answer, 120 s between
    the pieces of a stream."""
    total_timeout: float | None = Field(default=None, gt=0)
    """Seconds for a whole call with its repetitions."""
    max_retries: int = Field(default=2, ge=0)
    """Attempts after the first, for failures that a repetition can mend and that were not billed."""
    default_headers: dict[str, str] | None = Field(default=None, repr=False, exclude=True)
    """Sent with every call. Neither shown nor dumped, for they may hold secrets."""
    http_client: HttpClient | None = Field(default=None, repr=False, exclude=True)
    """A client of your own for sync calls; never closed here."""
    http_async_client: HttpAsyncClient | None = Field(default=None, repr=False, exclude=True)
    """A client of your own for async calls; never closed here."""
    allow_insecure: bool = False
    """Take plain http for other hosts than this machine."""

    on_progress: Callable[[JobProgress], None] | None = Field(default=None, repr=False, exclude=True)
    """Told how far a job of the native protocol is (state, position in the queue, percent), whenever that changes."""

    connecting: ClassVar[tuple[str, ...]] = (
        "provider",
        "protocol",
        "api_key",
        "base_url",
        "timeout",
        "total_timeout",
        "max_retries",
        "default_headers",
        "http_client",
        "http_async_client",
        "allow_insecure",
        "on_progress",
    )
    """The fields that the client is made of."""
    picked: ClassVar[Any] = itemgetter(*connecting)
    """Their values; asked for several times a call."""

    _made: tuple[tuple[Any, ...], Client] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _check_arguments(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            known = {field.alias for field in cls.model_fields.values() if field.alias} | set(cls.model_fields)
            for name in given:
                if name not in known:
                    raise unknown_argument(cls.__name__, name, known)
            users_client(given.get("http_client"), "Client", "http_client")
            users_client(given.get("http_async_client"), "AsyncClient", "http_async_client")
            timeout = given.get("timeout")
            if timeout is not None and not isinstance(timeout, int | float | Mapping):
                return {**given, "timeout": as_timeout(timeout)}
        return given

    @model_validator(mode="after")
    def _check_connection(self) -> Self:
        self._client  # noqa: B018  made now, so that what is wrong with it is said now; this does no I/O
        return self

    def model_post_init(self, context: Any, /) -> None:
        """Go on to the framework's class, which this mixin comes before."""
        super().model_post_init(context)

    @field_serializer("provider", "timeout", when_used="unless-none")
    def _as_plain(self, value: Any) -> Any:
        return plain(value)

    @property
    def _client(self) -> Client:
        return self._connected()

    def _connected(self) -> Client:
        """The client of the fields as they are now; another one if they were changed."""
        wanted = self.picked(self.__dict__)
        made: tuple[tuple[Any, ...], Client] | None = private(self, "_made")
        if made is None or made[0] != wanted:
            made = self._made = (wanted, Client(**dict(zip(self.connecting, wanted, strict=True))))
        return made[1]

    @property
    def _provider(self) -> Provider:
        return self._client.provider

    def close(self) -> None:
        """Give connections back; those that no other model of this process uses close. The model stays usable.

        Example:
            >>> from langchain_aki import ChatAKI
            >>> ChatAKI(model="qwen3.6-35b").close()
        """
        self._client.close()

    async def aclose(self) -> None:
        """`close`, for the running event loop's connections too."""
        await self._client.aclose()

    def __getstate__(self) -> dict[Any, Any]:
        for name in ("http_client", "http_async_client"):
            if getattr(self, name) is not None:
                raise ConfigurationError(
                    f"a {type(self).__name__} with {name}= cannot be pickled: its connections live in this process."
                    " Leave it out, or make the model where it is used."
                )
        self._made = None  # made again at the next use, here and where the pickle is read
        return super().__getstate__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        for shared in (self.http_client, self.http_async_client):
            if shared is not None:
                memo[id(shared)] = shared
        memo[id(self._made)] = None
        return super().__deepcopy__(memo)


class ModelSettings(ConnectionSettings):
    """Which model, where, and how to ask it. Nothing that is None is sent."""

    model: str = Field(min_length=1)
    """Model ID, or a known alias of it (Hugging Face repository, older ID)."""

    temperature: float | None = Field(default=None, allow_inf_nan=False)
    """Randomness, 0 to 2 on the OpenAI protocol; the service's default is 1.0."""
    top_p: float | None = Field(default=None, allow_inf_nan=False)
    """Share of the likeliest tokens to choose from, 0 to 1."""
    top_k: int | None = None
    """Number of the likeliest tokens to choose from."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of an answer. Not given, AKI.IO is asked for `min(8192, max_output)`, less where a long prompt leaves
    less room (8192 is its documented default); other providers decide themselves."""
    stop: list[str] | str | None = None
    """Up to 4 texts that end the answer; they are not part of it."""
    seed: int | None = None
    """For answers that repeat, where the service knows it."""
    presence_penalty: float | None = Field(default=None, allow_inf_nan=False)
    """-2 to 2."""
    frequency_penalty: float | None = Field(default=None, allow_inf_nan=False)
    """-2 to 2."""
    reasoning_effort: str | None = None
    """`"low"`, `"medium"`, `"high"`, or `"none"` to switch thinking off, on models that think."""
    send_reasoning: SendReasoning | None = None
    """Whether earlier reasoning is sent back: `"never"`, `"tool_turns"` (within a tool-call turn that is still open) or
    `"always"`. Default: the provider's (`"tool_turns"` on AKI.IO, else `"never"`)."""

    extra_body: dict[str, Any] | None = None
    """Further fields of the request's body, as they are."""

    context_window: int | None = Field(default=None, ge=1)
    """Tokens, instead of what service and table say."""
    max_output: int | None = Field(default=None, ge=1)
    """Tokens, instead of what the table says."""
    on_unknown_model: OnUnknownModel = "raise"
    """What a model ID does that the service does not list, where the service would let another model answer in silence:
    `"raise"` before anything is sent, `"warn"` or `"allow"`."""
    on_model_fallback: OnModelFallback = "raise"
    """What an answer of the provider's fallback model does: `"raise"` before any text, `"warn"` or `"ignore"`."""

    connecting: ClassVar[tuple[str, ...]] = (
        *ConnectionSettings.connecting,
        "on_unknown_model",
        "on_model_fallback",
        "context_window",
        "max_output",
    )
    picked: ClassVar[Any] = itemgetter(*connecting)
    identifying: ClassVar[tuple[str, ...]] = ("model", "provider", "protocol", *_SAMPLING, "stop", "extra_body")
    """The fields that make two models answer differently."""

    def model_info(self) -> ModelInfo:
        """What is known of the model now: context window, maximum output, capabilities, and where that was read.

        Never asks the service and never raises; exact once the listing was read, which the first call does.

        Example:
            >>> from llama_index_aki import AKI
            >>> AKI(model="qwen3.6-35b", max_output=4096).model_info().output_source
            'user'
        """
        return self._client.model_info(self.model)

    def refresh_models(self) -> tuple[ModelInfo, ...]:
        """Read the service's model listing now, and give every model it names.

        Raises:
            AKIError: It could not be read.

        Example:
            >>> from llama_index_aki import AKI
            >>> "gpt-oss-120b" in [info.id for info in AKI(model="qwen3.6-35b").refresh_models()]
            True
        """
        return self._client.refresh_models()

    async def arefresh_models(self) -> tuple[ModelInfo, ...]:
        """`refresh_models`, async."""
        return await self._client.arefresh_models()

    def _settings_for(self, stop: Any, given: dict[str, Any]) -> dict[str, Any]:
        """Arguments of a `ChatRequest` out of the fields and of what one call gives instead; takes them from `given`.

        What is left in `given` is the framework's or unknown.
        """
        settings: dict[str, Any] = {"model": given.pop("model", None) or self.model}
        for name in _SAMPLING:
            value = given.pop(name) if name in given else getattr(self, name)
            if value is not None:
                settings[name] = value
        own_stop = given.pop("stop", None)
        stop = next((value for value in (stop, own_stop, self.stop) if value is not None), ())
        settings["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
        extra = given.pop("extra_body", None)
        if self.extra_body or extra:
            settings["extra_body"] = {**(self.extra_body or {}), **(extra or {})}
        return settings


class PromptSettings(ModelSettings):
    """The same for models that go on from a raw prompt: no roles, no template, no tools."""

    protocol: str = "native"
    """`"native"`, which takes the prompt as it is, where the provider speaks that; else its first one."""

    @model_validator(mode="before")
    @classmethod
    def _choose_protocol(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "protocol" not in given:
            return {**given, "protocol": raw_protocol(given.get("provider", DEFAULT_PROVIDER))}
        return given

    def _prompt_request(self, prompt: str, stop: Any, given: Mapping[str, Any]) -> ChatRequest:
        """One call's request: the constructor's fields, and what the call gives instead of them."""
        known = request_fields()
        for name in given:
            if name not in known:
                raise unknown_argument("A call", name, known)
        settings = self._settings_for(stop, dict(given))
        return ChatRequest(messages=(Message(role="user", content=prompt),), raw_prompt=True, **settings)


def private(model: BaseModel, name: str) -> Any:
    """A private attribute that has a default, without the 3 µs that Pydantic's own way to it takes."""
    held = model.__pydantic_private__
    return None if held is None else held[name]


def plain(value: Any) -> Any:
    """A value as JSON can hold it: a dataclass as a dict of what it holds."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def request_fields() -> frozenset[str]:
    """The names a call may give instead of the constructor's."""
    return frozenset({*_SAMPLING, "model", "stop", "extra_body"})
