"""One contender's process: carries out orders that come as lines of JSON, and answers each with its CPU seconds.

`python -m tests.tools.benchmarks.worker CONTENDER URL` ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.tools.benchmarks.asking import IMAGE_PIECE, notes
from tests.tools.benchmarks.contenders import Driver, find_contender
from tests.tools.benchmarks.memory import memory_mb

Kind = Literal["call", "stream", "acall", "astream", "tools", "stream_tools", "structured", "image", "aimage"]

_WARM_UP = 1000  # pieces of all its streams together


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to measure: `count` times `concurrency` calls at once, or answers in `chunks` pieces.

    A `"call"` is answered after `wait` milliseconds, what is async after `WAIT` in any case. The pieces of a `"stream"`
    or `"astream"` come alone, one `every` so many milliseconds, or with 0 many in one write.
    """

    kind: Kind
    count: int
    concurrency: int = 1
    chunks: int = 0
    wait: int = 0
    every: int = 0


def main() -> None:
    """Answer orders until there are no more."""
    name, url = sys.argv[1:]
    driver = find_contender(name).driver(url)
    with asyncio.Runner() as runner:
        _say({"ready": name})
        for line in sys.stdin:
            order = Order(**json.loads(line))
            _say(measure(driver, order, runner))


def measure(driver: Driver, order: Order, runner: asyncio.Runner) -> dict[str, float]:
    """CPU seconds of one call or stream, all threads of this process counted, garbage collection left on, as `cpu`.

    And the process's memory in MB: resident before, as `held`, and at most so far, as `peak`.
    """
    # Before each measurement, not once: connections that idled while others were measured may have been closed.
    _work(driver, replace(order, chunks=min(order.chunks, _WARM_UP // order.concurrency), every=0), runner)()
    work, held = _work(driver, order, runner), memory_mb("VmRSS")
    start = time.process_time()
    for _ in range(order.count):
        work()
    cpu = (time.process_time() - start) / (order.count * order.concurrency)
    return {"cpu": cpu, "held": held, "peak": memory_mb("VmHWM")}


def _work(driver: Driver, order: Order, runner: asyncio.Runner) -> Callable[[], None]:
    match order.kind:
        case "call":
            return lambda: _check_text(driver.call(order.wait))
        case "stream":
            return lambda: _check_count(driver.stream(order.chunks, order.every), order.chunks)
        case "tools":
            return lambda: _check_same(driver.tool_call(), notes(0))
        case "stream_tools":
            whole = notes(order.chunks)
            return lambda: _check_same(driver.stream_tool_call(order.chunks), whole)
        case "structured":
            return lambda: _check_same(driver.structured(), notes(0))
        case "image":
            return lambda: _check_size(driver.image(order.chunks), order.chunks)
        case "aimage":
            return lambda: _check_size(runner.run(driver.aimage(order.chunks)), order.chunks)
        case "acall":

            async def calls() -> None:
                for text in await _at_once(driver.acall, order.concurrency):
                    _check_text(text)

            return lambda: runner.run(calls())
        case "astream":

            async def streams() -> None:
                for count in await _at_once(lambda: driver.astream(order.chunks, order.every), order.concurrency):
                    _check_count(count, order.chunks)

            return lambda: runner.run(streams())


async def _at_once(start: Callable[[], Coroutine[Any, Any, Any]], concurrency: int) -> list[Any]:
    return await asyncio.gather(*(start() for _ in range(concurrency)))


def _check_text(text: str) -> None:
    if not text:
        raise RuntimeError("an answer came without its text")


def _check_count(found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"a stream of {wanted} pieces came as {found}")


def _check_same(found: str, wanted: str) -> None:
    if found != wanted:
        raise RuntimeError(f"a tool call's notes of {len(wanted)} characters came as {len(found)}")


def _check_size(found: int, pieces: int) -> None:
    if found < pieces * IMAGE_PIECE * 3 // 4:
        raise RuntimeError(f"a picture of {pieces} pieces came as {found} bytes")


def _say(value: Any) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
