"""Gateways that a user names by a base URL, or by a provider of their own: all they need is known or found out.

`test_captured_gateways.py` plays what real servers answered.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import aki_transport.errors as ours
from aki_transport import Client, Provider, Route
from aki_transport.emulator import Emulator
from aki_transport.messages import ChatRequest, Message
from aki_transport.models.catalog import Limits, read_listing
from aki_transport.models.listing import forget_listings
from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion
from tests.anthropic_script import said
from tests.model_classes import CLASSES, EVERY_WAY, WAYS, text_of
from tests.scenarios import MODEL, chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer, sse, text_answer

KEY = "sk-of-my-gateway"


def answers(model: str) -> Callable[[Request], Answer]:
    top = {"model": model}
    stream = sse(chunk("Hello", finish="stop", top=top))
    return lambda request: stream if request.json.get("stream") else replied("Hello", top=top)


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        ({"max_model_len": 1, "max_output_tokens": 10**9}, (1, 10**9)),
        ({"max_context_length": 8}, (8, 0)),
        ({"meta": {"n_ctx_train": 131072, "n_ctx": 4096}}, (4096, 0)),
        ({"meta": {"n_ctx_train": 131072}}, (0, 0)),
        ({"context_length": 20, "top_provider": {"context_length": 10, "max_completion_tokens": 8}}, (20, 8)),
        ({"context_length": 200000, "top_provider": {"max_completion_tokens": None}}, (200000, 0)),
        ({"context_window": 131072, "max_completion_tokens": 32768}, (131072, 32768)),
        ({"max_context_length": 32768, "loaded_context_length": 4096}, (4096, 0)),
        ({"max_input_tokens": "128000", "max_output_tokens": 4096.0}, (128000, 4096)),
        ({"max_model_len": 0, "context_length": 8192}, (8192, 0)),
        ({"max_model_len": -1, "context_window": True, "max_input_tokens": "many"}, (0, 0)),
        ({"context_length": 1e30, "max_output_tokens": 10**400}, (0, 0)),
        ({"context_length": "nan", "max_output_tokens": "inf"}, (0, 0)),
        ({"max_model_len": None, "meta": None, "top_provider": []}, (0, 0)),
        ({"context_size": 8192, "max_output_tokens": 100}, (8192, 100)),
        ({"providers": [{"provider": "x", "context_length": 8192}]}, (8192, 0)),
        ({"capabilities": {"limits": {"max_context_window_tokens": 8192, "max_output_tokens": 100}}}, (8192, 100)),
    ],
    ids=str,
)
def test_limits_are_read_in_every_form(row: dict[str, Any], limits: tuple[int, int]) -> None:
    for payload in ({"data": [{"id": "m", **row}]}, [{"id": "m", **row}]):
        assert read_listing(json.dumps(payload)) == {"m": Limits(*limits)}
    deployments = [{"model_name": "m"}, {"model_name": "m", "model_info": row}, {"id": "m", "context_length": 7}]
    assert read_listing(json.dumps(deployments)) == {"m": Limits(limits[0] or 7, limits[1])}


def test_limits_that_the_listing_does_not_tell_are_looked_for_in_the_details() -> None:
    """As LiteLLM's documentation has them."""
    told = {"id": "5d1f", "max_tokens": 16384, "max_input_tokens": 128000, "max_output_tokens": 16384}
    details = json_answer({"data": [{"model_name": "my-gpt", "model_info": told}]})
    for cls, way in EVERY_WAY:
        forget_listings()
        with ScriptServer(always=answers("my-gpt"), models=[{"id": "my-gpt"}], details=details) as server:
            model = cls(model="my-gpt", provider=Provider(base_url=server.openai_url))
            assert text_of(model, way) == "Hello"
            assert (len(server.listings), len(server.requests)) == (2, 1)
        info = model.model_info()
        assert (info.source, info.context_window, info.max_output) == ("service", 128000, 16384)


def test_the_shortest_provider_has_all_it_needs_and_the_protocol_follows_the_url() -> None:
    gateway = Provider(base_url="http://localhost:8000/v1")
    assert (gateway.name, gateway.routes) == (
        "localhost",
        (Route(protocol="openai", base_url="http://localhost:8000/v1"),),
    )
    for url, protocol, cls in (
        ("http://localhost:8000/anthropic", "anthropic", ChatAKI),
        ("http://localhost:8000/api/", "native", AKI),
        ("https://gateway.example/openai/deployments/x?api-version=1", "openai", AKILLM),
        ("https://gateway.example", "openai", AKICompletion),
        (httpx.URL("https://gateway.example/v1"), "openai", ChatAKI),
    ):
        model = cls(model="m", provider=Provider(base_url=url))
        assert (model.protocol, model._client.route.protocol) == (protocol, protocol)
        at: dict[str, Any] = {"model": "m", "base_url": str(url), "api_key": KEY}
        assert (cls(**at).protocol, cls(**at, protocol="openai").protocol) == (protocol, "openai")


def test_a_provider_needs_one_way_of_saying_where_it_is() -> None:
    route = Route(protocol="openai", base_url="http://localhost:8000/v1")
    for fields in ({}, {"name": "mine"}, {"base_url": "http://localhost:8000/v1", "routes": (route,)}):
        with pytest.raises(ours.ConfigurationError, match="either base_url= or routes="):
            Provider(**fields)


def test_a_service_without_a_listing_is_asked_for_it_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "aki_transport")
    for status in (404, 405, 200, 501):
        forget_listings()
        caplog.clear()
        with ScriptServer(always=answers("m"), listing=text_answer("<html>Not here</html>", status)) as server:
            for _ in range(3):  # a warning is an error here
                model = ChatAKI(model="m", provider=Provider(base_url=server.openai_url))
                assert model.invoke("hi").text == "Hello"
            assert (len(server.listings), len(server.requests)) == (1, 3)
        assert sum("could not be read" in message for message in caplog.messages) == 1


@pytest.mark.parametrize(
    ("requested", "served"),
    [
        ("llama3.2", "llama3.2:latest"),
        ("qwen/qwen3:online", "Qwen3"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct@main"),
        ("openai/gpt-4o:online", "gpt-4o-2024-08-06"),
        ("claude-sonnet-4", "claude-sonnet-4-20250514"),
    ],
)
def test_another_name_of_the_model_is_no_other_model_and_a_different_tag_is(requested: str, served: str) -> None:
    with ScriptServer(always=answers(served), models=[{"id": served}]) as server:
        at = Provider(base_url=server.openai_url)
        assert ChatAKI(model=requested, provider=at).invoke("hi").response_metadata["model_name"] == served
        with pytest.warns(ours.ModelMismatchWarning, match=f"'{served}' answers"):
            ChatAKI(model="llama3:70b", provider=at).invoke("hi")


def test_a_foreign_service_is_asked_for_models_that_it_does_not_list() -> None:
    with ScriptServer(always=answers("x"), models=[{"id": "y", "max_model_len": 4096}, {"id": "z"}]) as server:
        model = AKI(model="x:online", base_url=server.openai_url, api_key=KEY)
        assert model.complete("hi").text == "Hello"
        assert server.requests[0].json == {"model": "x:online", "messages": [{"role": "user", "content": "hi"}]}


def only(*, header: str) -> ScriptServer:
    """A service that takes the key in this header alone."""

    def answer(request: Request) -> Answer:
        if header not in request.headers:
            return json_answer({"error": "Unauthorized"}, 401)
        if request.method == "GET":
            return json_answer({"data": [{"id": MODEL, "max_model_len": 2000}]})
        return said(request, {"type": "text", "text": "Hello"})

    return ScriptServer(always=answer, listing=answer)


@pytest.mark.parametrize("cls", [ChatAKI, AKI])
def test_an_anthropic_route_that_wants_bearer_gets_it_and_is_remembered(cls: Any) -> None:
    for way in WAYS:
        forget_listings()
        with only(header="authorization") as server:
            for number in (1, 2):
                model = cls(model=MODEL, provider=Provider(base_url=server.anthropic_url), api_key=KEY)
                assert text_of(model, way) == "Hello"
                assert (len(server.listings), len(server.requests)) == (2, number)
            assert server.requests[0].json["max_tokens"] < 2000
            assert not [each for each in server.requests if "x-api-key" in each.headers]


def test_a_place_of_the_key_that_was_chosen_is_kept_and_a_wrong_key_is_tried_in_both() -> None:
    with only(header="authorization") as server:
        route = Route(protocol="anthropic", base_url=server.anthropic_url, key_in="x-api-key")
        with pytest.raises(ours.AuthenticationError):
            ChatAKI(model=MODEL, provider=Provider(routes=(route,)), api_key=KEY).invoke("hi")
        assert len(server.requests) == 1
        assert not [each for each in server.requests if "authorization" in each.headers]
    with only(header="x-none") as server:
        with pytest.raises(ours.AuthenticationError):
            ChatAKI(model=MODEL, provider=Provider(base_url=server.anthropic_url), api_key=KEY).invoke("hi")
        assert (len(server.listings), len(server.requests)) == (2, 2)


def test_a_second_place_of_the_key_takes_no_attempt_away() -> None:
    def answer(request: Request) -> Answer:
        is_bearer = "authorization" in request.headers
        return json_answer({"error": "x"}, 503 if is_bearer else 401, retry_after="0")

    for way in WAYS:
        with ScriptServer(always=answer) as server:
            provider = Provider(base_url=server.anthropic_url)
            model = ChatAKI(model=MODEL, provider=provider, api_key=KEY, model_listing=False, max_retries=1)
            with pytest.raises(ours.ServiceUnavailableError):
                text_of(model, way)
            assert ["authorization" in each.headers for each in server.requests] == [False, True] * 2


def test_the_bound_that_the_protocol_requires_leaves_room_for_the_prompt() -> None:
    with only(header="x-api-key") as server:
        server.listing = text_answer("no", 404)
        model = AKI(model=MODEL, provider=Provider(base_url=server.anthropic_url), api_key=KEY)
        assert model.metadata.num_output == 4096
        assert model.complete("hi").text == "Hello"
        assert server.requests[0].json["max_tokens"] == 4096
        forget_listings()
        server.listing = json_answer({"data": [{"id": MODEL, "max_model_len": 8000}]})
        client = Client(Provider(base_url=server.anthropic_url), api_key=KEY)
        tool = {"type": "custom_20270101", "name": "t", "text": "x" * 8000}
        for content, tools in (("ж" * 4000, ()), ("x", (tool,))):
            message = Message(role="user", content=content)
            client.chat(ChatRequest(model=MODEL, messages=(message,), tools=tools))
            assert 5900 < server.requests[-1].json["max_tokens"] < 6000


ROUTES: tuple[tuple[Any, str, Any], ...] = (
    ("openai", "/v1", "bearer"),
    ("anthropic", "/anthropic", "x-api-key"),
    ("native", "/api", "body"),
)
ENDPOINT = "qwen3.6_35b_chat"
ANSWER = "6 * 7 = 42."
in_every_class = pytest.mark.parametrize("cls", CLASSES)
over_every_protocol = pytest.mark.parametrize("protocol", [protocol for protocol, *_ in ROUTES])


def gateway(root: str, **fields: Any) -> Provider:
    routes = tuple(Route(protocol=protocol, base_url=root + path, key_in=place) for protocol, path, place in ROUTES)
    return Provider(**{"name": "mine", "label": "Mine", "routes": routes, "key_variables": ("MINE_KEY",), **fields})


def ask(cls: Any, way: str = "blocking", **where: Any) -> str:
    """The text of an answer; over the native protocol a gateway's models are its endpoints."""
    model = ENDPOINT if where["protocol"] == "native" else MODEL
    return text_of(cls(**{"model": model, **where}), way, "What is 6 * 7?")


@in_every_class
@over_every_protocol
def test_it_answers_with_its_key_and_is_named_where_there_is_none(
    fresh_emulator: Emulator, cls: Any, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"provider": gateway(fresh_emulator.url), "protocol": protocol}
    with pytest.raises(ours.ConfigurationError, match=r"Mine: no key; set MINE_KEY"):
        ask(cls, **where)
    assert not fresh_emulator.requests
    for way in WAYS:
        assert ask(cls, way, **where, api_key=fresh_emulator.key) == ANSWER
    with pytest.raises(ours.AuthenticationError, match="Mine"):
        ask(cls, **where, api_key="wrong")
    monkeypatch.setenv("MINE_KEY", fresh_emulator.key)
    assert ask(cls, **where) == ANSWER


def keyless(request: Request) -> Answer:
    """The answer of a service without keys, in the protocol of the path that was asked."""
    if request.path.endswith("/endpoints"):
        return json_answer({"success": True, "endpoints": [ENDPOINT]})
    if request.path.endswith("/messages"):
        return said(request, {"type": "text", "text": ANSWER})
    if request.path.startswith("/api/"):
        done = {"job_state": "done", "job_result": {"text": ANSWER}} if "/progress/" in request.path else {}
        return json_answer({"success": True, "job_id": "j1", **done})
    return streamed(ANSWER) if request.json.get("stream") else replied(ANSWER)


@over_every_protocol
def test_it_answers_without_a_key_where_it_takes_none(protocol: str) -> None:
    with ScriptServer(always=keyless) as server:
        for cls, way in EVERY_WAY:
            assert ask(cls, way, provider=gateway(server.url, key_variables=()), protocol=protocol) == ANSWER
    for request in server.requests:
        assert not {"authorization", "x-api-key"} & set(request.headers)
        assert "key" not in (request.json or {})
