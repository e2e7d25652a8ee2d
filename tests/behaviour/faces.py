"""The interfaces of the providers: where the emulator has each of them, what it serves, and what it can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aki_transport import Client
from aki_transport.emulator import Emulator


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One provider over one protocol.

    Args:
        provider: Its name.
        protocol: What is spoken there.
        url: The emulator's property with its address.
        key: The emulator's attribute with its key.
        call: What the path of a call has in it.
        models: Its models by their part in the table: `plain`, `alias` (another name of it), `thinking`, `unknown`.
        can: What it has that others lack.
    """

    provider: str
    protocol: str
    url: str
    key: str
    call: str
    models: Mapping[str, str]
    can: str

    @property
    def name(self) -> str:
        """As test IDs have it."""
        return f"{self.provider}/{self.protocol}"

    @property
    def tags(self) -> frozenset[str]:
        """What a row may ask for."""
        return frozenset({self.provider, self.protocol, *self.models, *self.can.split()})

    def awaited(self, looked_at: bool) -> str:
        """What the path has in it of the request that an answer comes to."""
        return "/progress/" if looked_at and self.protocol == "native" else self.call

    def connection(self, emulator: Emulator) -> dict[str, Any]:
        """The arguments that every class takes to get there."""
        return {
            "provider": self.provider,
            "protocol": self.protocol,
            "base_url": getattr(emulator, self.url),
            "api_key": getattr(emulator, self.key),
        }

    def learn(self, emulator: Emulator) -> None:
        """Read the listing, unless it is known, so that a fault strikes the call and not the listing before it."""
        with Client(**self.connection(emulator)) as client:
            client.models()


_AKI = {
    "plain": "llama3-chat-8b",
    "alias": "meta-llama/Llama-3.1-8B-Instruct",
    "thinking": "gpt-oss-120b",
    "fallback": "minimax-m2.5-230b",
    "unknown": "no-such-model",
}

FACES = (
    Face(
        provider="aki",
        protocol="openai",
        url="openai_url",
        key="key",
        call="/chat/completions",
        models=_AKI,
        can="events tools effort listed",
    ),
    Face(
        provider="aki",
        protocol="anthropic",
        url="anthropic_url",
        key="key",
        call="/v1/messages",
        models=_AKI,
        can="events tools effort listed",
    ),
    Face(
        provider="aki",
        protocol="native",
        url="native_url",
        key="key",
        call="/call/",
        models={name: model for name, model in _AKI.items() if name != "fallback"},
        can="jobs",
    ),
    Face(
        provider="aacflow",
        protocol="openai",
        url="aacflow_url",
        key="aacflow_key",
        call="/chat/completions",
        models={"plain": "gpt-4o-mini", "unknown": "no-such-model"},
        can="events tools credits",
    ),
    Face(
        provider="ak_ai_core",
        protocol="openai",
        url="ak_ai_core_url",
        key="ak_ai_core_key",
        call="/chat/completions",
        models={"plain": "openai/gpt-4o-mini", "unknown": "no-such-model"},
        can="events tools",
    ),
)
