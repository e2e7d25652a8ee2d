"""Which services the notebooks talk to: the live one where its key is set, else an emulator on this machine."""

from __future__ import annotations

import os

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator


class Services:
    """The services, and how a model reaches them.

    Args:
        environment: Where keys are looked for; nothing else is read of it.
    """

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._environment = dict(os.environ) if environment is None else environment
        self._emulator: Emulator | None = None
        self._said: set[str] = set()

    def connect(self, provider: str = "aki", protocol: str = "openai") -> dict[str, str]:
        """The arguments that say where to go, for every class of both frameworks; says who is going to answer."""
        row = PROVIDERS[provider]
        named = {"provider": provider, "protocol": protocol}
        if any(self._environment.get(variable, "").strip() for variable in row.key_variables):
            self._say(f"Answers come from {row.title}.")
            return named
        self._say(f"Answers come from the emulator on this machine; with {row.key_variables[0]} set, from {row.title}.")
        return {**named, **self._emulated(provider, protocol)}

    def _say(self, words: str) -> None:
        if words not in self._said:
            print(words)
            self._said.add(words)

    def _emulated(self, provider: str, protocol: str) -> dict[str, str]:
        if self._emulator is None:
            self._emulator = Emulator().start()
        played = self._emulator
        urls = {
            ("aki", "openai"): played.openai_url,
            ("aki", "anthropic"): played.anthropic_url,
            ("aki", "native"): played.native_url,
            ("aacflow", "openai"): played.aacflow_url,
        }
        return {
            "base_url": urls[provider, protocol],
            "api_key": played.key if provider == "aki" else played.aacflow_key,
        }

    def disturb(self, faults: str) -> dict[str, dict[str, str]]:
        """Further arguments of a model: what the emulator shall do slowly or wrongly. Nothing, if there is none."""
        return {} if self._emulator is None else {"default_headers": {"x-emulator-fault": faults}}

    def stop(self) -> None:
        """End the emulator, if there is one."""
        if self._emulator is not None:
            self._emulator.stop()
            self._emulator = None
