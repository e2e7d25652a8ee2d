"""Both models as objects: making, showing, dumping and copying one, and what it tells of itself."""

import json
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import ChatMemoryBuffer

import aki_transport
from aki_transport import Provider, Route, Timeout
from llama_index_aki import AKI, AKICompletion
from tests.llama_index.asking import ALL_WAYS, PROMPT_WAYS, ask, model_at, sent
from tests.scenarios import MODEL
from tests.script_server import ScriptServer
from tests.subcases import subcases

SECRET = "key-that-nobody-may-see"
TABLE = tomllib.loads((Path(aki_transport.__file__).parent / "models" / "models.toml").read_text())["aki"]
MINE = Provider(name="mine", routes=(Route(protocol="openai", base_url="https://llm.example.com/v1"),))
each_class = pytest.mark.parametrize("cls", [AKI, AKICompletion])
# LlamaIndex's `to_dict` and `to_json` use pydantic's old methods.
OLD = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")


def a_model(cls: Any = AKI, **given: Any) -> Any:
    return cls(**{"model": MODEL, **given})


def model_of(cls: Any, server: ScriptServer, **given: Any) -> Any:
    return model_at(server, cls=cls, protocol="openai", **given)


@pytest.mark.usefixtures("no_network")
def test_limits_are_known_before_anything_was_sent():
    for model, row in TABLE.items():
        assert AKI(model=model).metadata == LLMMetadata(
            context_window=row["context_window"],
            num_output=min(8192, row["max_output"]),
            is_chat_model=True,
            is_function_calling_model=row.get("tools", True),
            model_name=model,
        )
    completion = AKICompletion(model=MODEL, max_tokens=64).metadata
    assert completion == LLMMetadata(
        context_window=262144, num_output=64, is_chat_model=False, is_function_calling_model=False, model_name=MODEL
    )


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("provider", ["aacflow", "ak_ai_core", MINE], ids=str)
def test_an_output_that_is_not_sent_is_told_to_be_unset(provider: Any):
    assert a_model(provider=provider).metadata.num_output == -1
    assert a_model(provider=provider, max_tokens=7).metadata.num_output == 7


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("key", [None, "two words", SECRET])
def test_telling_what_is_known_never_fails_and_never_asks(key: str | None, monkeypatch):
    if key is not None:
        monkeypatch.setenv("AKI_API_KEY", key)
    for given in ({}, {"model": "unheard-of"}, {"base_url": "https://elsewhere.example.com/v1"}, {"provider": MINE}):
        llm = a_model(**given)
        payload = llm.to_payload()
        assert (payload["class_name"], payload["model_name"]) == ("AKI", llm.model)
        assert llm.model_info().context_window == llm.metadata.context_window == payload["context_window"] > 0
        json.dumps(payload)


def test_limits_are_those_of_the_listing_once_it_was_read_and_the_users_own_win():
    with ScriptServer(models=[{"id": MODEL, "max_model_len": 20000}, {"id": "new", "max_model_len": 50000}]) as server:
        llm = model_at(server, model="new")
        assert llm.metadata.context_window == 32768
        llm.refresh_models()
        assert llm.metadata.context_window == 50000
        own = model_at(server, context_window=15000, max_output=3000).metadata
        assert (own.context_window, own.num_output) == (15000, 3000)
        assert model_at(server, max_tokens=500).metadata.num_output == 500


def test_prompts_and_memory_get_sizes_that_leave_room():
    with ScriptServer(models=[{"id": MODEL, "max_model_len": 4096}]) as server:
        of_the_service = model_at(server)
        of_the_service.refresh_models()
    for llm in (of_the_service, *(a_model(context_window=window) for window in (None, 9000, 4096, 1024))):
        helper = PromptHelper.from_llm_metadata(llm.metadata)
        assert helper.num_output < helper.context_window
        assert helper._get_available_context_size(100) > 100
        assert 0 < ChatMemoryBuffer.from_defaults(llm=llm).token_limit < llm.metadata.context_window


def test_classes_have_their_kinds_and_names_and_the_familiar_import():
    from llama_index.llms import aki  # noqa: PLC0415

    assert (aki.AKI, aki.AKICompletion) == (AKI, AKICompletion)
    assert (AKI.class_name(), AKICompletion.class_name()) == ("AKI", "AKICompletion")
    assert issubclass(AKI, FunctionCallingLLM)
    assert issubclass(AKICompletion, LLM)
    assert not issubclass(AKICompletion, FunctionCallingLLM)


@each_class
@subcases("way", PROMPT_WAYS)
def test_a_prompt_is_put_into_its_form_unless_it_has_it(server: ScriptServer, cls: Any, way: Any):
    for given, formatted, content in (
        ({}, True, "hi"),
        ({}, False, "<hi>"),
        ({"completion_to_prompt": None}, False, "hi"),
    ):
        llm = model_of(cls, server, **{"completion_to_prompt": lambda prompt: f"<{prompt}>", **given})
        ask(llm, way, "hi", formatted=formatted)
        assert sent(server)["messages"] == [{"role": "user", "content": content}]


@OLD
@each_class
@pytest.mark.parametrize("provider", ["aki", "aacflow", MINE], ids=["aki", "name", "own"])
def test_a_dump_loads_again(cls: Any, provider: Any, monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", SECRET)
    full = {"temperature": 0, "stop": ["a"], "extra_body": {"x": 1}, "base_url": "https://aki.io/v1", "max_retries": 5}
    for timeout in (5.0, Timeout(connect=1, answer=2, chunk=3), httpx.Timeout(4)):
        llm = a_model(cls, **full, system_prompt="be kind", provider=provider, timeout=timeout, api_key="another")
        for again in (cls.from_dict(llm.to_dict()), cls.from_json(llm.to_json())):
            assert type(again) is cls
            assert again.api_key is None
            assert again.model_dump() == llm.model_dump()
            assert again._client.base_url == llm._client.base_url


class Counter:
    def __init__(self) -> None:
        self.sync = self.awaited = 0

    def acquire(self, num_tokens: int = 0) -> None:  # noqa: ARG002  LlamaIndex's signature
        self.sync += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:  # noqa: ARG002  same
        self.awaited += 1


@subcases("way", ALL_WAYS)
@pytest.mark.skipif("rate_limiter" not in AKI.model_fields, reason="this llama-index-core has none")
def test_a_rate_limiter_is_asked_once_per_call(server: ScriptServer, way: Any):
    limiter = Counter()
    ask(model_at(server, rate_limiter=limiter), way, "hi")
    assert (limiter.sync, limiter.awaited) == ((0, 1) if way.startswith("a") else (1, 0))
