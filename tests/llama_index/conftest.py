from collections.abc import Iterator

import pytest
from llama_index.core import Settings

from aki_transport.emulator import Emulator
from tests.llama_index.asking import answering
from tests.script_server import ScriptServer


@pytest.fixture(autouse=True)
def nothing_in_the_settings(monkeypatch):
    """LlamaIndex keeps the prompt helper of the first model, too, and packs every later prompt by its window."""
    for name in ("_llm", "_callback_manager", "_prompt_helper"):
        monkeypatch.setattr(Settings, name, None)


@pytest.fixture(scope="module")
def running() -> Iterator[ScriptServer]:
    with ScriptServer(always=answering("Hello")) as server:
        yield server


@pytest.fixture
def server(running: ScriptServer) -> ScriptServer:
    """The server of the file's tests, which answers "Hello", unless a test has it answer something else."""
    running.reset()
    return running


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Its jobs take a twentieth of their time."""
    with Emulator(job_speed=20) as emulator:
        yield emulator
