"""How costs grow: a curve is a row, and its points are modes that differ in one number only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.tools.benchmarks.report import Line, digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One row.

    Args:
        title: Of its table and of its panel in the picture.
        unit: Of its values: microseconds for a chunk, or milliseconds for a call.
        along: The number in which the modes' orders differ.
        label: What that number is.
        modes: The keys of the modes that are its points.
    """

    title: str
    unit: Literal["µs", "ms"]
    along: Literal["chunks", "concurrency"]
    label: str
    modes: tuple[str, ...]

    def point(self, line: Line) -> tuple[int, float]:
        """Where that line lies."""
        along: int = getattr(line.mode.orders[0], self.along)
        return along, line.value if line.per_chunk is None else line.per_chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One curve as it was measured for one framework: each contender's values, by the number that grows."""

    curve: Curve
    framework: str
    values: dict[str, dict[int, float]]
    ours: tuple[str, ...]

    @property
    def places(self) -> list[int]:
        """The numbers at which any contender was measured."""
        return sorted({place for points in self.values.values() for place in points})


CURVES = (
    Curve(
        title="CPU of a streamed chunk",
        unit="µs",
        along="chunks",
        label="chunks in the stream",
        modes=("stream-50", "stream", "growth", "stream-20000"),
    ),
    Curve(
        title="CPU of an async call",
        unit="ms",
        along="concurrency",
        label="calls at once",
        modes=("async-20", "async", "async-500"),
    ),
)

OF_CURVES = tuple(key for curve in CURVES for key in curve.modes)
"""The modes that the curves need."""


def drawn(lines: Sequence[Line]) -> list[Drawn]:
    """Every curve of which at least two points were measured, framework by framework; without the floor."""
    found: list[Drawn] = []
    for framework in dict.fromkeys(line.framework for line in lines):
        for curve in CURVES:
            of_it = [
                line for line in lines if line.framework == framework and line.mode.key in curve.modes and line.part
            ]
            values: dict[str, dict[int, float]] = {}
            for line in of_it:
                place, value = curve.point(line)
                values.setdefault(line.name, {})[place] = value
            several = {name: points for name, points in values.items() if len(points) > 1}
            ours = tuple(dict.fromkeys(line.name for line in of_it if line.part == "ours"))
            if several:
                found.append(Drawn(curve=curve, framework=framework, values=several, ours=ours))
    return found


def curve_table(lines: Sequence[Line]) -> str:
    """The curves in columns; the last one is the value at the end by that at the beginning. Empty if there are none."""
    return "\n\n".join("\n".join(_rows(each)) for each in drawn(lines))


def _rows(each: Drawn) -> Iterator[str]:
    places = each.places
    columns = "{:<21}" + " {:>9}" * len(places) + "  {:>10}"
    yield f"{each.framework}: {each.curve.title}, {each.curve.unit}, by {each.curve.label}"
    head = columns.format("", *(f"{place:,}" for place in places), "last/first")
    yield head
    yield "-" * len(head)
    for name, points in each.values.items():
        said = [digits(points[place]) if place in points else "" for place in places]
        yield columns.format(name, *said, f"{points[max(points)] / points[min(points)]:.2f}")
