from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.running import Service, undisturbed

pytest.register_assert_rewrite("tests.faults.checks")


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with undisturbed():
        yield
