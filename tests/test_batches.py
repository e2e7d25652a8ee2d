"""Two hundred questions at once in both frameworks: a bar, a bound, and failures kept apart from answers."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from pathlib import Path

import pytest

from aki_transport.emulator import Emulator
from aki_transport.errors import ContextOverflowError, ServerError
from langchain_aki import ChatAKI
from llama_index_aki import AKI

sys.path.append(str(Path(__file__).resolve().parents[1] / "notebooks"))
batches = import_module("batches")

WAYS = {
    "LangChain": (ChatAKI, batches.ask_langchain),
    "LangChain, sync": (ChatAKI, batches.ask_langchain_sync),
    "LlamaIndex": (AKI, batches.ask_llama_index),
}


@pytest.fixture(scope="module")
def service():
    with Emulator() as service:
        yield service


def ask(way: str, service: Emulator, asked: list[str], at_once: int = batches.AT_ONCE, **fields):
    kind, asking = WAYS[way]
    model = kind(model=batches.MODEL, base_url=service.openai_url, api_key=service.key, **fields)

    async def awaited():
        batch = await asking(model, asked, at_once)
        await model.aclose()
        return batch

    if way == "LangChain, sync":
        batch = asking(model, asked, at_once)
        model.close()
        return batch
    return asyncio.run(awaited())


@pytest.mark.parametrize("way", WAYS)
def test_every_question_has_its_own_answer_and_the_failures_are_apart(service, capsys, way):
    batch = ask(way, service, batches.questions())
    assert sorted([*batch.answers, *batch.failures]) == list(range(200))
    assert sorted(batch.failures) == list(batches.TOO_LONG)
    assert all(isinstance(error, ContextOverflowError) for error in batch.failures.values())
    for number, answered in batch.answers.items():
        assert batches.known_answer(number) in answered.text.replace(",", "")
        assert answered.input_tokens > 0
        assert answered.output_tokens > 0
        assert answered.seconds > 0
    bar = capsys.readouterr().err
    assert way in bar
    assert "200/200" in bar


@pytest.mark.parametrize("way", WAYS)
def test_failures_of_the_service_are_apart_too(service, way):
    service.reset()
    fault = {"x-emulator-fault": f"status=503;times=5;tag={way.encode().hex()}"}
    batch = ask(
        way, service, batches.questions(20, too_long=()), default_headers=fault, max_retries=0, model_listing=False
    )
    assert (len(batch.answers), len(batch.failures)) == (15, 5)
    assert all(isinstance(error, ServerError) for error in batch.failures.values())


@pytest.mark.parametrize("way", WAYS)
def test_no_more_are_under_way_than_the_bound_says(service, monkeypatch, way):
    under_way, most = 0, 0
    kind, _ = WAYS[way]
    name = {"LangChain": "_agenerate", "LangChain, sync": "_generate", "LlamaIndex": "acomplete"}[way]
    called = getattr(kind, name)

    async def counted(*args, **given):
        nonlocal under_way, most
        under_way, most = under_way + 1, max(most, under_way + 1)
        try:
            return await called(*args, **given)
        finally:
            under_way -= 1

    def counted_sync(*args, **given):
        nonlocal under_way, most
        under_way, most = under_way + 1, max(most, under_way + 1)
        try:
            return called(*args, **given)
        finally:
            under_way -= 1

    monkeypatch.setattr(kind, name, counted_sync if way == "LangChain, sync" else counted)
    slow = {"x-emulator-fault": "first-byte=0.02"}
    batch = ask(way, service, batches.questions(40, too_long=()), at_once=4, default_headers=slow)
    assert len(batch.answers) == 40
    assert most == 4


def test_what_is_no_error_of_a_call_is_raised():
    with pytest.raises(ZeroDivisionError):
        batches.Batch().add(0, ZeroDivisionError())


def test_the_figures_are_printed(service, capsys):
    batches.show("LangChain", ask("LangChain", service, batches.questions(10, too_long=(4,))))
    printed = capsys.readouterr().out
    assert printed.startswith("LangChain: 9 answered, ")
    assert "1 failed with ContextOverflowError: questions 4" in printed
