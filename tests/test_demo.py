"""The demo, as a reader starts it, and that with a key it talks to the services."""

import asyncio
import re
import sys
from collections import Counter
from functools import partial
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.emulator.looking import opened, share
from tests.programs import CUT_OFF, ROOT, run

KEY = "sk-not-a-real-one"
NOTEBOOKS = ROOT / "notebooks"

# Where Python looks for a script's neighbours.
sys.path.append(str(NOTEBOOKS))
demo, demo_parts = import_module("demo"), import_module("demo_parts")
demo_langchain, demo_llama_index = import_module("demo_langchain"), import_module("demo_llama_index")
demo_pictures = import_module("demo_pictures")


@pytest.fixture(scope="module")
def shown(tmp_path_factory, pytestconfig):
    """What the demo prints without a key: the text of each step, by the title of its half and its own."""
    # The oldest frameworks warn of themselves; their run of these tests lets warnings pass, here as elsewhere.
    strict = pytestconfig.getini("filterwarnings") == ["error"]
    folder = tmp_path_factory.mktemp("elsewhere")
    done = run("-W", "error" if strict else "ignore", NOTEBOOKS / "demo.py", folder=folder, **CUT_OFF)
    assert (done.returncode, done.stderr) == (0, "")
    steps = {}
    for half in done.stdout.split("\n==== "):
        head, *others = half.split("\n== ")
        title, _, words = head.partition("\n")
        steps[title] = {"": words} | {title: text for title, _, text in (other.partition("\n") for other in others)}
    return steps


def test_it_says_which_service_it_talks_to_and_where_each_limit_came_from(shown):
    start, langchain, llama_index, pictures = shown
    assert start.startswith("Talking to the emulator at http://127.0.0.1:")
    assert (langchain, llama_index, pictures) == ("LangChain", "LlamaIndex", "Pictures")
    rows = [row.split() for row in shown["LangChain"]["Models and their limits"].splitlines()]
    assert ["apertus-chat-70b", "65,536", "service", "8,192", "table"] in rows
    assert ["gpt-oss-120b", "131,072", "table", "32,768", "table"] in rows
    assert ["kimi-k2.7-code-1100b", "262,144", "service", "8,192", "default"] in rows


# Whichever section says it: the documents grow, and may come to say a thing twice.
FACTS = {
    demo_parts.QUESTIONS[0]: ("MiniMax M2.5", "unknown model"),
    demo_parts.QUESTIONS[1]: ("`StreamInterruptedError`", "`partial_text`", "holds what had arrived"),
    demo_parts.QUESTIONS[2]: ("only to", "own hosts", "this machine"),
}


@pytest.mark.parametrize(("question", "facts"), FACTS.items())
def test_questions_are_answered_from_a_section_that_was_found_and_that_is_named(shown, question, facts):
    for framework in ("LangChain", "LlamaIndex"):
        *reasoning, said, listed = shown[framework][question].splitlines()
        assert [line.partition(": ")[0] for line in reasoning] == ["reasoning"] * (framework == "LangChain")
        words, _, source = said.removeprefix("answer: ").removesuffix("]").rpartition(" [")
        assert said.startswith("answer: ")
        assert source in listed.removeprefix("sources: ").split("; ")
        section = " ".join(dict(demo_parts.read_sections())[source].split())
        assert [fact for fact in facts if fact not in words or fact not in section] == []


def test_the_agents_use_both_tools(shown):
    for framework in ("LangChain", "LlamaIndex"):
        steps, separator, answer = shown[framework][demo_parts.AGENT].partition("answer: ")
        assert separator
        assert steps.startswith(f"task: {demo_parts.TASK}\n")
        assert ("\nthinking: " in steps) is (framework == "LlamaIndex")
        for told in (
            "calls search_documents: query=how I add a provider",
            "calls token_cost: tokens=250000, usd_per_million=0.45",
            "search_documents: [CONTRIBUTING.md, How to]",
            "token_cost: 250,000 tokens cost 0.1125 USD.",
        ):
            assert f"\n{told}" in steps
        assert "a row in `PROVIDERS`" in answer
        assert "0.1125 USD" in answer


def test_a_misspelled_model_is_refused_with_the_closest(shown):
    error = shown["LangChain"][f"A misspelled model: {demo_langchain.MISSPELLED}"]
    assert error.startswith("ModelNotFoundError: ")
    assert "Did you mean 'qwen3.6-35b'" in error
    assert "Nothing was sent." in error


def test_tokens_and_seconds_of_each_step_come_last(shown):
    closing = shown["LlamaIndex"][demo_parts.AGENT].partition("\n\n")[2]
    frameworks, _, *rows = (re.split(r"\s{2,}", row.strip()) for row in closing.splitlines())
    assert frameworks == ["LangChain", "LlamaIndex"]
    for at, framework in enumerate(frameworks):
        taken = {row[0]: row[1 + 3 * at : 4 + 3 * at] for row in rows if row[1 + 3 * at] != "-"}
        assert list(taken) == list(filter(None, shown[framework]))
        for title, (read, written, _) in taken.items():
            asks = title in (*demo_parts.QUESTIONS, demo_parts.AGENT)
            assert (int(read.replace(",", "")) > 500, int(written) > 20) == (asks, asks)


def test_a_picture_is_drawn_and_changed_and_both_are_on_disk(shown):
    *told, drawn, changed = shown["Pictures"][""].splitlines()
    assert [line.partition(": ")[0] for line in told] == [demo_pictures.DRAWN, demo_pictures.CHANGED]
    first, second = (opened(Path(line.partition(": ")[2]).read_bytes()) for line in (drawn, changed))
    assert first.size == second.size == (512, 512)
    assert share(first, "red") > 0.03
    assert share(second, "red") == 0
    assert share(second, "blue") > 0.03
    for colour in ("green", "yellow"):
        assert share(second, colour) == pytest.approx(share(first, colour), abs=1e-4)


def test_with_a_key_every_call_goes_to_aki_io(monkeypatch, capsys, emulator, tmp_path):
    monkeypatch.setattr(demo, "Emulator", None)
    with monkeypatch.context() as patch:
        patch.setenv("AKI_IO_API_KEY", KEY)
        with demo.connect() as settings:
            assert settings == {}
    monkeypatch.setenv("AKI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    keys, asked = set(), Counter()

    def forward(request):
        keys.add(request.headers["authorization"])
        asked[f"{request.method} {request.url}"] += 1
        url = f"{emulator.openai_url}{request.url.path.removeprefix('/v1')}"
        kept = {name: value for name, value in request.headers.items() if name == "content-type"}
        headers = {"authorization": f"Bearer {emulator.key}", **kept}
        answer = httpx.request(request.method, url, content=request.read(), headers=headers)
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    async def aforward(request):
        await request.aread()
        return await asyncio.to_thread(forward, request)

    aclient = httpx.AsyncClient(transport=httpx.MockTransport(aforward))
    monkeypatch.setattr(demo_llama_index, "AKI", partial(AKI, http_async_client=aclient))
    with httpx.Client(transport=httpx.MockTransport(forward)) as client:
        monkeypatch.setattr(demo_langchain, "ChatAKI", partial(ChatAKI, http_client=client))
        draw = demo_pictures.run
        monkeypatch.setattr(demo_pictures, "run", lambda settings: draw({"http_client": client, **settings}))
        demo.main()
    out = capsys.readouterr().out
    assert "Talking to AKI.IO at https://aki.io/v1\n" in out
    assert "answer: " in out
    assert str(tmp_path / "demo-pictures" / "changed.png") in out
    assert keys == {f"Bearer {KEY}"}
    paths = ("GET models", "POST chat/completions", "POST images/generations", "POST images/edits")
    assert set(asked) == {path.replace(" ", " https://aki.io/v1/") for path in paths}
    # Each framework asks every question, and its agent at least twice.
    assert asked["POST https://aki.io/v1/chat/completions"] >= 2 * (len(demo_parts.QUESTIONS) + 2)
