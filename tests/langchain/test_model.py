"""The models as objects: making, showing, dumping and copying them, caches, and what they say of themselves."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from langchain.chat_models import base as langchain_table
from langchain.chat_models import init_chat_model
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps, load, loads
from langchain_core.messages import HumanMessage
from langchain_core.runnables import ConfigurableField
from langchain_core.runnables.base import RunnableBinding
from pydantic import BaseModel, SecretStr

import langchain_aki.errors as ours
from aki_transport import PROVIDERS, Provider, Route, Timeout, __version__
from langchain_aki import AKILLM, ChatAKI, register_providers
from tests.langchain.asking import WAYS, Ears, Way, ask, llm_at, model_at, text_of
from tests.scenarios import KEY, MODEL, replied
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

SECRET = "key-that-nobody-may-see"
pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
MINE = Provider(
    name="mine",
    routes=(Route(protocol="openai", base_url="https://llm.example.com/v1"),),
    key_variables=("MINE_KEY",),
)
LOADING: dict[str, Any] = {
    "allowed_objects": [ChatAKI, AKILLM],
    "valid_namespaces": ["langchain_aki"],
    "secrets_from_env": True,
}
MODELS_AT = {"ChatAKI": model_at, "AKILLM": llm_at}
each_class = pytest.mark.parametrize("cls", [ChatAKI, AKILLM])
each_model = pytest.mark.parametrize("made", MODELS_AT)


def a_model(cls: Any = ChatAKI, **given: Any) -> Any:
    return cls(**{"model": MODEL, **given})


def hello(request: Request) -> Answer:
    return replied(top={"model": request.json["model"]})


class Forecast(BaseModel):
    city: str
    sky: str


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@pytest.mark.usefixtures("no_network")
def test_a_model_is_made_and_described_without_network():
    model = a_model(api_key=SECRET, name="mine", tags=["t"])
    bound = model.bind_tools([get_weather]).with_config(tags=["a"])
    model.with_structured_output(Forecast)
    assert model.model_info().context_window == 262144
    assert model._identifying_params["model"] == MODEL
    assert model._identifying_params["base_url"] == "https://aki.io/v1"
    assert (model.name, model.tags, model._llm_type) == ("mine", ["t"], "aki-chat")
    assert bound
    assert SECRET not in f"{model!r}{dumps(model)}{model._identifying_params}{model._get_llm_string()}"
    assert SECRET not in str(model._get_ls_params())


@pytest.mark.usefixtures("no_network")
def test_tokens_are_counted_without_network():
    model = a_model()
    assert (model.get_num_tokens(""), a_model(AKILLM).get_num_tokens("four letters each")) == (0, 5)
    short = model.get_num_tokens_from_messages([HumanMessage("hi")])
    assert model.get_num_tokens_from_messages([HumanMessage("hi " * 100)]) > short
    assert model.get_num_tokens_from_messages([HumanMessage("hi")], tools=[get_weather]) > short
    for cls in (ChatAKI, AKILLM):
        with pytest.raises(ours.ConfigurationError, match="custom_get_token_ids"):
            a_model(cls).get_token_ids("hi")
    own = a_model(custom_get_token_ids=lambda text: list(range(len(text))))
    assert (own.get_num_tokens("hello"), own.get_token_ids("abc")) == (5, [0, 1, 2])
    assert own.get_num_tokens_from_messages([HumanMessage("hi " * 100)]) > 300


LISTED = [{"id": MODEL, "max_model_len": 1000}, {"id": "new-model", "max_model_len": 0}]


def test_the_profile_comes_from_the_table_and_leaves_out_what_is_unknown():
    profile = a_model().profile
    assert (profile["max_input_tokens"], profile["max_output_tokens"]) == (262144, 32768)
    known = ("tool_calling", "reasoning_output", "image_inputs", "text_inputs", "structured_output")
    assert [profile[name] for name in known] == [True, True, True, True, False]
    unknown = a_model(model="kimi-k2.7-code-1100b").profile
    assert (unknown["max_input_tokens"], unknown["max_output_tokens"]) == (32768, 8192)
    assert not {"tool_calling", "image_inputs"} & unknown.keys()


def test_the_users_own_profile_and_limits_stay():
    with ScriptServer(always=replied(), models=LISTED) as server:
        for given in ({"max_input_tokens": 7}, {}):
            model = model_at(server, profile=given)
            model.invoke("hi")
            model.refresh_models()
            assert model.profile == given
        model = model_at(server, context_window=5000, max_output=2000)
        model.invoke("hi")
        assert (model.profile["max_input_tokens"], model.profile["max_output_tokens"]) == (5000, 2000)


LOADERS: list[Callable[[Any], Any]] = [
    lambda model: load(dumpd(model), **LOADING),
    lambda model: loads(dumps(model), **LOADING),
    lambda model: loads(dumps(model), allowed_objects="all", secrets_from_env=True),  # where it is registered
]


@each_class
def test_a_dump_names_the_key_by_its_variable_and_loads_again(cls: Any, monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", SECRET)
    register_providers()
    fields = {"temperature": 0, "stop": ["a"], "extra_body": {"x": 1}, "timeout": 5, "protocol": "openai"}
    model = a_model(cls, api_key=SECRET, base_url="https://aki.io/other", **fields)
    dumped = dumpd(model)
    assert dumped["id"] == ["langchain_aki", cls.__module__.rpartition(".")[2], cls.__name__]
    assert dumped["kwargs"]["api_key"] == {"lc": 1, "type": "secret", "id": ["AKI_API_KEY"]}
    assert SECRET not in json.dumps(dumped)
    for again in (loader(model) for loader in LOADERS):
        assert type(again) is cls
        assert again.api_key == SecretStr(SECRET)
        assert again._identifying_params == model._identifying_params
        assert again.model_dump() == model.model_dump()


@pytest.mark.parametrize("provider", ["aacflow", MINE, PROVIDERS["aki"]], ids=["name", "own", "row"])
def test_provider_and_timeout_survive_a_dump(provider: Any):
    for timeout in (5.0, Timeout(connect=1, answer=2, chunk=3), httpx.Timeout(4)):
        model = a_model(provider=provider, timeout=timeout)
        text = json.dumps(dumpd(model))
        again = load(json.loads(text), **LOADING)
        assert (again.provider, again.timeout) == (model.provider, model.timeout)
        assert again._client.base_url == model._client.base_url
        assert "not_implemented" not in text


def test_a_dump_of_a_bound_model_loads_again():
    bound = a_model(temperature=0).bind_tools([get_weather], tool_choice="any")
    again = load(dumpd(bound), **{**LOADING, "allowed_objects": [ChatAKI, type(bound), RunnableBinding]})
    assert again.kwargs == bound.kwargs
    assert again.bound.model_dump() == bound.bound.model_dump()


ALIKE: list[dict[str, Any]] = [
    *({"timeout": 5}, {"max_retries": 0}, {"api_key": "another"}, {"total_timeout": 9}, {"tags": ["a"]}),
    *({"on_unknown_model": "warn"}, {"metadata": {"a": 1}}, {"default_headers": {"x-a": "1"}}),
]
OTHERWISE: list[dict[str, Any]] = [
    *({"temperature": 0}, {"model": "gpt-oss-120b"}, {"stop": ["x"]}, {"max_tokens": 5}, {"seed": 1}),
    *({"extra_body": {"a": 1}}, {"reasoning_effort": "high"}, {"provider": "aacflow"}),
]


@each_model
def test_a_cache_is_shared_by_models_that_answer_alike(server: ScriptServer, made: str):
    own = {"ChatAKI": [({"output_version": "v1"}, 2)], "AKILLM": [({"batch_size": 2}, 1)]}[made]
    for other, requests in [*((each, 1) for each in ALIKE), *((each, 2) for each in OTHERWISE), *own]:
        server.reset()
        server.always = hello
        cache = InMemoryCache()
        for fields in ({}, other):
            assert text_of(MODELS_AT[made](server, cache=cache, **fields).invoke("hi")) == "Hello"
        assert len(server.requests) == requests, other


def test_a_cache_tells_services_tools_and_formats_apart(server: ScriptServer):
    cache = InMemoryCache()
    server.always = replied("one")
    model = model_at(server, cache=cache)
    bound = (
        model,
        model.bind_tools([get_weather]),
        model.bind(response_format={"type": "json_object"}),
        model.bind(temperature=0),
    )
    for each in bound:
        assert each.invoke("hi").text == each.invoke("hi").text == "one"
    assert len(server.requests) == len(bound)
    with ScriptServer(always=replied("two")) as other:
        assert model_at(other, cache=cache).invoke("hi").text == "two"


def test_langsmith_learns_provider_model_and_settings():
    params = a_model(temperature=0, max_tokens=5, stop="x")._get_ls_params()
    assert (params["ls_provider"], params["ls_model_name"], params["ls_model_type"]) == ("aki", MODEL, "chat")
    assert (params["ls_temperature"], params["ls_max_tokens"], params["ls_stop"]) == (0, 5, ["x"])
    assert a_model(stop=["x", "y"])._get_ls_params()["ls_stop"] == ["x", "y"]
    params = a_model(provider="aacflow")._get_ls_params(stop=["y"], model="gpt-oss-120b", temperature=1, max_tokens=3)
    assert (params["ls_provider"], params["ls_model_name"]) == ("aacflow", "gpt-oss-120b")
    assert (params["ls_temperature"], params["ls_max_tokens"], params["ls_stop"]) == (1, 3, ["y"])


@each_model
def test_a_trace_names_our_version_and_holds_no_key(server: ScriptServer, made: str):
    ears = Ears()
    server.say(replied())
    MODELS_AT[made](server, api_key=SECRET, callbacks=[ears], metadata={"mine": 1}).invoke("hi")
    (run,) = ears.starts
    metadata = run["metadata"]
    assert metadata["lc_versions"]["langchain-aki"] == __version__
    assert (metadata["mine"], metadata["ls_provider"], metadata["ls_model_name"]) == (1, "aki", MODEL)
    assert metadata["ls_model_type"] == ("chat" if made == "ChatAKI" else "llm")
    assert SECRET not in str(run)
    assert run["invocation_params"]["model"] == MODEL


def test_each_way_to_change_a_model_changes_the_request(server: ScriptServer):
    server.always = hello
    model = model_at(server)
    model.invoke("hi")
    changes = {"model": "gpt-oss-120b", "temperature": 0.25}
    configurable = model.configurable_fields(**{name: ConfigurableField(id=name) for name in changes})
    elsewhere = a_model(api_key=KEY, **changes)
    elsewhere.base_url = server.openai_url
    changed = model_at(server)
    for name, value in changes.items():
        setattr(changed, name, value)
    for each in (
        model.model_copy(update=changes),
        a_model(api_key=KEY).model_copy(update={**changes, "base_url": server.openai_url}),
        configurable.with_config(configurable=changes),
        model.bind(**changes),
        elsewhere,
        changed,
    ):
        each.invoke("hi")
        assert server.requests[-1].json.items() >= changes.items()
    configurable.invoke("hi")
    assert "temperature" not in server.requests[-1].json


@subcases("way", WAYS)
def test_an_attribute_that_is_changed_to_nonsense_is_an_error_of_langchains(server: ScriptServer, way: Way):
    model = model_at(server)
    model.provider = "open_ai"
    with pytest.raises(ours.ConfigurationError, match="open_ai"):
        ask(model, way, "hi")


@pytest.fixture
def table(monkeypatch) -> Iterator[dict[str, Any]]:
    """A copy of langchain's table that does not know our providers."""
    rows = {name: row for name, row in langchain_table._BUILTIN_PROVIDERS.items() if name not in PROVIDERS}
    monkeypatch.setattr(langchain_table, "_BUILTIN_PROVIDERS", rows)
    langchain_table._get_chat_model_creator.cache_clear()
    yield rows
    langchain_table._get_chat_model_creator.cache_clear()


def test_init_chat_model_knows_each_provider_after_the_registration_also_where_it_failed_before(table):
    with pytest.raises(ValueError, match=r"[Uu]nable to infer|[Uu]nsupported"):
        init_chat_model(f"aki:{MODEL}")
    with pytest.raises(ValueError, match=r"[Uu]nsupported"):
        init_chat_model(MODEL, model_provider="aki")
    register_providers()
    before = set(table)
    register_providers()  # twice changes nothing
    assert set(table) == before
    for provider in PROVIDERS:
        model = init_chat_model(f"{provider}:some/model:7b", temperature=0)
        assert type(model) is ChatAKI
        assert (model.provider, model.model, model.temperature) == (provider, "some/model:7b", 0)
        assert init_chat_model("some-model", model_provider=provider).provider == provider


def test_registering_without_langchain_or_in_another_table_says_what_to_do(monkeypatch):
    for other in (None, {}, {"openai": "langchain_openai"}, ["openai"]):
        monkeypatch.setattr(langchain_table, "_BUILTIN_PROVIDERS", other)
        with pytest.raises(ours.ConfigurationError, match="ChatAKI"):
            register_providers()
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ours.ConfigurationError, match="pip install langchain"):
        register_providers()
