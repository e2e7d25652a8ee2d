"""The model as an object: making it, showing it, dumping it, copying it, and what it says of itself."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain.chat_models import base as langchain_table
from langchain.chat_models import init_chat_model
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps, load, loads
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel, SecretStr

import langchain_aki.errors as ours
from aki_transport import PROVIDERS, Provider, Route, Timeout, __version__
from aki_transport.emulator import Emulator
from langchain_aki import ChatAKI, register_providers
from tests.langchain.asking import WAYS, Way, ask, is_streamed, model_at
from tests.scenarios import KEY, MODEL, replied, streamed
from tests.script_server import ScriptServer, json_answer
from tests.subcases import subcases

SECRET = "key-that-nobody-may-see"
pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
MINE = Provider(
    name="mine",
    routes=(Route(protocol="openai", base_url="https://llm.example.com/v1"),),
    key_variables=("MINE_KEY",),
)

LOADING: dict[str, Any] = {
    "allowed_objects": [ChatAKI],
    "valid_namespaces": ["langchain_aki"],
    "secrets_from_env": True,
}

RENAMED = {
    "endpoint": "base_url",
    "url": "base_url",
    "model_id": "model",
    "aki_api_key": "api_key",
    "headers": "default_headers",
    "retries": "max_retries",
}
IN_A_CALL = {"temprature": None, "functions": "tools", "tool_choices": None}


def a_model(**given: Any) -> ChatAKI:
    return ChatAKI(**{"model": MODEL, **given})


class Forecast(BaseModel):
    """A forecast."""

    city: str
    sky: str


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


# Making one


@pytest.mark.parametrize("name", RENAMED)
def test_an_unknown_argument_is_refused_with_the_name_of_ours(name: str):
    given = {"model": MODEL} if RENAMED[name] != "model" else {}
    with pytest.raises(ours.ConfigurationError, match=rf"'{name}'; use {RENAMED[name]}="):
        ChatAKI(**given, **{name: "x"})


def test_an_argument_like_none_of_ours_is_refused_without_a_guess():
    with pytest.raises(ours.ConfigurationError, match=r"ChatAKI has no argument 'qqqq'\.$"):
        a_model(qqqq=1)


@subcases("way", WAYS)
@pytest.mark.parametrize("name", IN_A_CALL)
def test_an_unknown_argument_of_a_call_is_refused_before_anything_is_sent(server: ScriptServer, name: str, way: Way):
    meant = f"use {IN_A_CALL[name]}=" if IN_A_CALL[name] else name
    with pytest.raises(ours.ConfigurationError, match=meant):
        ask(model_at(server).bind(**{name: 1}), way, "hi")
    assert not server.requests


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": "open_ai"},
        {"protocol": "grpc"},
        {"base_url": "http://example.com/v1"},
        {"base_url": "https://user:pass@example.com/v1"},
        {"base_url": "ftp://example.com"},
        {"timeout": 0},
        {"timeout": -1},
        {"api_key": "two words"},
        {"default_headers": {"x y": "1"}},
    ],
    ids=lambda wrong: "-".join(map(str, wrong)),
)
def test_what_cannot_work_is_refused_when_the_model_is_made(wrong: dict[str, Any]):
    with pytest.raises(ours.ConfigurationError):
        a_model(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": "warm"},
        {"temperature": float("nan")},
        {"max_tokens": 0},
        {"max_retries": -1},
        {"on_unknown_model": "shrug"},
        {"on_model_fallback": "shrug"},
        {"send_reasoning": "sometimes"},
        {"model": ""},
        {"model": None},
        {"total_timeout": 0},
    ],
    ids="-".join,
)
def test_a_value_out_of_its_range_is_refused_when_the_model_is_made(wrong: dict[str, Any]):
    with pytest.raises(ours.ConfigurationError):
        a_model(**wrong)


def test_a_value_out_of_its_range_is_refused_without_showing_the_key():
    with pytest.raises(ours.ConfigurationError, match="ChatAKI: max_tokens= should be greater than or equal") as found:
        a_model(api_key=SECRET, max_tokens=0)
    assert SECRET not in str(found.value)


@pytest.mark.usefixtures("no_network")
def test_a_model_is_made_and_described_without_network():
    model = a_model()
    bound = model.bind_tools([get_weather]).with_config(tags=["a"])
    model.with_structured_output(Forecast)
    assert model.profile["max_input_tokens"] == 262144
    assert model.model_info().context_window == 262144
    assert model._identifying_params["model"] == MODEL
    assert model._get_ls_params()["ls_provider"] == "aki"
    assert repr(model)
    assert dumps(model)
    assert bound


@pytest.mark.usefixtures("no_network")
def test_tokens_are_counted_without_network():
    model = a_model()
    assert model.get_num_tokens("") == 0
    assert model.get_num_tokens("four letters each") == 5
    short = model.get_num_tokens_from_messages([HumanMessage("hi")])
    assert model.get_num_tokens_from_messages([HumanMessage("hi " * 100)]) > short
    assert model.get_num_tokens_from_messages([HumanMessage("hi")], tools=[get_weather]) > short
    with pytest.raises(ours.ConfigurationError, match="custom_get_token_ids"):
        model.get_token_ids("hi")


def test_tokens_are_counted_by_the_users_tokenizer_where_given():
    model = a_model(custom_get_token_ids=lambda text: list(range(len(text))))
    assert model.get_num_tokens("hello") == 5
    assert model.get_token_ids("abc") == [0, 1, 2]


def test_other_vendors_environment_changes_nothing(server: ScriptServer, monkeypatch):
    for name, value in {
        "OPENAI_API_KEY": "sk-other",
        "OPENAI_API_BASE": "http://127.0.0.1:1/v1",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "OPENAI_ORG_ID": "org",
        "OPENAI_PROXY": "http://127.0.0.1:1",
        "LANGSMITH_GATEWAY": "true",
        "ANTHROPIC_API_KEY": "sk-ant",
    }.items():
        monkeypatch.setenv(name, value)
    server.say(replied())
    model_at(server).invoke("hi")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "sk-other" not in str(server.requests[0])
    assert a_model()._identifying_params["base_url"] == "https://aki.io/v1"


# The profile


def test_the_profile_comes_from_the_table_before_anything_was_read():
    profile = a_model().profile
    assert profile["max_input_tokens"] == 262144
    assert profile["max_output_tokens"] == 32768
    assert profile["tool_calling"] is True
    assert profile["reasoning_output"] is True
    assert profile["image_inputs"] is True
    assert profile["structured_output"] is False
    assert profile["text_inputs"] is True


def test_an_unknown_models_profile_is_cautious_and_leaves_out_what_is_unknown():
    profile = a_model(model="kimi-k2.7-code-1100b").profile
    assert (profile["max_input_tokens"], profile["max_output_tokens"]) == (32768, 8192)
    assert "tool_calling" not in profile
    assert "image_inputs" not in profile


LISTED = [{"id": MODEL, "max_model_len": 1000}, {"id": "new-model", "max_model_len": 0}]


@subcases("way", WAYS)
def test_the_profile_is_exact_after_the_first_call(way: Way):
    answer = streamed("Hello") if is_streamed(way) else replied()
    with ScriptServer(always=answer, models=LISTED) as server:
        model = model_at(server)
        assert model.profile["max_input_tokens"] == 262144
        ask(model, way, "hi")
        assert model.profile["max_input_tokens"] == 1000
        assert model.model_info().source == "service"
        ask(model, way, "hi")
        assert len(server.listings) == 1
        assert ChatAKI(model=MODEL, base_url=server.openai_url, api_key=KEY).profile["max_input_tokens"] == 1000


@pytest.mark.parametrize("given", [{"max_input_tokens": 7}, {}])
def test_the_users_own_profile_stays(given: dict[str, Any]):
    with ScriptServer(always=replied(), models=LISTED) as server:
        model = model_at(server, profile=given)
        assert model.profile == given
        model.invoke("hi")
        model.refresh_models()
        assert model.profile == given


def test_the_users_own_limits_win():
    with ScriptServer(always=replied(), models=LISTED) as server:
        model = model_at(server, context_window=5000, max_output=2000)
        model.invoke("hi")
        assert (model.profile["max_input_tokens"], model.profile["max_output_tokens"]) == (5000, 2000)


def test_models_are_read_when_asked_for():
    with ScriptServer(models=LISTED) as server:
        model = model_at(server)
        assert [info.id for info in model.refresh_models()] == [MODEL, "new-model"]
        assert model.profile["max_input_tokens"] == 1000
        model.refresh_models()
        assert len(server.listings) == 2


async def test_models_are_read_async_when_asked_for():
    with ScriptServer(models=LISTED) as server:
        model = model_at(server)
        assert [info.id for info in await model.arefresh_models()] == [MODEL, "new-model"]
        assert model.profile["max_input_tokens"] == 1000


async def test_a_listing_that_cannot_be_read_is_an_error_of_langchains_only_when_asked_for():
    with ScriptServer(always=replied(), listing=json_answer({"error": "no"}, 401)) as server:
        model = model_at(server)
        with pytest.raises(ours.AuthenticationError):
            model.refresh_models()
        with pytest.raises(ours.AuthenticationError):
            await model.arefresh_models()
        assert model.invoke("hi").text == "Hello"


# Showing and dumping it


@pytest.fixture
def from_environment(monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", SECRET)


def _used(server: ScriptServer, **given: Any) -> ChatAKI:
    server.always = replied()
    model = model_at(server, **given)
    model.invoke("hi")
    assert server.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
    return model


@pytest.mark.usefixtures("from_environment")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_key_from_the_environment_is_in_nothing_that_is_shown(server: ScriptServer):
    model = _used(server, api_key=None)
    shown = [
        repr(model),
        str(model),
        str(model.dict()),
        str(model.model_dump()),
        model.model_dump_json(),
        dumps(model),
        str(model._identifying_params),
        str(model._get_llm_string()),
        str(model._get_ls_params()),
        str(pickle.dumps(model)),
        repr(model._client),
    ]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_explicit_key_is_shown_only_to_a_pickle(server: ScriptServer):
    model = _used(server, api_key=SECRET)
    shown = [repr(model), str(model.dict()), str(model.model_dump()), model.model_dump_json(), dumps(model)]
    shown += [str(model._identifying_params), model._get_llm_string()]
    assert not [text for text in shown if SECRET in text]
    assert SECRET in str(pickle.dumps(model))


def test_headers_of_the_user_are_not_shown():
    model = a_model(default_headers={"x-secret": SECRET})
    assert SECRET not in f"{model!r} {dumps(model)} {model.model_dump()}"


def test_a_dump_names_the_key_by_its_variable():
    dumped = dumpd(a_model(api_key=SECRET))
    assert dumped["id"] == ["langchain_aki", "chat_models", "ChatAKI"]
    assert dumped["type"] == "constructor"
    assert dumped["kwargs"]["api_key"] == {"lc": 1, "type": "secret", "id": ["AKI_API_KEY"]}
    assert SECRET not in json.dumps(dumped)


@pytest.mark.parametrize("method", [lambda m: load(dumpd(m), **LOADING), lambda m: loads(dumps(m), **LOADING)])
def test_a_dump_loads_again(method: Any, monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", SECRET)
    model = a_model(
        api_key=SECRET, temperature=0, stop=["a"], extra_body={"x": 1}, timeout=5, base_url="https://aki.io/other"
    )
    again = method(model)
    assert type(again) is ChatAKI
    assert again.api_key == SecretStr(SECRET)
    assert again._identifying_params == model._identifying_params
    assert again.model_dump() == model.model_dump()


@pytest.mark.parametrize("timeout", [5.0, Timeout(connect=1, answer=2, chunk=3), httpx.Timeout(4)])
@pytest.mark.parametrize("provider", ["aacflow", MINE, PROVIDERS["aki"]], ids=["name", "own", "row"])
def test_provider_and_timeout_survive_a_dump(provider: Any, timeout: Any):
    model = a_model(provider=provider, timeout=timeout)
    text = json.dumps(dumpd(model))
    again = load(json.loads(text), **LOADING)
    assert again.provider == model.provider
    assert again.timeout == model.timeout
    assert again._client.base_url == model._client.base_url
    assert "not_implemented" not in text


def test_a_dump_of_a_bound_model_loads_again():
    bound = a_model(temperature=0).bind_tools([get_weather], tool_choice="any")
    from langchain_core.runnables.base import RunnableBinding  # noqa: PLC0415

    again = load(dumpd(bound), **{**LOADING, "allowed_objects": [ChatAKI, type(bound), RunnableBinding]})
    assert again.kwargs == bound.kwargs
    assert again.bound.model_dump() == bound.bound.model_dump()


REMADE = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "model_copy": lambda model: model.model_copy(),
    "model_copy_deep": lambda model: model.model_copy(deep=True),
}


@pytest.mark.parametrize("used", ["before", "after", "async"])
@pytest.mark.parametrize("how", REMADE)
def test_a_copy_works_like_the_original(server: ScriptServer, how: str, used: str):
    server.always = replied()
    model = model_at(server, temperature=0)
    if used != "before":
        ask(model, "invoke" if used == "after" else "ainvoke", "hi")
    again = REMADE[how](model)
    server.requests.clear()
    assert ask(again, "invoke", "hi").text == "Hello"
    assert ask(again, "ainvoke", "hi").text == "Hello"
    assert ask(model, "invoke", "hi").text == "Hello"
    assert len(server.requests) == 3
    assert again._identifying_params == model._identifying_params


def test_a_copy_with_another_model_asks_that_one(server: ScriptServer):
    server.always = lambda request: replied(top={"model": request.json["model"]})
    model = model_at(server)
    model.invoke("hi")
    model.model_copy(update={"model": "gpt-oss-120b", "temperature": 0.5}).invoke("hi")
    assert (server.requests[1].json["model"], server.requests[1].json["temperature"]) == ("gpt-oss-120b", 0.5)


def test_a_copy_with_another_base_url_goes_there(server: ScriptServer):
    server.always = replied()
    model = a_model(api_key=KEY).model_copy(update={"base_url": server.openai_url})
    assert model.invoke("hi").text == "Hello"


@pytest.mark.usefixtures("from_environment")
def test_a_key_from_the_environment_is_read_again_by_a_pickle(server: ScriptServer, monkeypatch):
    packed = pickle.dumps(_used(server, api_key=None))
    monkeypatch.setenv("AKI_API_KEY", "another-key")
    pickle.loads(packed).invoke("hi")  # noqa: S301
    assert server.requests[-1].headers["authorization"] == "Bearer another-key"


def test_a_client_of_the_users_is_shared_by_a_deepcopy_and_refused_by_a_pickle(server: ScriptServer):
    server.always = replied()
    with httpx.Client() as client:
        model = model_at(server, http_client=client)
        model.invoke("hi")
        again = copy.deepcopy(model)
        assert again.http_client is client
        assert again.invoke("hi").text == "Hello"
        with pytest.raises(ours.ConfigurationError, match="http_client= cannot be pickled"):
            pickle.dumps(model)
        model.close()
        assert not client.is_closed


async def test_an_async_client_of_the_users_is_used_and_not_closed(server: ScriptServer):
    server.always = replied()
    async with httpx.AsyncClient() as client:
        model = model_at(server, http_async_client=client)
        assert (await model.ainvoke("hi")).text == "Hello"
        with pytest.raises(ours.ConfigurationError, match="http_async_client"):
            pickle.dumps(model)
        await model.aclose()
        assert not client.is_closed


# Caches


def test_a_cache_gives_the_answer_again(server: ScriptServer):
    server.always = replied()
    model = model_at(server, cache=InMemoryCache())
    first, second = model.invoke("hi"), model.invoke("hi")
    assert first.content == second.content
    assert len(server.requests) == 1


def _asked_twice(server: ScriptServer, one: dict[str, Any], other: dict[str, Any]) -> int:
    server.always = lambda request: replied(top={"model": request.json["model"]})
    cache = InMemoryCache()
    model_at(server, cache=cache, **one).invoke("hi")
    model_at(server, cache=cache, **other).invoke("hi")
    return len(server.requests)


@pytest.mark.parametrize(
    "other",
    [
        {"timeout": 5},
        {"max_retries": 0},
        {"api_key": "another"},
        {"total_timeout": 9},
        {"on_unknown_model": "warn"},
        {"tags": ["a"]},
        {"metadata": {"a": 1}},
        {"default_headers": {"x-a": "1"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_cache_is_shared_by_models_that_answer_alike(server: ScriptServer, other: dict[str, Any]):
    assert _asked_twice(server, {}, other) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0},
        {"model": "gpt-oss-120b"},
        {"stop": ["x"]},
        {"max_tokens": 5},
        {"seed": 1},
        {"extra_body": {"a": 1}},
        {"reasoning_effort": "high"},
        {"output_version": "v1"},
        {"provider": "aacflow"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_cache_is_not_shared_by_models_that_answer_otherwise(server: ScriptServer, other: dict[str, Any]):
    assert _asked_twice(server, {}, other) == 2


def test_a_cache_is_not_shared_by_two_base_urls():
    cache = InMemoryCache()
    with ScriptServer(always=replied("one")) as one, ScriptServer(always=replied("two")) as two:
        assert model_at(one, cache=cache).invoke("hi").text == "one"
        assert model_at(two, cache=cache).invoke("hi").text == "two"


def test_a_cache_tells_tools_and_formats_apart(server: ScriptServer):
    server.always = replied("{}")
    model = model_at(server, cache=InMemoryCache())
    model.invoke("hi")
    model.bind_tools([get_weather]).invoke("hi")
    model.bind(response_format={"type": "json_object"}).invoke("hi")
    model.bind(temperature=0).invoke("hi")
    assert len(server.requests) == 4


def test_a_cached_answer_streams(server: ScriptServer):
    server.always = replied()
    model = model_at(server, cache=InMemoryCache())
    model.invoke("hi")
    server.always = streamed("Hello")
    assert ask(model, "stream", "hi").text == "Hello"


# Tracing


def test_langsmith_learns_provider_model_and_settings():
    params = a_model(temperature=0, max_tokens=5, stop=["x"])._get_ls_params()
    assert params["ls_provider"] == "aki"
    assert params["ls_model_name"] == MODEL
    assert params["ls_model_type"] == "chat"
    assert params["ls_temperature"] == 0
    assert params["ls_max_tokens"] == 5
    assert params["ls_stop"] == ["x"]
    assert a_model(provider="aacflow")._get_ls_params()["ls_provider"] == "aacflow"


def test_langsmith_learns_what_a_call_gives_instead():
    params = a_model()._get_ls_params(stop=["y"], model="gpt-oss-120b", temperature=1, max_tokens=3)
    assert params["ls_model_name"] == "gpt-oss-120b"
    assert (params["ls_stop"], params["ls_temperature"], params["ls_max_tokens"]) == (["y"], 1, 3)


def test_a_trace_names_our_version_and_holds_no_key(server: ScriptServer):
    heard: list[dict[str, Any]] = []

    class Ears(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, *_: Any, **given: Any) -> None:
            heard.append({"serialized": serialized, **given})

    server.say(replied())
    model_at(server, api_key=SECRET, callbacks=[Ears()], metadata={"mine": 1}).invoke("hi")
    (run,) = heard
    assert run["metadata"]["lc_versions"]["langchain-aki"] == __version__
    assert run["metadata"]["mine"] == 1
    assert run["metadata"]["ls_provider"] == "aki"
    assert SECRET not in str(run)
    assert run["invocation_params"]["model"] == MODEL


# Many at once, and changed by call


def test_batch_keeps_the_order(server: ScriptServer):
    server.always = lambda request: replied(request.json["messages"][0]["content"])
    questions = [f"q{n}" for n in range(20)]
    answers = model_at(server).batch(questions, config={"max_concurrency": 5})
    assert [answer.text for answer in answers] == questions


async def test_abatch_keeps_the_order(server: ScriptServer):
    server.always = lambda request: replied(request.json["messages"][0]["content"])
    questions = [f"q{n}" for n in range(20)]
    assert [answer.text for answer in await model_at(server).abatch(questions)] == questions


def test_generate_adds_usage_up(server: ScriptServer):
    server.always = replied()
    result = model_at(server).generate([[HumanMessage("a")], [HumanMessage("b")]])
    assert len(result.generations) == 2
    assert result.llm_output["model_name"] == MODEL


def test_configurable_fields_change_the_request(server: ScriptServer):
    server.always = lambda request: replied(top={"model": request.json["model"]})
    model = model_at(server).configurable_fields(
        temperature=ConfigurableField(id="warmth"), model=ConfigurableField(id="which")
    )
    model.with_config(configurable={"warmth": 0.25, "which": "gpt-oss-120b"}).invoke("hi")
    assert (server.requests[0].json["temperature"], server.requests[0].json["model"]) == (0.25, "gpt-oss-120b")
    model.invoke("hi")
    assert "temperature" not in server.requests[1].json


def test_bind_changes_the_request(server: ScriptServer):
    server.always = lambda request: replied(top={"model": request.json["model"]})
    model_at(server).bind(model="gpt-oss-120b", temperature=0).invoke("hi")
    assert (server.requests[0].json["model"], server.requests[0].json["temperature"]) == ("gpt-oss-120b", 0)


def test_an_attribute_that_is_changed_counts(server: ScriptServer):
    server.always = replied()
    model = a_model(api_key=KEY)
    model.base_url = server.openai_url
    model.temperature = 0.75
    model.invoke("hi")
    assert server.requests[0].json["temperature"] == 0.75


@subcases("way", WAYS)
def test_an_attribute_that_is_changed_to_nonsense_is_an_error_of_langchains(server: ScriptServer, way: Way):
    model = model_at(server)
    model.provider = "open_ai"
    with pytest.raises(ours.ConfigurationError, match="open_ai"):
        ask(model, way, "hi")


def test_a_rate_limiter_is_asked_once_per_call(server: ScriptServer):
    from langchain_core.rate_limiters import BaseRateLimiter  # noqa: PLC0415

    class Counter(BaseRateLimiter):
        asked = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            del blocking
            Counter.asked += 1
            return True

        async def aacquire(self, *, blocking: bool = True) -> bool:
            return self.acquire(blocking=blocking)

    server.say(replied(), streamed("Hello"))
    model = model_at(server, rate_limiter=Counter())
    model.invoke("hi")
    list(model.stream("hi"))
    assert Counter.asked == 2


# By name, through langchain


@pytest.fixture
def registered(monkeypatch):
    """The providers are known to langchain, in a copy of its table."""
    monkeypatch.setattr(langchain_table, "_BUILTIN_PROVIDERS", dict(langchain_table._BUILTIN_PROVIDERS))
    register_providers()
    yield
    langchain_table._get_chat_model_creator.cache_clear()


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_init_chat_model_knows_each_provider(provider: str):
    model = init_chat_model(f"{provider}:some/model:7b", temperature=0)
    assert type(model) is ChatAKI
    assert (model.provider, model.model, model.temperature) == (provider, "some/model:7b", 0)
    assert init_chat_model("some-model", model_provider=provider).provider == provider


def test_init_chat_model_is_left_alone_by_the_import():
    import subprocess  # noqa: PLC0415

    code = (
        "import langchain_aki; from langchain.chat_models import base;"
        "raise SystemExit(int('aki' in base._BUILTIN_PROVIDERS))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


@pytest.mark.usefixtures("registered")
def test_registering_twice_changes_nothing():
    before = dict(langchain_table._BUILTIN_PROVIDERS)
    register_providers()
    assert set(langchain_table._BUILTIN_PROVIDERS) == set(before)
    assert init_chat_model(f"aki:{MODEL}").model == MODEL


def test_a_name_that_failed_before_the_registration_works_after_it(monkeypatch):
    monkeypatch.setattr(langchain_table, "_BUILTIN_PROVIDERS", dict(langchain_table._BUILTIN_PROVIDERS))
    for name in PROVIDERS:
        langchain_table._BUILTIN_PROVIDERS.pop(name, None)
    langchain_table._get_chat_model_creator.cache_clear()
    with pytest.raises(ValueError, match=r"[Uu]nable to infer|[Uu]nsupported"):
        init_chat_model(f"aki:{MODEL}")
    with pytest.raises(ValueError, match=r"[Uu]nsupported"):
        init_chat_model(MODEL, model_provider="aki")
    register_providers()
    assert init_chat_model(f"aki:{MODEL}").model == MODEL
    assert init_chat_model(MODEL, model_provider="aki").model == MODEL


def test_registering_without_langchain_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ours.ConfigurationError, match="pip install langchain"):
        register_providers()


@pytest.mark.parametrize("table", [None, {}, {"openai": "langchain_openai"}, ["openai"]])
def test_registering_in_a_table_of_another_form_says_what_to_do(table: Any, monkeypatch):
    monkeypatch.setattr(langchain_table, "_BUILTIN_PROVIDERS", table)
    with pytest.raises(ours.ConfigurationError, match="ChatAKI"):
        register_providers()


@pytest.mark.usefixtures("registered")
def test_a_configurable_model_can_become_one_of_ours(server: ScriptServer):
    server.say(replied())
    model = init_chat_model(configurable_fields="any", api_key=KEY, base_url=server.openai_url)
    answer = model.invoke("hi", config={"configurable": {"model": f"aki:{MODEL}"}})
    assert answer.text == "Hello"


@pytest.mark.usefixtures("registered")
def test_an_agent_is_made_by_name(fresh_emulator: Emulator, monkeypatch):
    made: list[ChatAKI] = []
    real = ChatAKI.__init__

    def at_the_emulator(self: ChatAKI, **given: Any) -> None:
        real(self, **{**given, "base_url": fresh_emulator.openai_url, "api_key": fresh_emulator.key})
        made.append(self)

    monkeypatch.setattr(ChatAKI, "__init__", at_the_emulator)
    agent = create_agent(f"aki:{MODEL}", tools=[get_weather], response_format=Forecast)
    found = agent.invoke({"messages": "What is the weather in Paris?"})
    assert isinstance(found["structured_response"], Forecast)
    assert "get_weather" in {message.name for message in found["messages"] if message.type == "tool"}
    assert made


def test_a_dump_loads_by_langchains_own_allowlist_after_the_registration(monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", SECRET)
    register_providers()
    again = load(
        dumpd(a_model(api_key=SECRET)),
        allowed_objects="all",
        valid_namespaces=["langchain_aki"],
        secrets_from_env=True,
    )
    assert type(again) is ChatAKI


# Odds and ends


def test_metadata_of_langchains_own_are_kept():
    model = a_model(name="mine", tags=["t"], verbose=False)
    assert (model.name, model.tags) == ("mine", ["t"])
    assert model._llm_type == "aki-chat"


def test_a_keyless_provider_sends_no_key(server: ScriptServer):
    server.say(replied())
    keyless = Provider(name="local", routes=(Route(protocol="openai", base_url=server.openai_url),))
    assert ChatAKI(model="qwen3.6-35b", provider=keyless).invoke("hi").text == "Hello"
    assert "authorization" not in server.requests[0].headers


def test_a_provider_of_the_users_is_named_in_the_answer(server: ScriptServer):
    server.say(replied(reasoning_content="hm"))
    own = Provider(name="local_gateway", routes=(Route(protocol="openai", base_url=server.openai_url),))
    answer = ChatAKI(model="qwen3.6-35b", provider=own, output_version="v1").invoke("hi")
    assert answer.response_metadata["model_provider"] == "local_gateway"
    assert [block["type"] for block in answer.content_blocks] == ["reasoning", "text"]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_models_take_no_thread_and_no_file():
    threads = threading.active_count()
    files = open_files()
    kept = [a_model(timeout=n + 1) for n in range(200)]
    assert len(kept) == 200
    assert open_files() == files
    assert threading.active_count() == threads


def test_a_message_remembers_its_provider(server: ScriptServer):
    server.say(replied())
    answer = model_at(server).invoke("hi")
    assert type(answer) is AIMessage
    assert answer.response_metadata["model_provider"] == "aki"
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301
