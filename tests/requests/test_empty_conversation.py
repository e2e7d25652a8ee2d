"""A conversation without a message is refused before sending, on every protocol."""

from __future__ import annotations

import pytest

from aki_transport import Client, ConfigurationError
from aki_transport.messages import ChatRequest
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.requests.frameworks import BOTH_HALVES, ask
from tests.script_server import ScriptServer
from tests.transport.asking import Way, in_every_way


def test_nothing_is_not_sent(subtests) -> None:
    for framework in (ChatAKI, AKI):
        for protocol in ("openai", "anthropic", "native"):
            for way in BOTH_HALVES:
                with subtests.test(framework.__name__, protocol=protocol, way=way), ScriptServer() as server:
                    url = getattr(server, f"{protocol}_url")
                    model = framework(
                        model="llama3-chat-8b", api_key="k", protocol=protocol, base_url=url, model_listing=False
                    )
                    with pytest.raises(ConfigurationError, match="the conversation is empty"):
                        ask(model, way, [])
                    assert not server.requests


@in_every_way
def test_the_client_refuses_it_too(way: Way) -> None:
    with pytest.raises(ConfigurationError, match="the conversation is empty"):
        way.deltas(Client(api_key="k", model_listing=False), ChatRequest(model="qwen3.6-35b", messages=()))
