"""A key that is used for everything stands in none of the places, and would be found in each of them."""

import inspect
from base64 import b64encode
from urllib.parse import quote

import pytest

from aki_transport import AKIError, errors
from tests.tools.secrets.evidence import KEY, gathering, in_text
from tests.tools.secrets.places import PLACES
from tests.tools.secrets.surface import use_all

each_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)

# Bases that nothing is raised of, and what comes of a model's own words.
NOT_RAISED = {"AKIError", "ModelRefusalError"}


@pytest.fixture(scope="module")
def evidence():
    """What is left of one use of everything."""
    with gathering() as found:
        use_all(found)
    yield found
    for error in found.errors:
        error.__traceback__ = None


@each_place
def test_the_key_is_not_there(place, evidence):
    texts = list(place.texts(evidence))
    assert texts
    assert [where for where, text in texts if in_text(text)] == []


@each_place
def test_a_key_that_leaks_there_is_found(place):
    with gathering() as found:
        assert place.found(found) == []
        place.leak(found, KEY)
    assert place.found(found)


def test_every_kind_of_error_was_looked_at_and_every_logger_on_the_way_heard(evidence):
    kinds = {name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, AKIError)}
    assert {type(error).__name__ for error in evidence.errors} >= kinds - NOT_RAISED
    assert {record.name.split(".")[0] for record in evidence.records} >= {"aki_transport", "httpx", "asyncio"}


def test_the_key_is_known_in_the_forms_in_which_it_is_sent():
    basic = b64encode(f"me:{KEY}".encode()).decode()
    for form in (f"Bearer {KEY}", KEY[:14], quote(KEY, safe=""), KEY.encode().hex(), basic):
        assert in_text(f"x={form};")
