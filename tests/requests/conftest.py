from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest

from aki_transport import ConfigurationError
from tests.requests.frameworks import answer, body_of
from tests.script_server import ScriptServer


@pytest.fixture(scope="module")
def running() -> Iterator[ScriptServer]:
    with ScriptServer(always=answer) as server:
        yield server


@pytest.fixture
def server(running: ScriptServer) -> ScriptServer:
    running.reset()
    return running


@pytest.fixture
def body(server: ScriptServer) -> Callable[..., dict[str, Any]]:
    return partial(body_of, server)


@pytest.fixture
def refused(server: ScriptServer) -> Callable[[str], AbstractContextManager[None]]:
    """The block raises a `ConfigurationError` of these words, and sends nothing."""

    @contextmanager
    def check(match: str) -> Iterator[None]:
        seen = len(server.requests)
        with pytest.raises(ConfigurationError, match=match):
            yield
        assert len(server.requests) == seen

    return check
