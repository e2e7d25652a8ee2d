"""The findings as tables: one for each framework, the generic client beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.tools.comparison.clients import CLIENTS
from tests.tools.comparison.lines import Line
from tests.tools.comparison.playing import Found

PAIRS = (("ChatOpenAI", "ChatAKI"), ("OpenAILike", "AKI"))


def tables(lines: Sequence[Line], found: Mapping[str, Found]) -> str:
    """A row for each line, for the clients that were played to."""
    return "\n\n".join(_table(lines, pair, found) for pair in PAIRS)


def _table(lines: Sequence[Line], pair: tuple[str, str], found: Mapping[str, Found]) -> str:
    rows = [["", "", *pair]]
    for line in lines:
        cells = [found[name].cells.get(line.key, "") if name in found else "not installed" for name in pair]
        if any(cells):
            rows.append([cell.replace("`", "") for cell in (line.key, line.title, *cells)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    written = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(written)


def versions(found: Mapping[str, Found]) -> str:
    """What was compared."""
    return ", ".join(dict.fromkeys(each.version for each in found.values()))


def missing(found: Mapping[str, Found]) -> str:
    """Who is left out, and how they come in; empty if nobody is."""
    names = ", ".join(row.name for row in CLIENTS if row.name not in found)
    return f"Left out: {names}. `make compare` makes the environment it needs." if names else ""
