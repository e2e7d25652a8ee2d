from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from aki_transport.emulator import Emulator
from aki_transport.transport import polling


@pytest.fixture(autouse=True)
def a_plain_start(monkeypatch, caplog):
    """Short pauses, and all that is logged."""
    monkeypatch.setattr(polling, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(polling, "_TO_START", 0.3)  # a start that takes a minute is not waited for here
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="aki_transport")


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    """Its jobs are fast: 250 seconds of theirs pass in one. One that is not asked for in 600 of its own lapses."""
    with Emulator(job_speed=250) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    """The emulator, with nothing recorded."""
    running.reset()
    return running
