"""pytest-httpx answers calls of default models, and none of them leaves the process."""

from __future__ import annotations

import json

import pytest

from tests.ecosystem.calls import LISTING, QUESTION, WAYS, Way, mocked

pytestmark = pytest.mark.parametrize("way", WAYS, ids=str)


def test_a_call_is_answered(way: Way, server, httpx_mock):
    httpx_mock.add_response(url=f"{server.openai_url}/models", json=LISTING)
    httpx_mock.add_response(url=f"{server.openai_url}/chat/completions", **mocked("It is mocked.", stream=way.stream))
    assert way.ask(base_url=server.openai_url).text == "It is mocked."
    sent = json.loads(httpx_mock.get_requests()[-1].content)
    assert sent["messages"][-1]["content"] == QUESTION
    assert server.requests == server.listings == []


@pytest.mark.httpx_mock(assert_all_requests_were_expected=False)
def test_a_listing_that_is_not_mocked_fails_no_call_but_warns(way: Way, server, httpx_mock):
    """pytest-httpx reports it as a timeout, and by default fails a test for any request that it did not expect."""
    httpx_mock.add_response(url=f"{server.openai_url}/chat/completions", **mocked("It is mocked.", stream=way.stream))
    with pytest.warns(UserWarning, match="listing could not be read"):
        assert way.ask(base_url=server.openai_url).text == "It is mocked."
    assert server.requests == server.listings == []


def test_no_listing_is_read_where_that_is_switched_off(way: Way, server, httpx_mock):
    httpx_mock.add_response(**mocked("It is mocked.", stream=way.stream))
    assert way.ask(base_url=server.openai_url, model_listing=False).text == "It is mocked."
    assert [request.url.path for request in httpx_mock.get_requests()] == ["/v1/chat/completions"]
    assert server.requests == server.listings == []


def test_the_mock_of_an_error_is_our_error_after_our_retries(way: Way, server, httpx_mock):
    httpx_mock.add_response(status_code=503, is_reusable=True)
    with pytest.raises(Exception, match="503") as caught:
        way.ask(base_url=server.openai_url, model_listing=False)
    assert caught.value.status_code == 503
    assert len(httpx_mock.get_requests()) == 3


def test_connections_that_are_open_already_are_no_way_out(way: Way, server, request):
    model = way.make(base_url=server.openai_url)
    assert way.call(model).text == "6 * 7 = 42."
    httpx_mock = request.getfixturevalue("httpx_mock")
    httpx_mock.add_response(**mocked("It is mocked.", stream=way.stream))
    assert way.call(model).text == "It is mocked."
    assert len(server.requests) == 1
