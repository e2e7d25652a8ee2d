"""What is measured: each mode is a row, with what it is compared to and what we aim at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.benchmarks.contenders import Part
from tests.benchmarks.worker import Order

Against = Literal["peer", "floor", "shorter", "unit"]
"""What a figure is divided by: the peer's, the floor's, its own in a shorter mode, or one of its unit (an absolute)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What we want of a figure.

    Args:
        at_most: The greatest ratio.
        of: To what.
        framework: For whose contenders; empty for those of each.
        part: For which contenders.
    """

    at_most: float
    of: Against
    framework: str = ""
    part: Part = "ours"

    def is_for(self, part: Part | None, framework: str) -> bool:
        """Whether it is for such a contender."""
        return part == self.part and self.framework in ("", framework)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One row.

    Args:
        key: What `--only` takes.
        title: In the table.
        unit: Of its figures.
        measured: How often, as an order to a worker that runs on; or `"fresh"` for a figure of a fresh process, or
            `"peak"` for the memory of one that carried out `orders`.
        orders: For `"order"` the one to repeat in each round, for `"peak"` the ones to carry out once.
        figure: For `"fresh"`: which of its figures.
        floor: The parts whose sum is the least it could cost.
        bases: The modes whose figures it is divided by, against what.
        aims: What we want.
    """

    key: str
    title: str
    unit: Literal["ms", "MB"] = "ms"
    measured: Literal["order", "fresh", "peak"] = "order"
    orders: tuple[Order, ...] = ()
    figure: str = ""
    floor: tuple[Part, ...] = ()
    bases: Mapping[Against, str] = field(default_factory=dict)
    aims: tuple[Aim, ...] = ()

    @property
    def chunks(self) -> int:
        """Pieces of the stream that is measured, 0 if none is."""
        return self.orders[0].chunks if self.measured == "order" else 0


_NETWORK: tuple[Part, ...] = ("http", "alone")

# Counts: so that each contender is measured for about half a second a round.
MODES = (
    Mode(
        key="blocking",
        title="blocking call",
        orders=(Order(kind="call", count=200),),
        floor=_NETWORK,
        aims=(Aim(at_most=0.45, of="peer"), Aim(at_most=1.30, of="floor")),
    ),
    Mode(
        key="stream",
        title="stream of 500 chunks",
        orders=(Order(kind="stream", count=16, chunks=500),),
        floor=_NETWORK,
        aims=(Aim(at_most=0.25, of="peer"), Aim(at_most=1.10, of="floor")),
    ),
    Mode(
        key="growth",
        title="stream of 5,000 chunks",
        orders=(Order(kind="stream", count=1, chunks=5000),),
        floor=_NETWORK,
        bases={"shorter": "stream"},
        aims=(Aim(at_most=11.0, of="shorter"),),
    ),
    Mode(
        key="async",
        title="async call, 100 at once",
        # No floor: httpx's own async pool is far from the least that so many connections can cost.
        orders=(Order(kind="acall", count=1, concurrency=100),),
        aims=(Aim(at_most=0.08, of="peer"),),
    ),
    Mode(
        key="async-stream",
        title="async stream of 500 chunks, 20 at once",
        orders=(Order(kind="astream", count=1, concurrency=20, chunks=500),),
        floor=_NETWORK,
        aims=(Aim(at_most=0.18, of="peer"),),
    ),
    Mode(
        key="import",
        title="import",
        measured="fresh",
        figure="import",
        floor=("alone",),
        aims=(
            Aim(at_most=0.55, of="peer", framework="LangChain"),
            Aim(at_most=0.70, of="peer", framework="LlamaIndex"),
            Aim(at_most=1.10, of="floor"),
        ),
    ),
    Mode(
        key="import-memory",
        title="import, memory",
        unit="MB",
        measured="fresh",
        figure="memory",
        floor=("alone",),
    ),
    Mode(key="first", title="first model of a process", measured="fresh", figure="first"),
    Mode(
        key="later",
        title="each further model",
        measured="fresh",
        figure="later",
        aims=(Aim(at_most=0.2, of="unit"),),
    ),
    Mode(
        key="memory",
        title="peak memory, 1,000 calls and 100 streams",
        unit="MB",
        measured="peak",
        orders=(Order(kind="call", count=1000), Order(kind="stream", count=100, chunks=500)),
        aims=(Aim(at_most=0.80, of="peer"),),
    ),
)


def chosen(key: str | None) -> tuple[Mode, ...]:
    """The mode of that key with those it is compared to; all without a key."""
    if key is None:
        return MODES
    wanted = {key, *(base for mode in MODES if mode.key == key for base in mode.bases.values())}
    return tuple(mode for mode in MODES if mode.key in wanted)
