"""The table of generic clients in docs/migrating.md is what they give: `make compare` runs this.

`tests/test_docs.py` compares the columns of our own models, in every run of the tests.
"""

from __future__ import annotations

from tests.test_docs import COMPARISON, rows
from tests.tools.comparison.clients import CLIENTS
from tests.tools.comparison.lines import LINES
from tests.tools.comparison.playing import played

TABLE = rows(COMPARISON)
COLUMNS = {"ChatOpenAI": 2, "OpenAILike": 3, "ChatAKI": 4, "AKI": 4}
NO_SUCH_THING = "not in LlamaIndex"


def test_the_page_says_what_each_client_gave():
    said = {row[1].strip("`"): row for row in TABLE[1:]}
    for name, found in played(LINES, [row for row in CLIENTS if row.is_here]).items():
        package, _, version = found.version.partition(" ")
        if not name.endswith("AKI") and f"`{package}` {version.rpartition('.')[0]}" not in COMPARISON:
            continue  # the page speaks of another version, and says so
        column = {key: row[COLUMNS[name]] for key, row in said.items()}
        assert {key: column[key] for key in found.cells} == found.cells, name
        if not name.endswith("AKI"):
            assert all(column[key] == NO_SUCH_THING for key in column.keys() - found.cells.keys())
