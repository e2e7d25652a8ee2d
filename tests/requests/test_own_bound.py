"""A `max_tokens` that nobody asked for is not what a request fails of; the user's own is never changed."""

from __future__ import annotations

from typing import Any

import pytest

from aki_transport import AKIError, ContextOverflowError, Provider, Route
from aki_transport.prepare import adaptations
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.requests.frameworks import BOTH_HALVES, Protocol, ask, refuse_if
from tests.script_server import ScriptServer

# The scripted server answers with the same model, whichever is asked for.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")


def model_at(server: ScriptServer, framework: Any, protocol: Protocol, **fields: Any) -> Any:
    """A model at a service that documents a bound of 8192 tokens, or whose protocol requires one."""
    routes = (
        Route(protocol="openai", base_url=server.openai_url, default_max_tokens=8192),
        Route(protocol="anthropic", base_url=f"{server.url}/anthropic", key_in="x-api-key"),
    )
    provider = Provider(name="mine", routes=routes)
    known = {"context_window": 200_000, "max_output": 64_000}
    return framework(**{"model": "m", "provider": provider, "protocol": protocol, "api_key": "k", **known, **fields})


def openai(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **fields}}


# Refusals of a bound, with the bounds that are sent for them on OpenAI's and Anthropic's wire, and whether the next
# request is sent the same way at once.
REFUSALS: dict[str, tuple[int, dict[str, Any], int | None, bool]] = {
    "OpenAI": (
        400,
        openai("max_tokens is too large: 8192. This model supports at most 4096 completion tokens"),
        4096,
        True,
    ),
    "Anthropic": (
        400,
        openai("max_tokens: 8192 > 2048, which is the maximum allowed number of output tokens"),
        2048,
        True,
    ),
    "DeepSeek": (400, openai("Invalid max_tokens value, the valid range of max_tokens is [1, 1000]"), None, True),
    "FastAPI": (
        422,
        {"detail": [{"loc": ["body", "max_tokens"], "msg": "Input should be less than or equal to 3000"}]},
        3000,
        True,
    ),
    "param alone": (400, openai("Too large.", param="max_tokens"), None, True),
    "vLLM": (
        400,
        openai(
            "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 1024"
            " tokens and your request has 20 input tokens (8192 > 1024 - 20)."
        ),
        1004,
        False,
    ),
    "vLLM, older": (
        400,
        openai(
            "This model's maximum context length is 4097 tokens. However, you requested 9000 tokens (808 in the"
            " messages, 8192 in the completion). Please reduce the length of the messages or completion."
        ),
        3289,
        False,
    ),
    "Anthropic's window": (
        400,
        openai("input length and `max_tokens` exceed context limit: 193000 + 8192 > 200000, decrease input length"),
        7000,
        False,
    ),
    "TGI": (
        422,
        {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 50 `inputs` tokens and 8192", "x": 1},
        4046,
        False,
    ),
}


def sent(server: ScriptServer) -> list[int | None]:
    """The bounds that were sent since the last look."""
    bounds = [request.json.get("max_tokens") for request in server.requests]
    server.requests.clear()
    return bounds


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_bound_of_ours_is_left_out_or_lowered(name: str, subtests, monkeypatch) -> None:
    status, error, room, is_remembered = REFUSALS[name]
    for framework in (ChatAKI, AKI):
        for protocol, lowered in (("openai", None), ("anthropic", room or 4096)):
            for way in BOTH_HALVES:
                now = [1000.0]
                monkeypatch.setattr(adaptations, "clock", lambda now=now: now[0])
                adaptations.forget_refusals()
                respond = refuse_if(lambda body: body.get("max_tokens") == 8192, error, status)
                with (
                    subtests.test(framework.__name__, protocol=protocol, way=way),
                    ScriptServer(always=respond) as server,
                ):
                    ask(model_at(server, framework, protocol), way, ["hi"])
                    assert sent(server) == [8192, lowered]
                    ask(model_at(server, framework, protocol), way, ["hi"])
                    assert sent(server) == ([lowered] if is_remembered else [8192, lowered])
                    now[0] += adaptations.REMEMBERED_FOR
                    ask(model_at(server, framework, protocol), way, ["hi"])
                    assert sent(server) == [8192, lowered]


def test_the_users_own_bound_is_refused_as_it_is(subtests) -> None:
    for name, (status, error, _, _) in REFUSALS.items():
        for framework in (ChatAKI, AKI):
            for protocol in ("openai", "anthropic"):
                respond = refuse_if(lambda _: True, error, status)
                with subtests.test(name, framework=framework.__name__, protocol=protocol):
                    with ScriptServer(always=respond) as server, pytest.raises(AKIError):
                        ask(model_at(server, framework, protocol, max_tokens=8192), "blocking", ["hi"])
                    assert sent(server) == [8192]


def test_a_prompt_that_is_too_long_by_itself_is_sent_once(subtests) -> None:
    message = "input length and `max_tokens` exceed context limit: 210000 + 8192 > 200000"
    long = "This model's maximum context length is 4097 tokens. However, your messages resulted in 9000 tokens."
    for words in (message, long, "prompt is too long: 210000 tokens > 200000 maximum"):
        for protocol in ("openai", "anthropic"):
            with subtests.test(words, protocol=protocol):
                respond = refuse_if(lambda _: True, openai(words))
                with ScriptServer(always=respond) as server, pytest.raises(ContextOverflowError):
                    model_at(server, ChatAKI, protocol).invoke("hi")
                assert sent(server) == [8192]


def test_clients_of_one_service_share_what_was_refused_and_those_of_another_do_not() -> None:
    respond = refuse_if(lambda body: body.get("max_tokens") == 8192, openai("Too large.", param="max_tokens"))
    with ScriptServer(always=respond) as one, ScriptServer(always=respond) as other:
        ask(model_at(one, ChatAKI, "openai"), "blocking", ["hi"])
        ask(model_at(one, AKI, "openai"), "stream", ["hi"])
        ask(model_at(one, AKI, "openai", model="another"), "blocking", ["hi"])
        ask(model_at(other, ChatAKI, "openai"), "blocking", ["hi"])
        assert (sent(one), sent(other)) == ([8192, None, None, 8192, None], [8192, None])
