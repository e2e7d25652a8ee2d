"""A gateway of the user's own works in every class, over every protocol, with a key and without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import pytest

import aki_transport.errors as ours
from aki_transport import Client, Provider, Route
from aki_transport.emulator import Emulator
from aki_transport.messages import ChatRequest, Message
from aki_transport.models.listing import forget_listings
from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion
from tests.anthropic_script import said
from tests.scenarios import MODEL, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer

Protocol: TypeAlias = Literal["openai", "anthropic", "native"]
Way: TypeAlias = Literal["blocking", "blocking async", "streamed", "streamed async"]
WAYS: tuple[Way, ...] = ("blocking", "blocking async", "streamed", "streamed async")
KEY_IN: dict[Protocol, Literal["bearer", "x-api-key", "body"]] = {
    "openai": "bearer",
    "anthropic": "x-api-key",
    "native": "body",
}
ENDPOINT = "qwen3.6_35b_chat"
SUM = "What is 6 * 7?"
ANSWER = "6 * 7 = 42."


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def a_fresh_start(monkeypatch, emulator: Emulator):
    for name in ("MINE_KEY", "AKI_API_KEY", "AACFLOW_API_KEY", "AK_AI_CORE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    forget_listings()
    emulator.reset()


def gateway(root: str, **given: Any) -> Provider:
    """A provider with all protocols, their paths as on the emulator."""
    paths: dict[Protocol, str] = {"openai": "/v1", "anthropic": "/anthropic", "native": "/api"}
    routes = tuple(
        Route(protocol=protocol, base_url=root + path, key_in=KEY_IN[protocol]) for protocol, path in paths.items()
    )
    return Provider(
        **{"name": "mine", "label": "My gateway", "routes": routes, "key_variables": ("MINE_KEY",), **given}
    )


def _asked_of_langchain(cls: Any, way: Way, where: dict[str, Any]) -> str:
    async def awaited() -> Any:
        model = cls(**where)
        if way == "streamed async":
            return [piece async for piece in model.astream(SUM)]
        return [await model.ainvoke(SUM)]

    if "async" in way:
        pieces = asyncio.run(awaited())
    else:
        model = cls(**where)
        pieces = list(model.stream(SUM)) if way == "streamed" else [model.invoke(SUM)]
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)


def _asked_of_llama_index(cls: Any, way: Way, where: dict[str, Any]) -> str:
    async def awaited() -> Any:
        llm = cls(**where)
        if way == "streamed async":
            return [item async for item in await llm.astream_complete(SUM)][-1]
        return await llm.acomplete(SUM)

    if "async" in way:
        return asyncio.run(awaited()).text
    llm = cls(**where)
    return (list(llm.stream_complete(SUM))[-1] if way == "streamed" else llm.complete(SUM)).text


def _asked_of_a_client(_: Any, way: Way, where: dict[str, Any]) -> str:
    where = dict(where)
    request = ChatRequest(model=where.pop("model"), messages=(Message(role="user", content=SUM),))

    async def awaited() -> Any:
        async with Client(**where) as client:
            if way == "streamed async":
                return [delta async for delta in client.astream(request)][-1].reply
            return await client.achat(request)

    if "async" in way:
        return asyncio.run(awaited()).text
    with Client(**where) as client:
        return (list(client.stream(request))[-1].reply if way == "streamed" else client.chat(request)).text


CLASSES: dict[str, tuple[Callable[..., str], Any]] = {
    "ChatAKI": (_asked_of_langchain, ChatAKI),
    "AKILLM": (_asked_of_langchain, AKILLM),
    "AKI": (_asked_of_llama_index, AKI),
    "AKICompletion": (_asked_of_llama_index, AKICompletion),
    "Client": (_asked_of_a_client, Client),
}


def ask(name: str, way: Way, **where: Any) -> str:
    """The text of an answer; over the native protocol a gateway's models are its endpoints."""
    asked, cls = CLASSES[name]
    model = ENDPOINT if where["protocol"] == "native" else MODEL
    return asked(cls, way, {"model": model, **where})


in_every_class = pytest.mark.parametrize("name", CLASSES)
over_every_protocol = pytest.mark.parametrize("protocol", KEY_IN)
in_every_way = pytest.mark.parametrize("way", WAYS)


@in_every_class
@over_every_protocol
@in_every_way
def test_it_answers_with_a_key_that_is_given(emulator: Emulator, name: str, protocol: Protocol, way: Way):
    provider = gateway(emulator.url)
    assert ask(name, way, provider=provider, protocol=protocol, api_key=emulator.key) == ANSWER


@in_every_class
@over_every_protocol
def test_it_answers_with_a_key_of_its_own_variable(emulator: Emulator, name: str, protocol: Protocol, monkeypatch):
    monkeypatch.setenv("MINE_KEY", emulator.key)
    assert ask(name, "blocking", provider=gateway(emulator.url), protocol=protocol) == ANSWER


@in_every_class
@over_every_protocol
def test_its_variable_is_named_where_there_is_no_key(emulator: Emulator, name: str, protocol: Protocol):
    with pytest.raises(ours.ConfigurationError, match=r"My gateway: no key; set MINE_KEY"):
        ask(name, "blocking", provider=gateway(emulator.url), protocol=protocol)
    assert not emulator.requests


@in_every_class
@over_every_protocol
def test_its_label_is_named_where_the_key_is_wrong(emulator: Emulator, name: str, protocol: Protocol):
    with pytest.raises(ours.AuthenticationError, match="My gateway"):
        ask(name, "blocking", provider=gateway(emulator.url), protocol=protocol, api_key="wrong")


def answer(request: Request) -> Answer:
    """The answer of a service without keys, in the protocol of the path that was asked."""
    if request.path.endswith("/endpoints"):
        return json_answer({"success": True, "endpoints": [ENDPOINT]})
    if request.path.endswith("/messages"):
        return said(request, {"type": "text", "text": ANSWER})
    if "/call/" in request.path:
        return json_answer({"success": True, "job_id": "j1"})
    if "/progress/" in request.path:
        return json_answer({"success": True, "job_id": "j1", "job_state": "done", "job_result": {"text": ANSWER}})
    return streamed(ANSWER) if request.json.get("stream") else replied(ANSWER)


@in_every_class
@over_every_protocol
@in_every_way
def test_it_answers_without_a_key_where_it_takes_none(name: str, protocol: Protocol, way: Way):
    with ScriptServer(always=answer) as server:
        assert ask(name, way, provider=gateway(server.url, key_variables=()), protocol=protocol) == ANSWER
    for request in server.requests:
        assert not {"authorization", "x-api-key"} & set(request.headers)
        assert "key" not in (request.json or {})


@in_every_class
def test_a_protocol_that_it_does_not_speak_is_refused_with_those_it_does(name: str):
    only = Provider(name="mine", routes=(Route(protocol="openai", base_url="http://localhost:1/v1"),))
    with pytest.raises(
        ours.ConfigurationError, match=r"mine does not support protocol='native'; it supports 'openai'\."
    ):
        ask(name, "blocking", provider=only, protocol="native")


@in_every_class
@in_every_way
def test_an_unknown_model_is_refused_where_the_row_says_that_it_falls_back(emulator: Emulator, name: str, way: Way):
    provider = gateway(emulator.url, fallback_model="minimax-m2.5-230b")
    where = {"provider": provider, "protocol": "openai", "api_key": emulator.key}
    assert ask(name, way, **where) == ANSWER
    with pytest.raises(ours.ModelNotFoundError, match=MODEL):
        ask(name, way, **where, model="qwen3.6-35c")
    assert emulator.count("/v1/models") == 1


@in_every_class
@in_every_way
def test_aacflows_development_server_on_this_machine_needs_no_permission(
    emulator: Emulator, name: str, way: Way, monkeypatch
):
    monkeypatch.setenv("AACFLOW_API_KEY", emulator.aacflow_key)
    here = f"http://localhost:{emulator.port}/aacflow/api/v1/ai"
    assert ask(name, way, provider="aacflow", protocol="openai", base_url=here, model="gpt-4o-mini") == ANSWER
    assert emulator.requests[-1].path == "/aacflow/api/v1/ai/chat/completions"


@in_every_class
def test_aacflows_development_address_is_taken_as_it_stands(name: str):
    _, cls = CLASSES[name]
    model = {} if cls is Client else {"model": "gpt-4o-mini"}
    made = cls(provider="aacflow", base_url="http://localhost:4000/api/v1/ai", **model)
    assert (made if cls is Client else made._client).base_url == "http://localhost:4000/api/v1/ai"
