"""Each test starts as a process does: it knows no models, and has no key and no tracing from outside."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from aki_transport.models.listing import forget_listings
from aki_transport.transport import attempts, polling

pytest.register_assert_rewrite("tests.tools.recording.got")

_KEYS = ("AKI_API_KEY", "AKI_IO_API_KEY", "AACFLOW_API_KEY", "AK_AI_CORE_API_KEY")
_FROM_OUTSIDE = ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LC_OUTPUT_VERSION")


@pytest.fixture(scope="session", autouse=True)
def no_search_for_curl() -> Iterator[None]:
    """For each cassette vcrpy tries to import what is not installed, which takes longer than the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tornado.curl_httpclient", None)
        yield


@pytest.fixture(autouse=True)
def a_plain_start(monkeypatch):
    """No listing from an earlier test, no pauses, and no key or tracing from outside."""
    forget_listings()
    monkeypatch.setattr(polling, "pause", lambda *_, **__: 0.0)
    monkeypatch.setattr(attempts, "pause_before", lambda *_: 0.0)
    for name in (*_FROM_OUTSIDE, *(() if "AKI_RECORD" in os.environ else _KEYS)):
        monkeypatch.delenv(name, raising=False)
