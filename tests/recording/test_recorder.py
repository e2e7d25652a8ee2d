"""The cassettes are made anew: the same from the emulator, from a live service only after asking and within bounds."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator
from aki_transport.live_check import Budget, OverBudgetError
from tests.tools.recording import files, page, recorder
from tests.tools.recording.__main__ import main
from tests.tools.recording.recorder import allowance, record
from tests.tools.recording.scenarios import SPOTS

BY = {spot.cassette: spot for spot in SPOTS}


def undated(text: str) -> str:
    return re.sub(r"  (date|version): .*\n", "", text)


@pytest.fixture
def as_if_live(monkeypatch):
    """The emulator at the service's address, reached with a key of the environment."""
    with Emulator() as service:
        row = PROVIDERS["aki"]
        routes = tuple(replace(each, base_url=getattr(service, f"{each.protocol}_url")) for each in row.routes)
        monkeypatch.setitem(PROVIDERS, "aki", replace(row, routes=routes))
        monkeypatch.setenv("AKI_API_KEY", service.key)
        yield service


@pytest.mark.parametrize("only", ["aki/openai/t", "aki/anthropic/reasoning", "aki/native/job", "ak_ai_core/openai/s"])
def test_recording_from_the_emulator_changes_nothing_but_dates(tmp_path, capfd, only):
    assert main(["--emulator", "--only", only, "--into", str(tmp_path)]) == 0
    names = [name for name in files.names() if name.startswith(only)]
    assert f"{len(names)} cassettes" in capfd.readouterr().out
    assert files.names(tmp_path) == names
    for name in names:
        recorded, there = ((folder / f"{name}.yaml").read_text() for folder in (tmp_path, files.CASSETTES))
        if files.read(name)["made"]["by"] == "the emulator":
            assert undated(recorded) == undated(there), name


@pytest.mark.parametrize("answer", ["n", "", "no", None])
def test_nothing_is_sent_to_a_live_service_without_a_yes(as_if_live, tmp_path, monkeypatch, capsys, answer):
    """Neither where there is nobody to ask."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: answer is not None)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert main(["--only", "aki/openai/chat", "--into", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "At most 4 calls are made there" in printed
    assert answer is not None or "--yes" in printed
    assert as_if_live.requests == []
    assert files.names(tmp_path) == []


@pytest.mark.parametrize("asked", ["a yes", "--yes"])
def test_a_cassette_of_a_live_service_says_so(as_if_live, tmp_path, monkeypatch, asked):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    given = ["--yes"] if asked == "--yes" else []
    assert main(["--only", "aki/openai/stream", "--into", str(tmp_path), *given]) == 0
    made = files.read("aki/openai/stream", tmp_path)["made"]
    assert made == {"by": "the live service", "date": made["date"]}
    assert len(as_if_live.requests) == 2  # the listing, and then the question
    assert as_if_live.key not in (tmp_path / "aki/openai/stream.yaml").read_text()
    assert "| `aki/openai/stream` | the live service |" in page.table(tmp_path)


def test_a_failure_that_cannot_be_asked_for_still_comes_from_the_emulator(as_if_live, tmp_path):
    assert main(["--only", "aki/openai/rate_limited", "--into", str(tmp_path), "--yes"]) == 0
    assert files.read("aki/openai/rate_limited", tmp_path)["made"]["by"] == "the emulator"
    assert as_if_live.requests == []


def test_the_call_after_the_last_agreed_one_is_not_sent(as_if_live, tmp_path):
    budget = Budget(1)
    with pytest.raises(OverBudgetError, match="nothing was sent"):
        record(BY["aki/openai/chat"], tmp_path, budget)  # the listing, and then the question
    assert len(as_if_live.requests) == 1


def test_the_suites_calls_are_counted_too(as_if_live, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(recorder, "CHOSEN", ("-k", "test_invoke or test_stream"))
    given = ["--only", f"aki/openai/{files.SUITE}", "--into", str(tmp_path), "--yes"]
    assert main(given) == 0
    taken = len(files.read(f"aki/openai/{files.SUITE}")["interactions"])
    assert f"At most {2 * taken} calls" in capfd.readouterr().out
    assert 0 < len(as_if_live.requests) <= 2 * taken


def test_jobs_may_be_looked_at_more_often():
    assert allowance([BY["aki/native/job_queued"]], ()) > 60 > allowance([BY["aki/openai/chat"]], ())


@pytest.mark.usefixtures("as_if_live")
def test_a_live_answer_other_than_the_scenario_says_is_kept_and_told_of(tmp_path, capsys):
    odd = replace(BY["aki/openai/stream"], scenario=replace(BY["aki/openai/stream"].scenario, asked="What is 6 * 7?"))
    record(odd, tmp_path, Budget(9))
    assert "answered otherwise" in capsys.readouterr().out
    assert files.names(tmp_path) == ["aki/openai/stream"]
