"""The charts of the notebooks, in one look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from aki_transport.images.image import GeneratedImage

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#3b6ea8", "#e08a3c", "#5a9e6f", "#c0504d", "#8064a2", "#9a9a9a"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)

plt.rcParams.update(
    {
        "figure.dpi": 80,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "font.size": 10,
    }
)


def chart(title: str, *, width: float = 8.0, height: float = 3.0) -> Axes:
    """An empty chart."""
    _, axes = plt.subplots(figsize=(width, height))
    axes.set_title(title)
    return axes


def stacked_bars(title: str, labels: Sequence[str], parts: Mapping[str, Sequence[float]], *, unit: str) -> Axes:
    """A horizontal bar for each label, in parts."""
    axes = chart(title, height=1.1 + 0.38 * len(labels))
    left = [0.0] * len(labels)
    for (name, widths), colour in zip(parts.items(), CYCLE, strict=False):
        axes.barh(labels, widths, left=left, label=name, color=colour, height=0.6)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    if len(parts) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes


@dataclass(frozen=True, slots=True)
class Step:
    """What happened in one lane from `start` to `end`, in seconds."""

    lane: str
    kind: str
    start: float
    end: float


def lanes(title: str, steps: Iterable[Step]) -> Axes:
    """What happened when: a lane for each of those that took part, a colour for each kind of step."""
    shown = list(steps)
    names, kinds = list(dict.fromkeys(step.lane for step in shown)), list(dict.fromkeys(step.kind for step in shown))
    colours = dict(zip(kinds, CYCLE, strict=False))
    axes = chart(title, width=9, height=1.0 + 0.4 * len(names))
    last = max(step.end for step in shown)
    for step in shown:
        width = max(step.end - step.start, last / 150)
        axes.barh(names.index(step.lane), width, left=step.start, color=colours[step.kind], height=0.6)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds")
    handles = [Patch(color=colour, label=kind) for kind, colour in colours.items()]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes


def side_by_side(pictures: Mapping[str, GeneratedImage], *, width: float = 2.6) -> None:
    """Pictures in a row, each under its title."""
    _, row = plt.subplots(1, len(pictures), figsize=(width * len(pictures), width + 0.3), squeeze=False)
    for axes, (title, picture) in zip(row[0], pictures.items(), strict=True):
        axes.imshow(plt.imread(BytesIO(picture.data), format=picture.mime_type.partition("/")[2]))
        axes.set_title(title, fontsize=9)
        axes.axis("off")
