"""Each test starts as a process does: no listing of models is known; and a pause before a retry takes no time."""

import pytest

from aki_transport.models.listing import forget_listings
from aki_transport.transport import attempts
from tests.ecosystem.calls import ANSWER, answer
from tests.script_server import ScriptServer


@pytest.fixture(autouse=True)
def a_plain_start(monkeypatch):
    forget_listings()
    monkeypatch.setattr(attempts, "pause_before", lambda *_: 0.0)


@pytest.fixture
def server():
    """A service on loopback that answers every call, streamed or not."""
    with ScriptServer(always=lambda request: answer(ANSWER, stream=request.json.get("stream", False))) as service:
        yield service
