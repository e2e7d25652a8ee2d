"""Gateways that a user names by a base URL alone: the first call answers, limits become known, refusals are typed.

The forms are those of vLLM, an older LiteLLM and the open AKI server, after their documentation;
`test_captured_gateways.py` plays what llama.cpp's server, LiteLLM's proxy and `transformers serve` answered.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import aki_transport.errors as ours
from aki_transport import Client, Provider, Route
from aki_transport.messages import ChatRequest, Message
from aki_transport.models.catalog import Limits, read_listing
from aki_transport.models.listing import forget_listings
from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion
from tests.anthropic_script import said
from tests.model_classes import CLASSES, EVERY_WAY, WAYS, text_of
from tests.scenarios import MODEL, chunk, replied
from tests.script_server import Answer, Request, ScriptServer, json_answer, sse, text_answer

KEY = "sk-of-my-gateway"
QWEN = "Qwen/Qwen2.5-0.5B-Instruct"
DEPLOYMENT = {
    "model_name": "my-gpt",
    "litellm_params": {"model": "openai/gpt-4o-mini"},
    "model_info": {"id": "5d1f", "max_tokens": 16384, "max_input_tokens": 128000, "max_output_tokens": 16384},
}
# The model's row in the listing and in `/model/info`; context window and maximum output as they tell them, 0 where
# they do not; requests that read the listing.
GATEWAYS: dict[str, tuple[dict[str, Any], dict[str, Any] | None, tuple[int, int], int]] = {
    "vllm": ({"id": QWEN, "owned_by": "vllm", "root": QWEN, "parent": None, "max_model_len": 1024}, None, (1024, 0), 1),
    "litellm, whose listing tells no limits": ({"id": "my-gpt", "owned_by": "openai"}, DEPLOYMENT, (128000, 16384), 2),
    "open AKI server": (
        {"id": "llama3-chat-8b", "created": "1767225600", "owned_by": "aki", "max_model_len": 0}, None, (0, 0), 2,
    ),
}  # fmt: skip


def answers(model: str) -> Callable[[Request], Answer]:
    """What a server of this model answers to any request."""
    top = {"model": model}
    stream = sse(chunk("Hello", finish="stop", top=top))
    return lambda request: stream if request.json.get("stream") else replied("Hello", top=top)


def serve(name: str, **fields: Any) -> ScriptServer:
    row, details, *_ = GATEWAYS[name]
    row = {"object": "model", "created": 1767225600, **row}
    known = json_answer({"data": [details]}) if details else None
    return ScriptServer(**{"always": answers(row["id"]), "models": [row], "details": known, **fields})


@pytest.mark.parametrize("name", GATEWAYS)
def test_the_first_call_answers_and_the_limits_are_known_behind_it(name: str) -> None:
    row, _, (window, output), listed_by = GATEWAYS[name]
    for cls, way in EVERY_WAY:
        forget_listings()
        with serve(name) as server:
            model = cls(model=row["id"], provider=Provider(base_url=server.openai_url))
            assert text_of(model, way) == "Hello"
            body = server.requests[-1].json
            assert (len(server.listings), len(server.requests)) == (listed_by, 1)
        assert not {"max_tokens", "max_completion_tokens"} & set(body)
        info = model.model_info()
        assert (info.source, info.context_window) == (("service", window) if window else ("default", 32768))
        assert info.max_output == (output or min(8192, info.context_window))
        if cls is ChatAKI:
            assert model.profile["max_input_tokens"] == info.context_window
        if cls is AKI:
            assert model.metadata.context_window == info.context_window


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        ({"max_model_len": 1, "max_output_tokens": 10**9}, (1, 10**9)),
        ({"max_context_length": 8}, (8, 0)),
        ({"meta": {"n_ctx_train": 131072, "n_ctx": 4096}}, (4096, 0)),
        ({"meta": {"n_ctx_train": 131072}}, (0, 0)),
        (
            {"context_length": 200000, "top_provider": {"context_length": 100000, "max_completion_tokens": 8000}},
            (200000, 8000),
        ),
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


def test_the_shortest_provider_has_all_it_needs() -> None:
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


def test_a_provider_needs_one_way_of_saying_where_it_is() -> None:
    route = Route(protocol="openai", base_url="http://localhost:8000/v1")
    for fields in ({}, {"name": "mine"}, {"base_url": "http://localhost:8000/v1", "routes": (route,)}):
        with pytest.raises(ours.ConfigurationError, match="either base_url= or routes="):
            Provider(**fields)


def test_the_protocol_follows_the_url() -> None:
    for cls in CLASSES:
        for end, protocol in (("/v1", "openai"), ("/anthropic", "anthropic"), ("/api", "native")):
            at: dict[str, Any] = {"model": "m", "base_url": f"http://localhost:8000{end}", "api_key": KEY}
            assert cls(**at).protocol == protocol
            assert cls(**at, protocol="openai").protocol == "openai"


def test_a_service_without_a_listing_is_asked_for_it_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "aki_transport")
    for status in (404, 405, 200, 501):
        forget_listings()
        caplog.clear()
        with serve("vllm", listing=text_answer("<html>Not here</html>", status)) as server:
            for _ in range(3):
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    model = ChatAKI(model=QWEN, provider=Provider(base_url=server.openai_url))
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
