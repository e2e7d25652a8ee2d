"""What is measured: each mode is a row, with what it is compared to and what we aim at."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.tools.benchmarks.asking import WAIT
from tests.tools.benchmarks.contenders import Part
from tests.tools.benchmarks.worker import Kind, Order

Against = Literal[
    "peer",
    "earlier peer",
    "plain",
    "before",
    "floor",
    "openai wire",
    "shorter",
    "fewer",
    "unit",
    "body",
]
"""What a figure is divided by.

That of the peer, of the earlier one, of ours over plain httpx, of ours before httpx carried every call, or of ours on
OpenAI's wire; the floor's; its own in a mode with less of the same; one of its unit, which makes an aim an absolute
one; or the size of the answer's body.
"""

Measured = Literal["order", "fresh", "peak", "rise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What we want of a figure.

    Args:
        at_most: The greatest ratio.
        of: To what.
        framework: For whose contenders; empty for those of each.
        part: For which contenders.
        plus: So much more is right, in the figure's unit.
    """

    at_most: float
    of: Against
    framework: str = ""
    part: Part = "ours"
    plus: float = 0

    def is_for(self, part: Part | None, framework: str) -> bool:
        """Whether it is for such a contender."""
        return part == self.part and self.framework in ("", framework)


_MODELS: tuple[Part, ...] = ("ours", "peer", "other peer", "alone", "http")
_OURS: tuple[Part, ...] = ("plain", "before")
_ALL: tuple[Part, ...] = (*_MODELS, *_OURS, "anthropic", "earlier peer")
_ALONE: tuple[Part, ...] = (*_MODELS, *_OURS, "earlier peer")
_WITH_TOOLS: tuple[Part, ...] = ("ours", "peer", "other peer")
_AT_ONCE: tuple[Part, ...] = ("ours", "aiohttp", "peer", "earlier peer", "other peer", "alone")
_NETWORK: tuple[Part, ...] = ("http", "alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One row.

    Args:
        key: What `--only` takes.
        title: In the table.
        unit: Of its figures.
        measured: The CPU of an order to a worker that runs on; or `"fresh"` for a figure of a fresh process, `"peak"`
            for the memory of one that carried out `orders`, or `"rise"` for by how much that rose with them.
        orders: For `"order"` the one to repeat in each round, else the ones to carry out once.
        figure: For `"fresh"`: which of its figures.
        parts: Who takes part.
        rounds: How often at the most, for what takes long.
        is_brief: Whether the short look measures it too.
        requests: That one call takes; divides the figure before that is compared to another wire's.
        body: The size of the answer's body, in the figures' unit.
        floor: The parts whose sum is the least it could cost.
        bases: The modes whose figures it is divided by, against what; by default it is itself.
        aims: What we want.
    """

    key: str
    title: str
    unit: Literal["ms", "MB"] = "ms"
    measured: Measured = "order"
    orders: tuple[Order, ...] = ()
    figure: str = ""
    parts: tuple[Part, ...] = _MODELS
    rounds: int = sys.maxsize
    is_brief: bool = False
    requests: int = 1
    body: float = 0
    floor: tuple[Part, ...] = ()
    bases: Mapping[Against, str] = field(default_factory=dict)
    aims: tuple[Aim, ...] = ()

    @property
    def chunks(self) -> int:
        """Pieces of the stream that is measured, 0 if none is."""
        return self.orders[0].chunks if self.measured == "order" else 0


_OTHER_WIRE = Aim(at_most=1.30, of="openai wire", part="anthropic")
_OF_A_LOOK = Aim(at_most=1.30, of="openai wire", part="native")

_PICTURES: tuple[tuple[str, Kind, str], ...] = (("image", "image", ""), ("async-image", "aimage", ", async"))

# Counts: so that each contender is measured for about half a second a round.
MODES = (
    Mode(
        key="alone",
        title="async stream, chunks alone, 20 at once",
        # A thousand chunks a second, of which the slowest contender takes half a core: one that falls behind reads
        # several at a time, which is cheaper.
        orders=(Order(kind="astream", count=1, concurrency=20, chunks=150, every=20),),
        parts=(*_ALONE, "aiohttp"),
        rounds=5,
        floor=_NETWORK,
        aims=(Aim(at_most=0.70, of="peer"), Aim(at_most=1.3, of="before", part="aiohttp")),
    ),
    Mode(
        key="alone-sync",
        title="sync stream, chunks alone",
        orders=(Order(kind="stream", count=2, chunks=150, every=3),),
        parts=_ALONE,
        rounds=5,
        floor=_NETWORK,
        aims=(Aim(at_most=0.70, of="peer"),),
    ),
    Mode(
        key="blocking",
        title="blocking call",
        orders=(Order(kind="call", count=200),),
        parts=_ALL,
        is_brief=True,
        floor=_NETWORK,
        aims=(Aim(at_most=0.50, of="peer"), Aim(at_most=1.20, of="floor"), _OTHER_WIRE),
    ),
    Mode(
        key="stream-50",
        title="stream of 50 chunks",
        orders=(Order(kind="stream", count=100, chunks=50),),
        floor=_NETWORK,
    ),
    Mode(
        key="stream",
        title="stream of 500 chunks",
        orders=(Order(kind="stream", count=16, chunks=500),),
        parts=_ALL,
        is_brief=True,
        floor=_NETWORK,
        aims=(Aim(at_most=0.35, of="peer"), Aim(at_most=1.20, of="floor"), _OTHER_WIRE),
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
        key="stream-20000",
        title="stream of 20,000 chunks",
        orders=(Order(kind="stream", count=1, chunks=20_000),),
        rounds=3,
        floor=_NETWORK,
        bases={"shorter": "growth"},
    ),
    Mode(
        key="async-20",
        title="async call, 20 at once",
        orders=(Order(kind="acall", count=15, concurrency=20),),
        parts=_AT_ONCE,
        is_brief=True,
    ),
    Mode(
        key="async",
        title="async call, 100 at once",
        # No floor: httpx's own async pool is far from the least that so many connections can cost.
        orders=(Order(kind="acall", count=1, concurrency=100),),
        parts=(*_ALL, "aiohttp"),
        bases={"fewer": "async-20"},
        aims=(
            # Those that run on httpx: ChatOpenAI before openai 3, and OpenAILike.
            Aim(at_most=0.20, of="earlier peer", framework="LangChain"),
            Aim(at_most=0.20, of="peer", framework="LlamaIndex"),
            Aim(at_most=0.25, of="plain"),
            Aim(at_most=1.6, of="before", part="aiohttp"),
            _OTHER_WIRE,
        ),
    ),
    Mode(
        key="async-500",
        title="async call, 500 at once",
        orders=(Order(kind="acall", count=1, concurrency=500),),
        parts=_AT_ONCE,
        rounds=3,
        bases={"fewer": "async-20"},
        aims=(Aim(at_most=1.30, of="fewer"),),
    ),
    Mode(
        key="async-stream",
        title="async stream of 500 chunks, 20 at once",
        orders=(Order(kind="astream", count=1, concurrency=20, chunks=500),),
        parts=(*_ALL, "aiohttp"),
        floor=_NETWORK,
        aims=(Aim(at_most=0.35, of="peer"), Aim(at_most=1.20, of="floor"), _OTHER_WIRE),
    ),
    Mode(
        key="waiting",
        title=f"blocking call answered after {WAIT} ms",
        orders=(Order(kind="call", count=10, wait=WAIT),),
        parts=("ours",),
    ),
    Mode(
        key="native",
        title="native wire, call of 2 requests",
        orders=(Order(kind="call", count=10),),
        parts=("native",),
        requests=2,
        bases={"openai wire": "waiting"},
        aims=(_OF_A_LOOK,),
    ),
    Mode(
        key="native-stream",
        title="native wire, stream of 6 requests",
        orders=(Order(kind="stream", count=3, chunks=4),),
        parts=("native",),
        requests=6,
        bases={"openai wire": "waiting"},
        aims=(_OF_A_LOOK,),
    ),
    Mode(
        key="native-async",
        title="native wire, 100 async calls of 2",
        orders=(Order(kind="acall", count=1, concurrency=100),),
        parts=("native",),
        requests=2,
        bases={"openai wire": "async"},
        aims=(_OF_A_LOOK,),
    ),
    Mode(
        key="native-async-stream",
        title="native wire, 20 async streams of 6",
        orders=(Order(kind="astream", count=1, concurrency=20, chunks=4),),
        parts=("native",),
        requests=6,
        bases={"openai wire": "async-20"},
        aims=(_OF_A_LOOK,),
    ),
    Mode(
        key="tools",
        title="tool call, 5 tools offered",
        orders=(Order(kind="tools", count=100),),
        parts=_WITH_TOOLS,
        is_brief=True,
    ),
    Mode(
        key="tool-stream",
        title="tool call in 500 chunks, 10 kB",
        orders=(Order(kind="stream_tools", count=8, chunks=500),),
        parts=_WITH_TOOLS,
        is_brief=True,
    ),
    Mode(
        key="tool-growth",
        title="tool call in 5,000 chunks, 100 kB",
        orders=(Order(kind="stream_tools", count=1, chunks=5000),),
        parts=_WITH_TOOLS,
        rounds=3,
        bases={"shorter": "tool-stream"},
        aims=(Aim(at_most=11.0, of="shorter"),),
    ),
    Mode(
        key="structured",
        title="structured output",
        orders=(Order(kind="structured", count=100),),
        parts=_WITH_TOOLS,
        is_brief=True,
    ),
    Mode(
        key="import",
        title="import",
        measured="fresh",
        figure="import",
        floor=("alone",),
        aims=(Aim(at_most=1.12, of="floor", plus=30),),
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
    *(
        Mode(
            key=key,
            title=f"memory of a picture of 20 MB{title}",
            unit="MB",
            measured="rise",
            orders=(Order(kind=kind, count=1, chunks=20 * 1024),),
            parts=("ours",),
            body=20.0,
            aims=(Aim(at_most=3.0, of="body"),),
        )
        for key, kind, title in _PICTURES
    ),
)


BRIEF_PARTS: tuple[Part, ...] = ("ours", "peer", "alone", "http")
"""Who takes part in the short look."""


def chosen(keys: Iterable[str]) -> tuple[Mode, ...]:
    """The modes of those keys with those that they are compared to."""
    wanted = set(keys)
    wanted |= {base for mode in MODES if mode.key in wanted for base in mode.bases.values()}
    return tuple(mode for mode in MODES if mode.key in wanted)
