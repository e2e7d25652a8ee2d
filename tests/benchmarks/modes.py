"""What is measured: each mode is a row, with what it is compared to and what we aim at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tests.benchmarks.contenders import Part
from tests.benchmarks.worker import Order

Against = Literal["peer", "floor", "shorter"]
"""What a figure is divided by: the peer's, the floor's, or its own in the mode named by `shorter`."""


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
        shorter: The mode that is the same with a tenth of the pieces.
        aims: The greatest ratio we want, against what.
    """

    key: str
    title: str
    unit: Literal["ms", "MB"] = "ms"
    measured: Literal["order", "fresh", "peak"] = "order"
    orders: tuple[Order, ...] = ()
    figure: str = ""
    floor: tuple[Part, ...] = ()
    shorter: str = ""
    aims: Mapping[Against, float]

    @property
    def chunks(self) -> int:
        """Pieces of the stream that is measured, 0 if none is."""
        return self.orders[0].chunks if self.measured == "order" else 0


_NETWORK: tuple[Part, ...] = ("http", "alone")

# Aims: the acceptance of the first release, the same for each framework.
# Counts: so that each contender is measured for about half a second a round.
MODES = (
    Mode(
        key="blocking",
        title="blocking call",
        orders=(Order(kind="call", count=200),),
        floor=_NETWORK,
        aims={"peer": 0.45},
    ),
    Mode(
        key="stream",
        title="stream of 500 chunks",
        orders=(Order(kind="stream", count=16, chunks=500),),
        floor=_NETWORK,
        aims={"peer": 0.25},
    ),
    Mode(
        key="growth",
        title="stream of 5,000 chunks",
        orders=(Order(kind="stream", count=1, chunks=5000),),
        floor=_NETWORK,
        shorter="stream",
        aims={"shorter": 11.0},
    ),
    Mode(
        key="async",
        title="async call, 100 at once",
        # No floor: httpx's own async pool is far from the least that so many connections can cost.
        orders=(Order(kind="acall", count=1, concurrency=100),),
        aims={"peer": 0.08},
    ),
    Mode(
        key="async-stream",
        title="async stream of 500 chunks, 20 at once",
        orders=(Order(kind="astream", count=1, concurrency=20, chunks=500),),
        floor=_NETWORK,
        aims={},
    ),
    Mode(key="import", title="import", measured="fresh", figure="import", floor=("alone",), aims={"floor": 1.10}),
    Mode(
        key="import-memory",
        title="import, memory",
        unit="MB",
        measured="fresh",
        figure="memory",
        floor=("alone",),
        aims={},
    ),
    Mode(key="first", title="first model of a process", measured="fresh", figure="first", aims={}),
    Mode(key="later", title="each further model", measured="fresh", figure="later", aims={}),
    Mode(
        key="memory",
        title="peak memory, 1,000 calls and 100 streams",
        unit="MB",
        measured="peak",
        orders=(Order(kind="call", count=1000), Order(kind="stream", count=100, chunks=500)),
        aims={},
    ),
)


def chosen(key: str | None) -> tuple[Mode, ...]:
    """The mode of that key with the one it is compared to; all without a key."""
    if key is None:
        return MODES
    wanted = {key, *(mode.shorter for mode in MODES if mode.key == key)}
    return tuple(mode for mode in MODES if mode.key in wanted)
