import sys

import pytest

from aki_transport.transport import attempts, polling

pytest.register_assert_rewrite("tests.tools.recording.got")


@pytest.fixture(scope="session", autouse=True)
def no_search_for_curl():
    """For each cassette vcrpy tries to import what is not installed, which takes longer than the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tornado.curl_httpclient", None)
        yield


@pytest.fixture(autouse=True)
def a_plain_start(monkeypatch):
    """No pauses."""
    monkeypatch.setattr(polling, "pause", lambda *_, **__: 0.0)
    monkeypatch.setattr(attempts, "pause_before", lambda *_: 0.0)
