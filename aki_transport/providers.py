"""Who we talk to: each provider is a row, each of its interfaces a `Route`. A new gateway is a new row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from aki_transport.errors import ConfigurationError
from aki_transport.messages import SendReasoning

Protocol: TypeAlias = Literal["openai", "anthropic", "native"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One interface of a provider: which protocol is spoken where, and what is particular there.

    Args:
        protocol: The wire: `"openai"`, `"anthropic"` or `"native"`.
        base_url: Where the wire's paths start, e.g. `https://aki.io/v1`.
        key_in: Where the key travels: `"bearer"` (Authorization header), `"x-api-key"` (header) or `"body"`.
        default_max_tokens: Sent as `min(this, the model's maximum output)` when the user gave no `max_tokens`;
            None sends nothing.
        send_reasoning: Whether earlier reasoning is sent back: `"never"`, `"tool_turns"` (only within a tool-call
            turn that is still open) or `"always"`.
        empty_is_failure: An answer without any content and with 0 completion tokens is a failed worker there.

    Example:
        >>> Route(protocol="anthropic", base_url="http://localhost:8000/anthropic", key_in="x-api-key").send_reasoning
        'never'
    """

    protocol: Protocol
    base_url: str
    key_in: Literal["bearer", "x-api-key", "body"] = "bearer"
    default_max_tokens: int | None = None
    send_reasoning: SendReasoning = "never"
    empty_is_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A service, as data.

    Args:
        name: The short name users type, e.g. `"aki"`.
        routes: Its interfaces, one per protocol at the most.
        label: The name that error messages use; `name` if not given.
        key_variables: Environment variables that may hold the key, first hit wins. Empty: the service takes no key.
        fallback_model: The model that answers in silence where an unknown one was asked for; None where the provider
            itself refuses unknown models.
        catalog: Which section of the fallback table describes its models.

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
        """The name that error messages use."""
        return self.label or self.name

    @property
    def hosts(self) -> frozenset[str]:
        """The provider's own hosts: a key from the environment goes only there."""
        return frozenset(urlsplit(route.base_url).hostname or "" for route in self.routes)

    def route(self, protocol: str) -> Route:
        """The interface that speaks `protocol`.

        Raises:
            ConfigurationError: There is none; the message lists what there is instead.
        """
        for route in self.routes:
            if route.protocol == protocol:
                return route
        spoken = ", ".join(repr(route.protocol) for route in self.routes) or "no protocol at all"
        raise ConfigurationError(f"{self.title} does not speak protocol={protocol!r}; it speaks {spoken}.")


DEFAULT_PROVIDER = "aki"

# Facts: the services' own pages. AKI_API_KEY is AKI.IO's name, AKI_IO_API_KEY that of the directory models.dev.
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
                    send_reasoning="tool_turns",
                    empty_is_failure=True,
                ),
                Route(
                    protocol="anthropic",
                    base_url="https://aki.io/anthropic",
                    key_in="x-api-key",
                    default_max_tokens=8192,
                    send_reasoning="tool_turns",
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
    """The row of that name, or the user's own row as it is; `ConfigurationError` lists the names there are."""
    if isinstance(provider, Provider):
        return provider
    try:
        return PROVIDERS[provider]
    except KeyError:
        names = ", ".join(map(repr, PROVIDERS))
        raise ConfigurationError(f"provider={provider!r} is unknown; use {names} or a Provider(...).") from None


def raw_protocol(provider: str | Provider) -> str:
    """The protocol that takes a prompt as it is: `"native"` where the provider speaks it, else its first one."""
    spoken = [route.protocol for route in find_provider(provider).routes]
    return "native" if "native" in spoken or not spoken else spoken[0]
