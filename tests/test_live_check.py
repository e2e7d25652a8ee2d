"""The check of the live services, run against the emulator: all questions are answered, nothing is spent unasked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator
from tests.tools.live.__main__ import Where, ask_all, main
from tests.tools.live.rows import Seen, all_rows
from tests.tools.recording import places
from tests.tools.recording.budget import Budget

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch):
    for row in PROVIDERS.values():
        for name in row.key_variables:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def as_if_live(monkeypatch):
    """The emulator at the service's address, reached with a key of the environment."""
    with Emulator() as service:
        row = PROVIDERS["aacflow"]
        routes = (replace(row.routes[0], base_url=service.aacflow_url),)
        monkeypatch.setitem(PROVIDERS, "aacflow", replace(row, routes=routes))
        monkeypatch.setenv("AACFLOW_API_KEY", service.aacflow_key)
        yield service


def test_the_emulator_answers_every_question(capsys):
    assert main(["--emulator"]) == 0
    printed = capsys.readouterr().out
    rows = all_rows()
    assert printed.count("as assumed  ") + printed.count("OTHERWISE") == len(rows)
    assert "NO ANSWER" not in printed
    assert f"answered {len(rows)} of {len(rows)} questions" in printed
    assert "OTHERWISE" not in printed
    for key in (Emulator.key, Emulator.aacflow_key, Emulator.ak_ai_core_key):
        assert key not in printed


def test_every_place_has_questions_and_no_question_stands_twice():
    rows = all_rows()
    assert {row.place for row in rows} == set(places.PLACES)
    assert len({(row.place, row.about) for row in rows}) == len(rows)


def test_the_code_that_leans_on_an_assumption_is_there():
    named = {path for row in all_rows() for path in row.code}
    assert named
    assert {path for path in named if not (ROOT / path).is_file()} == set()


def test_without_a_key_it_says_what_to_set_and_how_to_try_it(capsys):
    assert main([]) == 1
    printed = capsys.readouterr().out
    for name in ("AKI_API_KEY", "AACFLOW_API_KEY", "AK_AI_CORE_API_KEY", "--emulator"):
        assert name in printed


@pytest.mark.parametrize("answer", ["n", ""])
def test_nothing_is_sent_without_a_yes(as_if_live, monkeypatch, capsys, answer):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert main([]) == 1
    assert "at most" in capsys.readouterr().out
    assert as_if_live.requests == []


def test_nothing_is_sent_where_there_is_nobody_to_ask(as_if_live, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main([]) == 1
    assert "--yes" in capsys.readouterr().out
    assert as_if_live.requests == []


@pytest.mark.parametrize("given", [["--yes"], []], ids=["--yes", "a yes"])
def test_with_a_key_the_services_that_it_opens_are_asked(as_if_live, monkeypatch, capsys, given):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert main(given) == 0
    printed = capsys.readouterr().out
    rows = [row for row in all_rows() if row.place == "aacflow/openai"]
    assert f"The live service answered {len(rows)} of {len(rows)} questions" in printed
    assert 0 < len(as_if_live.requests) <= sum(row.calls for row in rows)
    assert as_if_live.aacflow_key not in printed


def test_another_behaviour_is_shown_with_the_code_that_leans_on_it(capsys, monkeypatch):
    row = replace(all_rows()[0], ask=lambda _: Seen(as_assumed=False, words="something else"))
    monkeypatch.setattr("tests.tools.live.__main__.all_rows", lambda: (row,))
    assert main(["--emulator"]) == 0
    printed = capsys.readouterr().out
    assert "OTHERWISE" in printed
    assert f"something else. Look at {row.code[0]}" in printed


def test_no_call_is_made_beyond_the_agreed_number(capsys):
    rows = [row for row in all_rows() if row.place == "ak_ai_core/openai"][:3]
    with Emulator() as service:
        there = {"ak_ai_core/openai": Where(service.ak_ai_core_url, service.ak_ai_core_key)}
        answered = ask_all(rows, there, Budget(2))
        assert len(service.requests) == 2
    assert len(answered) == 2
    assert "NO ANSWER" in capsys.readouterr().out
