"""A gateway of the user's own works in every class, over every protocol, with a key and without."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import pytest

import aki_transport.errors as ours
from aki_transport import Provider, Route
from aki_transport.emulator import Emulator
from tests.anthropic_script import said
from tests.model_classes import CLASSES, WAYS, text_of
from tests.scenarios import MODEL, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer

Protocol: TypeAlias = Literal["openai", "anthropic", "native"]
KEY_IN: dict[Protocol, Literal["bearer", "x-api-key", "body"]] = {
    "openai": "bearer",
    "anthropic": "x-api-key",
    "native": "body",
}
ENDPOINT = "qwen3.6_35b_chat"
ANSWER = "6 * 7 = 42."


def gateway(root: str, **given: Any) -> Provider:
    """A provider with all protocols, their paths as on the emulator."""
    paths: dict[Protocol, str] = {"openai": "/v1", "anthropic": "/anthropic", "native": "/api"}
    routes = tuple(
        Route(protocol=protocol, base_url=root + path, key_in=KEY_IN[protocol]) for protocol, path in paths.items()
    )
    return Provider(
        **{"name": "mine", "label": "My gateway", "routes": routes, "key_variables": ("MINE_KEY",), **given}
    )


def ask(cls: Any, way: str = "blocking", **where: Any) -> str:
    """The text of an answer; over the native protocol a gateway's models are its endpoints."""
    model = ENDPOINT if where["protocol"] == "native" else MODEL
    return text_of(cls(**{"model": model, **where}), way, "What is 6 * 7?")


in_every_class = pytest.mark.parametrize("cls", CLASSES)
over_every_protocol = pytest.mark.parametrize("protocol", KEY_IN)


@in_every_class
@over_every_protocol
def test_it_answers_with_its_key_and_is_named_where_there_is_none(
    fresh_emulator: Emulator, cls: Any, protocol: Protocol, monkeypatch
):
    where = {"provider": gateway(fresh_emulator.url), "protocol": protocol}
    with pytest.raises(ours.ConfigurationError, match=r"My gateway: no key; set MINE_KEY"):
        ask(cls, **where)
    assert not fresh_emulator.requests
    for way in WAYS:
        assert ask(cls, way, **where, api_key=fresh_emulator.key) == ANSWER
    with pytest.raises(ours.AuthenticationError, match="My gateway"):
        ask(cls, **where, api_key="wrong")
    monkeypatch.setenv("MINE_KEY", fresh_emulator.key)
    assert ask(cls, **where) == ANSWER


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
def test_it_answers_without_a_key_where_it_takes_none(cls: Any, protocol: Protocol):
    with ScriptServer(always=answer) as server:
        for way in WAYS:
            assert ask(cls, way, provider=gateway(server.url, key_variables=()), protocol=protocol) == ANSWER
    for request in server.requests:
        assert not {"authorization", "x-api-key"} & set(request.headers)
        assert "key" not in (request.json or {})


@in_every_class
def test_an_unknown_model_is_refused_where_the_row_says_that_it_falls_back(fresh_emulator: Emulator, cls: Any):
    provider = gateway(fresh_emulator.url, fallback_model="minimax-m2.5-230b")
    where = {"provider": provider, "protocol": "openai", "api_key": fresh_emulator.key}
    for way in WAYS:
        assert ask(cls, way, **where) == ANSWER
        with pytest.raises(ours.ModelNotFoundError, match=MODEL):
            ask(cls, way, **where, model="qwen3.6-35c")
    assert fresh_emulator.count("/v1/models") == 1


@in_every_class
def test_aacflows_development_server_on_this_machine_needs_no_permission(
    fresh_emulator: Emulator, cls: Any, monkeypatch
):
    monkeypatch.setenv("AACFLOW_API_KEY", fresh_emulator.aacflow_key)
    here = f"http://localhost:{fresh_emulator.port}/aacflow/api/v1/ai"
    assert ask(cls, provider="aacflow", protocol="openai", base_url=here, model="gpt-4o-mini") == ANSWER
    assert fresh_emulator.requests[-1].path == "/aacflow/api/v1/ai/chat/completions"
