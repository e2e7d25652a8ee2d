"""The page on performance is worked out from its one table of figures."""

from __future__ import annotations

import math
import re

import pytest

from aki_transport.transport.connections import MAX_CONNECTIONS
from tests.tools.benchmarks.contenders import ROOT

PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
MEASURED = {
    row[0].strip("`"): [float(cell.split()[0]) for cell in row[1:3]]
    for row in ROWS
    if len(row) == 5 and row[0][0] == "`"
}
WORKED_OUT = [row for row in ROWS if len(row) == 4 and row[1].startswith("`")]


def number(words: str) -> float:
    return float(words.replace(",", ""))


@pytest.mark.parametrize("row", WORKED_OUT, ids=[row[0] for row in WORKED_OUT])
def test_what_is_worked_out_follows_from_the_figures(row):
    formula = row[1].split("`")[1]
    for position, said in enumerate(row[2:]):
        figures = {name: values[position] for name, values in MEASURED.items()}
        result = eval(formula, {"__builtins__": {}, "ceil": math.ceil}, figures)  # noqa: S307  our own page
        assert number(said) == pytest.approx(result, rel=0.051)


def test_the_page_has_figures_and_arithmetic_and_its_sockets_are_those_of_the_pool():
    assert len(MEASURED) >= 9
    assert len(WORKED_OUT) >= 14
    assert {int(found.replace(",", "")) for found in re.findall(r"up to ([\d,]+) of them", PAGE)} == {MAX_CONNECTIONS}
