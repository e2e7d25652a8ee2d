"""respx answers calls of default models, and none of them leaves the process."""

from __future__ import annotations

import httpx
import pytest
import respx
from respx.models import AllMockedAssertionError

from tests.ecosystem.calls import LISTING, WAYS, Way, mocked

pytestmark = pytest.mark.parametrize("way", WAYS, ids=str)


@pytest.fixture
def chat(way: Way) -> httpx.Response:
    return httpx.Response(200, **mocked("It is mocked.", stream=way.stream))


@respx.mock
def test_a_call_is_answered_without_a_mocked_listing(way: Way, server, chat):
    route = respx.post(f"{server.openai_url}/chat/completions").mock(return_value=chat)
    assert way.ask(base_url=server.openai_url).text == "It is mocked."
    assert route.call_count == 1
    assert server.requests == server.listings == []


@respx.mock
def test_a_mocked_listing_is_read_once(way: Way, server, chat):
    listing = respx.get(f"{server.openai_url}/models").respond(json=LISTING)
    respx.post(f"{server.openai_url}/chat/completions").mock(return_value=chat)
    model = way.make(base_url=server.openai_url)
    assert [way.call(model).text for _ in range(2)] == ["It is mocked."] * 2
    assert listing.call_count == 1
    assert server.requests == server.listings == []


@pytest.mark.block_network
@respx.mock(base_url="https://aki.io/v1")
def test_the_address_of_the_service_itself_is_mocked(way: Way, chat, respx_mock):
    route = respx_mock.post("/chat/completions").mock(return_value=chat)
    assert way.ask().text == "It is mocked."
    assert route.calls.last.request.headers["authorization"] == "Bearer sk-test"


@respx.mock
def test_a_call_that_is_not_mocked_fails_and_is_not_sent(way: Way, server, chat):  # noqa: ARG001
    with pytest.raises(AllMockedAssertionError):
        way.ask(base_url=server.openai_url)
    assert server.requests == server.listings == []


def test_connections_that_are_open_already_are_no_way_out(way: Way, server, chat):
    model = way.make(base_url=server.openai_url)
    assert way.call(model).text == "6 * 7 = 42."
    with respx.mock:
        respx.post(f"{server.openai_url}/chat/completions").mock(return_value=chat)
        assert way.call(model).text == "It is mocked."
    assert way.call(model).text == "6 * 7 = 42."
    assert len(server.requests) == 2
