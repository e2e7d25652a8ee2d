"""The tables of generic clients in docs/migrating.md and README.md are what `tests.tools.comparison` finds."""

from __future__ import annotations

from pathlib import Path

from tests.tools.comparison.clients import CLIENTS
from tests.tools.comparison.lines import LINES
from tests.tools.comparison.playing import played

ROOT = Path(__file__).parents[1]


def section(page: str, title: str) -> str:
    """The section of a page that begins with this title."""
    return (ROOT / page).read_text(encoding="utf-8").partition(f"## {title}")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table, its header first."""
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines() if row.startswith("| ")]


SECTION = section("docs/migrating.md", "What is better than the generic client")
TABLE = rows(SECTION)
COLUMNS = {"ChatOpenAI": 2, "OpenAILike": 3, "ChatAKI": 4, "AKI": 4}
NO_SUCH_THING = "not in LlamaIndex"


def test_the_page_has_a_row_for_each_line():
    assert [row[:2] for row in TABLE[1:]] == [[line.title, f"`{line.key}`"] for line in LINES]


def test_the_rows_of_the_readme_are_rows_of_the_page():
    full = [[row[0], *row[2:]] for row in TABLE]
    short = rows(section("README.md", "Why not "))
    assert len(short) == 6
    assert [row for row in short if row not in full] == []


def test_the_page_says_what_each_client_gave():
    said = {row[1].strip("`"): row for row in TABLE[1:]}
    for name, found in played(LINES, [row for row in CLIENTS if row.is_here]).items():
        package, _, version = found.version.partition(" ")
        if not name.endswith("AKI") and f"`{package}` {version.rpartition('.')[0]}" not in SECTION:
            continue  # the page speaks of another version, and says so
        column = {key: row[COLUMNS[name]] for key, row in said.items()}
        assert {key: column[key] for key in found.cells} == found.cells, name
        if not name.endswith("AKI"):
            assert all(column[key] == NO_SUCH_THING for key in column.keys() - found.cells.keys())
