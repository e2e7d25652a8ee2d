"""The README's table of generic clients is what `python -m tests.tools.comparison` finds."""

from __future__ import annotations

from pathlib import Path

from tests.tools.comparison.clients import CLIENTS
from tests.tools.comparison.lines import LINES
from tests.tools.comparison.playing import played

SECTION = (
    (Path(__file__).parents[1] / "README.md")
    .read_text(encoding="utf-8")
    .partition("## What is better than the generic client\n")[2]
    .partition("\n## ")[0]
)
TABLE = [[cell.strip() for cell in row.strip("|").split("|")] for row in SECTION.splitlines() if row.startswith("| ")]
COLUMNS = {"ChatOpenAI": 2, "OpenAILike": 3, "ChatAKI": 4, "AKI": 4}
NO_SUCH_THING = "not in LlamaIndex"


def test_the_readme_has_a_row_for_each_line():
    assert [row[:2] for row in TABLE[1:]] == [[line.title, f"`{line.key}`"] for line in LINES]


def test_the_readme_says_what_each_client_gave():
    said = {row[1].strip("`"): row for row in TABLE[1:]}
    for name, found in played(LINES, [row for row in CLIENTS if row.is_here]).items():
        package, _, version = found.version.partition(" ")
        if not name.endswith("AKI") and f"`{package}` {version.rpartition('.')[0]}" not in SECTION:
            continue  # the README speaks of another version, and says so
        column = {key: row[COLUMNS[name]] for key, row in said.items()}
        assert {key: column[key] for key in found.cells} == found.cells, name
        if not name.endswith("AKI"):
            assert all(column[key] == NO_SUCH_THING for key in column.keys() - found.cells.keys())
