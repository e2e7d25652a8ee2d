import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import settings

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings
from aki_transport.prepare.memory import forget_refusals
from aki_transport.transport import attempts, lifetime, polling
from tests.script_server import ScriptServer

pytest.register_assert_rewrite("tests.behaviour.checks", "tests.faults.checks")

# The same examples in each run: a new one must not stop work that has nothing to do with it.
# `pytest --hypothesis-profile=random` draws new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile("repeatable")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A process that was started in the background inherits this, and so would the children that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Keys and tracing of whoever runs the tests. The recorder needs them: it runs tests at the live services.
if "AKI_RECORD" not in os.environ:
    for name in [*os.environ]:
        if name.startswith(("AKI_", "AACFLOW_", "AK_AI_CORE_", "OPENAI_", "LANGCHAIN_", "LANGSMITH_", "LC_OUTPUT_")):
            del os.environ[name]

# Else LlamaIndex's `asyncio_run` makes a loop in a sync program, and never closes it.
asyncio.set_event_loop(None)


def pytest_collection_finish() -> None:
    """Thousands of tests and two frameworks stay to the end: no collection of garbage has to look at them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def a_job_without_connection_is_given_up_at_once() -> Iterator[None]:
    """Nobody waits a minute for a server that a test has stopped; `test_jobs.py` sets the minute back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "LONGEST_OUTAGE", 0.0)
        yield


@pytest.fixture(autouse=True)
def a_fresh_start() -> None:
    """Servers of other tests had the same ports."""
    forget_listings()
    forget_refusals()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "pause_before", lambda *_: 0.0)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **_: object) -> None:
        pytest.fail(f"a socket was connected: {args}")

    for name in ("socket.connect", "socket.connect_ex", "getaddrinfo"):
        monkeypatch.setattr(f"socket.{name}", refuse)


@pytest.fixture
def server() -> Iterator[ScriptServer]:
    with ScriptServer() as server:
        yield server


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptServer]:
    """One server for all rows of a table: each says its script to it, and its listing is read once."""
    with ScriptServer() as server:
        yield server


@pytest.fixture(scope="module")
def one_loop() -> Iterator[None]:
    """`asyncio.run` goes on with one loop in all tests of a file, which share its connections.

    Not for code that runs a loop in a thread of its own, nor for streams that are left: they end with their loop.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "run", runner.run)
        yield


@pytest.fixture
def own_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A client of the test's own for threads, with its pool: it reads the environment when it is made."""
    monkeypatch.setattr(lifetime, "_threads", None)
    yield
    if lifetime._threads is not None:
        lifetime._threads.client.close()


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def fresh_emulator(emulator: Emulator) -> Emulator:
    emulator.reset()
    return emulator


@pytest.fixture
def at_the_emulator(fresh_emulator: Emulator) -> Iterator[Emulator]:
    """The services, as an example's reader has them: found by name, with their keys set."""
    service = fresh_emulator
    keys = {"aki": service.key, "aacflow": service.aacflow_key, "ak_ai_core": service.ak_ai_core_key}
    with pytest.MonkeyPatch.context() as patch:
        for name, row in list(PROVIDERS.items()):
            routes = tuple(
                replace(route, base_url=getattr(service, f"{route.protocol if name == 'aki' else name}_url"))
                for route in row.routes
            )
            patch.setitem(PROVIDERS, name, replace(row, routes=routes))
            patch.setenv(row.key_variables[0], keys[name])
        patch.setenv("MY_GATEWAY_KEY", service.key)
        yield service
