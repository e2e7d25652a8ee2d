"""Which endpoint serves a model: by the table, by another name, by discovery; or none, with those there are."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import APIStatusError, AuthenticationError, InvalidResponseError, ModelInfo, ModelNotFoundError
from aki_transport.models.catalog import find_endpoint, load_table
from aki_transport.wire import native
from tests.transport.asking import KEY, Way, in_every_way, request_for
from tests.transport.native_says import Worker, done

pytestmark = pytest.mark.usefixtures("clock")

TABLE = load_table("aki")


@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        ("llama3-chat-8b", "llama3_8b_chat"),
        ("llama3_8b_chat", "llama3_8b_chat"),
        ("LLAMA3-Chat-8B", "llama3_8b_chat"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3_8b_chat"),
        ("apertus-chat-70b", "apertus_chat"),
        ("gpt-oss-120b", "gpt_oss_chat"),
        ("openai/gpt-oss-120b", "gpt_oss_chat"),
    ],
)
@in_every_way
def test_the_table_s_endpoints_need_no_discovery(way: Way, model: str, endpoint: str) -> None:
    worker = Worker(done(), endpoints=None)
    reply = way.ask(worker.client(), request_for(model))
    assert worker.paths[0] == f"/api/call/{endpoint}"
    assert reply.model == TABLE[reply.model].id
    assert worker.listings == []


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("llama3-chat-70b", "llama3_70b_chat"),
        ("llama3-chat-70b", "70b-LLAMA3-chat"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3_70b_chat"),
        ("qwen3.6-35b", "qwen3.6_35b"),
        ("qwen3.6-35b", "qwen3.6_35b_chat"),
        ("some_new_chat", "some_new_chat"),
        ("new-chat-some", "some_new_chat"),
    ],
)
@in_every_way
def test_another_endpoint_is_found_by_its_parts(way: Way, model: str, listed: str) -> None:
    worker = Worker(done(), endpoints=("z_image_turbo", listed, "apertus_chat"))
    client = worker.client()
    for _ in range(2):
        assert way.ask(client, request_for(model)).text == "Hello"
    assert worker.paths[0] == f"/api/call/{listed}"
    assert len(worker.listings) == 1


@pytest.mark.parametrize(
    "model",
    [
        *("llama3-chat-70b", "llama3-70b", "llama3-chat", "llama3-chat-70b-v2"),
        *("chat", "", "gemma4-26b", "minimax-m2.5-230b"),
    ],
)
@in_every_way
def test_a_part_less_or_more_is_another_model(way: Way, model: str) -> None:
    worker = Worker(done(), endpoints=("llama3_70b_chat_long", "llama3_8b_chat", "gemma4_27b_chat"))
    with pytest.raises(ModelNotFoundError, match="no endpoint serves the model") as caught:
        way.ask(worker.client(), request_for(model))
    error = caught.value
    assert error.available == ("llama3_70b_chat_long", "llama3_8b_chat", "gemma4_27b_chat")
    assert "It lists: gemma4_27b_chat, llama3_70b_chat_long, llama3_8b_chat." in str(error)
    assert (error.provider, error.model, error.status_code) == ("AKI.IO", model, 404)
    assert "Nothing was sent." in str(error)
    assert worker.starts == []


@in_every_way
def test_the_closest_ones_are_named(way: Way) -> None:
    worker = Worker(done(), endpoints=("llama3_70b_chat", "z_image_turbo"))
    with pytest.raises(ModelNotFoundError, match="Did you mean 'llama3_70b_chat'") as caught:
        way.ask(worker.client(), request_for("llama3_70b_chatt"))
    assert caught.value.closest == ("llama3_70b_chat",)


UNREADABLE = [
    httpx.Response(500),
    httpx.Response(404, text="<html>"),
    httpx.Response(200, text="<html>"),
    httpx.Response(200, json={"success": False, "error": "no"}),
    httpx.Response(200, json={"endpoints": []}),
    httpx.ConnectError("refused"),
]


@pytest.mark.parametrize("answer", UNREADABLE)
@in_every_way
def test_without_a_list_the_table_serves_and_an_unknown_model_is_an_error_that_says_so(way: Way, answer: Any) -> None:
    assert way.ask(unlisted(answer).client(), request_for("gpt-oss-120b")).text == "Hello"
    worker = unlisted(answer)
    with pytest.warns(UserWarning, match="listing could not be read"), pytest.raises(ModelNotFoundError) as caught:
        way.ask(worker.client(), request_for("llama3-chat-70b"))
    assert "the list of endpoints could not be read" in str(caught.value)
    assert caught.value.available == ()
    assert worker.starts == []


def unlisted(answer: Any) -> Worker:
    worker = Worker(done())
    respond = worker.answer

    def answered(request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            return respond(request)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    worker.answer = answered
    return worker


@in_every_way
def test_the_list_is_asked_for_without_the_key(way: Way) -> None:
    worker = Worker(done(), endpoints=("llama3_70b_chat",))
    way.ask(worker.client(), request_for("llama3-chat-70b"))
    (listing,) = worker.listings
    assert str(listing.url) == "https://aki.io/api/endpoints"
    assert listing.url.query == b""
    assert listing.read() == b""
    assert not any(KEY in value for value in listing.headers.values())


def test_refreshing_says_why_the_list_cannot_be_read() -> None:
    refused = httpx.Response(200, json={"success": False, "error": ["API key not valid"], "auth_key": KEY})
    client = unlisted(refused).client()
    with pytest.raises(APIStatusError, match="API key not valid") as caught:
        client.refresh_models()
    assert KEY not in repr(vars(caught.value))


def test_refreshing_with_a_bad_key_says_so_once() -> None:
    client = unlisted(httpx.Response(401, json={"success": False, "error": ["API key not valid"]})).client()
    with pytest.raises(AuthenticationError, match="API key not valid"):
        client.refresh_models()


def test_models_are_the_endpoints_that_are_listed() -> None:
    client = Worker(endpoints=("llama3_8b_chat", "new_chat")).client()
    models = client.models()
    assert [model.id for model in models] == ["llama3-chat-8b", "new_chat"]
    assert [model.tools for model in models] == [False, False]
    assert [model.source for model in models] == ["table", "default"]
    assert client.model_info("llama3_8b_chat") == client.model_info("llama3-chat-8b") == models[0]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"success": true, "endpoints": ["a", "b"]}', ["a", "b"]),
        (b'{"endpoints": [{"name": "a", "title": "A"}, {"name": 7}, {}, "b", null, ""]}', ["a", "b"]),
    ],
)
def test_each_form_of_the_list(body: bytes, names: list[str]) -> None:
    assert list(native.read_models(body)) == names


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b"null", b"7", b"{}"),
        *(b'{"endpoints": %b}' % each for each in (b"7", b"true", b'"abc"', b"null", b"[]", b"[1]", b'{"a": 1}')),
    ],
)
def test_what_is_no_list(body: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="list of endpoints"):
        native.read_models(body)


parts = st.lists(st.sampled_from(["llama3", "chat", "70b", "m2.5", "x"]), min_size=1, max_size=4)


@given(parts, parts, st.sampled_from("-_/ "))
def test_names_match_by_the_set_of_their_parts(one: list[str], other: list[str], separator: str) -> None:
    found = find_endpoint("-".join(one), {}, {separator.join(other): 0})
    assert (found is not None) == (set(one) == set(other))


def test_a_listed_name_itself_wins_over_one_of_the_same_parts() -> None:
    listing = {"a_b": 0, "b_a": 0}
    assert find_endpoint("b_a", {}, listing) == "b_a"
    assert find_endpoint("b-a", {}, listing) == "a_b"


def test_a_row_of_the_table_wins_over_the_list() -> None:
    table = {"m": ModelInfo(id="m", endpoint="from_table", aliases=("other/m",))}
    assert find_endpoint("other/M", table, {"m": 0}) == "from_table"
