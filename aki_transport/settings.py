"""The constructor fields that the model classes of both frameworks share, as pydantic mixins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from operator import itemgetter
from types import NoneType
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_serializer,
    model_validator,
)

from aki_transport.arguments import as_tool, as_tool_choice, choice_among, unknown_argument, with_aliases, wrong_values
from aki_transport.auth import ApiKeySource, checked_headers, shown_url
from aki_transport.client import Client
from aki_transport.errors import ConfigurationError
from aki_transport.messages import ChatRequest, JobProgress, Message, SendReasoning
from aki_transport.models.catalog import ModelInfo
from aki_transport.models.resolver import OnModelFallback, OnUnknownModel
from aki_transport.providers import DEFAULT_PROVIDER, Provider, default_protocol
from aki_transport.transport import HttpAsyncClient, HttpClient, Timeout, as_timeout

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
CALL_FIELDS = frozenset({*_SAMPLING, "model", "stop", "extra_body", "extra_headers", "timeout"})
"""The arguments of a call that every class takes, besides the `REQUEST_FIELDS`."""
CHAT_FIELDS = CALL_FIELDS | {"tools", "tool_choice", "parallel_tool_calls", "response_format"}
"""The arguments of a call to a chat model."""


class ConnectionSettings(BaseModel):
    """The service and the connection to it."""

    # Mixins are never instantiated, so their schema is not built, which would take 3 ms per class.
    # Descriptions out of the docstrings would take a quarter of the import's time.
    model_config = ConfigDict(protected_namespaces=(), arbitrary_types_allowed=True, defer_build=True)

    provider: str | Provider = DEFAULT_PROVIDER
    """A name in `aki_transport.PROVIDERS`, or a `Provider` of your own."""
    protocol: str = "openai"
    """Which of the provider's interfaces to use: `"openai"`, `"anthropic"` or `"native"`. Default: what `base_url` ends
    in tells (`/anthropic`, `/api`); else `"openai"` if the provider has it; else the provider's first protocol."""
    api_key: ApiKeySource = Field(default=None, repr=False, exclude=True)
    """The key, or a function that returns it, which is asked once per attempt (an async one in async calls). Default:
    the provider's environment variables (its `key_variables`), read at the first call. A pickle holds a key that is
    passed here; a key from the environment is not pickled but read again."""
    base_url: str | None = None
    """Base URL of the chosen protocol (`…/v1`), instead of the provider's own."""

    timeout: float | Timeout | None = None
    """Seconds for each single wait, or a `Timeout`. Default: 10 s to connect, 600 s for a blocking answer, 120 s
    between the chunks of a stream."""
    total_timeout: float | None = Field(default=None, gt=0)
    """Seconds for a call, including its retries. Default: no limit."""
    max_retries: int = Field(default=2, ge=0)
    """Attempts after the first, for failures that may be temporary and were not billed; 0 or more."""
    default_headers: dict[str, str] | None = Field(default=None, repr=False, exclude=True)
    """Sent with every call. Not part of `repr` and dumps, because they may hold secrets."""
    http_client: HttpClient | None = Field(default=None, repr=False, exclude=True)
    """Your own client for sync calls, of httpx or httpx2. It is never closed here."""
    http_async_client: HttpAsyncClient | None = Field(default=None, repr=False, exclude=True)
    """Your own client for async calls, of httpx or httpx2. It is never closed here."""
    http_engine: Literal["httpx", "aiohttp"] = "httpx"
    """What sends async calls: `"aiohttp"` (extra `aiohttp`) for thousands of streams at once."""
    allow_insecure: bool = False
    """Whether a `base_url` with plain http may name another host than this machine."""
    model_listing: bool = True
    """False: `/models` is never read."""

    on_progress: Callable[[JobProgress], None] | None = Field(default=None, repr=False, exclude=True)
    """Called with the progress of a job of the native protocol (state, position in the queue, percent), whenever that
    changes."""

    client_fields: ClassVar[tuple[str, ...]]
    """The fields that are arguments of the `Client`: of this class all, of a model class some."""

    _cached_client: tuple[tuple[Any, ...], Client] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _check_arguments(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {field.alias for field in cls.model_fields.values() if field.alias} | set(cls.model_fields)
            data = with_aliases(cls.__name__, data, known)
            data = {name: value for name, value in data.items() if value is not None or cls._takes_none(name)}
            if "request_fields" in data and "request_fields" not in known:
                raise unknown_argument(cls.__name__, next(iter(data["request_fields"])))
            if isinstance(data.get("api_key"), str):
                data["api_key"] = SecretStr(data["api_key"])
            provider, preferred = data.get("provider", DEFAULT_PROVIDER), cls.model_fields["protocol"].default
            base_url = data.get("base_url")
            if "protocol" not in data and isinstance(provider, str | Provider) and isinstance(base_url, str | None):
                protocol = default_protocol(provider, base_url, preferred)
                if protocol != preferred:
                    data = {**data, "protocol": protocol}
            timeout = data.get("timeout")
            if timeout is not None and not isinstance(timeout, int | float | Mapping):
                return {**data, "timeout": as_timeout(timeout)}
        return data

    @classmethod
    def _takes_none(cls, name: str) -> bool:
        """Whether None is a value of the field; to others it is the default, as in other integrations."""
        field = cls.model_fields.get(name)
        return field is None or field.annotation is None or NoneType in get_args(field.annotation)

    @model_validator(mode="wrap")
    @classmethod
    def _explain_wrong_values(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            message = wrong_values(cls.__name__, error)
        raise ConfigurationError(message)

    @model_validator(mode="after")
    def _check_connection(self) -> Self:
        self._client  # noqa: B018  the client checks its arguments; making it does no I/O
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """The fields that were set, without functions and what may hold secrets."""
        # An object that was refused while it was made has none, and is shown with the variables of that traceback.
        was_set: Collection[str] = getattr(self, "model_fields_set", frozenset())
        return [
            (name, shown_url(value) if name == "base_url" and isinstance(value, str) else value)
            for name, field in type(self).model_fields.items()
            if name in was_set and field.repr and name not in ("metadata", "profile")
            if not callable(value := getattr(self, name))
        ]

    def model_post_init(self, context: Any, /) -> None:
        """Call the framework's: pydantic's own method for private attributes, which stood here, would end the chain."""
        super().model_post_init(context)

    @field_serializer("provider", "timeout", when_used="unless-none")
    def _serialize_dataclass(self, value: Any) -> Any:
        return to_plain_value(value)

    @property
    def _client(self) -> Client:
        """The client for the current values of the fields; a new one if they were changed."""
        values = itemgetter(*self.client_fields)(vars(self))
        cached = self._cached_client
        if cached is None or cached[0] != values:
            cached = self._cached_client = (values, Client(**dict(zip(self.client_fields, values, strict=True))))
        return cached[1]

    @property
    def _provider(self) -> Provider:
        return self._client.provider

    def close(self) -> None:
        """Close the connections that no other model of this process uses. The model stays usable.

        Example:
            >>> from langchain_aki import ChatAKI
            >>> ChatAKI(model="qwen3.6-35b").close()
        """
        self._client.close()

    async def aclose(self) -> None:
        """`close`, async. It also closes the connections of the running event loop."""
        await self._client.aclose()

    def __getstate__(self) -> dict[Any, Any]:
        for name in ("http_client", "http_async_client"):
            if getattr(self, name) is not None:
                raise ConfigurationError(
                    f"a {type(self).__name__} with {name}= cannot be pickled: its connections live in this process."
                    " Leave it out, or make the model where it is used."
                )
        self._cached_client = None  # made again at the next use, here and where the pickle is read
        return super().__getstate__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        for shared in (self.http_client, self.http_async_client):
            memo[id(shared)] = shared
        memo[id(self._cached_client)] = None
        return super().__deepcopy__(memo)


ConnectionSettings.client_fields = tuple(ConnectionSettings.model_fields)


class ModelSettings(ConnectionSettings):
    """The model, its service, and the parameters of a request. A parameter that is None is not sent."""

    model: str = Field(min_length=1)
    """Model ID or a known alias of it (Hugging Face repository, older ID)."""

    temperature: float | None = Field(default=None, allow_inf_nan=False)
    """Randomness, 0 to 2 on the OpenAI protocol; the service's default is 1.0."""
    top_p: float | None = Field(default=None, allow_inf_nan=False)
    """Probability mass of the likeliest tokens to sample from, 0 to 1."""
    top_k: int | None = None
    """Number of the likeliest tokens to sample from."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Maximum number of tokens of an answer. Default: AKI.IO gets `min(8192, max_output)` (8192 is its documented
    default), or less if a long prompt leaves less room; other providers use their own default."""
    stop: list[str] | str | None = None
    """Up to 4 stop sequences. The answer ends before the first of them."""
    seed: int | None = None
    """Seed of the sampling, for reproducible answers, where the service supports it."""
    presence_penalty: float | None = Field(default=None, allow_inf_nan=False)
    """Penalty for tokens that occurred before, -2 to 2."""
    frequency_penalty: float | None = Field(default=None, allow_inf_nan=False)
    """Penalty that grows with how often a token occurred before, -2 to 2."""
    reasoning_effort: str | None = None
    """For reasoning models: `"low"`, `"medium"`, `"high"`, or `"none"` to turn reasoning off."""
    send_reasoning: SendReasoning | None = None
    """When reasoning of earlier answers is sent back: `"never"`, `"tool_turns"` (within a turn of tool calls that has
    not ended) or `"always"`. Default: the provider's (`"tool_turns"`)."""

    extra_body: dict[str, Any] | None = None
    """More fields of the request body, sent unchanged."""
    request_fields: dict[str, Any] | None = None
    """Further fields of the protocol, which are arguments by their own names too: `n`, `logprobs`, `user`, `min_p`, …
    (see `aki_transport.arguments.REQUEST_FIELDS`)."""

    context_window: int | None = Field(default=None, ge=1)
    """Size of the context window in tokens, instead of the value of the service or the built-in table."""
    max_output: int | None = Field(default=None, ge=1)
    """Maximum output in tokens, instead of the value of the built-in table."""
    capabilities: dict[str, bool] | None = None
    """What the model can, instead of what the built-in table knows: `{"tools": False, "images": True}`; also
    `"reasoning"` and `"structured_output"`."""
    on_unknown_model: OnUnknownModel = "raise"
    """What happens for a model ID that the service does not list, if the service would silently answer with another
    model: `"raise"` (before anything is sent), `"warn"` or `"allow"`."""
    on_model_fallback: OnModelFallback = "raise"
    """What happens if the provider's fallback model answered: `"raise"` (before any text), `"warn"` or `"ignore"`."""

    client_fields: ClassVar[tuple[str, ...]] = (
        *ConnectionSettings.client_fields,
        "on_unknown_model",
        "on_model_fallback",
        "context_window",
        "max_output",
        "capabilities",
    )
    identifying_fields: ClassVar[tuple[str, ...]] = (
        *("model", "provider", "protocol"),
        *_SAMPLING,
        *("stop", "extra_body", "request_fields"),
    )
    """The fields on which the answer depends."""

    def model_info(self) -> ModelInfo:
        """What is known about the model: context window, maximum output, capabilities, and the source of each.

        Sends no request and never raises. The values are exact after the first call, which reads the model listing.

        Example:
            >>> from llama_index_aki import AKI
            >>> AKI(model="qwen3.6-35b", max_output=4096).model_info().output_source
            'user'
        """
        return self._client.model_info(self.model)

    def refresh_models(self) -> tuple[ModelInfo, ...]:
        """Read the model listing of the service now, and return all its models.

        Raises:
            AKIError: The listing could not be read.

        Example:
            >>> from llama_index_aki import AKI
            >>> "gpt-oss-120b" in [info.id for info in AKI(model="qwen3.6-35b").refresh_models()]
            True
        """
        return self._client.refresh_models()

    async def arefresh_models(self) -> tuple[ModelInfo, ...]:
        """`refresh_models`, async."""
        return await self._client.arefresh_models()

    def _create_request(
        self, messages: tuple[Message, ...], stop: Any, kwargs: Mapping[str, Any], known: frozenset[str], **fields: Any
    ) -> ChatRequest:
        """The request of one call: the constructor's fields, with those in `kwargs` in their place.

        Raises:
            ConfigurationError: An argument in `kwargs` is not in `known`.
        """
        kwargs = with_aliases("A call", kwargs, known)
        for name in _SAMPLING:
            fields[name] = kwargs.get(name, getattr(self, name))
        stop = next((value for value in (stop, kwargs.get("stop"), self.stop) if value is not None), ())
        tools = tuple(as_tool(tool, strict=kwargs.get("strict")) for tool in kwargs.get("tools") or ())
        choice, parallel = kwargs.get("tool_choice"), kwargs.get("parallel_tool_calls")
        if parallel is None and isinstance(choice, Mapping) and "disable_parallel_tool_use" in choice:
            parallel = not choice["disable_parallel_tool_use"]
        timeout = kwargs.get("timeout")
        return ChatRequest(
            model=kwargs.get("model") or self.model,
            messages=messages,
            tools=tools,
            tool_choice=choice_among(as_tool_choice(choice), tools) if tools else None,
            parallel_tool_calls=parallel,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            extra_body={**(self.extra_body or {}), **(kwargs.get("extra_body") or {})},
            fields={**(self.request_fields or {}), **(kwargs.get("request_fields") or {})},
            headers=checked_headers(kwargs.get("extra_headers") or {}, title="extra_headers"),
            timeout=None if timeout is None else as_timeout(timeout),
            **fields,
        )


class PromptSettings(ModelSettings):
    """The settings of models that continue a raw prompt: no roles, no chat template, no tools."""

    protocol: str = "native"
    """Default: what `base_url` ends in tells; else `"native"`, which takes raw prompts, if the provider has it; else
    the provider's first protocol."""

    def _prompt_request(self, prompt: str, stop: Any, kwargs: Mapping[str, Any]) -> ChatRequest:
        messages = (Message(role="user", content=prompt),)
        return self._create_request(messages, stop, kwargs, CALL_FIELDS, raw_prompt=True)


def to_plain_value(value: Any) -> Any:
    """A dataclass as a dict, which JSON can hold; other values unchanged."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
