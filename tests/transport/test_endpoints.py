"""Which endpoint serves a model: by the table, by another name, by discovery; or none, with those there are."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import APIStatusError, AuthenticationError, InvalidResponseError, ModelInfo, ModelNotFoundError
from aki_transport.models.catalog import find_endpoint, load_table
from aki_transport.wire import native
from tests.transport.asking import KEY, in_every_chat, in_every_way, request_for
from tests.transport.native_says import Worker, done

pytestmark = pytest.mark.usefixtures("clock")

TABLE = load_table("aki")


@pytest.mark.parametrize(
    ("model", "endpoint", "is_known"),
    [
        ("llama3-chat-8b", "llama3_8b_chat", True),
        ("llama3_8b_chat", "llama3_8b_chat", True),
        ("LLAMA3-Chat-8B", "llama3_8b_chat", True),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3_8b_chat", True),
        ("apertus-chat-70b", "apertus_chat", True),
        ("openai/gpt-oss-120b", "gpt_oss_chat", True),
        ("llama3-chat-70b", "70b-LLAMA3-chat", False),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3_70b_chat", False),
        ("qwen3.6-35b", "qwen3.6_35b", False),
        ("qwen3.6-35b", "qwen3.6_35b_chat", False),
        ("new-chat-some", "some_new_chat", False),
    ],
)
@in_every_way
def test_an_endpoint_is_found_in_the_table_or_by_its_parts_in_the_list(way, model, endpoint, is_known):
    worker = Worker(done(), endpoints=None if is_known else ("z_image_turbo", endpoint, "apertus_chat"))
    client = worker.client()
    for _ in range(2):
        reply = way.ask(client, request_for(model))
    assert reply.text == "Hello"
    assert worker.paths[0] == f"/api/call/{endpoint}"
    assert not is_known or reply.model == TABLE[reply.model].id
    assert len(worker.listings) == (not is_known)
    for listing in worker.listings:  # asked for without the key
        assert str(listing.url) == "https://aki.io/api/endpoints"
        assert listing.read() == b""
        assert not any(KEY in value for value in listing.headers.values())


@pytest.mark.parametrize(
    "model",
    [
        *("llama3-chat-70b", "llama3-70b", "llama3-chat", "llama3-chat-70b-v2"),
        *("chat", "", "gemma4-26b", "minimax-m2.5-230b", "llama3_8b_chatt"),
    ],
)
@in_every_chat
def test_a_part_less_or_more_is_another_model(chat_way, model):
    worker = Worker(done(), endpoints=("llama3_70b_chat_long", "llama3_8b_chat", "gemma4_27b_chat"))
    with pytest.raises(ModelNotFoundError, match="no endpoint serves the model") as caught:
        chat_way.ask(worker.client(), request_for(model))
    error = caught.value
    assert error.available == ("llama3_70b_chat_long", "llama3_8b_chat", "gemma4_27b_chat")
    assert "It lists: gemma4_27b_chat, llama3_70b_chat_long, llama3_8b_chat." in str(error)
    assert (error.provider, error.model, error.status_code) == ("AKI.IO", model, 404)
    assert "Nothing was sent." in str(error)
    if model == "llama3_8b_chatt":
        assert error.closest[0] == "llama3_8b_chat"
        assert "Did you mean 'llama3_8b_chat'" in str(error)
    assert worker.starts == []


@in_every_way
def test_without_a_list_the_table_serves_and_an_unknown_model_is_an_error_that_says_so(way):
    worker = Worker(done(), endpoints=None)
    with pytest.warns(UserWarning, match="listing could not be read"), pytest.raises(ModelNotFoundError) as caught:
        way.ask(worker.client(), request_for("llama3-chat-70b"))
    assert "the list of endpoints could not be read" in str(caught.value)
    assert caught.value.available == ()
    assert worker.starts == []


@pytest.mark.parametrize(("status", "cls"), [(200, APIStatusError), (401, AuthenticationError)])
def test_refreshing_says_why_the_list_cannot_be_read(status, cls):
    worker = Worker()
    body = {"success": False, "error": ["API key not valid"], "auth_key": KEY}
    worker.answer = lambda _: httpx.Response(status, json=body)
    with pytest.raises(cls, match="API key not valid") as caught:
        worker.client().refresh_models()
    assert KEY not in repr(vars(caught.value))


def test_models_are_the_endpoints_that_are_listed():
    client = Worker(endpoints=("llama3_8b_chat", "new_chat")).client()
    models = client.models()
    assert [model.id for model in models] == ["llama3-chat-8b", "new_chat"]
    assert [model.tools for model in models] == [False, False]
    assert [model.source for model in models] == ["table", "default"]
    assert client.model_info("llama3_8b_chat") == client.model_info("llama3-chat-8b") == models[0]


def test_each_form_of_the_list():
    for endpoints in (b'["a", "b"]', b'[{"name": "a", "title": "A"}, {"name": 7}, {}, "b", null, ""]'):
        assert list(native.read_models(b'{"success": true, "endpoints": %b}' % endpoints)) == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b"null", b"7", b"{}"),
        *(b'{"endpoints": %b}' % each for each in (b"7", b"true", b'"abc"', b"null", b"[]", b"[1]", b'{"a": 1}')),
    ],
)
def test_what_is_no_list(body):
    with pytest.raises(InvalidResponseError, match="list of endpoints"):
        native.read_models(body)


parts = st.lists(st.sampled_from(["llama3", "chat", "70b", "m2.5", "x"]), min_size=1, max_size=4)


@given(parts, parts, st.sampled_from("-_/ "))
def test_names_match_by_the_set_of_their_parts(one, other, separator):
    found = find_endpoint("-".join(one), {}, {separator.join(other): 0})
    assert (found is not None) == (set(one) == set(other))


def test_a_row_of_the_table_wins_over_the_list_and_a_listed_name_over_one_of_the_same_parts():
    listing = {"a_b": 0, "b_a": 0}
    assert [find_endpoint(name, {}, listing) for name in ("b_a", "b-a")] == ["b_a", "a_b"]
    table = {"m": ModelInfo(id="m", endpoint="from_table", aliases=("other/m",))}
    assert find_endpoint("other/M", table, {"m": 0}) == "from_table"
