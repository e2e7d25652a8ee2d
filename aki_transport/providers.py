"""The services: each provider is a row of data, each of its interfaces a `Route`. A new gateway is a new row."""

from __future__ import annotations

import re
from dataclasses import InitVar, dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from aki_transport.errors import ConfigurationError
from aki_transport.messages import SendReasoning

Protocol: TypeAlias = Literal["openai", "anthropic", "native"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One interface of a provider: its protocol, its URL, and where it differs from the protocol.

    Args:
        protocol: `"openai"`, `"anthropic"` or `"native"`.
        base_url: The URL before the protocol's paths, e.g. `https://aki.io/v1`.
        key_in: Where the key is sent: `"bearer"` (Authorization header), `"x-api-key"` (header) or `"body"`. Default:
            as the protocol has it; a service that refuses an `x-api-key` with 401 is asked once more by `"bearer"`.
        default_max_tokens: Sent as `min(this, the model's maximum output)` if the user set no `max_tokens`;
            None sends nothing.
        send_reasoning: Whether earlier reasoning is sent back: `"never"`, `"tool_turns"` (only in a turn of tool calls
            that has not ended) or `"always"`.
        empty_is_failure: Whether a response without content and with 0 completion tokens means that the worker
            failed.

    Example:
        >>> Route(protocol="anthropic", base_url="http://localhost:8000/anthropic").send_reasoning
        'tool_turns'
    """

    protocol: Protocol
    base_url: str
    key_in: Literal["bearer", "x-api-key", "body"] | None = None
    default_max_tokens: int | None = None
    send_reasoning: SendReasoning = "tool_turns"
    empty_is_failure: bool = False

    @property
    def key_places(self) -> tuple[str, ...]:
        """Where the key is sent; the second after a 401 of the first. vLLM's Anthropic route takes only Bearer."""
        return _KEY_PLACES[self.protocol] if self.key_in is None else (self.key_in,)


_KEY_PLACES: dict[str, tuple[str, ...]] = {
    "openai": ("bearer",),
    "anthropic": ("x-api-key", "bearer"),
    "native": ("body",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A service, as data. Its base URL is enough for most: `Provider(base_url="http://localhost:8000/v1")`.

    Args:
        name: The short name for `provider=`, e.g. `"aki"`. Default: the host of the first route.
        routes: Its interfaces, at most one per protocol.
        label: The name in error messages; default is `name`.
        key_variables: Environment variables for the key; the first one that is set is used. Empty: no key is needed.
        key_page: Where keys are made, for messages.
        fallback_model: The model that silently answers requests for an unknown model; None if the provider refuses
            unknown models.
        catalog: The section of models.toml that describes its models.
        base_url: Instead of `routes`, the URL of its only one. The end tells the protocol: `/anthropic`, `/api` (AKI's
            native one), else OpenAI's.

    Raises:
        ConfigurationError: It has neither a route nor a base URL, or both.

    Example:
        >>> gateway = Provider(base_url="http://localhost:8000/v1")
        >>> gateway.name, gateway.route("openai").base_url
        ('localhost', 'http://localhost:8000/v1')
    """

    name: str = ""
    routes: tuple[Route, ...] = ()
    label: str = ""
    key_variables: tuple[str, ...] = ()
    key_page: str = ""
    fallback_model: str | None = None
    catalog: str | None = None
    base_url: InitVar[str | None] = None

    def __post_init__(self, base_url: str | None) -> None:
        if (base_url is None) == (not self.routes):
            raise ConfigurationError("a Provider needs either base_url= or routes=.")
        if base_url is not None:
            base_url = str(base_url)  # httpx's and yarl's URLs are no texts
            route = Route(protocol=protocol_of_url(base_url), base_url=base_url)
            object.__setattr__(self, "routes", (route,))
        if not self.name:
            object.__setattr__(self, "name", _host(self.routes[0].base_url) or "gateway")

    @property
    def title(self) -> str:
        """The name in error messages."""
        return self.label or self.name

    @property
    def hosts(self) -> frozenset[str]:
        """The provider's own hosts: a key from the environment is sent only to these."""
        return frozenset(_host(route.base_url) for route in self.routes)

    def route(self, protocol: str) -> Route:
        """The interface for `protocol`.

        Raises:
            ConfigurationError: There is none; the message lists those that exist.
        """
        for route in self.routes:
            if route.protocol == protocol:
                return route
        supported = ", ".join(repr(route.protocol) for route in self.routes) or "no protocol at all"
        raise ConfigurationError(f"{self.title} does not support protocol={protocol!r}; it supports {supported}.")


DEFAULT_PROVIDER = "aki"

# Sources: the services' own documentation. AKI.IO names the variable AKI_API_KEY, models.dev AKI_IO_API_KEY.
PROVIDERS: dict[str, Provider] = {
    row.name: row
    for row in (
        Provider(
            name="aki",
            label="AKI.IO",
            key_variables=("AKI_API_KEY", "AKI_IO_API_KEY"),
            key_page="https://aki.io",
            fallback_model="minimax-m2.5-230b",
            catalog="aki",
            routes=(
                Route(
                    protocol="openai",
                    base_url="https://aki.io/v1",
                    default_max_tokens=8192,
                    empty_is_failure=True,
                ),
                Route(
                    protocol="anthropic",
                    base_url="https://aki.io/anthropic",
                    key_in="x-api-key",
                    default_max_tokens=8192,
                ),
                Route(protocol="native", base_url="https://aki.io/api", key_in="body"),
            ),
        ),
        Provider(
            name="aacflow",
            label="AACFlow",
            key_variables=("AACFLOW_API_KEY",),
            key_page="https://www.aacflow.io",
            routes=(Route(protocol="openai", base_url="https://www.aacflow.io/api/v1/ai"),),
        ),
        Provider(
            name="ak_ai_core",
            label="AK AI CORE",
            key_variables=("AK_AI_CORE_API_KEY",),
            key_page="https://akaicore.space (Settings > API Keys)",
            routes=(Route(protocol="openai", base_url="https://akaicore.space/v1"),),
        ),
    )
}


# Where the emulator serves a gateway, and which key it takes there. Any other provider is served as AKI.IO is.
_EMULATED = {
    ("aacflow", "openai"): ("/aacflow/api/v1/ai", "aacf_test"),
    ("ak_ai_core", "openai"): ("/ak_ai_core/v1", "sk-or-test"),
}
_EMULATED_PATHS: dict[Protocol, str] = {"openai": "/v1", "anthropic": "/anthropic", "native": "/api"}


def emulator_place(provider: Provider, protocol: Protocol) -> tuple[str, str]:
    """The path under which the emulator serves the provider's interface, and the key it takes there."""
    return _EMULATED.get((provider.name, protocol), (_EMULATED_PATHS[protocol], "aki-test"))


def find_provider(provider: str | Provider) -> Provider:
    """The provider of that name; a `Provider` is returned as it is.

    Raises:
        ConfigurationError: The name is unknown; the message lists the known ones.
    """
    if isinstance(provider, Provider):
        return provider
    try:
        return PROVIDERS[provider]
    except KeyError:
        names = ", ".join(map(repr, PROVIDERS))
        raise ConfigurationError(f"provider={provider!r} is unknown; use {names} or a Provider(...).") from None


def _host(url: str) -> str:
    """The host of a URL; empty if it has none. Whether it is a good one is checked before it is used."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def protocol_of_url(base_url: str) -> Protocol:
    """The protocol that a base URL's end tells: `/anthropic`, `/api` (AKI's native one), else OpenAI's."""
    end = base_url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return {"anthropic": "anthropic", "api": "native"}.get(end, "openai")  # type: ignore[return-value]


def default_protocol(provider: str | Provider, base_url: str | None, preferred: str) -> str:
    """The protocol if the caller names none: that of the URL, else the preferred one, as far as the provider has it."""
    supported = [route.protocol for route in find_provider(provider).routes]
    if base_url is not None and protocol_of_url(base_url) in supported:
        return protocol_of_url(base_url)
    return preferred if preferred in supported else supported[0]


def base_url_hint(protocol: str, base_url: str) -> str:
    """What may be wrong with a base URL under which the service found nothing; empty if nothing is known."""
    path = urlsplit(base_url).path
    if doubled := re.search(r"(/v\d+)\1", path):
        return f"base_url={base_url!r} has {doubled[1]} twice."
    if protocol == "openai" and not re.search(r"/v\d", path):
        return f"Most services have their OpenAI interface under /v1; base_url={base_url!r} names no version."
    if protocol == "anthropic" and re.search(r"/v\d+$", path):
        return f"The protocol's paths begin with /v1; base_url={base_url!r} ends in one already."
    return ""
