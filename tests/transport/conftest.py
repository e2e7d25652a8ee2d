import os
from collections.abc import Iterator

import pytest

from aki_transport.transport import connections
from tests.transport.asking import Clock
from tests.transport.raw_server import Caller, calling


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def caller(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    """At most one connection at a time: a call that loses it shows at the next call."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    with calling(is_async=is_async) as caller:
        yield caller
