"""The pytest plugin: `aki_emulator`, a fixture that answers in place of the services."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aki_transport.emulator import Emulator


@pytest.fixture(scope="session")
def _aki_emulator_of_session() -> Iterator[Emulator]:
    try:
        from aki_transport.emulator import Emulator  # noqa: PLC0415
    except ModuleNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    with Emulator(models="any") as emulator:
        yield emulator


@pytest.fixture
def aki_emulator(_aki_emulator_of_session: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator to which every class goes that has no `base_url`; reset for each test.

    What the test gave to `respond` and nobody asked for is warned of when the test ends.
    """
    emulator = _aki_emulator_of_session
    emulator.reset()
    monkeypatch.setenv("AKI_EMULATOR", emulator.url)
    yield emulator
    pending = emulator.pending
    emulator.reset()
    if pending:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
        items = ", ".join(map(repr, pending))
        warnings.warn(
            f"{test}: {len(pending)} scripted items were not asked for: {items}", pytest.PytestWarning, stacklevel=1
        )
