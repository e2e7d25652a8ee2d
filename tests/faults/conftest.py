from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.faults.running import Service, undisturbed

pytest.register_assert_rewrite("tests.faults.checks")


@pytest.fixture(scope="module", autouse=True)
def nothing_from_before() -> None:
    """No client of an earlier test, kept by the traceback of an error that was looked at: its pool stays open."""
    gc.collect()


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with undisturbed():
        yield
