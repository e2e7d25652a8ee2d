"""Medians, ratios and aims, as a table to read and as JSON to keep."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.tools.benchmarks.contenders import Contender, Part
from tests.tools.benchmarks.modes import Against, Aim, Mode
from tests.tools.benchmarks.rounds import Figures, versions_for

_OTHERS: Mapping[Against, Part] = {
    "peer": "peer",
    "earlier peer": "earlier peer",
    "plain": "plain",
    "before": "before",
    "openai wire": "ours",
}
_IN_COLUMNS: tuple[Against, ...] = ("peer", "floor", "shorter", "fewer", "unit")
_ITS_OWN: tuple[Against, ...] = ("shorter", "fewer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contender in one mode, or the floor there (without a part); `value` is the median of `rounds`."""

    framework: str
    mode: Mode
    name: str
    part: Part | None
    value: float
    rounds: tuple[float, ...] = ()
    ratios: dict[Against, float]

    @property
    def per_chunk(self) -> float | None:
        """Microseconds for each piece of a stream."""
        return 1000 * self.value / self.mode.chunks if self.mode.chunks else None

    @property
    def aims(self) -> tuple[tuple[Aim, bool], ...]:
        """Each of the mode's aims for this contender for which there is a ratio, and whether it is met."""
        return tuple(
            (aim, self.ratios[aim.of] * (1 - aim.plus / self.value) <= aim.at_most)
            for aim in self.mode.aims
            if aim.is_for(self.part, self.framework) and aim.of in self.ratios
        )


def lines_of(modes: Sequence[Mode], contenders: Sequence[Contender], figures: Figures) -> list[Line]:
    """A line for every mode, contender and floor, framework by framework."""
    frameworks = dict.fromkeys(row.framework for row in contenders if row.framework)
    return [
        line
        for framework in frameworks
        for mode in modes
        for line in _lines(framework, mode, [row for row in contenders if row.framework in ("", framework)], figures)
    ]


def _lines(framework: str, mode: Mode, contenders: Sequence[Contender], figures: Figures) -> Iterator[Line]:
    taking = [row for row in contenders if row.part in mode.parts]
    values = {row.name: median(figures[mode.key, row.name]) for row in taking}
    floor = sum(values[row.name] for row in taking if row.part in mode.floor)
    others: dict[Against, float] = {}
    for against, part in _OTHERS.items():
        base = mode.bases.get(against, mode.key)
        found = [figures[base, row.name] for row in contenders if row.part == part and (base, row.name) in figures]
        if found:
            others[against] = median(found[0])
    if floor:
        others["floor"] = floor
    for row in taking:
        value = values[row.name]
        ratios: dict[Against, float] = {"unit": value, **_divided(value / mode.requests, others)}
        if mode.body:
            ratios["body"] = value / mode.body
        for against in _ITS_OWN:
            if (mode.bases.get(against), row.name) in figures:
                ratios[against] = value / median(figures[mode.bases[against], row.name])
        yield Line(
            framework=framework,
            mode=mode,
            name=row.name,
            part=row.part,
            value=value,
            rounds=tuple(figures[mode.key, row.name]),
            ratios=ratios,
        )
    if len(mode.floor) > 1 and floor:
        ratios = {"unit": floor, **_divided(floor, others)}
        yield Line(framework=framework, mode=mode, name="floor", part=None, value=floor, ratios=ratios)


def _divided(value: float, others: Mapping[Against, float]) -> dict[Against, float]:
    return {against: value / other for against, other in others.items() if other}


def table(lines: Sequence[Line]) -> str:
    """The lines in columns, one block for each framework and mode."""
    blocks: list[str] = []
    previous: tuple[str, str] | None = None
    peers = {line.framework: line.name for line in lines if line.part == "peer"}
    columns = "{:<41} {:<21} {:>9} {:>2} {:>9} {:>14} {:>9} {:>7}  {}"
    for line in lines:
        peer = peers.get(line.framework, "peer")
        if previous is None or previous[0] != line.framework:
            heads = ("contender", "median", "", "µs/chunk", f"of {peer}", "of floor", "growth", "aim")
            head = columns.format(line.framework, *heads)
            blocks += [*([""] if blocks else []), head, "-" * (len(head) + 24)]
        elif previous[1] != line.mode.key:
            blocks.append("")
        title = line.mode.title if previous != (line.framework, line.mode.key) else ""
        previous = (line.framework, line.mode.key)
        growth = next((line.ratios[against] for against in _ITS_OWN if against in line.ratios), None)
        ratios = [_ratio(each) for each in (line.ratios.get("peer"), line.ratios.get("floor"), growth)]
        per_chunk = "" if line.per_chunk is None else f"{line.per_chunk:.1f}"
        aims = ", ".join(_judged(line, aim, peer, met=met) for aim, met in line.aims)
        cells = (title, line.name, digits(line.value), line.mode.unit, per_chunk, *ratios, aims)
        blocks.append(columns.format(*cells).rstrip())
    return "\n".join(blocks)


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _judged(line: Line, aim: Aim, peer: str, *, met: bool) -> str:
    request = " per request" if line.mode.requests > 1 else ""
    named: Mapping[Against, str] = {
        "peer": f" of {peer}",
        "earlier peer": f" of {peer} on httpx",
        "plain": " of plain httpx",
        "before": " of before",
        "floor": " of floor",
        "openai wire": f" of the OpenAI wire{request}",
        "shorter": " of the shorter",
        "fewer": " of fewer at once",
        "unit": f" {line.mode.unit}",
        "body": " of the body",
    }
    verdict = "met" if met else "NOT MET"
    ratio = "" if aim.of in _IN_COLUMNS else f" ({line.ratios[aim.of]:.2f})"
    more = f" + {aim.plus:g} {line.mode.unit}" if aim.plus else ""
    return f"≤ {aim.at_most:.2f}{named[aim.of]}{more}{ratio}: {verdict}"


def digits(value: float) -> str:
    """A figure with as many digits as are of interest."""
    return f"{value:.1f}" if value >= 100 else f"{value:.3f}" if value < 10 else f"{value:.2f}"


def circumstances(contenders: Sequence[Contender]) -> dict[str, Any]:
    """On what it was measured: cores, Python, and what each environment holds, that of the caller as `""`."""
    first = {row.environment: row for row in reversed(contenders)}
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {environment: versions_for(row) for environment, row in sorted(first.items())},
    }


def as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines with every round's figure."""
    return [
        {
            "framework": line.framework,
            "mode": line.mode.key,
            "contender": line.name,
            "part": line.part or "floor",
            "unit": line.mode.unit,
            "median": line.value,
            "rounds": line.rounds,
            "us_per_chunk": line.per_chunk,
            "ratios": line.ratios,
            "aims": [{"against": aim.of, "at_most": aim.at_most, "met": met} for aim, met in line.aims],
        }
        for line in lines
    ]
