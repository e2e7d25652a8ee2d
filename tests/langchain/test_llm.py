"""`AKILLM`: raw prompts to text, alone, many at once, in chains, and as an object."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from langchain_core import exceptions as lc
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.load import dumpd, dumps, loads
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate

import langchain_aki.errors as ours
from aki_transport import Provider, Route
from aki_transport.emulator import Emulator
from langchain_aki import AKILLM, ChatAKI, register_providers
from tests.langchain.asking import WAYS, Way, ask, is_streamed, pieces_of
from tests.scenarios import KEY, MODEL, chunk, replied, streamed, tokens
from tests.script_server import Answer, Request, ScriptServer, json_answer, sse
from tests.subcases import subcases

# `load` is in beta; it says so once per process.
pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

SUM = "What is 6 * 7?"
SECRET = "key-that-nobody-may-see"
OTHER_FIRST = Provider(name="mine", routes=(Route(protocol="anthropic", base_url="http://localhost:1/a"),))
NATIVE_LAST = Provider(
    name="mine",
    routes=(
        Route(protocol="openai", base_url="http://localhost:1/v1"),
        Route(protocol="native", base_url="http://localhost:1/api", key_in="body"),
    ),
)


def llm_on(emulator: Emulator, **given: Any) -> AKILLM:
    return AKILLM(**{"model": "llama3-chat-8b", "base_url": emulator.native_url, "api_key": emulator.key, **given})


def llm_at(server: ScriptServer, **given: Any) -> AKILLM:
    defaults = {"model": MODEL, "protocol": "openai", "base_url": server.openai_url, "api_key": KEY}
    return AKILLM(**{**defaults, **given})


def prompt_in(request: Request) -> str:
    (message,) = request.json["messages"]
    return message["content"]


def echo(request: Request) -> Answer:
    """The prompt, said back; the prompt `bad` is refused."""
    said = prompt_in(request)
    if said == "bad":
        return json_answer({"error": {"message": "not that one"}}, 400)
    return streamed(said) if request.json.get("stream") else replied(said)


class Ears(BaseCallbackHandler):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.tokens: list[str] = []
        self.started: dict[str, Any] = {}
        self.result: Any = None

    def on_llm_start(self, serialized: Any, prompts: list[str], **given: Any) -> None:
        self.heard.append("start")
        self.started = {"serialized": serialized, "prompts": prompts, **given}

    def on_llm_new_token(self, token: str, **_: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.heard.append("end")
        self.result = response

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        self.heard.append(type(error).__name__)


class Gauge(AsyncCallbackHandler):
    """How many calls are under way, and were at the most."""

    now = most = 0

    async def on_llm_start(self, *_: Any, **__: Any) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    async def on_llm_end(self, *_: Any, **__: Any) -> None:
        self.now -= 1


# Prompt to text


@subcases("way", WAYS)
def test_a_prompt_goes_out_as_it_is_and_text_comes_back(fresh_emulator: Emulator, way: Way):
    assert ask(llm_on(fresh_emulator), way, SUM) == "6 * 7 = 42."
    called = [seen.body for seen in fresh_emulator.requests if "/call/" in seen.path]
    assert called == [{"text_context": SUM, "wait_for_result": False, "key": fresh_emulator.key}]


@subcases("way", WAYS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_chat_protocol_gets_the_prompt_as_one_user_message(fresh_emulator: Emulator, protocol: str, way: Way):
    llm = llm_on(fresh_emulator, protocol=protocol, base_url=getattr(fresh_emulator, f"{protocol}_url"))
    assert ask(llm, way, SUM) == "6 * 7 = 42."
    (message,) = fresh_emulator.requests[-1].body["messages"]
    assert message["role"] == "user"
    assert SUM in str(message["content"])


@subcases("way", WAYS)
def test_the_gateways_take_prompts_too(fresh_emulator: Emulator, way: Way):
    at_aacflow = llm_on(
        fresh_emulator,
        provider="aacflow",
        model="gpt-4o-mini",
        base_url=fresh_emulator.aacflow_url,
        api_key=fresh_emulator.aacflow_key,
    )
    at_ak_ai_core = llm_on(
        fresh_emulator,
        provider="ak_ai_core",
        model="openai/gpt-4o-mini",
        base_url=fresh_emulator.ak_ai_core_url,
        api_key=fresh_emulator.ak_ai_core_key,
    )
    assert [ask(llm, way, SUM) for llm in (at_aacflow, at_ak_ai_core)] == ["6 * 7 = 42."] * 2


def test_messages_become_one_prompt_in_langchains_form(fresh_emulator: Emulator):
    llm_on(fresh_emulator).invoke([HumanMessage("hi")])
    assert fresh_emulator.requests[0].body["text_context"] == "Human: hi"


@subcases("way", ["stream", "astream"])
def test_a_stream_comes_in_pieces(server: ScriptServer, way: Way):
    server.say(streamed("One, ", "two, ", "three."))
    assert list(filter(None, pieces_of(llm_at(server), way, "count"))) == ["One, ", "two, ", "three."]


@subcases("way", ["stream", "astream"])
def test_a_stream_that_breaks_off_raises_and_keeps_the_text(server: ScriptServer, way: Way):
    server.say(sse(chunk("One"), done=False, end="cut"))
    with pytest.raises(ours.StreamInterruptedError) as found:
        pieces_of(llm_at(server), way, "count")
    assert found.value.partial_text == "One"
    assert isinstance(found.value, lc.ModelConnectionError)


@subcases("way", WAYS)
@pytest.mark.parametrize("where", ["model", "call"])
def test_stop_ends_the_text_on_the_native_protocol(fresh_emulator: Emulator, where: str, way: Way):
    llm = llm_on(fresh_emulator, stop=[" = "] if where == "model" else None)
    asked = llm if where == "model" else llm.bind(stop=[" = "])
    assert ask(asked, way, SUM) == "6 * 7"


@subcases("way", WAYS)
def test_stop_of_a_call_wins_over_the_models(server: ScriptServer, way: Way):
    server.always = echo
    ask(llm_at(server, stop="a").bind(stop=["b"]), way, "hi")
    assert server.requests[0].json["stop"] == ["b"]


@subcases("way", WAYS)
def test_fields_of_the_model_and_of_the_call_are_sent(server: ScriptServer, way: Way):
    server.always = echo
    ask(llm_at(server, temperature=0, max_tokens=5, seed=7).bind(temperature=0.5), way, "hi")
    sent = server.requests[0].json
    assert (sent["temperature"], sent["max_tokens"], sent["seed"]) == (0.5, 5, 7)


# Which protocol


@pytest.mark.parametrize(
    ("provider", "protocol"),
    [
        pytest.param("aki", "native", id="aki"),
        pytest.param("aacflow", "openai", id="aacflow"),
        pytest.param("ak_ai_core", "openai", id="ak_ai_core"),
        pytest.param(OTHER_FIRST, "anthropic", id="first"),
        pytest.param(NATIVE_LAST, "native", id="native-last"),
    ],
)
def test_the_protocol_is_native_where_there_is_one_else_the_providers_first(provider: Any, protocol: str):
    assert AKILLM(model="m", provider=provider).protocol == protocol


def test_a_protocol_that_is_given_stays():
    assert AKILLM(model="m", protocol="openai").protocol == "openai"


def test_a_provider_that_is_unknown_is_refused_with_those_there_are():
    with pytest.raises(ours.ConfigurationError, match="'aki', 'aacflow', 'ak_ai_core'"):
        AKILLM(model="m", provider="open_ai")


# Many prompts


@subcases("is_async", [False, True])
def test_a_batch_in_which_one_fails_gives_the_others(server: ScriptServer, is_async: bool):
    server.always = echo
    llm, prompts = llm_at(server), ["a", "bad", "c"]
    found = (
        asyncio.run(llm.abatch(prompts, return_exceptions=True))
        if is_async
        else llm.batch(prompts, return_exceptions=True)
    )
    assert (found[0], found[2]) == ("a", "c")
    assert type(found[1]) is ours.BadRequestError


@subcases("is_async", [False, True])
def test_a_batch_in_which_one_fails_raises_else(server: ScriptServer, is_async: bool):
    server.always = echo
    llm, prompts = llm_at(server), ["a", "bad", "c"]
    with pytest.raises(lc.ModelInvalidRequestError, match="not that one"):
        asyncio.run(llm.abatch(prompts)) if is_async else llm.batch(prompts)


async def test_abatch_has_no_more_under_way_than_it_may(server: ScriptServer):
    server.always = lambda request: replied(prompt_in(request))
    gauge = Gauge()
    prompts = [f"p{number}" for number in range(12)]
    found = await llm_at(server).abatch(prompts, config={"max_concurrency": 3, "callbacks": [gauge]})
    assert found == prompts
    assert gauge.most == 3


def test_generate_answers_every_prompt_and_adds_usage_up(server: ScriptServer):
    server.always = echo
    result = llm_at(server).generate(["a", "b", "c"])
    assert [[each.text for each in answers] for answers in result.generations] == [["a"], ["b"], ["c"]]
    assert result.llm_output["token_usage"] == {"prompt_tokens": 15, "completion_tokens": 9, "total_tokens": 24}
    assert (result.llm_output["model_name"], result.llm_output["model_provider"]) == (MODEL, "aki")


async def test_agenerate_answers_every_prompt_and_adds_usage_up(server: ScriptServer):
    server.always = echo
    result = await llm_at(server).agenerate(["a", "b", "c"])
    assert [[each.text for each in answers] for answers in result.generations] == [["a"], ["b"], ["c"]]
    assert result.llm_output["token_usage"] == {"prompt_tokens": 15, "completion_tokens": 9, "total_tokens": 24}


def test_generate_asks_one_after_the_other_where_it_is_told_to(server: ScriptServer):
    server.always = echo
    llm_at(server, batch_size=1).generate(["a", "b", "c"])
    assert [prompt_in(request) for request in server.requests] == ["a", "b", "c"]


def test_generate_fails_with_the_prompt_that_fails(server: ScriptServer):
    server.always = echo
    with pytest.raises(ours.BadRequestError, match="not that one"):
        llm_at(server).generate(["a", "bad"])


async def test_agenerate_cancels_the_others_when_one_fails(server: ScriptServer):
    refused = replace(json_answer({"error": {"message": "not that one"}}, 400), delay=0.2)
    server.always = lambda request: refused if prompt_in(request) == "bad" else Answer(end="hang")
    with pytest.raises(ours.BadRequestError):
        async with asyncio.timeout(10):
            await llm_at(server).agenerate(["good", "bad"])
    assert len(server.requests) == 2
    async with asyncio.timeout(10):
        while server.open_connections:  # noqa: ASYNC110  the server is in another thread
            await asyncio.sleep(0.005)


# What is known of an answer


@subcases("is_async", [False, True])
def test_an_answers_information_is_that_of_a_chat_models(fresh_emulator: Emulator, is_async: bool):
    llm = llm_on(fresh_emulator, model="qwen3.6-35b")
    result = asyncio.run(llm.agenerate([SUM])) if is_async else llm.generate([SUM])
    info = result.generations[0][0].generation_info
    assert info["model_name"] == "qwen3.6-35b"
    assert info["native_model_name"] == "Qwen3.6-35B"
    assert info["model_provider"] == "aki"
    assert info["finish_reason"] == "stop"
    assert info["total_duration"] > 0
    assert info["reasoning_content"]
    assert info["usage"]["total_tokens"] == info["usage"]["input_tokens"] + info["usage"]["output_tokens"]
    assert result.llm_output["token_usage"]["total_tokens"] == info["usage"]["total_tokens"]


@subcases("is_async", [False, True])
def test_a_streams_information_is_that_of_a_blocking_answer(server: ScriptServer, is_async: bool):
    server.always = echo
    ears = Ears()
    llm = llm_at(server)
    blocking = llm.generate(["Hello"]).generations[0][0]
    ask(llm.with_config(callbacks=[ears]), "astream" if is_async else "stream", "Hello")
    ((streamed_one,),) = ears.result.generations
    assert streamed_one.text == blocking.text
    assert streamed_one.generation_info == blocking.generation_info


def test_credits_of_a_gateway_are_told(fresh_emulator: Emulator):
    llm = llm_on(
        fresh_emulator,
        provider="aacflow",
        model="gpt-4o-mini",
        base_url=fresh_emulator.aacflow_url,
        api_key=fresh_emulator.aacflow_key,
    )
    info = llm.generate([SUM]).generations[0][0].generation_info
    assert 0 < info["credits_used"] < info["credits_remaining"] < 100


def test_usage_that_the_service_does_not_count_is_left_out(server: ScriptServer):
    server.say(replied(top={"usage": None}))
    result = llm_at(server).generate(["hi"])
    assert "usage" not in result.generations[0][0].generation_info
    assert result.llm_output["token_usage"]["total_tokens"] == 0


# Callbacks and chains


@subcases("way", WAYS)
def test_a_handler_hears_each_call_and_each_token_once(server: ScriptServer, way: Way):
    server.say(streamed("One, ", "two.") if is_streamed(way) else replied("One, two."))
    ears = Ears()
    ask(llm_at(server, callbacks=[ears]), way, "count")
    assert ears.heard == ["start", "end"]
    assert list(filter(None, ears.tokens)) == (["One, ", "two."] if is_streamed(way) else [])


@subcases("way", WAYS)
def test_a_handler_hears_of_an_error_once(server: ScriptServer, way: Way):
    server.always = echo
    ears = Ears()
    with pytest.raises(ours.BadRequestError):
        ask(llm_at(server, callbacks=[ears]), way, "bad")
    assert ears.heard == ["start", "BadRequestError"]


def test_a_trace_names_provider_and_settings_and_holds_no_key(server: ScriptServer):
    server.always = echo
    ears = Ears()
    llm_at(server, api_key=SECRET, temperature=0, stop=["x"], callbacks=[ears]).invoke("hi")
    metadata = ears.started["metadata"]
    assert (metadata["ls_provider"], metadata["ls_model_name"], metadata["ls_model_type"]) == ("aki", MODEL, "llm")
    assert metadata["ls_temperature"] == 0
    assert "langchain-aki" in metadata["lc_versions"]
    assert SECRET not in str(ears.started)


@subcases("way", WAYS)
def test_a_chain_gives_text_and_streams_it(server: ScriptServer, way: Way):
    server.say(streamed("One, ", "two.") if is_streamed(way) else replied("One, two."))
    chain = PromptTemplate.from_template("Count to {number}.") | llm_at(server) | StrOutputParser()
    pieces = list(filter(None, pieces_of(chain, way, {"number": "two"})))
    assert pieces == (["One, ", "two."] if is_streamed(way) else ["One, two."])
    assert prompt_in(server.requests[0]) == "Count to two."


async def test_events_of_a_chain_tell_of_every_token(server: ScriptServer):
    server.say(streamed("One, ", "two."))
    chain = PromptTemplate.from_template("Count to {number}.") | llm_at(server)
    events = [event async for event in chain.astream_events({"number": 2}, version="v2")]
    told = [event["data"]["chunk"].text for event in events if event["event"] == "on_llm_stream"]
    assert list(filter(None, told)) == ["One, ", "two."]


# Errors


@subcases("way", WAYS)
def test_a_model_that_is_not_served_is_refused_before_anything_is_asked(fresh_emulator: Emulator, way: Way):
    with pytest.raises(lc.ModelNotFoundError):
        ask(llm_on(fresh_emulator, model="lama3-chat-8b"), way, SUM)
    assert not [seen for seen in fresh_emulator.requests if "/call/" in seen.path]


@subcases("way", WAYS)
@pytest.mark.parametrize("name", ["tools", "response_format", "temprature"])
def test_an_argument_that_no_prompt_takes_is_refused_before_anything_is_sent(server: ScriptServer, name: str, way: Way):
    with pytest.raises(ours.ConfigurationError, match=name):
        ask(llm_at(server).bind(**{name: 1}), way, "hi")
    assert not server.requests


@pytest.mark.parametrize(
    ("name", "ours_is"), {"max_new_tokens": "max_tokens", "model_id": "model", "url": "base_url"}.items()
)
def test_an_unknown_argument_is_refused_with_the_name_of_ours(name: str, ours_is: str):
    given = {} if ours_is == "model" else {"model": MODEL}
    with pytest.raises(ours.ConfigurationError, match=rf"AKILLM has no argument '{name}'; use {ours_is}="):
        AKILLM(**given, **{name: "x"})


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"max_tokens": 0}, {"protocol": "grpc"}], ids="-".join)
def test_what_cannot_work_is_refused_when_the_model_is_made(wrong: dict[str, Any]):
    with pytest.raises(ours.ConfigurationError):
        AKILLM(model=MODEL, **wrong)


@pytest.mark.parametrize("name", ["seed", "reasoning_effort", "presence_penalty"])
def test_what_the_native_protocol_cannot_say_is_refused(fresh_emulator: Emulator, name: str):
    with pytest.raises(ours.ConfigurationError, match=f"takes no {name}"):
        llm_on(fresh_emulator, **{name: "high" if name == "reasoning_effort" else 1}).invoke(SUM)
    assert not [seen for seen in fresh_emulator.requests if "/call/" in seen.path]


# As an object


@pytest.mark.parametrize(
    "method",
    [
        lambda llm: loads(dumps(llm), allowed_objects=[AKILLM], secrets_from_env=True),
        lambda llm: loads(dumps(llm), allowed_objects="all", secrets_from_env=True),
    ],
    ids=["named", "all"],
)
def test_a_dump_loads_again(method: Callable[[AKILLM], AKILLM], monkeypatch):
    register_providers()
    monkeypatch.setenv("AKI_API_KEY", SECRET)
    llm = AKILLM(model=MODEL, temperature=0, stop=["a"], timeout=5, batch_size=3, provider="aki", api_key=SECRET)
    again = method(llm)
    assert type(again) is AKILLM
    assert again.model_dump() == llm.model_dump()
    assert again._identifying_params == llm._identifying_params
    assert again.api_key.get_secret_value() == SECRET


def test_a_chat_model_loads_after_registering_too(monkeypatch):
    register_providers()
    monkeypatch.setenv("AKI_API_KEY", SECRET)
    model = ChatAKI(model=MODEL, api_key=SECRET)
    assert type(loads(dumps(model), allowed_objects="all", secrets_from_env=True)) is ChatAKI


def test_a_dump_names_the_key_by_its_variable_and_shows_it_nowhere():
    llm = AKILLM(model=MODEL, api_key=SECRET)
    dumped = dumpd(llm)
    assert dumped["id"] == ["langchain_aki", "llms", "AKILLM"]
    assert dumped["kwargs"]["api_key"] == {"lc": 1, "type": "secret", "id": ["AKI_API_KEY"]}
    assert SECRET not in f"{dumped} {llm!r} {llm} {llm.model_dump()} {llm._identifying_params}"


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    "how",
    [lambda llm: pickle.loads(pickle.dumps(llm)), copy.deepcopy, copy.copy],  # noqa: S301
    ids=["pickle", "deepcopy", "copy"],
)
def test_a_copy_works_like_the_original(server: ScriptServer, how: Callable[[AKILLM], AKILLM], used: bool):
    server.always = echo
    llm = llm_at(server, temperature=0)
    if used:
        llm.invoke("hi")
    again = how(llm)
    assert ask(again, "invoke", "hi") == ask(again, "ainvoke", "hi") == "hi"
    assert again._identifying_params == llm._identifying_params


def test_a_cache_gives_the_answer_again_and_asks_only_for_what_is_new(server: ScriptServer):
    server.always = echo
    llm = llm_at(server, cache=InMemoryCache())
    assert llm.generate(["a", "b"]).generations == llm.generate(["a", "b"]).generations
    assert [answers[0].text for answers in llm.generate(["b", "c"]).generations] == ["b", "c"]
    assert sorted(prompt_in(request) for request in server.requests) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("other", "requests"),
    [
        ({"timeout": 5}, 1),
        ({"max_retries": 0}, 1),
        ({"api_key": "another"}, 1),
        ({"batch_size": 2}, 1),
        ({"temperature": 0}, 2),
        ({"stop": ["x"]}, 2),
        ({"max_tokens": 5}, 2),
        ({"provider": "aacflow"}, 2),
        ({"model": "gpt-oss-120b"}, 2),
        ({"extra_body": {"a": 1}}, 2),
    ],
    ids=str,
)
def test_a_cache_is_shared_by_models_that_answer_alike(server: ScriptServer, other: dict[str, Any], requests: int):
    server.always = lambda request: replied(top={"model": request.json["model"]})
    cache = InMemoryCache()
    llm_at(server, cache=cache).invoke("hi")
    llm_at(server, cache=cache, **other).invoke("hi")
    assert len(server.requests) == requests


def test_tokens_are_counted_without_network(no_network):  # noqa: ARG001  a fixture that refuses
    llm = AKILLM(model=MODEL)
    assert llm.get_num_tokens("four letters each") == 5
    with pytest.raises(ours.ConfigurationError, match="custom_get_token_ids"):
        llm.get_token_ids("hi")


def test_usage_of_a_service_is_taken_as_it_counts(server: ScriptServer):
    server.say(replied(top={"usage": tokens(100, 20)}))
    assert llm_at(server).generate(["hi"]).llm_output["token_usage"]["total_tokens"] == 120
