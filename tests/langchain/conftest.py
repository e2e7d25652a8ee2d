from collections.abc import Iterator

import pytest

from aki_transport.emulator import Emulator
from tests.script_server import ScriptServer


@pytest.fixture
def server(scripted: ScriptServer) -> ScriptServer:
    scripted.reset()
    return scripted


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Its jobs take a twentieth of their time."""
    with Emulator(job_speed=20) as emulator:
        yield emulator
