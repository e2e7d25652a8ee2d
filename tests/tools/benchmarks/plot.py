"""The curves as a picture: a row for each framework, a panel for each curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tools.benchmarks.curves import CURVES, Drawn, drawn
from tests.tools.benchmarks.report import Line

# Each format says when or by what it was made under another name, so that pictures of equal curves would differ.
_NOTHING = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}

FORMATS = tuple(_NOTHING)
"""How a picture's name may end."""


def plot(lines: Sequence[Line], path: Path) -> None:
    """Write the picture there, as PNG or SVG by the path's end, and without the date.

    Raises:
        ValueError: No curve was measured, or the path ends otherwise.
    """
    curves = drawn(lines)
    if not curves or path.suffix not in _NOTHING:
        raise ValueError(f"{len(curves)} curves cannot be drawn as {path.suffix or 'nothing'}")
    # Only who draws needs it.
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    frameworks = list(dict.fromkeys(each.framework for each in curves))
    shown = [curve for curve in CURVES if any(each.curve is curve for each in curves)]
    figure = Figure(figsize=(4.4 * len(shown) + 1.8, 3.2 * len(frameworks)), layout="constrained")
    panels = figure.subplots(len(frameworks), len(shown), squeeze=False)
    for framework, row in zip(frameworks, panels, strict=True):
        of_row = [each for each in curves if each.framework == framework]
        names = list(dict.fromkeys(name for each in of_row for name in each.values))
        handles: dict[str, Any] = {}
        for each in of_row:
            handles |= _fill(row[shown.index(each.curve)], each, names)
        row[-1].legend(handles.values(), handles, loc="upper left", bbox_to_anchor=(1.02, 1), fontsize=8, frameon=False)
    with rc_context({"svg.hashsalt": "curves"}):
        figure.savefig(path, dpi=100, metadata=_NOTHING[path.suffix])


def _fill(panel: Any, each: Drawn, names: Sequence[str]) -> dict[str, Any]:
    """Draw one curve of each contender, in that one's colour; gives what stands for it in the legend."""
    from matplotlib.ticker import LogLocator  # noqa: PLC0415  see above

    handles: dict[str, Any] = {}
    for name, points in each.values.items():
        width = 2.4 if name in each.ours else 1.2
        style = {"color": f"C{names.index(name)}", "marker": "o", "markersize": 3.5, "linewidth": width}
        (handles[name],) = panel.plot(list(points), list(points.values()), **style)
    panel.set_title(f"{each.framework}: {each.curve.title}", fontsize=10)
    panel.set(xscale="log", yscale="log", xlabel=each.curve.label, ylabel=each.curve.unit)
    panel.set_xticks(each.places, [f"{place:,}" for place in each.places])
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.minorticks_off()
    panel.grid(visible=True, alpha=0.3)
    return handles
