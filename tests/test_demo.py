"""The demo, as a reader starts it, and that with a key it talks to the services."""

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from aki_transport.emulator import Emulator
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.emulator.looking import opened, share

KEY = "sk-not-a-real-one"
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

# Where Python looks for a script's neighbours.
sys.path.append(str(NOTEBOOKS))
demo, demo_parts = import_module("demo"), import_module("demo_parts")
demo_langchain, demo_llama_index = import_module("demo_langchain"), import_module("demo_llama_index")
demo_pictures = import_module("demo_pictures")


@dataclass(frozen=True)
class Shown:
    """What the demo prints: its first line, for each framework the steps by title and what each took, and pictures."""

    start: str
    steps: dict[str, dict[str, str]]
    header: tuple[list[str], list[str]]
    taken: dict[str, dict[str, tuple[int, int, float]]]
    pictures: list[str]


def run_demo(directory: Path, config: pytest.Config) -> Shown:
    """The demo without a key, begun in a directory of its own."""
    # What would leave this machine goes to a port where nothing listens; the rest of the environment stays out.
    nowhere = "http://127.0.0.1:9"
    environment = {"PATH": os.defpath, "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
    # The oldest frameworks warn of themselves; their run of these tests lets warnings pass, here as elsewhere.
    strict = config.getini("filterwarnings") == ["error"]
    done = subprocess.run(  # noqa: S603  our own file
        [sys.executable, "-W", "error" if strict else "ignore", NOTEBOOKS / "demo.py"],
        capture_output=True,
        check=False,
        cwd=directory,
        encoding="utf-8",
        env=environment,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    talk, pictures = done.stdout.split("\n==== Pictures\n")
    said, closing = talk.rsplit("\n\n", 1)
    start, *halves = said.split("\n==== ")
    steps = {}
    for half in halves:
        framework, *parts = half.split("\n== ")
        steps[framework.strip()] = {title: text for title, _, text in (part.partition("\n") for part in parts)}
    frameworks, header, *rows = closing.splitlines()
    taken: dict[str, dict[str, tuple[int, int, float]]] = {framework: {} for framework in steps}
    for row in rows:
        title, *cells = re.split(r"\s{2,}", row)
        for at, framework in enumerate(steps):
            if cells[3 * at] != "-":
                read, written, seconds = cells[3 * at : 3 * at + 3]
                taken[framework][title] = (int(read.replace(",", "")), int(written.replace(",", "")), float(seconds))
    return Shown(start, steps, (frameworks.split(), header.split()), taken, pictures.splitlines())


class Service:
    """What would go to AKI.IO is answered by an emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.client = httpx.Client()
        self.keys: set[str] = set()
        self.asked: list[str] = []

    def forward(self, request: httpx.Request) -> httpx.Response:
        self.keys.add(request.headers["authorization"])
        self.asked.append(f"{request.method} {request.url}")
        url = f"{self.emulator.openai_url}{request.url.path.removeprefix('/v1')}"
        headers = {"authorization": f"Bearer {self.emulator.key}"}
        if "content-type" in request.headers:
            headers["content-type"] = request.headers["content-type"]
        answer = self.client.request(request.method, url, content=request.read(), headers=headers)
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    async def aforward(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await asyncio.to_thread(self.forward, request)


@pytest.fixture
def service(emulator):
    service = Service(emulator)
    with service.client:
        yield service


@pytest.fixture(scope="module")
def shown(tmp_path_factory, pytestconfig) -> Shown:
    return run_demo(tmp_path_factory.mktemp("elsewhere"), pytestconfig)


def test_it_says_which_service_it_talks_to_and_where_each_limit_came_from(shown: Shown):
    assert shown.start.startswith("Talking to the emulator at http://127.0.0.1:")
    rows = [row.split() for row in shown.steps["LangChain"]["Models and their limits"].splitlines()]
    assert ["apertus-chat-70b", "65,536", "service", "8,192", "table"] in rows
    assert ["gpt-oss-120b", "131,072", "table", "32,768", "table"] in rows
    assert ["kimi-k2.7-code-1100b", "262,144", "service", "8,192", "default"] in rows


# Whichever section says it: the documents grow, and may come to say a thing twice.
FACTS = {
    demo_parts.QUESTIONS[0]: ("MiniMax M2.5", "unknown model"),
    demo_parts.QUESTIONS[1]: ("`StreamInterruptedError`", "`partial_text`", "holds what had arrived"),
    demo_parts.QUESTIONS[2]: ("only to", "own hosts", "this machine"),
}


def check_answer(said: str, listed: str, facts: tuple[str, ...]) -> None:
    """It holds the facts, and ends with the name of a section that was found and that says them."""
    words, _, source = said.removeprefix("answer: ").removesuffix("]").rpartition(" [")
    assert said.startswith("answer: ")
    assert source in listed.removeprefix("sources: ").split("; ")
    section = " ".join(dict(demo_parts.read_sections())[source].split())
    assert [fact for fact in facts if fact not in words or fact not in section] == []


@pytest.mark.parametrize(("question", "facts"), FACTS.items())
def test_questions_are_answered_from_the_documents(shown: Shown, question: str, facts: tuple[str, ...]):
    reasoning, answer, sources = shown.steps["LangChain"][question].splitlines()
    assert reasoning.startswith("reasoning: ")
    check_answer(answer, sources, facts)
    answer, sources = shown.steps["LlamaIndex"][question].splitlines()
    check_answer(answer, sources, facts)
    assert sources.count("; ") == 3


def test_the_agent_uses_both_tools(shown: Shown):
    steps, separator, answer = shown.steps["LangChain"][demo_parts.AGENT].partition("answer: ")
    assert separator
    assert "calls search_documents: query=how I add a provider" in steps
    assert "calls token_cost: tokens=250000, usd_per_million=0.45" in steps
    assert "search_documents: [CONTRIBUTING.md, How to]" in steps
    assert "a row in `PROVIDERS`" in answer
    assert "0.1125 USD" in answer
    task, *events = shown.steps["LlamaIndex"][demo_parts.AGENT].splitlines()
    assert task == f"task: {demo_parts.TASK}"
    kinds, (searched, section, worked_out, cost) = [event.partition(":")[0] for event in events], events[1:5]
    assert searched == "calls search_documents: query=how I add a provider"
    assert section.startswith("search_documents: [CONTRIBUTING.md, How to] ")
    assert worked_out == "calls token_cost: tokens=250000, usd_per_million=0.45"
    assert cost == "token_cost: 250,000 tokens cost 0.1125 USD."
    assert [kinds[0], *kinds[5:]] == ["thinking", "thinking", "answer"]
    assert "a row in `PROVIDERS`" in events[-1]
    assert "0.1125 USD" in events[-1]


def test_a_misspelled_model_is_refused_with_the_closest(shown: Shown):
    error = shown.steps["LangChain"][f"A misspelled model: {demo_langchain.MISSPELLED}"]
    assert error.startswith("ModelNotFoundError: ")
    assert "Did you mean 'qwen3.6-35b'" in error
    assert "Nothing was sent." in error


def test_tokens_and_seconds_of_each_step_come_last(shown: Shown):
    assert shown.header == (["LangChain", "LlamaIndex"], ["step", *["tokens", "in", "out", "seconds"] * 2])
    for framework, steps in shown.steps.items():
        assert list(shown.taken[framework]) == list(steps)
    _, *asked, (misspelled_in, misspelled_out, _) = shown.taken["LangChain"].values()
    assert all(read > 500 and written > 20 for read, written, _ in asked)
    assert (misspelled_in, misspelled_out) == (0, 0)


def test_a_picture_is_drawn_and_changed_and_both_are_on_disk(shown: Shown):
    *told, drawn, changed = shown.pictures
    assert [line.partition(": ")[0] for line in told] == [demo_pictures.DRAWN, demo_pictures.CHANGED]
    first, second = (opened(Path(line.partition(": ")[2]).read_bytes()) for line in (drawn, changed))
    assert first.size == second.size == (512, 512)
    assert share(first, "red") > 0.03
    assert share(second, "red") == 0
    assert share(second, "blue") > 0.03
    assert [share(second, colour) for colour in ("green", "yellow")] == pytest.approx(
        [share(first, colour) for colour in ("green", "yellow")], abs=1e-4
    )


def test_with_a_key_every_call_goes_to_aki_io(monkeypatch, capsys, service, tmp_path):
    monkeypatch.setattr(demo, "Emulator", None)
    with monkeypatch.context() as patch:
        patch.setenv("AKI_IO_API_KEY", KEY)
        with demo.connect() as settings:
            assert settings == {}
    monkeypatch.setenv("AKI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    aclient = httpx.AsyncClient(transport=httpx.MockTransport(service.aforward))
    monkeypatch.setattr(demo_llama_index, "AKI", partial(AKI, http_async_client=aclient))
    with httpx.Client(transport=httpx.MockTransport(service.forward)) as client:
        monkeypatch.setattr(demo_langchain, "ChatAKI", partial(ChatAKI, http_client=client))
        draw = demo_pictures.run
        monkeypatch.setattr(demo_pictures, "run", lambda settings: draw({"http_client": client, **settings}))
        demo.main()
    out = capsys.readouterr().out
    assert "Talking to AKI.IO at https://aki.io/v1\n" in out
    assert "answer: " in out
    assert str(tmp_path / "demo-pictures" / "changed.png") in out
    assert service.keys == {f"Bearer {KEY}"}
    asked = Counter(each.replace(" https://aki.io/v1/", " ") for each in service.asked)
    assert set(asked) == {"GET models", "POST chat/completions", "POST images/generations", "POST images/edits"}
    # Each framework asks every question, and its agent at least twice.
    assert asked["POST chat/completions"] >= 2 * (len(demo_parts.QUESTIONS) + 2)
