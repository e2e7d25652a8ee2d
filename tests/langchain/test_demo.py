import os
import subprocess
import sys
from functools import partial

import httpx
import pytest

from langchain_aki import ChatAKI
from notebooks import demo

KEY = "sk-not-a-real-one"


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> dict[str, str]:
    """What the demo prints without a key, by its steps, begun in a directory of its own."""
    # What would leave this machine goes to a port where nothing listens; the rest of the environment stays out.
    nowhere = "http://127.0.0.1:9"
    environment = {"PATH": os.defpath, "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(  # noqa: S603  our own file
        [sys.executable, "-W", "error", demo.__file__],
        capture_output=True,
        check=False,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        encoding="utf-8",
        env=environment,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    start, *steps = done.stdout.split("\n== ")
    steps[-1], closing = steps[-1].rsplit("\n\n", 1)
    return {"": start, "closing": closing} | {
        title: text for title, _, text in (step.partition("\n") for step in steps)
    }


def test_it_says_which_service_it_talks_to(shown):
    assert shown[""].startswith("Talking to the emulator at http://127.0.0.1:")


def test_it_says_where_each_limit_came_from(shown):
    rows = [row.split() for row in shown["Models and their limits"].splitlines()]
    assert ["apertus-chat-70b", "65,536", "service", "8,192", "table"] in rows
    assert ["gpt-oss-120b", "131,072", "table", "32,768", "table"] in rows
    assert ["kimi-k2.7-code-1100b", "262,144", "service", "8,192", "default"] in rows


@pytest.mark.parametrize(
    ("question", "words", "source"),
    [
        (demo.QUESTIONS[0], "`gemma4-26b`, `ministral3-14b` and `qwen3.6-35b` have the largest", "Models and limits"),
        (demo.QUESTIONS[1], "raises `StreamInterruptedError`", "Errors"),
        (demo.QUESTIONS[2], "only to the provider's own hosts and to this machine", "Privacy"),
    ],
)
def test_questions_are_answered_from_the_documents(shown, question, words, source):
    reasoning, answer, sources = shown[question].splitlines()
    assert reasoning.startswith("reasoning: ")
    assert answer.startswith("answer: ")
    assert words in answer
    assert answer.endswith(f"[README.md, {source}]")
    assert f"README.md, {source}" in sources


def test_the_agent_uses_both_tools(shown):
    steps = shown["An agent with two tools"]
    assert "calls search_documents: query=how I add a provider" in steps
    assert "calls token_cost: tokens=250000, usd_per_million=0.45" in steps
    assert "search_documents: [CONTRIBUTING.md, How to]" in steps
    answer = steps[steps.index("answer: ") :]
    assert "a row in `PROVIDERS`" in answer
    assert "0.1125 USD" in answer


def test_a_misspelled_model_is_refused_with_the_closest(shown):
    error = shown[f"A misspelled model: {demo.MISSPELLED}"]
    assert error.startswith("ModelNotFoundError: ")
    assert "Did you mean 'qwen3.6-35b'" in error
    assert "Nothing was sent." in error


def test_tokens_and_seconds_of_each_step_come_last(shown):
    header, *rows = shown["closing"].strip().splitlines()
    assert header.split() == ["step", "tokens", "in", "out", "seconds"]
    assert [row[:50].strip() for row in rows] == [title for title in shown if title not in ("", "closing")]
    *asked, (misspelled_in, misspelled_out, _) = [row[50:].split() for row in rows[1:]]
    assert all(int(read.replace(",", "")) > 500 and int(written) > 20 for read, written, _ in asked)
    assert (misspelled_in, misspelled_out) == ("0", "0")


@pytest.mark.parametrize("variable", ["AKI_API_KEY", "AKI_IO_API_KEY"])
def test_with_a_key_every_call_goes_to_aki_io(monkeypatch, capsys, fresh_emulator, variable):
    called = []

    def forward(request: httpx.Request) -> httpx.Response:
        called.append((request.headers["authorization"], f"{request.method} {request.url}"))
        url = f"{fresh_emulator.openai_url}{request.url.path.removeprefix('/v1')}"
        headers = {"authorization": f"Bearer {fresh_emulator.key}"}
        answer = httpx.request(request.method, url, content=request.read(), headers=headers)
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    monkeypatch.setenv(variable, KEY)
    monkeypatch.setattr(demo, "Emulator", None)
    with httpx.Client(transport=httpx.MockTransport(forward)) as client:
        monkeypatch.setattr(demo, "ChatAKI", partial(ChatAKI, http_client=client))
        demo.main()
    assert capsys.readouterr().out.startswith("Talking to AKI.IO at https://aki.io/v1\n")
    assert {key for key, _ in called} == {f"Bearer {KEY}"}
    assert {url for _, url in called} == {"GET https://aki.io/v1/models", "POST https://aki.io/v1/chat/completions"}
