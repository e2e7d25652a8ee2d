"""What the models of both frameworks hold, and when they let go; connections are tested in `transport/`."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.async_utils import asyncio_run

from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.scenarios import KEY, MODEL, replied
from tests.script_server import Answer, Request, ScriptServer

CLASSES: tuple[Callable[..., Any], ...] = (ChatAKI, AKI)


def echo(request: Request) -> Answer:
    """The question again; the connection stays open."""
    answer = replied(request.json["messages"][0]["content"])
    return Answer(headers=answer.headers, chunks=answer.chunks, chunked=False, end="keep-alive")


@pytest.fixture
def server() -> Iterator[ScriptServer]:
    with ScriptServer(always=echo) as server:
        yield server


def model_at(server: ScriptServer, cls: Callable[..., Any]) -> Any:
    return cls(model=MODEL, base_url=server.openai_url, api_key=KEY)


def ask(model: Any, question: str) -> str:
    return model.invoke(question).text if isinstance(model, ChatAKI) else model.complete(question).text


async def aask(model: Any, question: str) -> str:
    return (await (model.ainvoke if isinstance(model, ChatAKI) else model.acomplete)(question)).text


@pytest.mark.parametrize("cls", CLASSES)
def test_a_model_is_freed_when_nobody_holds_it(server: ScriptServer, cls: Callable[..., Any]):
    model = model_at(server, cls)
    assert ask(model, "a") == "a"
    assert asyncio.run(aask(model, "b")) == "b"
    freed = weakref.ref(model._client)
    del model
    gc.collect()
    assert freed() is None


@pytest.mark.parametrize("cls", CLASSES)
def test_a_closed_model_works_again_and_leaves_another_its_connection(server: ScriptServer, cls: Callable[..., Any]):
    one, other = model_at(server, cls), model_at(server, cls)
    assert (ask(one, "a"), ask(other, "b")) == ("a", "b")
    one.close()
    assert (ask(other, "c"), ask(one, "d")) == ("c", "d")
    assert len(server.requests) == 4


@pytest.mark.parametrize("cls", CLASSES)
async def test_a_timeout_of_the_callers_is_a_timeout_of_the_callers(server: ScriptServer, cls: Callable[..., Any]):
    server.always = Answer(end="hang")
    model = model_at(server, cls)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await aask(model, "a")
    assert len(server.requests) <= 1
    await model.aclose()


async def test_the_runner_of_llama_index_works_within_a_running_loop(server: ScriptServer, capfd):
    llm = model_at(server, AKI)
    for n in range(5):
        assert asyncio_run(aask(llm, f"q{n}")) == f"q{n}"
        assert await aask(llm, f"r{n}") == f"r{n}"
    await llm.aclose()
    del llm
    gc.collect()
    assert len(server.requests) == 10
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("cls", CLASSES)
def test_models_take_no_thread_and_no_file(cls: Callable[..., Any]):
    def held() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    before = held()
    models = [cls(model=MODEL, timeout=n + 1) for n in range(100)]
    assert held() == before
    assert len(models) == 100
