"""respx and pytest-httpx answer calls of default models, and none of them leaves the process."""

import json

import httpx
import pytest
import respx
from respx.models import AllMockedAssertionError

from tests.ecosystem.calls import LISTING, QUESTION, WAYS, in_every_way, mocked

MOCKED = "It is mocked."


def chat(way):
    return httpx.Response(200, **mocked(MOCKED, stream=way.stream))


@in_every_way
@respx.mock
def test_respx_answers_with_and_without_a_mocked_listing(way, server):
    route = respx.post(f"{server.openai_url}/chat/completions").mock(return_value=chat(way))
    assert way.ask(base_url=server.openai_url).text == MOCKED
    assert route.call_count == 1
    listing = respx.get(f"{server.openai_url}/models").respond(json=LISTING)
    model = way.make(base_url=server.openai_url, api_key="another")
    assert [way.call(model).text for _ in range(2)] == [MOCKED] * 2
    assert listing.call_count == 1
    assert server.requests == server.listings == []


@pytest.mark.block_network
@in_every_way
@respx.mock
def test_respx_mocks_the_address_of_the_service_itself(way):
    route = respx.post("https://aki.io/v1/chat/completions").mock(return_value=chat(way))
    assert way.ask().text == MOCKED
    assert route.calls.last.request.headers["authorization"] == "Bearer sk-test"


@in_every_way
def test_respx_lets_nothing_out_neither_over_connections_that_are_open_already(way, server):
    model = way.make(base_url=server.openai_url)
    assert way.call(model).text == "6 * 7 = 42."
    with respx.mock:
        with pytest.raises(AllMockedAssertionError):
            way.call(model)
        respx.post(f"{server.openai_url}/chat/completions").mock(return_value=chat(way))
        assert way.call(model).text == MOCKED
    assert way.call(model).text == "6 * 7 = 42."
    assert len(server.requests) == 2


@in_every_way
def test_pytest_httpx_answers(way, server, httpx_mock):
    httpx_mock.add_response(url=f"{server.openai_url}/models", json=LISTING)
    httpx_mock.add_response(url=f"{server.openai_url}/chat/completions", **mocked(MOCKED, stream=way.stream))
    assert way.ask(base_url=server.openai_url).text == MOCKED
    assert json.loads(httpx_mock.get_requests()[-1].content)["messages"][-1]["content"] == QUESTION
    assert server.requests == server.listings == []


@pytest.mark.httpx_mock(assert_all_requests_were_expected=False)
@in_every_way
def test_a_listing_that_pytest_httpx_does_not_mock_fails_no_call_but_warns(way, server, httpx_mock):
    """It is reported as a timeout; by default pytest-httpx fails a test for any request that it did not expect."""
    httpx_mock.add_response(url=f"{server.openai_url}/chat/completions", **mocked(MOCKED, stream=way.stream))
    with pytest.warns(UserWarning, match="listing could not be read"):
        assert way.ask(base_url=server.openai_url).text == MOCKED
    assert server.requests == server.listings == []


@in_every_way
def test_pytest_httpx_sees_no_listing_where_that_is_switched_off_and_each_of_our_retries(way, server, httpx_mock):
    httpx_mock.add_response(**mocked(MOCKED, stream=way.stream))
    model = way.make(base_url=server.openai_url, model_listing=False)
    assert way.call(model).text == MOCKED
    assert [request.url.path for request in httpx_mock.get_requests()] == ["/v1/chat/completions"]
    httpx_mock.add_response(status_code=503, is_reusable=True)
    with pytest.raises(Exception, match="503") as caught:
        way.call(model)
    assert caught.value.status_code == 503
    assert len(httpx_mock.get_requests()) == 1 + 3
    assert server.requests == server.listings == []


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_connections_that_are_open_already_are_no_way_out_of_pytest_httpx(way, server, request):
    model = way.make(base_url=server.openai_url)
    assert way.call(model).text == "6 * 7 = 42."
    httpx_mock = request.getfixturevalue("httpx_mock")
    httpx_mock.add_response(**mocked(MOCKED, stream=way.stream))
    assert way.call(model).text == MOCKED
    assert len(server.requests) == 1
