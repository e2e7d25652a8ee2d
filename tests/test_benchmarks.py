from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.tools.benchmarks import __main__ as command
from tests.tools.benchmarks import canned_native, contenders
from tests.tools.benchmarks.asking import ANSWER, arguments, notes, question
from tests.tools.benchmarks.contenders import CONTENDERS
from tests.tools.benchmarks.curves import OF_CURVES, curve_table
from tests.tools.benchmarks.modes import MODES, chosen
from tests.tools.benchmarks.plot import FORMATS, plot
from tests.tools.benchmarks.report import Line, lines_of, table
from tests.tools.benchmarks.rounds import Effort, measured
from tests.tools.benchmarks.worker import Kind, Order, measure

TINY = Effort(rounds=2, fresh=1, calls=3, batches=1, streams=1, chunks=20, concurrency=3, models=2)


LASTING = [mode for mode in MODES if mode.measured == "order"]
HERE = [row for row in CONTENDERS if not row.environment]
ELSEWHERE = [row for row in CONTENDERS if row.environment]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return lines_of(MODES, HERE, measured(MODES, HERE, TINY, lambda _: None))


def test_every_mode_has_a_positive_figure_of_every_contender(lines: list[Line]) -> None:
    # The picture is a small one here, which may fit into what the process holds already.
    found = {(line.mode.key, line.name) for line in lines if line.value > 0 or line.mode.measured == "rise"}

    assert found >= {(mode.key, row.name) for mode in MODES for row in HERE if row.part in mode.parts}


def test_every_contender_takes_part_in_something_and_every_mode_has_ours() -> None:
    assert {row.part for row in CONTENDERS} == {part for mode in MODES for part in mode.parts}
    assert all({"ours", "native"} & set(mode.parts) for mode in MODES)


def test_of_llama_index_all_but_the_peer_can_be_measured_in_any_environment() -> None:
    rows = [replace(row, environment="") for row in CONTENDERS if row.framework == "LlamaIndex" and row.part != "peer"]

    figures = measured(LASTING, rows, TINY, lambda _: None)

    assert set(figures) == {(mode.key, row.name) for mode in LASTING for row in rows if row.part in mode.parts}


@pytest.mark.skipif(not all(row.is_here for row in ELSEWHERE), reason="`make bench` makes the environment it needs")
def test_what_needs_an_environment_of_its_own_is_measured_in_that() -> None:
    figures = measured(LASTING, ELSEWHERE, TINY, lambda _: None)

    assert set(figures) == {(mode.key, row.name) for mode in LASTING for row in ELSEWHERE if row.part in mode.parts}


def test_without_its_environment_a_contender_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(contenders, "ROOT", tmp_path)
    monkeypatch.setattr(command, "QUICK", TINY)

    command.main(["--quick", "--only", "blocking"])

    said = capsys.readouterr().out
    assert "LangChain alone" in said
    assert f"Left out: {', '.join(row.name for row in ELSEWHERE)}, for there is no" in said
    assert "`make bench`" in said


def test_the_floor_is_the_sum_of_its_parts(lines: list[Line]) -> None:
    values = {line.name: line.value for line in lines if line.mode.key == "blocking"}

    assert values["floor"] == pytest.approx(values["httpx + json"] + values["LangChain alone"])


def test_each_aim_that_can_be_judged_here_is_judged_once(lines: list[Line]) -> None:
    judged = [(line.mode.key, aim.part, aim.of) for line in lines for aim, _ in line.aims]

    aims = [(mode.key, aim) for mode in MODES for aim in mode.aims if aim.framework in ("", "LangChain")]
    assert sorted(judged) == sorted((key, aim.part, aim.of) for key, aim in aims if aim.of != "earlier peer")


@pytest.mark.parametrize(("framework", "bound"), [("LangChain", 0.55), ("LlamaIndex", 0.70)])
def test_an_aim_may_be_one_frameworks_own(framework: str, bound: float) -> None:
    (mode,) = chosen(["import"])

    assert {aim.at_most for aim in mode.aims if aim.of == "peer" and aim.is_for("ours", framework)} == {bound}


def test_an_absolute_aim_is_judged_by_the_figure_itself() -> None:
    (mode,) = chosen(["later"])

    slow, fast = (_line("ours", "later", {(mode.key, "ChatAKI"): [value]}) for value in (0.21, 0.19))

    assert "≤ 0.20 ms: NOT MET" in table([slow])
    assert "≤ 0.20 ms: met" in table([fast])


def test_another_wire_is_compared_to_ours_by_its_requests() -> None:
    figures = {("native", "ChatAKI, native"): [6.0], ("waiting", "ChatAKI"): [2.0]}

    line = _line("native", "native", figures)

    assert line.ratios["openai wire"] == pytest.approx(1.5)
    assert "≤ 1.30 of the OpenAI wire per request (1.50): NOT MET" in table([line])


def test_ours_is_compared_to_the_earlier_peer_too_which_is_no_peer() -> None:
    values = {"ChatAKI": 1.0, "ChatOpenAI": 10.0, "ChatOpenAI, openai 2": 20.0, "ChatMistralAI": 4.0}

    line = _line("ours", "async", {("async", name): [value] for name, value in values.items()})

    assert (line.ratios["peer"], line.ratios["earlier peer"]) == (0.1, 0.05)
    assert [(aim.of, met) for aim, met in line.aims] == [("peer", False), ("earlier peer", True)]


def test_a_rise_of_memory_is_compared_to_the_body() -> None:
    line = _line("ours", "image", {("image", "ChatAKI"): [70.0]})

    assert line.ratios["body"] == 3.5
    assert "≤ 3.00 of the body (3.50): NOT MET" in table([line])


def test_more_at_once_is_compared_to_fewer() -> None:
    line = _line("ours", "async-500", {("async-500", "ChatAKI"): [2.0], ("async-20", "ChatAKI"): [1.0]})

    assert [(aim.of, met) for aim, met in line.aims] == [("fewer", False)]


def _line(part: str, key: str, figures: dict[tuple[str, str], list[float]]) -> Line:
    """LangChain's line of that part in that mode, where nothing else was measured."""
    (mode,) = (mode for mode in MODES if mode.key == key)
    names = {name for _, name in figures}
    rows = [row for row in CONTENDERS if row.framework == "LangChain" and row.name in names]
    here = replace(mode, parts=tuple(row.part for row in rows if (key, row.name) in figures))
    return next(line for line in lines_of([here], rows, figures) if line.part == part)


def test_the_table_names_every_mode_and_contender(lines: list[Line]) -> None:
    text = table(lines)

    assert all(mode.title in text for mode in MODES)
    assert all(row.name in text for row in HERE)


def test_one_mode_brings_along_the_one_it_is_compared_to() -> None:
    assert [mode.key for mode in chosen(["growth"])] == ["stream", "growth"]


def test_the_command_prints_a_table_and_writes_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "QUICK", TINY)

    command.main(["--quick", "--only", "blocking", "--json", str(tmp_path / "figures.json")])

    assert "blocking call" in capsys.readouterr().out
    written = json.loads((tmp_path / "figures.json").read_text())
    ours = [len(figure["rounds"]) for figure in written["figures"] if figure["part"] == "ours"]
    assert ours == [2] * len({figure["framework"] for figure in written["figures"]})


@pytest.mark.parametrize(
    ("order", "count"),
    [
        (Order(kind="call", count=9), 3),
        (Order(kind="acall", count=9, concurrency=5), 2),
        (Order(kind="astream", count=9, concurrency=5, chunks=7), 1),
    ],
)
def test_an_effort_bounds_calls_and_batches_and_streams(order: Order, count: int) -> None:
    effort = Effort(rounds=1, fresh=1, calls=3, batches=2, streams=1)

    assert effort.of(order) == replace(order, count=count)


def test_the_short_look_measures_little_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "BRIEF", TINY)
    monkeypatch.setattr(command, "CONTENDERS", [*HERE, *(row for row in ELSEWHERE if row.part == "earlier peer")])

    command.main(["--brief"])

    said = capsys.readouterr().out
    assert all((f"\n{mode.title}  " in said) == mode.is_brief for mode in MODES)
    assert "A quick run" in said
    assert "openai 2" not in said


@pytest.mark.parametrize(
    "arguments",
    [["--brief", "--curves"], ["--brief", "--quick"], ["--only", "stream", "--plot", "x.png"], ["--plot", "x.gif"]],
)
def test_what_cannot_be_had_together_is_refused_before_anything_is_measured(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(arguments)

    assert refused.value.code == 2


CURVED = lines_of(
    chosen(OF_CURVES),
    CONTENDERS,
    {
        (mode.key, row.name): [2.0 * max(mode.orders[0].chunks, 1)]
        for mode in chosen(OF_CURVES)
        for row in CONTENDERS
        if row.part in mode.parts
    },
)


def test_the_curves_show_each_framework_with_its_peers() -> None:
    text = curve_table(CURVED)

    for framework, names in (("LangChain", ("ChatAKI", "ChatOpenAI")), ("LlamaIndex", ("AKI", "OpenAILike"))):
        assert f"{framework}: CPU of a streamed chunk, µs, by chunks in the stream" in text
        assert f"{framework}: CPU of an async call, ms, by calls at once" in text
        assert all(f"\n{name} " in text for name in names)
    assert "20,000" in text
    assert "floor" not in text


def test_a_curve_ends_with_how_much_it_grew() -> None:
    lines = [
        replace(line, value=3 * line.value) if line.mode.key == "stream-20000" and line.name == "ChatAKI" else line
        for line in CURVED
    ]

    row = next(row for row in curve_table(lines).splitlines() if row.startswith("ChatAKI "))

    assert row.split()[1:] == ["2000.0", "2000.0", "2000.0", "6000.0", "3.00"]


def test_a_single_point_is_no_curve() -> None:
    assert curve_table([line for line in CURVED if line.mode.key == "stream-50"]) == ""


@pytest.mark.parametrize("end", FORMATS)
def test_a_picture_of_equal_curves_is_the_same_picture(tmp_path: Path, end: str) -> None:
    first, second = tmp_path / f"first{end}", tmp_path / f"second{end}"

    plot(CURVED, first)
    plot(CURVED, second)

    assert first.read_bytes() == second.read_bytes()
    assert b"atplotlib v" not in first.read_bytes()
    assert 1000 < first.stat().st_size < 300_000


def test_without_curves_there_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 curves"):
        plot([], tmp_path / "none.png")


def test_a_streamed_call_has_the_pieces_that_were_asked_for() -> None:
    pieces = arguments(500)

    assert [len(piece) for piece in pieces] == [20] * 500
    assert json.loads("".join(pieces)) == {"place": "Lisbon", "days": 3, "notes": notes(500)}


def test_a_job_shows_its_text_grow_and_is_then_done() -> None:
    (started,) = canned_native.start(question(4).encode())
    asked = json.dumps({"job_id": _said(started)["job_id"]}).encode()

    states = [_said(canned_native.look(asked)[0]) for _ in range(5)]

    assert [state["job_state"] for state in states] == ["processing"] * 4 + ["done"]
    texts = [state["progress"]["progress_data"]["text"] for state in states[:-1]]
    assert all(later.startswith(earlier) and later != earlier for earlier, later in pairwise(texts))
    assert states[-1]["job_result"]["text"] == ANSWER


def _said(answer: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return said


@pytest.mark.parametrize("kind", ["tools", "stream_tools", "structured", "image"])
def test_what_does_not_come_whole_ends_the_measurement(kind: Kind) -> None:
    with asyncio.Runner() as runner, pytest.raises(RuntimeError, match="came as"):
        measure(Losing(), Order(kind=kind, count=1, chunks=20), runner)


class Losing:
    """Gives the beginning of what was asked."""

    def tool_call(self) -> str:
        return notes(0)[:-1]

    def stream_tool_call(self, chunks: int) -> str:
        return notes(chunks)[:-1]

    structured = tool_call

    def image(self, chunks: int) -> int:
        return chunks
