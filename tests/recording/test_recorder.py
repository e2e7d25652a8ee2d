"""The cassettes are made anew: the same from the emulator, from a live service only after asking and within bounds."""

import pytest

from aki_transport.live_check import Budget, OverBudgetError
from tests.tools.recording import files, page
from tests.tools.recording.__main__ import main
from tests.tools.recording.recorder import record
from tests.tools.recording.scenarios import SPOTS

BY = {spot.cassette: spot for spot in SPOTS}


@pytest.mark.parametrize("answer", ["n", "", "no", None])
def test_nothing_is_sent_to_a_live_service_without_a_yes(at_the_emulator, tmp_path, monkeypatch, capsys, answer):
    """Neither where there is nobody to ask."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: answer is not None)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert main(["--only", "aki/openai/chat", "--into", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "At most 4 calls are made there" in printed
    assert answer is not None or "--yes" in printed
    assert at_the_emulator.requests == []
    assert files.names(tmp_path) == []


@pytest.mark.parametrize("options", [[], ["--yes"]])
def test_a_cassette_of_a_live_service_says_so(at_the_emulator, tmp_path, monkeypatch, options):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert main(["--only", "aki/openai/stream", "--into", str(tmp_path), *options]) == 0
    made = files.read("aki/openai/stream", tmp_path)["made"]
    assert made == {"by": "the live service", "date": made["date"]}
    assert len(at_the_emulator.requests) == 2  # the listing, and then the question
    assert at_the_emulator.key not in (tmp_path / "aki/openai/stream.yaml").read_text()
    assert "| `aki/openai/stream` | the live service |" in page.table(tmp_path)


def test_the_call_after_the_last_agreed_one_is_not_sent(at_the_emulator, tmp_path):
    budget = Budget(1)
    with pytest.raises(OverBudgetError, match="nothing was sent"):
        record(BY["aki/openai/chat"], tmp_path, budget)  # the listing, and then the question
    assert len(at_the_emulator.requests) == 1
