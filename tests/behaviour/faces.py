"""The interfaces of the providers: where the emulator has each of them, what it serves, and what it can."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aki_transport import Client
from aki_transport.emulator import Emulator


@dataclass(frozen=True, slots=True)
class Face:
    """One provider over one protocol."""

    provider: str
    protocol: str
    url: str  # the emulator's property with its address
    key: str  # the emulator's attribute with its key
    call: str  # what the path of a call has in it
    models: Mapping[str, str]  # by their part in the table; `alias` is another name of `plain`
    can: str  # what it has that others lack

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.protocol}"

    @property
    def tags(self) -> frozenset[str]:
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

_GATEWAY = {"unknown": "no-such-model"}
_CHAT = "/chat/completions"

FACES = (
    Face("aki", "openai", "openai_url", "key", _CHAT, _AKI, "events tools effort listed"),
    Face("aki", "anthropic", "anthropic_url", "key", "/v1/messages", _AKI, "events tools effort listed"),
    Face("aki", "native", "native_url", "key", "/call/", {k: v for k, v in _AKI.items() if k != "fallback"}, "jobs"),
    Face(
        *("aacflow", "openai", "aacflow_url", "aacflow_key", _CHAT),
        {"plain": "gpt-4o-mini", **_GATEWAY},
        "events tools credits",
    ),
    Face(
        *("ak_ai_core", "openai", "ak_ai_core_url", "ak_ai_core_key", _CHAT),
        {"plain": "openai/gpt-4o-mini", **_GATEWAY},
        "events tools",
    ),
)
