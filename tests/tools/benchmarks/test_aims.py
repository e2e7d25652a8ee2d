"""The benchmarks' verdicts: each figure is divided by the right one, and no measurement of a broken answer counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.tools.benchmarks.asking import notes
from tests.tools.benchmarks.contenders import CONTENDERS
from tests.tools.benchmarks.modes import MODES, chosen
from tests.tools.benchmarks.report import Line, lines_of, table
from tests.tools.benchmarks.worker import Kind, Order, measure


def test_every_contender_takes_part_in_something_and_every_mode_has_ours() -> None:
    assert {row.part for row in CONTENDERS} == {part for mode in MODES for part in mode.parts}
    assert all({"ours", "native"} & set(mode.parts) for mode in MODES)


@pytest.mark.parametrize(("framework", "against"), [("LangChain", "earlier peer"), ("LlamaIndex", "peer")])
def test_an_aim_may_be_one_frameworks_own(framework: str, against: str) -> None:
    (mode,) = (mode for mode in MODES if mode.key == "async")

    assert [aim.of for aim in mode.aims if aim.at_most == 0.20 and aim.is_for("ours", framework)] == [against]


def test_an_aim_may_allow_so_much_more() -> None:
    slow, fast = (
        _line("ours", "import", {("import", "ChatAKI"): [value], ("import", "LangChain alone"): [1000.0]})
        for value in (1155.0, 1145.0)
    )

    assert "≤ 1.12 of floor + 30 ms: NOT MET" in table([slow])
    assert "≤ 1.12 of floor + 30 ms: met" in table([fast])


def test_over_aiohttp_ours_is_compared_to_what_it_was_before() -> None:
    values = {"ChatAKI": 1.0, "ChatAKI, aiohttp": 1.5, "ChatAKI, 3ab8fd6": 1.0, "ChatAKI, plain httpx": 3.9}
    figures = {("async", name): [value] for name, value in values.items()}

    assert [(aim.of, met) for aim, met in _line("aiohttp", "async", figures).aims] == [("before", True)]
    assert [(aim.of, met) for aim, met in _line("ours", "async", figures).aims] == [("plain", False)]


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
    assert [(aim.of, met) for aim, met in line.aims] == [("earlier peer", True)]


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


def test_one_mode_brings_along_the_one_it_is_compared_to() -> None:
    assert [mode.key for mode in chosen(["growth"])] == ["stream", "growth"]


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
