from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core import Settings

from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings
from tests.llama_index.asking import answering
from tests.script_server import ScriptServer

_FROM_OUTSIDE = ("AKI_API_KEY", "AKI_IO_API_KEY", "AACFLOW_API_KEY", "AK_AI_CORE_API_KEY")


@pytest.fixture(autouse=True)
def a_fresh_start(monkeypatch):
    """No key from outside, no listing from an earlier test, nothing in the global settings."""
    for name in _FROM_OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr(Settings, "_callback_manager", None)
    # LlamaIndex keeps the prompt helper of the first model, and packs every later prompt by its window.
    monkeypatch.setattr(Settings, "_prompt_helper", None)
    forget_listings()


@pytest.fixture
def no_waiting(monkeypatch):
    """Repetitions follow at once."""
    monkeypatch.setattr("aki_transport.transport.attempts.pause_before", lambda *_: 0.0)


@pytest.fixture
def server() -> Iterator[ScriptServer]:
    """A server that answers "Hello", unless a test has it answer something else."""
    with ScriptServer(always=answering("Hello")) as server:
        yield server


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def fresh_emulator(emulator: Emulator) -> Emulator:
    """The emulator, with nothing recorded."""
    emulator.reset()
    return emulator


@pytest.fixture
def no_network(monkeypatch):
    """Any socket that would connect fails the test."""

    def refuse(*args: object, **_: object) -> None:
        pytest.fail(f"a socket was connected: {args}")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.socket.connect_ex", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
