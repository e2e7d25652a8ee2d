"""The results as a table for a terminal, and as a page to send in."""

from __future__ import annotations

import platform
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aki_transport._version import __version__

if TYPE_CHECKING:
    from aki_transport.live_check.run import Result

_WIDTHS = (17, 26, 34, 10, 58)


def table_row(*cells: str) -> str:
    """One row, each cell wrapped within its column."""
    columns = [textwrap.wrap(" ".join(cell.split()), width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)]
    height = max(map(len, columns))
    padded = [column + [""] * (height - len(column)) for column in columns]
    lines = zip(*padded, strict=True)
    return "\n".join("  ".join(map(str.ljust, line, _WIDTHS)).rstrip() for line in lines)


HEADER = "\n".join(
    (table_row("interface", "about", "assumed", "", "what it did"), table_row(*("-" * width for width in _WIDTHS)))
)


def as_markdown(results: Sequence[Result], *, is_live: bool) -> str:
    """A page with each question, its result, and the requests and answers that led to it."""
    who = "the live services" if is_live else "the emulator"
    lines = [
        "# Live check",
        "",
        f"aki-integrations {__version__}, Python {platform.python_version()}, {platform.system()}.",
        f"Asked: {who}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
    ]
    for result in results:
        question = result.question
        lines += ["", f"## {question.interface}: {question.about}", ""]
        lines += [f"- assumed: {question.assumed}", f"- **{result.mark}**: {result.detail}"]
        lines += [f"- depends on it: {', '.join(question.code)}"]
        for exchange in (*result.exchanges[:1], *result.exchanges[1:][-1:]):  # of a job, its start and its end
            lines += ["", "~~~", exchange, "~~~"]
    return "\n".join(lines) + "\n"
