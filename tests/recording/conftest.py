"""Cassettes for tests: one per scenario and place, played to the end, with no network behind it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from aki_transport.models.listing import forget_listings
from aki_transport.transport import attempts, polling
from tests.recording import scrub
from tests.recording.files import CASSETTES

pytest.register_assert_rewrite("tests.recording.got")

_KEYS = ("AKI_API_KEY", "AKI_IO_API_KEY", "AACFLOW_API_KEY", "AK_AI_CORE_API_KEY")
_FROM_OUTSIDE = ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LC_OUTPUT_VERSION")


def pytest_recording_configure(config: Any, vcr: Any) -> None:  # noqa: ARG001  pytest-recording's signature
    scrub.prepare(vcr)


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


@pytest.fixture
def vcr_config() -> dict[str, Any]:
    return scrub.vcr_config()


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> str:
    return str(CASSETTES)


@pytest.fixture
def default_cassette_name(request) -> str:
    return request.getfixturevalue("cassette")


@pytest.fixture
def played_to_the_end(vcr) -> Iterator[None]:
    """Whatever the cassette holds has to be asked for."""
    yield
    assert vcr.all_played, f"{len(vcr) - vcr.play_count} of {len(vcr)} recorded answers were not asked for"
