"""What a protocol cannot say is refused before anything is sent, with what it can say."""

from typing import Any

import httpx
import pytest

from aki_transport import Client, ConfigurationError
from aki_transport.messages import ChatRequest, JsonObject, JsonSchema, Tool
from tests.subcases import subcases
from tests.transport.asking import KEY, MODEL, Way, answered_by, in_every_way, request_for

ADD = Tool(name="add")
ALL: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "max_tokens": 2000,
    "stop": ("END",),
    "seed": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "reasoning_effort": "low",
    "tools": (ADD,),
    "response_format": {"type": "grammar"},
}
REFUSED = {
    "openai": (),
    "anthropic": ("seed", "presence_penalty", "frequency_penalty", "response_format"),
    "native": ("seed", "presence_penalty", "frequency_penalty", "reasoning_effort", "tools", "response_format"),
}
CHAT = Way(streamed=False, is_async=False)
MODELS = {"openai": MODEL, "anthropic": MODEL, "native": "llama3-chat-8b"}


class Sent(Exception):  # noqa: N818  it is no error
    """Something was sent."""


def client_of(protocol: str) -> Client:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": MODEL}]})
        raise Sent

    return answered_by(respond, protocol=protocol)


def asked(way: Way, protocol: str, **fields: Any) -> None:
    way.ask(client_of(protocol), request_for(MODELS[protocol], **fields))


@pytest.mark.parametrize("protocol", REFUSED)
@subcases("name", ALL)
def test_each_field_is_said_or_refused(protocol: str, name: str) -> None:
    fields = {**({"max_tokens": 2000} if protocol == "anthropic" else {}), name: ALL[name]}
    if name not in REFUSED[protocol]:
        with pytest.raises(Sent):
            asked(CHAT, protocol, **fields)
        return
    with pytest.raises(ConfigurationError, match=f"protocol='{protocol}' takes no {name};") as caught:
        asked(CHAT, protocol, **fields)
    assert "it takes temperature, top_p, top_k, max_tokens, stop" in str(caught.value)
    assert "extra_body" in str(caught.value)


NOTHING = {name: () if name in ("stop", "tools") else None for name in ALL}
SAID = [
    *((protocol, NOTHING) for protocol in REFUSED),
    *((protocol, {"response_format": JsonObject()}) for protocol in REFUSED),
    *((protocol, {"response_format": JsonSchema(name="answer", schema={"type": "object"})}) for protocol in REFUSED),
    *((protocol, {"extra_body": {"seed": 1, "temperature": 1.5}}) for protocol in ("anthropic", "native")),
    ("openai", {"temperature": 1.9}),  # its range is the service's matter
]


@pytest.mark.parametrize(("protocol", "fields"), SAID)
@in_every_way
def test_all_else_can_be_asked_for(way: Way, protocol: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Sent):
        asked(way, protocol, **fields)


@pytest.mark.parametrize("protocol", ["anthropic", "native"])
@pytest.mark.parametrize("name", ["temperature", "top_p"])
def test_the_ranges(protocol: str, name: str) -> None:
    for value in (0, 0.0, 1, 1.0):
        with pytest.raises(Sent):
            asked(CHAT, protocol, **{name: value})
    for wrong in (1.01, -0.1, float("nan")):
        words = f"{name}={wrong:g} is out of range: protocol='{protocol}' takes 0 to 1"
        with pytest.raises(ConfigurationError, match=words):
            asked(CHAT, protocol, **{name: wrong})
    with pytest.raises(ConfigurationError, match=f"{name}='0.5' is no number"):
        asked(CHAT, protocol, **{name: "0.5"})


@in_every_way
def test_a_refusal_comes_before_the_model_is_looked_for(way: Way) -> None:
    client = Client(protocol="native", api_key=KEY, base_url="http://127.0.0.1:1/api")
    with pytest.raises(ConfigurationError, match="takes no seed"):
        way.ask(client, request_for("gpt-oss-120b", seed=1))


@pytest.mark.parametrize("protocol", REFUSED)
@in_every_way
def test_an_empty_conversation_is_refused(way: Way, protocol: str) -> None:
    with pytest.raises(ConfigurationError, match="the conversation is empty"):
        way.ask(client_of(protocol), ChatRequest(model=MODELS[protocol], messages=()))
