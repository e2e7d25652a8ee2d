from functools import partial

import httpx
import pytest

from llama_index_aki import AKI
from tests.langchain.test_demo import (
    FACTS,
    KEY,
    Shown,
    check_answer,
    demo,
    demo_langchain,
    demo_llama_index,
    demo_parts,
    demo_pictures,
    run_demo,
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory, pytestconfig) -> Shown:
    return run_demo(tmp_path_factory.mktemp("elsewhere"), pytestconfig)


@pytest.mark.parametrize(("question", "facts"), FACTS.items())
def test_a_query_engine_answers_from_the_documents(shown: Shown, question: str, facts: tuple[str, ...]):
    answer, sources = shown.steps["LlamaIndex"][question].splitlines()
    check_answer(answer, sources, facts)
    assert sources.count("; ") == 3


def test_the_agents_events_come_in_order(shown: Shown):
    task, *events = shown.steps["LlamaIndex"][demo_parts.AGENT].splitlines()
    assert task == f"task: {demo_parts.TASK}"
    searched, found, worked_out, cost = events[1:5]
    assert searched == "calls search_documents: query=how I add a provider"
    assert found.startswith("search_documents: [CONTRIBUTING.md, How to] ")
    assert worked_out == "calls token_cost: tokens=250000, usd_per_million=0.45"
    assert cost == "token_cost: 250,000 tokens cost 0.1125 USD."
    assert [event.partition(":")[0] for event in (events[0], *events[5:])] == ["thinking", "thinking", "answer"]
    assert "a row in `PROVIDERS`" in events[-1]
    assert "0.1125 USD" in events[-1]


def test_the_servers_tokens_stand_beside_those_of_langchain(shown: Shown):
    for title, langchain in shown.taken["LangChain"].items():
        if title in shown.steps["LlamaIndex"]:
            read, written, _ = shown.taken["LlamaIndex"][title]
            assert read > 500
            assert 0.5 < written / langchain[1] < 2
        else:
            assert title not in shown.taken["LlamaIndex"]


@pytest.mark.parametrize("variable", ["AKI_API_KEY", "AKI_IO_API_KEY"])
def test_with_a_key_every_call_goes_to_aki_io(monkeypatch, capsys, fresh_emulator, variable):
    called = []

    async def forward(request: httpx.Request) -> httpx.Response:
        called.append((request.headers["authorization"], f"{request.method} {request.url}"))
        url = f"{fresh_emulator.openai_url}{request.url.path.removeprefix('/v1')}"
        headers = {"authorization": f"Bearer {fresh_emulator.key}"}
        async with httpx.AsyncClient() as client:
            answer = await client.request(request.method, url, content=request.content, headers=headers)
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    monkeypatch.setenv(variable, KEY)
    monkeypatch.setattr(demo, "Emulator", None)
    monkeypatch.setattr(demo_langchain, "run", lambda _: demo_parts.Steps("LangChain"))
    monkeypatch.setattr(demo_pictures, "run", lambda _: None)
    client = httpx.AsyncClient(transport=httpx.MockTransport(forward))
    monkeypatch.setattr(demo_llama_index, "AKI", partial(AKI, http_async_client=client))
    demo.main()
    out = capsys.readouterr().out
    assert out.startswith("Talking to AKI.IO at https://aki.io/v1\n")
    assert "answer: " in out
    assert {key for key, _ in called} == {f"Bearer {KEY}"}
    assert {url for _, url in called} <= {"GET https://aki.io/v1/models", "POST https://aki.io/v1/chat/completions"}
    assert len([url for _, url in called if url.startswith("POST")]) == len(demo_parts.QUESTIONS) + 2
