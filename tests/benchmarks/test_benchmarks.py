from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import contenders
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.modes import MODES, chosen
from tests.benchmarks.report import Line, lines_of, table
from tests.benchmarks.rounds import Effort, measured

TINY = Effort(rounds=2, fresh=1, calls=3, streams=1, chunks=20, concurrency=3, models=2)


LASTING = [mode for mode in MODES if mode.measured == "order"]
HERE = [row for row in CONTENDERS if not row.environment]
ELSEWHERE = [row for row in CONTENDERS if row.environment]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return lines_of(MODES, HERE, measured(MODES, HERE, TINY, lambda _: None))


def test_every_mode_has_a_positive_figure_of_every_contender(lines: list[Line]) -> None:
    found = {(line.mode.key, line.name) for line in lines if line.value > 0}

    assert found >= {(mode.key, row.name) for mode in MODES for row in HERE}


def test_of_llama_index_all_but_the_peer_can_be_measured_in_any_environment() -> None:
    rows = [replace(row, environment="") for row in ELSEWHERE if row.part != "peer"]

    figures = measured(LASTING, rows, TINY, lambda _: None)

    assert set(figures) == {(mode.key, row.name) for mode in LASTING for row in rows}


@pytest.mark.skipif(not all(row.is_here for row in ELSEWHERE), reason="`make bench` makes the environment it needs")
def test_what_needs_an_environment_of_its_own_is_measured_in_that() -> None:
    figures = measured(LASTING, ELSEWHERE, TINY, lambda _: None)

    assert set(figures) == {(mode.key, row.name) for mode in LASTING for row in ELSEWHERE}


def test_without_its_environment_a_contender_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(contenders, "ROOT", tmp_path)
    monkeypatch.setattr(command, "QUICK", TINY)

    command.main(["--quick", "--only", "blocking"])

    said = capsys.readouterr().out
    assert "LangChain alone" in said
    assert "Left out: AKI, OpenAILike, LlamaIndex alone" in said
    assert "`make bench`" in said


def test_the_floor_is_the_sum_of_its_parts(lines: list[Line]) -> None:
    values = {line.name: line.value for line in lines if line.mode.key == "blocking"}

    assert values["floor"] == pytest.approx(values["httpx + json"] + values["LangChain alone"])


def test_each_aim_is_judged_once(lines: list[Line]) -> None:
    judged = [(line.mode.key, aim.of) for line in lines for aim, _ in line.aims]

    wanted = [(mode.key, aim.of) for mode in MODES for aim in mode.aims if aim.framework in ("", "LangChain")]
    assert sorted(judged) == sorted(wanted)


@pytest.mark.parametrize(("framework", "bound"), [("LangChain", 0.55), ("LlamaIndex", 0.70)])
def test_an_aim_may_be_one_frameworks_own(framework: str, bound: float) -> None:
    (mode,) = chosen("import")

    assert {aim.at_most for aim in mode.aims if aim.of == "peer" and aim.is_for("ours", framework)} == {bound}


def test_an_absolute_aim_is_judged_by_the_figure_itself() -> None:
    line = Line(framework="LangChain", mode=chosen("later")[0], name="x", part="ours", value=0.3, ratios={"unit": 0.3})

    assert [met for _, met in line.aims] == [False]
    assert "≤ 0.20 ms: NOT MET" in table([line])


def test_the_table_names_every_mode_and_contender(lines: list[Line]) -> None:
    text = table(lines)

    assert all(mode.title in text for mode in MODES)
    assert all(row.name in text for row in HERE)


def test_one_mode_brings_along_the_one_it_is_compared_to() -> None:
    assert [mode.key for mode in chosen("growth")] == ["stream", "growth"]


def test_the_command_prints_a_table_and_writes_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "QUICK", TINY)

    command.main(["--quick", "--only", "blocking", "--json", str(tmp_path / "figures.json")])

    assert "blocking call" in capsys.readouterr().out
    written = json.loads((tmp_path / "figures.json").read_text())
    ours = [len(figure["rounds"]) for figure in written["figures"] if figure["part"] == "ours"]
    assert ours == [2] * len({figure["framework"] for figure in written["figures"]})
