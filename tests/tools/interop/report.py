"""The outcomes as sections of `docs/compatibility.md`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools.interop.servers import Server

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"
REASONS = tomllib.loads(Path(__file__).with_name("reasons.toml").read_text())
FAILS = "**fails**: "
TEMPLATES = "llama.cpp server with the chat templates of other models"


@dataclass(kw_only=True)
class Section:
    """What came of one server.

    Attributes:
        server: Which one.
        outcomes: Of each feature, by protocol and framework; a failure begins with `FAILS`.
        standard: The outcome of each of LangChain's standard tests, by name; empty if none ran.
    """

    server: Server
    outcomes: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)
    standard: Mapping[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> list[str]:
        """Each failure as a line."""
        lines = [
            f"{self.server.name}, {feature}, {protocol}, {framework}: {outcome}"
            for feature, cells in self.outcomes.items()
            for (protocol, framework), outcome in cells.items()
            if outcome.startswith(FAILS)
        ]
        return lines + [
            f"{self.server.name}, {name}: {outcome}"
            for name, outcome in self.standard.items()
            if outcome.startswith(FAILS)
        ]


def markdown(section: Section) -> str:
    """A section of the page, between the marks by which it is found again."""
    server, begin, end = section.server, *_marks(section.server.name)
    columns = list(dict.fromkeys(column for cells in section.outcomes.values() for column in cells))
    lines = [begin, f"## {server.name}", "", f"Version: {server.version}.", ""]
    lines += _table(
        ["feature", *(f"{framework}, {protocol}" for protocol, framework in columns)],
        [[feature, *(cells.get(column, "-") for column in columns)] for feature, cells in section.outcomes.items()],
    )
    if section.standard:
        passed = sum(outcome == "passed" for outcome in section.standard.values())
        lines += ["", f"LangChain's standard integration tests: {passed} of {len(section.standard)} pass."]
        others = {name: outcome for name, outcome in section.standard.items() if outcome != "passed"}
        if others:
            lines += ["The others:", "", *_table(["test", "why not"], [[f"`{n}`", why] for n, why in others.items()])]
    return "\n".join([*lines, end])


def templates_markdown(sections: Sequence[Section]) -> str:
    """One table for all sections, a row each: llama.cpp's server with the chat templates of other models."""
    begin, end = _marks(TEMPLATES)
    features = list(sections[0].outcomes)
    rows = [[section.server.name, *(_joined(section.outcomes[name]) for name in features)] for section in sections]
    return "\n".join([begin, f"## {TEMPLATES}", "", *_table(["template", *features], rows), end])


def _joined(cells: Mapping[tuple[str, str], str]) -> str:
    """The outcome, once if it is the same in all cells."""
    if len(set(cells.values())) == 1:
        return next(iter(cells.values()))
    return "; ".join(f"{framework}: {outcome}" for (_, framework), outcome in cells.items())


def write(sections: Mapping[str, str]) -> None:
    """Put the sections, by their names, into the page, in place of those of the same names."""
    page = PAGE.read_text()
    for name, section in sections.items():
        begin, end = _marks(name)
        before, _, rest = page.partition(begin)
        _, _, behind = rest.partition(end)
        page = f"{before}{section}{behind}" if rest else f"{page.rstrip()}\n\n{section}\n"
    PAGE.write_text(page)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- made by `make interop`: {name} -->", f"<!-- end of {name} -->"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"

    return [line(head), line(["---"] * len(head)), *map(line, rows)]
