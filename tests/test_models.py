"""The models of both frameworks as objects: what they refuse, their copies, the clients and keys of their users, and
when they let go of what they hold; connections are tested in `transport/`."""

import asyncio
import copy
import gc
import logging
import pickle
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core.async_utils import asyncio_run
from pydantic import SecretStr

import aki_transport.errors
import langchain_aki.errors
from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion
from tests.model_classes import CLASSES, WAYS, text_of
from tests.scenarios import KEY, MODEL, replied
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases

SECRET = "key-that-nobody-may-see"
each_class = pytest.mark.parametrize("cls", CLASSES)


def echo(request: Request) -> Answer:
    return replied(request.json["messages"][0]["content"])


def model_at(server: ScriptServer, cls: Any, **fields: Any) -> Any:
    server.always = echo
    return cls(**{"model": MODEL, "protocol": "openai", "base_url": server.openai_url, "api_key": KEY, **fields})


def refusal_of(cls: Any, name: str = "ConfigurationError") -> type[Exception]:
    """The error, as the users of this class's framework catch it."""
    errors = langchain_aki.errors if cls in (ChatAKI, AKILLM) else aki_transport.errors
    return getattr(errors, name)


WRONG: list[dict[str, Any]] = [
    *({"provider": "open_ai"}, {"protocol": "grpc"}, {"model": ""}, {"model": None}),
    *({"base_url": url} for url in ("http://example.com/v1", "https://user:pass@example.com/v1", "ftp://example.com")),
    *({"timeout": 0}, {"timeout": -1}, {"total_timeout": 0}, {"max_retries": -1}, {"max_tokens": 0}),
    *({"temperature": "warm"}, {"temperature": float("nan")}, {"send_reasoning": "sometimes"}),
    *({"on_unknown_model": "shrug"}, {"on_model_fallback": "shrug"}),
    *({"api_key": "two words"}, {"default_headers": {"x y": "1"}}, {"qqqq": 1}),
]


@each_class
@subcases("wrong", [*WRONG, {"batch_size": 0}])
def test_what_cannot_work_is_refused_when_the_model_is_made(cls: Any, wrong: dict[str, Any]):
    with pytest.raises(refusal_of(cls)):
        cls(**{"model": MODEL, **wrong})


@subcases("way", WAYS)
@pytest.mark.parametrize(
    ("cls", "name", "hint"),
    [
        *((cls, "temprature", "'temprature'") for cls in CLASSES),
        *((cls, "functions", "use tools=") for cls in (ChatAKI, AKI)),
        *((cls, name, name) for cls in (AKILLM, AKICompletion) for name in ("tools", "tool_choice", "response_format")),
    ],
)
def test_an_argument_that_no_call_takes_is_refused_before_anything_is_sent(
    server: ScriptServer, cls: Any, name: str, hint: str, way: str
):
    with pytest.raises(refusal_of(cls), match=hint):
        text_of(model_at(server, cls), way, **{name: 1})
    assert not server.requests


REMADE = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "model_copy": lambda model: model.model_copy(),
    "model_copy_deep": lambda model: model.model_copy(deep=True),
}


@each_class
@subcases("used", [None, "blocking", "async"])
@pytest.mark.parametrize("how", REMADE)
def test_a_copy_works_like_the_original_and_nothing_is_logged(
    server: ScriptServer, cls: Any, how: str, used: str | None, caplog: pytest.LogCaptureFixture
):
    model = model_at(server, cls, temperature=0)
    if used:
        text_of(model, used)
    server.requests.clear()
    with caplog.at_level(logging.DEBUG):
        again = REMADE[how](model)
    assert caplog.records == []
    assert type(again) is cls
    assert again.model_dump() == model.model_dump()
    assert again.api_key == SecretStr(KEY)
    for each in (again, model):
        for way in ("blocking", "async"):
            assert text_of(each, way) == "hi"
            assert server.requests[-1].json["temperature"] == 0
    assert len(server.requests) == 4


@each_class
def test_a_pickle_reads_the_key_of_the_environment_again(
    server: ScriptServer, cls: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AKI_API_KEY", SECRET)
    model = model_at(server, cls, api_key=None)
    text_of(model, "blocking")
    assert server.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
    packed = pickle.dumps(model)
    assert SECRET not in str(packed)
    monkeypatch.setenv("AKI_API_KEY", "another")
    text_of(pickle.loads(packed), "blocking")  # noqa: S301
    assert server.requests[-1].headers["authorization"] == "Bearer another"


@each_class
@pytest.mark.parametrize(("name", "way"), [("http_client", "blocking"), ("http_async_client", "async")])
def test_a_client_of_the_users_is_shared_by_a_deepcopy_refused_by_a_pickle_and_not_closed(
    server: ScriptServer, cls: Any, name: str, way: str
):
    client = (httpx.Client if way == "blocking" else httpx.AsyncClient)(headers={"x-mine": "1"})
    model = model_at(server, cls, **{name: client})
    again = copy.deepcopy(model)
    assert getattr(again, name) is client
    assert text_of(again, way) == "hi"
    assert server.requests[-1].headers["x-mine"] == "1"
    with pytest.raises(refusal_of(cls), match=f"{name}= cannot be pickled"):
        pickle.dumps(model)
    model.close()
    asyncio.run(model.aclose())
    assert not client.is_closed
    client.close() if way == "blocking" else asyncio.run(client.aclose())


def kept_model_at(server: ScriptServer, cls: Any) -> Any:
    model = model_at(server, cls)
    server.always = lambda request: replace(echo(request), end="keep-alive")
    return model


@each_class
def test_a_model_is_freed_when_nobody_holds_it(server: ScriptServer, cls: Any):
    model = kept_model_at(server, cls)
    assert [text_of(model, way) for way in ("blocking", "async")] == ["hi", "hi"]
    freed = weakref.ref(model._client)
    del model
    gc.collect()
    assert freed() is None


@each_class
async def test_a_timeout_of_the_callers_is_a_timeout_of_the_callers(server: ScriptServer, cls: Any):
    model = kept_model_at(server, cls)
    server.always = Answer(end="hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await (model.ainvoke if cls in (ChatAKI, AKILLM) else model.acomplete)("hi")
    assert len(server.requests) <= 1
    await model.aclose()


async def test_the_runner_of_llama_index_works_within_a_running_loop(server: ScriptServer, capfd):
    llm = kept_model_at(server, AKI)
    for n in range(5):
        assert asyncio_run(llm.acomplete(f"q{n}")).text == f"q{n}"
        assert (await llm.acomplete(f"r{n}")).text == f"r{n}"
    await llm.aclose()
    del llm
    gc.collect()
    assert len(server.requests) == 10
    assert capfd.readouterr().err == ""


@each_class
async def test_models_are_read_when_asked_for_and_only_then_is_a_failure_an_error(cls: Any):
    with ScriptServer(models=[{"id": MODEL, "max_model_len": 1000}, {"id": "new"}]) as server:
        for number in (1, 2):
            model = model_at(server, cls)
            found = model.refresh_models() if number == 1 else await model.arefresh_models()
            assert [info.id for info in found] == [MODEL, "new"]
            assert model.model_info().context_window == 1000
            assert len(server.listings) == number
    with ScriptServer(listing=json_answer({"error": "no"}, 401)) as server:
        model, error = model_at(server, cls), refusal_of(cls, "AuthenticationError")
        with pytest.raises(error):
            model.refresh_models()
        with pytest.raises(error):
            await model.arefresh_models()
        assert await asyncio.to_thread(text_of, model, "blocking") == "hi"


@each_class
def test_models_take_no_thread_and_no_file(cls: Any):
    threads, files = {*threading.enumerate()}, len(list(Path("/proc/self/fd").iterdir()))
    models = [cls(model=MODEL, timeout=n + 1) for n in range(50)]
    assert {*threading.enumerate()} <= threads
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
    assert len(models) == 50
