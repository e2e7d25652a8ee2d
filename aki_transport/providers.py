"""The services: each provider is a row of data, each of its interfaces a `Route`. A new gateway is a new row."""

from __future__ import annotations

from dataclasses import dataclass
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
        key_in: Where the key is sent: `"bearer"` (Authorization header), `"x-api-key"` (header) or `"body"`.
        default_max_tokens: Sent as `min(this, the model's maximum output)` if the user set no `max_tokens`;
            None sends nothing.
        send_reasoning: Whether earlier reasoning is sent back: `"never"`, `"tool_turns"` (only in a turn of tool calls
            that has not ended) or `"always"`.
        empty_is_failure: Whether a response without content and with 0 completion tokens means that the worker
            failed.

    Example:
        >>> Route(protocol="anthropic", base_url="http://localhost:8000/anthropic", key_in="x-api-key").send_reasoning
        'tool_turns'
    """

    protocol: Protocol
    base_url: str
    key_in: Literal["bearer", "x-api-key", "body"] = "bearer"
    default_max_tokens: int | None = None
    send_reasoning: SendReasoning = "tool_turns"
    empty_is_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A service, as data.

    Args:
        name: The short name for `provider=`, e.g. `"aki"`.
        routes: Its interfaces, at most one per protocol.
        label: The name in error messages; default is `name`.
        key_variables: Environment variables for the key; the first one that is set is used. Empty: no key is needed.
        fallback_model: The model that silently answers requests for an unknown model; None if the provider refuses
            unknown models.
        catalog: The section of models.toml that describes its models.

    Example:
        >>> gateway = Provider(name="mine", routes=(Route(protocol="openai", base_url="http://localhost:8000/v1"),))
        >>> gateway.route("openai").base_url
        'http://localhost:8000/v1'
    """

    name: str
    routes: tuple[Route, ...]
    label: str = ""
    key_variables: tuple[str, ...] = ()
    fallback_model: str | None = None
    catalog: str | None = None

    @property
    def title(self) -> str:
        """The name in error messages."""
        return self.label or self.name

    @property
    def hosts(self) -> frozenset[str]:
        """The provider's own hosts: a key from the environment is sent only to these."""
        return frozenset(urlsplit(route.base_url).hostname or "" for route in self.routes)

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
            routes=(Route(protocol="openai", base_url="https://www.aacflow.io/api/v1/ai"),),
        ),
        Provider(
            name="ak_ai_core",
            label="AK AI CORE",
            key_variables=("AK_AI_CORE_API_KEY",),
            routes=(Route(protocol="openai", base_url="https://akaicore.space/v1"),),
        ),
    )
}


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


def raw_protocol(provider: str | Provider) -> str:
    """The protocol for raw prompts: `"native"` if the provider supports it, else its first one."""
    supported = [route.protocol for route in find_provider(provider).routes]
    return "native" if "native" in supported or not supported else supported[0]
