from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aki_transport.emulator import Emulator
from tests.lazily import lazily

openai = lazily("openai")


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emu(running: Emulator) -> Emulator:
    running.reset()
    return running


@pytest.fixture(scope="session")
def client(running: Emulator) -> Iterator[Any]:
    """The vendor's client, as the witness that the answers are what it expects."""
    with openai.OpenAI(base_url=running.openai_url, api_key=running.key, max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def http(running: Emulator) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {running.key}"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=10) as made:
        yield made
