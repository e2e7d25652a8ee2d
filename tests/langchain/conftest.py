from __future__ import annotations

from collections.abc import Iterator

import pytest

from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings

_FROM_OUTSIDE = (
    "AKI_API_KEY",
    "AKI_IO_API_KEY",
    "AACFLOW_API_KEY",
    "AK_AI_CORE_API_KEY",
    "LANGCHAIN_TRACING_V2",
    "LANGSMITH_TRACING",
    "LC_OUTPUT_VERSION",
)


@pytest.fixture(autouse=True)
def a_fresh_start(monkeypatch):
    """No key and no tracing from outside, no listing from an earlier test."""
    for name in _FROM_OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    forget_listings()


@pytest.fixture
def no_waiting(monkeypatch):
    """Repetitions follow at once."""
    monkeypatch.setattr("aki_transport.transport.attempts.pause_before", lambda *_: 0.0)


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
