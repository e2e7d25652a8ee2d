"""Gateways that a user names by a base URL alone: the first call answers, limits become known, refusals are typed.

The forms are those of vLLM, an older LiteLLM, `transformers serve` and the open AKI server, after their documentation;
`test_captured_gateways.py` plays what llama.cpp's server and LiteLLM's proxy answered.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import aki_transport.errors as ours
from aki_transport import Client, Provider, Route
from aki_transport.messages import ChatRequest, Message
from aki_transport.models.catalog import Limits, read_listing
from aki_transport.models.listing import forget_listings
from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion
from tests.anthropic_script import said
from tests.scenarios import MODEL
from tests.script_server import Answer, Request, ScriptServer, json_answer, sse, text_answer

KEY = "sk-of-my-gateway"
OWNED = {"object": "model", "created": 1767225600}


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """One server's forms.

    Attributes:
        model: The model it serves.
        row: That model in its listing.
        details: Its row in `/model/info`.
        limits: Context window and maximum output as the listing tells them; 0 where it does not.
        refusals: Status, body and the error that each stands for.
        listed_by: Requests that read the listing.
    """

    model: str
    row: dict[str, Any]
    refusals: dict[str, tuple[int, Any, type[ours.AKIError]]]
    details: dict[str, Any] | None = None
    limits: tuple[int, int] = (0, 0)
    listed_by: int = 1


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


GATEWAYS = {
    "vllm": Gateway(
        model="Qwen/Qwen2.5-0.5B-Instruct",
        row={**OWNED, "owned_by": "vllm", "root": "Qwen/Qwen2.5-0.5B-Instruct", "parent": None, "max_model_len": 1024},
        limits=(1024, 0),
        refusals={
            "unknown model": (
                404,
                error("The model `x` does not exist.", type="NotFoundError", param="model", code=404),
                ours.ModelNotFoundError,
            ),
            "wrong key": (401, {"error": "Unauthorized"}, ours.AuthenticationError),
            "overflow": (
                400,
                error(
                    "This model's maximum context length is 1024 tokens. However, you requested 2000 tokens.",
                    type="BadRequestError",
                    param="input_tokens",
                    code=400,
                ),
                ours.ContextOverflowError,
            ),
            "overload": (503, error("Server overloaded", type="ServiceUnavailable"), ours.ServiceUnavailableError),
            "unsupported": (
                400,
                error("At most 0 image(s) may be provided in one prompt.", type="BadRequestError", code=400),
                ours.BadRequestError,
            ),
        },
    ),
    "litellm, whose listing tells no limits": Gateway(
        model="my-gpt",
        row={"object": "model", "created": 1677610602, "owned_by": "openai"},
        details={
            "model_name": "my-gpt",
            "litellm_params": {"model": "openai/gpt-4o-mini"},
            "model_info": {"id": "5d1f", "max_tokens": 16384, "max_input_tokens": 128000, "max_output_tokens": 16384},
        },
        limits=(128000, 16384),
        listed_by=2,
        refusals={},
    ),
    "transformers serve": Gateway(
        model="Qwen/Qwen2.5-0.5B-Instruct",
        row={**OWNED, "owned_by": "Qwen"},
        listed_by=2,
        refusals={
            "unknown model": (
                400,
                {"detail": "Server is pinned to 'Qwen/Qwen2.5-0.5B-Instruct'."},
                ours.ModelNotFoundError,
            ),
            "unsupported": (422, {"detail": "Unexpected keys: {'top_k'}"}, ours.BadRequestError),
        },
    ),
    "open AKI server": Gateway(
        model="llama3-chat-8b",
        row={"object": "model", "created": "1767225600", "owned_by": "aki", "max_model_len": 0},
        listed_by=2,
        refusals={
            "wrong key": (
                401,
                error("Invalid API key", type="invalid_request_error", code="invalid_api_key"),
                ours.AuthenticationError,
            ),
            "unsupported": (
                404,
                error("temperature too high", type="request_failed", code="request_failed"),
                ours.BadRequestError,
            ),
        },
    ),
}


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AKI_API_KEY", "AKI_IO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    forget_listings()


def answers(model: str) -> Callable[[Request], Answer]:
    """What a server of this model answers to any request."""

    def answer(request: Request) -> Answer:
        if request.path.endswith("/messages"):
            return said(request, {"type": "text", "text": "Hello"})
        choice = {"index": 0, "finish_reason": "stop"}
        if request.json.get("stream"):
            return sse({"model": model, "choices": [{**choice, "delta": {"content": "Hello"}}]})
        message = {"role": "assistant", "content": "Hello"}
        return json_answer({"model": model, "choices": [{**choice, "message": message}]})

    return answer


async def _all(items: Any) -> list[Any]:
    return [item async for item in items]


def _ask_langchain(model: ChatAKI | AKILLM) -> Iterator[Callable[[], str]]:
    def text(pieces: list[Any]) -> str:
        return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)

    yield lambda: text([model.invoke("hi")])
    yield lambda: text(list(model.stream("hi")))
    yield lambda: text([asyncio.run(model.ainvoke("hi"))])
    yield lambda: text(asyncio.run(_all(model.astream("hi"))))


def _ask_llama_index(model: AKI | AKICompletion) -> Iterator[Callable[[], str]]:
    async def streamed_text() -> str:
        return (await _all(await model.astream_complete("hi")))[-1].text

    yield lambda: model.complete("hi").text
    yield lambda: list(model.stream_complete("hi"))[-1].text
    yield lambda: asyncio.run(model.acomplete("hi")).text
    yield lambda: asyncio.run(streamed_text())


ASK: dict[Any, Any] = {
    ChatAKI: _ask_langchain,
    AKILLM: _ask_langchain,
    AKI: _ask_llama_index,
    AKICompletion: _ask_llama_index,
}


def serve(gateway: Gateway, **fields: Any) -> ScriptServer:
    details = None if gateway.details is None else json_answer({"data": [gateway.details]})
    rows = [{"id": gateway.model, **gateway.row}]
    return ScriptServer(**{"always": answers(gateway.model), "models": rows, "details": details, **fields})


@pytest.mark.parametrize("name", GATEWAYS)
def test_the_first_call_answers_and_the_limits_are_known_behind_it(name: str) -> None:
    gateway = GATEWAYS[name]
    for cls, ask in ASK.items():
        for way in range(4):
            forget_listings()
            with serve(gateway) as server:
                model = cls(model=gateway.model, provider=Provider(base_url=server.openai_url))
                assert list(ask(model))[way]() == "Hello"
                body = server.requests[-1].json
                assert (len(server.listings), len(server.requests)) == (gateway.listed_by, 1)
            assert not {"max_tokens", "max_completion_tokens"} & set(body)
            window, output = gateway.limits
            info = model.model_info()
            assert (info.source, info.context_window) == (("service", window) if window else ("default", 32768))
            assert info.max_output == (output or min(8192, info.context_window))
            if cls is ChatAKI:
                assert model.profile["max_input_tokens"] == info.context_window
            if cls is AKI:
                assert model.metadata.context_window == info.context_window


@pytest.mark.parametrize("name", [name for name, gateway in GATEWAYS.items() if gateway.refusals])
def test_refusals_are_typed_in_every_way(name: str) -> None:
    gateway = GATEWAYS[name]
    for refusal, (status, body, cls) in gateway.refusals.items():
        for framework in (ChatAKI, AKI):
            for way in range(4):
                with serve(gateway, always=json_answer(body, status)) as server:
                    model = framework(
                        model=gateway.model, provider=Provider(base_url=server.openai_url), api_key=KEY, max_retries=0
                    )
                    with pytest.raises(cls) as caught:
                        list(ASK[framework](model))[way]()
                assert caught.value.provider == "127.0.0.1", refusal
                assert len(server.requests) == 1, refusal


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        ({"max_model_len": 1024}, (1024, 0)),
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
    import json  # noqa: PLC0415

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
    ):
        model = cls(model="m", provider=Provider(base_url=url))
        assert (model.protocol, model._client.route.protocol) == (protocol, protocol)


def test_a_provider_needs_one_way_of_saying_where_it_is() -> None:
    route = Route(protocol="openai", base_url="http://localhost:8000/v1")
    for fields in ({}, {"name": "mine"}, {"base_url": "http://localhost:8000/v1", "routes": (route,)}):
        with pytest.raises(ours.ConfigurationError, match="either base_url= or routes="):
            Provider(**fields)


@pytest.mark.parametrize("cls", ASK)
def test_raw_prompts_follow_the_url(cls: Any) -> None:
    for end, protocol in (("/v1", "openai"), ("/anthropic", "anthropic"), ("/api", "native")):
        model = cls(model="m", base_url=f"http://localhost:8000{end}", api_key=KEY)
        assert model.protocol == protocol
        assert cls(model="m", base_url=f"http://localhost:8000{end}", protocol="openai").protocol == "openai"


def test_a_service_without_a_listing_is_asked_for_it_once() -> None:
    for status in (404, 405, 200, 501):
        forget_listings()
        with serve(GATEWAYS["vllm"], listing=text_answer("<html>Not here</html>", status)) as server:
            for _ in range(3):
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    model = ChatAKI(model=GATEWAYS["vllm"].model, provider=Provider(base_url=server.openai_url))
                    assert model.invoke("hi").text == "Hello"
            assert (len(server.listings), len(server.requests)) == (1, 3)


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
def test_another_name_of_the_model_is_no_other_model(requested: str, served: str) -> None:
    with ScriptServer(always=answers(served), models=[{"id": served}]) as server:
        model = ChatAKI(model=requested, provider=Provider(base_url=server.openai_url))
        assert model.invoke("hi").response_metadata["model_name"] == served


def test_a_different_tag_is_another_model() -> None:
    with ScriptServer(always=answers("llama3:8b"), models=[{"id": "llama3:8b"}]) as server:
        model = ChatAKI(model="llama3:70b", provider=Provider(base_url=server.openai_url))
        with pytest.warns(ours.ModelMismatchWarning, match="'llama3:8b' answers"):
            model.invoke("hi")


def test_a_foreign_service_is_asked_for_models_that_it_does_not_list() -> None:
    with ScriptServer(always=answers("x"), models=[{"id": "y", "max_model_len": 4096}, {"id": "z"}]) as server:
        model = AKI(model="x:online", base_url=server.openai_url, api_key=KEY)
        assert model.complete("hi").text == "Hello"
        assert server.requests[0].json == {"model": "x:online", "messages": [{"role": "user", "content": "hi"}]}


def only(*, header: str) -> Callable[[Request], Answer]:
    """A service that takes the key in this header alone."""

    def answer(request: Request) -> Answer:
        if header not in request.headers:
            return json_answer({"error": "Unauthorized"}, 401)
        if request.method == "GET":
            return json_answer({"data": [{"id": MODEL, "max_model_len": 2000}]})
        return said(request, {"type": "text", "text": "Hello"})

    return answer


@pytest.mark.parametrize("framework", [ChatAKI, AKI])
def test_an_anthropic_route_that_wants_bearer_gets_it_and_is_remembered(framework: Any) -> None:
    for way in range(4):
        forget_listings()
        bearer = only(header="authorization")
        with ScriptServer(always=bearer, listing=bearer) as server:
            for number in (1, 2):
                model = framework(model=MODEL, provider=Provider(base_url=f"{server.url}/anthropic"), api_key=KEY)
                assert list(ASK[framework](model))[way]() == "Hello"
                assert (len(server.listings), len(server.requests)) == (2, number)
            assert server.requests[0].json["max_tokens"] < 2000
            assert not [each for each in server.requests if "x-api-key" in each.headers]


def test_a_place_of_the_key_that_was_chosen_is_kept() -> None:
    with ScriptServer(always=only(header="authorization"), listing=only(header="authorization")) as server:
        route = Route(protocol="anthropic", base_url=f"{server.url}/anthropic", key_in="x-api-key")
        with pytest.raises(ours.AuthenticationError):
            ChatAKI(model=MODEL, provider=Provider(routes=(route,)), api_key=KEY).invoke("hi")
        assert len(server.requests) == 1
        assert not [each for each in server.requests if "authorization" in each.headers]


def test_a_wrong_key_is_tried_in_both_places_and_no_more() -> None:
    with ScriptServer(always=only(header="x-none"), listing=only(header="x-none")) as server:
        model = ChatAKI(model=MODEL, provider=Provider(base_url=f"{server.url}/anthropic"), api_key=KEY)
        with pytest.raises(ours.AuthenticationError):
            model.invoke("hi")
        assert (len(server.listings), len(server.requests)) == (2, 2)


def test_unknown_limits_send_the_bound_that_the_protocol_requires() -> None:
    with ScriptServer(always=only(header="x-api-key"), listing=text_answer("no", 404)) as server:
        model = AKI(model=MODEL, provider=Provider(base_url=f"{server.url}/anthropic"), api_key=KEY)
        assert model.metadata.num_output == 4096
        assert model.complete("hi").text == "Hello"
        assert server.requests[0].json["max_tokens"] == 4096


def test_a_long_prompt_leaves_room_whatever_it_is_made_of() -> None:
    listing = json_answer({"data": [{"id": MODEL, "max_model_len": 8000}]})
    with ScriptServer(always=only(header="x-api-key"), listing=listing) as server:
        client = Client(Provider(base_url=f"{server.url}/anthropic"), api_key=KEY)
        tool = {"type": "custom_20270101", "name": "t", "text": "x" * 8000}
        for message, tools in (
            (Message(role="user", content="ж" * 4000), ()),
            (Message(role="user", content="x"), (tool,)),
        ):
            client.chat(ChatRequest(model=MODEL, messages=(message,), tools=tools))
        assert [5900 < each.json["max_tokens"] < 6000 for each in server.requests] == [True, True]


def test_a_404_tells_what_may_be_wrong_with_the_url() -> None:
    for end, hint in (("", "under /v1"), ("/anthropic/v1", ""), ("/v1", "")):
        with ScriptServer(always=json_answer({"detail": "Not Found"}, 404)) as server:
            model = ChatAKI(model=MODEL, provider=Provider(base_url=f"{server.url}{end}"))
            with pytest.raises(ours.NotFoundError) as caught:
                model.invoke("hi")
        assert ("Most services" in str(caught.value)) is bool(hint)
