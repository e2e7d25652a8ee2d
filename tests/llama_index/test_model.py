"""The model as an object: making it, showing it, dumping it, copying it, and what it says of itself."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage, LLMMetadata
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from pydantic import SecretStr

import aki_transport
import aki_transport.errors as ours
from aki_transport import Provider, Route, Timeout
from llama_index_aki import AKI
from tests.llama_index.asking import PROMPT_WAYS, WAYS, ask, is_streamed, items_of, model_at
from tests.scenarios import KEY, MODEL, replied, streamed
from tests.script_server import Answer, ScriptServer, json_answer
from tests.subcases import subcases

ROOT = Path(__file__).parents[2]
SECRET = "key-that-nobody-may-see"
TABLE = tomllib.loads((Path(aki_transport.__file__).parent / "models" / "models.toml").read_text())["aki"]
MINE = Provider(
    name="mine", routes=(Route(protocol="openai", base_url="https://llm.example.com/v1"),), key_variables=("MINE_KEY",)
)
RENAMED = {
    "endpoint": "base_url",
    "url": "base_url",
    "model_id": "model",
    "num_output": "max_tokens",
    "headers": "default_headers",
    "retries": "max_retries",
}
IN_A_CALL = {"temprature": None, "functions": "tools", "tool_choices": None}
LISTED = [{"id": MODEL, "max_model_len": 20000}, {"id": "new-model", "max_model_len": 50000}]


def a_model(**given: Any) -> AKI:
    return AKI(**{"model": MODEL, **given})


# What it says of itself


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("model", TABLE)
def test_limits_of_the_table_are_known_before_anything_was_sent(model: str):
    row = TABLE[model]
    assert AKI(model=model).metadata == LLMMetadata(
        context_window=row["context_window"],
        num_output=min(8192, row["max_output"]),
        is_chat_model=True,
        is_function_calling_model=row.get("tools", True),
        model_name=model,
    )


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("alias", ["Qwen/Qwen3.6-35B", "qwen3.6-chat-35b"])
def test_limits_of_an_alias_are_those_of_its_model(alias: str):
    assert AKI(model=alias).metadata.context_window == 262144


@pytest.mark.usefixtures("no_network")
def test_limits_of_an_unknown_model_are_cautious():
    found = AKI(model="kimi-k2.7-code-1100b").metadata
    assert (found.context_window, found.num_output) == (32768, 8192)
    assert found.is_chat_model
    assert found.is_function_calling_model


@subcases("way", [*WAYS, *PROMPT_WAYS])
def test_limits_are_exact_after_the_first_call(way: Any):
    answer = streamed("Hello") if is_streamed(way) else replied()
    body = tuple(piece.replace(MODEL.encode(), b"new-model") for piece in answer.chunks)
    named = Answer(headers=answer.headers, chunks=body)
    with ScriptServer(always=named, models=LISTED) as server:
        llm = model_at(server, model="new-model")
        assert llm.metadata.context_window == 32768
        assert not server.listings
        ask(llm, way, "hi")
        assert llm.metadata.context_window == 50000
        assert len(server.listings) == 1
        assert model_at(server).metadata.context_window == 20000


def test_limits_are_exact_after_the_listing_was_asked_for():
    with ScriptServer(models=LISTED) as server:
        llm = model_at(server, model="new-model")
        llm.refresh_models()
        assert llm.metadata.context_window == 50000
        asyncio.run(llm.arefresh_models())
        assert len(server.listings) == 2


def test_the_users_own_limits_win():
    with ScriptServer(always=replied(), models=LISTED) as server:
        llm = model_at(server, context_window=15000, max_output=3000)
        ask(llm, "chat", "hi")
        assert (llm.metadata.context_window, llm.metadata.num_output) == (15000, 3000)
        assert model_at(server, max_tokens=500).metadata.num_output == 500


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("given", [{"provider": "aacflow"}, {"provider": "ak_ai_core"}, {"provider": MINE}])
def test_an_output_that_is_not_sent_is_said_to_be_unset(given: dict[str, Any]):
    assert a_model(**given).metadata.num_output == -1
    assert a_model(**given, max_tokens=7).metadata.num_output == 7


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"model": "unheard-of"},
        {"api_key": SECRET},
        {"base_url": "https://elsewhere.example.com/v1"},
        {"provider": "aacflow"},
        {"provider": MINE},
    ],
    ids=str,
)
def test_saying_what_is_known_never_fails_and_never_asks(given: dict[str, Any], monkeypatch):
    for variable in (None, "two words", SECRET):
        if variable is not None:
            monkeypatch.setenv("AKI_API_KEY", variable)
        llm = a_model(**given)
        assert llm.metadata.context_window > 0
        assert llm.to_payload()["model_name"] == llm.model
        assert llm.model_info().context_window == llm.metadata.context_window


def test_a_listing_that_cannot_be_read_leaves_the_table():
    with ScriptServer(always=replied(), listing=json_answer({"error": "no"}, 500)) as server:
        llm = model_at(server)
        with pytest.warns(UserWarning, match="listing could not be read"):
            ask(llm, "chat", "hi")
        assert llm.metadata.context_window == 262144


@pytest.mark.parametrize("given", [{}, {"context_window": 9000}, {"context_window": 4096}, {"context_window": 1024}])
def test_prompts_and_memory_get_sizes_that_leave_room(given: dict[str, Any]):
    llm = a_model(**given)
    found = llm.metadata
    helper = PromptHelper.from_llm_metadata(found)
    assert helper.num_output < helper.context_window
    assert helper._get_available_context_size(100) > 100
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    assert 0 < memory.token_limit < found.context_window


def test_a_small_window_of_the_service_leaves_room_for_the_prompt():
    with ScriptServer(models=[{"id": MODEL, "max_model_len": 4096}]) as server:
        llm = model_at(server)
        llm.refresh_models()
        helper = PromptHelper.from_llm_metadata(llm.metadata)
        assert helper._get_available_context_size(100) > 100


def test_it_is_a_function_calling_llm_of_its_name():
    assert issubclass(AKI, FunctionCallingLLM)
    assert AKI.class_name() == "AKI"
    assert a_model().metadata.model_name == MODEL


# Making one


@pytest.mark.parametrize("name", RENAMED)
def test_an_unknown_argument_is_refused_with_the_name_of_ours(name: str):
    given = {"model": MODEL} if RENAMED[name] != "model" else {}
    with pytest.raises(ours.ConfigurationError, match=rf"'{name}'; use {RENAMED[name]}="):
        AKI(**given, **{name: "x"})


def test_an_argument_like_none_of_ours_is_refused_without_a_guess():
    with pytest.raises(ours.ConfigurationError, match=r"AKI has no argument 'qqqq'\.$"):
        a_model(qqqq=1)


@subcases("way", [*WAYS, *PROMPT_WAYS])
@pytest.mark.parametrize("name", IN_A_CALL)
def test_an_unknown_argument_of_a_call_is_refused_before_anything_is_sent(server: ScriptServer, name: str, way: Any):
    meant = f"use {IN_A_CALL[name]}=" if IN_A_CALL[name] else name
    with pytest.raises(ours.ConfigurationError, match=meant):
        items_of(model_at(server), way, "hi", **{name: 1})
    assert not server.requests


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": "open_ai"},
        {"protocol": "grpc"},
        {"base_url": "http://example.com/v1"},
        {"base_url": "https://user:pass@example.com/v1"},
        {"timeout": 0},
        {"api_key": "two words"},
        {"temperature": "warm"},
        {"max_tokens": 0},
        {"max_retries": -1},
        {"model": ""},
        {"send_reasoning": "sometimes"},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_when_the_model_is_made(wrong: dict[str, Any]):
    with pytest.raises(ours.ConfigurationError):
        a_model(**wrong)


def test_a_wrong_value_is_refused_without_showing_the_key():
    with pytest.raises(ours.ConfigurationError, match="AKI: max_tokens= should be greater than or equal to 1") as found:
        a_model(api_key=SECRET, max_tokens=0)
    assert SECRET not in str(found.value)


def test_no_key_is_an_error_that_names_the_variable(server: ScriptServer):
    with pytest.raises(ours.ConfigurationError, match="AKI_API_KEY"):
        ask(model_at(server, api_key=None), "chat", "hi")
    assert not server.requests


def test_other_vendors_environment_changes_nothing(server: ScriptServer, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "LLAMA_CLOUD_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    with pytest.raises(ours.ConfigurationError, match="AKI_API_KEY"):
        ask(model_at(server, api_key=None), "chat", "hi")
    server.say(replied())
    ask(model_at(server), "chat", "hi")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert SECRET not in str(server.requests[0])


# Showing, dumping and copying it


@pytest.fixture
def from_environment(monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", SECRET)


def used(server: ScriptServer, **given: Any) -> AKI:
    """A model that has asked with the secret key."""
    server.always = replied()
    llm = model_at(server, **given)
    ask(llm, "chat", "hi")
    assert server.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
    return llm


def shown(llm: AKI) -> list[str]:
    return [
        repr(llm),
        str(llm),
        str(llm.model_dump()),
        llm.model_dump_json(),
        str(llm.to_dict()),
        llm.to_json(),
        str(llm.to_payload()),
        repr(llm._client),
    ]


# LlamaIndex's `to_dict` and `to_json` use pydantic's old methods.
OLD = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")


@OLD
@pytest.mark.usefixtures("from_environment")
def test_a_key_from_the_environment_is_in_nothing_that_is_shown_or_kept(server: ScriptServer):
    llm = used(server, api_key=None)
    assert not [text for text in [*shown(llm), str(pickle.dumps(llm))] if SECRET in text]


@OLD
def test_an_explicit_key_is_shown_to_a_pickle_alone(server: ScriptServer):
    llm = used(server, api_key=SECRET)
    assert not [text for text in shown(llm) if SECRET in text]
    assert SECRET in str(pickle.dumps(llm))


@OLD
def test_headers_of_the_user_are_not_shown():
    llm = a_model(default_headers={"x-secret": SECRET})
    assert not [text for text in shown(llm) if SECRET in text]


def test_a_payload_names_the_model_and_its_limits():
    payload = a_model(api_key=SECRET).to_payload()
    assert payload["class_name"] == "AKI"
    assert (payload["model_name"], payload["context_window"]) == (MODEL, 262144)
    json.dumps(payload)


FULL: dict[str, Any] = {
    "temperature": 0,
    "stop": ["a"],
    "extra_body": {"x": 1},
    "base_url": "https://aki.io/other",
    "max_retries": 5,
    "system_prompt": "be kind",
    "send_reasoning": "never",
}


@OLD
@pytest.mark.usefixtures("from_environment")
@pytest.mark.parametrize("timeout", [5.0, Timeout(connect=1, answer=2, chunk=3), httpx.Timeout(4)])
@pytest.mark.parametrize("provider", ["aki", "aacflow", MINE], ids=["aki", "name", "own"])
def test_a_dump_loads_again(provider: Any, timeout: Any):
    llm = a_model(**FULL, provider=provider, timeout=timeout)
    by_dict = AKI.from_dict(llm.to_dict())
    by_json = AKI.from_json(llm.to_json())
    for again in (by_dict, by_json):
        assert type(again) is AKI
        assert again.api_key is None
        assert again.model_dump() == llm.model_dump()
        assert again._client.base_url == llm._client.base_url


@OLD
@pytest.mark.usefixtures("from_environment")
def test_a_model_that_was_loaded_reads_the_key_again(server: ScriptServer):
    server.always = replied()
    llm = model_at(server, api_key="another")
    again = AKI.from_dict(llm.to_dict())
    ask(again, "chat", "hi")
    assert server.requests[-1].headers["authorization"] == f"Bearer {SECRET}"


REMADE = {
    "pickle": lambda llm: pickle.loads(pickle.dumps(llm)),  # noqa: S301
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "model_copy": lambda llm: llm.model_copy(),
    "model_copy_deep": lambda llm: llm.model_copy(deep=True),
}


@subcases("way", ["chat", "achat"])
@pytest.mark.parametrize("asked", ["before", "after", "async"])
@pytest.mark.parametrize("how", REMADE)
def test_a_copy_works_like_the_original_and_nothing_is_logged(
    server: ScriptServer, how: str, asked: str, way: Any, caplog
):
    server.always = replied()
    llm = model_at(server, temperature=0, system_prompt="be kind")
    if asked != "before":
        ask(llm, "chat" if asked == "after" else "achat", "hi")
    with caplog.at_level(logging.DEBUG):
        again = REMADE[how](llm)
    assert caplog.records == []
    assert type(again) is AKI
    assert again.model_dump() == llm.model_dump()
    assert again.api_key == SecretStr(KEY)
    for each in (again, llm):
        assert ask(each, way, "hi").message.content == "Hello"
    assert server.requests[-1].json["temperature"] == 0


@pytest.mark.usefixtures("from_environment")
def test_a_pickle_reads_the_key_of_the_environment_again(server: ScriptServer, monkeypatch):
    kept = pickle.dumps(used(server, api_key=None))
    monkeypatch.setenv("AKI_API_KEY", "another")
    ask(pickle.loads(kept), "chat", "hi")  # noqa: S301
    assert server.requests[-1].headers["authorization"] == "Bearer another"


def test_a_users_client_is_shared_by_copies_and_refused_by_pickle(server: ScriptServer):
    server.always = replied()
    with httpx.Client(headers={"x-mine": "1"}) as client:
        llm = model_at(server, http_client=client)
        again = copy.deepcopy(llm)
        assert again.http_client is client
        ask(again, "chat", "hi")
        assert server.requests[-1].headers["x-mine"] == "1"
        with pytest.raises(ours.ConfigurationError, match="http_client"):
            pickle.dumps(llm)
        llm.close()
        assert not client.is_closed


async def test_a_users_async_client_is_used_and_never_closed(server: ScriptServer):
    server.always = replied()
    async with httpx.AsyncClient(headers={"x-mine": "1"}) as client:
        llm = model_at(server, http_async_client=client)
        assert copy.deepcopy(llm).http_async_client is client
        await llm.achat([ChatMessage(content="hi")])
        assert server.requests[-1].headers["x-mine"] == "1"
        await llm.aclose()
        assert not client.is_closed


def test_a_client_of_no_known_kind_is_refused_by_name():
    with pytest.raises(ours.ConfigurationError, match="http_client"):
        a_model(http_client=object())


# Prompts and limits of rate


@subcases("way", PROMPT_WAYS)
def test_a_prompt_is_put_into_its_form_unless_it_has_it(server: ScriptServer, way: Any):
    server.always = streamed("Hello") if is_streamed(way) else replied()
    llm = model_at(server, completion_to_prompt=lambda prompt: f"<{prompt}>")
    ask(llm, way, "hi")
    assert server.requests[-1].json["messages"] == [{"role": "user", "content": "<hi>"}]
    ask(llm, way, "hi", formatted=True)
    assert server.requests[-1].json["messages"] == [{"role": "user", "content": "hi"}]
    ask(model_at(server), way, "hi")
    assert server.requests[-1].json["messages"] == [{"role": "user", "content": "hi"}]


class Counter:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.sync = self.awaited = 0

    def acquire(self, num_tokens: int = 0) -> None:  # noqa: ARG002  LlamaIndex's signature
        self.sync += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:  # noqa: ARG002  same
        self.awaited += 1


@subcases("way", [*WAYS, *PROMPT_WAYS])
@pytest.mark.skipif("rate_limiter" not in AKI.model_fields, reason="this llama-index-core has none")
def test_a_rate_limiter_is_asked_once_per_call(server: ScriptServer, way: Any):
    server.always = streamed("Hello") if is_streamed(way) else replied()
    limiter = Counter()
    ask(model_at(server, rate_limiter=limiter), way, "hi")
    assert (limiter.sync, limiter.awaited) == ((0, 1) if way.startswith("a") else (1, 0))


# The import that people expect


def test_the_familiar_import_is_the_same_class():
    from llama_index.llms.aki import AKI as FAMILIAR  # noqa: PLC0415

    assert FAMILIAR is AKI
