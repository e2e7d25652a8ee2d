"""`aki check --live` and `make live` on the emulator: all questions are answered, nothing is spent unasked."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from aki_transport import live_check
from aki_transport.cli import FAILED, MISUSED, main
from aki_transport.emulator import Emulator
from aki_transport.live_check import QUESTIONS, Budget, Finding, ask_all, open_services
from aki_transport.transport.raw import RawSender
from tests.tools.live.__main__ import main as make_live
from tests.tools.live.frameworks import QUESTIONS as FRAMEWORK_QUESTIONS
from tests.tools.recording import places

ROOT = Path(__file__).parents[1]
KEYS = (Emulator.key, Emulator.aacflow_key, Emulator.ak_ai_core_key)
EVERY_QUESTION = (*QUESTIONS, *FRAMEWORK_QUESTIONS)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where the report is written


@pytest.fixture
def steady(monkeypatch):
    monkeypatch.setattr(RawSender, "pause", staticmethod(lambda _: None))
    service, looks = Emulator(), count()
    service._jobs._clock = lambda: 0.05 * next(looks)  # a job takes as many looks each time
    with service:
        monkeypatch.setenv("AKI_EMULATOR", service.url)
        yield service


@pytest.fixture
def as_if_live(at_the_emulator):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AKI_API_KEY", "AK_AI_CORE_API_KEY"):
            patch.delenv(name)
        yield at_the_emulator


@pytest.mark.usefixtures("steady")
def test_the_emulator_answers_every_question_as_assumed(capsys):
    assert make_live(["--report", "report.md"]) == 0
    printed, report, count = capsys.readouterr().out, Path("report.md").read_text(), len(EVERY_QUESTION)
    assert f"The emulator answered {count} of {count} questions." in printed
    assert f"{count} are as assumed, 0 are not." in printed
    assert report.count("- **as assumed**: ") == count
    for question in EVERY_QUESTION:
        assert f"## {question.interface}: {question.about}\n" in report
    assert "POST /chat/completions\n" in report
    for key in KEYS:
        assert key not in printed + report


def test_every_interface_has_questions_whose_code_is_there():
    assert {question.interface for question in QUESTIONS} == set(places.PLACES)
    assert len({(question.interface, question.about) for question in EVERY_QUESTION}) == len(EVERY_QUESTION)
    named = {path for question in EVERY_QUESTION for path in question.code}
    assert {path for path in named if not (ROOT / path).is_file()} == set()


def test_without_a_key_it_says_what_to_set(capsys):
    assert main(["check", "--live"]) == MISUSED
    printed = capsys.readouterr().err
    assert all(name in printed for name in ("AKI_API_KEY", "AACFLOW_API_KEY", "AK_AI_CORE_API_KEY", "AKI_EMULATOR"))


@pytest.mark.parametrize(("at_a_terminal", "answer"), [(True, "n"), (True, ""), (False, "yes")])
def test_nothing_is_sent_without_a_yes(as_if_live, monkeypatch, capsys, at_a_terminal, answer):
    monkeypatch.setattr("sys.stdin.isatty", lambda: at_a_terminal)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert main(["check", "--live"]) == FAILED
    printed = capsys.readouterr().out
    assert "at most" in printed
    assert ("--yes" in printed) is not at_a_terminal
    assert as_if_live.requests == []
    assert not Path("aki-live-check.md").exists()


@pytest.mark.parametrize("options", [["--yes"], ["--provider", "aacflow"]], ids=["--yes", "a yes"])
def test_with_a_key_the_services_that_it_opens_are_asked(as_if_live, monkeypatch, capsys, options):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert main(["check", "--live", *options]) == 0
    printed, report = capsys.readouterr().out, Path("aki-live-check.md").read_text()
    asked = [question for question in QUESTIONS if question.interface == "aacflow/openai"]
    assert f"The live service answered {len(asked)} of {len(asked)} questions" in printed
    assert 0 < len(as_if_live.requests) <= sum(question.calls for question in asked)
    assert as_if_live.aacflow_key not in printed + report


@pytest.mark.usefixtures("steady")
def test_another_behaviour_is_shown_with_the_code_that_depends_on_it(capsys, monkeypatch):
    question = replace(QUESTIONS[0], probe=lambda _: Finding(as_assumed=False, detail="an \x1b[2J answer"))
    monkeypatch.setattr(live_check, "QUESTIONS", (question,))
    assert main(["check", "--live"]) == 0
    printed = capsys.readouterr().out
    assert "OTHERWISE" in printed
    assert f"an \\x1b[2J answer. Look at {question.code[0]}" in printed


def test_no_call_is_made_beyond_the_agreed_number(steady):
    questions = [question for question in QUESTIONS if question.interface == "ak_ai_core/openai"][:3]
    printed: list[str] = []
    results = ask_all(questions, open_services(Budget(2), provider="ak_ai_core"), printed.append)
    assert len(steady.requests) == 2
    assert [result.mark for result in results][2] == "NO ANSWER"
    assert "agreed" in printed[-1]
