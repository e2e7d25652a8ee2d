"""A key that is used for everything stands in none of the places, and would be found in each of them."""

from __future__ import annotations

import inspect
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from aki_transport import AKIError, errors
from tests.secrets.evidence import KEY, Evidence, gathering, in_text
from tests.secrets.places import PLACES, Place
from tests.secrets.surface import use_all

each_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)

# Bases that nothing is raised of, and what comes of a model's own words.
NOT_RAISED = {"AKIError", "ModelRefusalError"}


@pytest.fixture(scope="module")
def evidence() -> Iterator[Evidence]:
    """What is left of one use of everything."""
    with gathering() as found:
        use_all(found)
    yield found
    for error in found.errors:
        error.__traceback__ = None


@each_place
def test_the_key_is_not_there(place: Place, evidence: Evidence) -> None:
    texts = list(place.texts(evidence))
    assert texts
    assert [where for where, text in texts if in_text(text)] == []


@each_place
def test_a_key_that_leaks_there_is_found(place: Place) -> None:
    with gathering() as found:
        assert place.found(found) == []
        place.leak(found, KEY)
    assert place.found(found)


def test_every_kind_of_error_was_looked_at(evidence: Evidence) -> None:
    kinds = {name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, AKIError)}
    assert {cls.__name__ for error in evidence.errors for cls in [type(error)]} >= kinds - NOT_RAISED


def test_every_logger_on_the_way_was_heard(evidence: Evidence) -> None:
    heard = {record.name.split(".")[0] for record in evidence.records}
    assert heard >= {"aki_transport", "httpx", "asyncio"}


@pytest.mark.parametrize(
    "said",
    [f"Bearer {KEY}", KEY[:14], quote(KEY, safe=""), KEY.encode().hex(), b64encode(f"me:{KEY}".encode()).decode()],
)
def test_the_key_is_known_in_the_forms_in_which_it_is_sent(said: str) -> None:
    assert in_text(f"x={said};")
