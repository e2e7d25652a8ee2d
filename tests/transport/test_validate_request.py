"""What a protocol cannot say is refused before anything is sent, with what it can say."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from aki_transport import Client, ConfigurationError
from aki_transport.messages import ChatRequest, JsonObject, JsonSchema, Tool
from tests.subcases import subcases
from tests.transport.asking import KEY, MODEL, Way, in_every_way, request_for

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
MODELS = {"openai": MODEL, "anthropic": MODEL, "native": "llama3-chat-8b"}


class Sent(Exception):  # noqa: N818  it is no error
    """Something was sent."""


def asked(way: Way, protocol: str, **fields: Any) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": MODEL}]})
        raise Sent

    client = Client(
        protocol=protocol,
        api_key=KEY,
        http_client=httpx.Client(transport=httpx.MockTransport(respond)),
        http_async_client=httpx.AsyncClient(transport=httpx.MockTransport(respond)),
    )
    way.ask(client, request_for(MODELS[protocol], **fields))


@pytest.mark.parametrize("protocol", REFUSED)
@subcases("name", ALL)
@in_every_way
def test_each_field_is_said_or_refused(way: Way, protocol: str, name: str) -> None:
    fields = {"max_tokens": 2000, name: ALL[name]} if protocol == "anthropic" else {name: ALL[name]}
    if name not in REFUSED[protocol]:
        with pytest.raises(Sent):
            asked(way, protocol, **fields)
        return
    with pytest.raises(ConfigurationError, match=f"protocol='{protocol}' takes no {name};") as caught:
        asked(way, protocol, **fields)
    assert "it takes temperature, top_p, top_k, max_tokens, stop" in str(caught.value)
    assert "extra_body" in str(caught.value)


@pytest.mark.parametrize("protocol", ["anthropic", "native"])
@in_every_way
def test_all_that_is_refused_is_named_at_once(way: Way, protocol: str) -> None:
    with pytest.raises(ConfigurationError, match=" and no ".join(REFUSED[protocol])):
        asked(way, protocol, **ALL)


@pytest.mark.parametrize("protocol", REFUSED)
@pytest.mark.parametrize("wanted", [JsonObject(), JsonSchema(name="answer", schema={"type": "object"})])
@in_every_way
def test_json_can_be_asked_for_everywhere(way: Way, protocol: str, wanted: Any) -> None:
    with pytest.raises(Sent):
        asked(way, protocol, response_format=wanted)


@pytest.mark.parametrize("protocol", REFUSED)
@in_every_way
def test_what_is_not_given_is_not_refused(way: Way, protocol: str) -> None:
    with pytest.raises(Sent):
        asked(way, protocol, **{name: () if name in ("stop", "tools") else None for name in ALL})


@pytest.mark.parametrize("protocol", ["anthropic", "native"])
@pytest.mark.parametrize("name", ["temperature", "top_p"])
@pytest.mark.parametrize(
    ("value", "taken"),
    [(0, True), (0.0, True), (1, True), (1.0, True), (1.01, False), (-0.1, False), (float("nan"), False)],
)
@in_every_way
def test_the_ranges(way: Way, protocol: str, name: str, value: float, taken: bool) -> None:
    if taken:
        with pytest.raises(Sent):
            asked(way, protocol, **{name: value})
        return
    with pytest.raises(
        ConfigurationError, match=f"{name}={value:g} is out of range: protocol='{protocol}' takes 0 to 1"
    ):
        asked(way, protocol, **{name: value})


@in_every_way
def test_openai_s_protocol_leaves_ranges_to_the_service(way: Way) -> None:
    with pytest.raises(Sent):
        asked(way, "openai", temperature=1.9)


@pytest.mark.parametrize("protocol", ["anthropic", "native"])
@in_every_way
def test_extra_body_says_what_we_have_no_words_for(way: Way, protocol: str) -> None:
    with pytest.raises(Sent):
        asked(way, protocol, extra_body={"seed": 1, "temperature": 1.5})


@in_every_way
def test_a_refusal_comes_before_the_model_is_looked_for(way: Way) -> None:
    with pytest.raises(ConfigurationError, match="takes no seed"):
        way.ask(
            Client(protocol="native", api_key=KEY, base_url="http://127.0.0.1:1/api"),
            ChatRequest(model="gpt-oss-120b", messages=request_for().messages, seed=1),
        )
