"""The list of the cassettes in their README, which says how each was made."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tools.recording import files

_TABLE = re.compile(r"(?<=<!-- made by `make record` -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table(folder: Path) -> str:
    """A row for each cassette."""
    rows = ["| cassette | recorded from | on |", "|---|---|---|"]
    for name, document in files.documents(folder):
        made = document["made"]
        by = f"{made['by']} of version {made['version']}" if "version" in made else made["by"]
        rows.append(f"| `{name}` | {by} | {made['date']} |")
    return "\n".join(rows) + "\n"


def write_page(folder: Path) -> None:
    """Bring the list up to date, where there is one."""
    page = folder / "README.md"
    if page.exists():
        text = page.read_text(encoding="utf-8")
        page.write_text(_TABLE.sub(lambda _: table(folder), text), encoding="utf-8")
