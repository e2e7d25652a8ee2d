"""A process with many answers under way at once: what do they take of it?

`python -m tests.tools.at_scale.loaded CONTENDER URL calls|streams COUNT SECONDS` writes one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.tools.benchmarks.contenders import find_contender
from tests.tools.benchmarks.memory import memory_mb

_PROBE = 0.01  # seconds between two looks at how late the event loop is


async def calls(contender: str, url: str, count: int, seconds: float) -> dict[str, float]:
    """So many calls at once, which the server answers after some seconds: looked at while they wait."""
    driver = find_contender(contender).driver(url)
    await driver.acall()
    before, cpu = memory_mb("VmRSS"), time.process_time()
    waiting = [asyncio.create_task(driver.acall()) for _ in range(count)]
    await asyncio.sleep(0.8 * seconds)
    sockets, held = _sockets(), memory_mb("VmRSS")
    await asyncio.gather(*waiting)
    used = time.process_time() - cpu
    return {"before": before, "held": held, "sockets": sockets, "cpu_ms": 1000 * used / count}


async def streams(contender: str, url: str, count: int, seconds: float) -> dict[str, float]:
    """So many streams at once, looked at for some seconds after the last of them has begun."""
    model = find_contender(contender).maker(url)()
    pieces = _in_langchain if contender == "ChatAKI" else _in_llama_index
    async with pieces(model) as warm:
        await anext(warm)
    before, begun, came = memory_mb("VmRSS"), 0, 0

    async def read() -> None:
        nonlocal begun, came
        async with pieces(model) as stream:
            await anext(stream)
            begun += 1
            async for _ in stream:
                came += 1

    reading = [asyncio.create_task(read()) for _ in range(count)]
    while begun < count:
        await asyncio.sleep(_PROBE)
        if any(task.done() for task in reading):
            raise RuntimeError("a stream ended before the last one had begun")
    late: list[float] = []
    first, cpu, queued, start = came, time.process_time(), _queued(), time.monotonic()
    while (now := time.monotonic()) < start + seconds:
        await asyncio.sleep(_PROBE)
        late.append(time.monotonic() - now - _PROBE)
    chunks, used, passed = came - first, time.process_time() - cpu, time.monotonic() - start
    held, sockets = memory_mb("VmRSS"), _sockets()
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    return {
        "before": before,
        "held": held,
        "sockets": sockets,
        "share": used / passed,
        "queued": (_queued() - queued) / passed,
        "chunks_per_second": chunks / passed,
        "cpu_us": 1e6 * used / chunks,
        "late_ms": 1000 * sorted(late)[int(0.99 * len(late))],
    }


@asynccontextmanager
async def _in_langchain(model: Any) -> AsyncIterator[Any]:
    stream = model.astream("Who hosts open models in Europe?")
    try:
        yield stream
    finally:
        await stream.aclose()


@asynccontextmanager
async def _in_llama_index(model: Any) -> AsyncIterator[Any]:
    stream = await model.astream_complete("Who hosts open models in Europe?")
    try:
        yield stream
    finally:
        await stream.aclose()


def _queued() -> float:
    """Seconds for which there was something to do and no core free; no number where the kernel tells none."""
    kept = Path("/proc/self/schedstat")
    return int(kept.read_text(encoding="ascii").split()[1]) / 1e9 if kept.exists() else float("nan")


def _sockets() -> int:
    return sum(str(link.readlink()).startswith("socket:") for link in Path("/proc/self/fd").iterdir() if _is_open(link))


def _is_open(link: Path) -> bool:
    # Listing the folder takes a descriptor, which is gone when it is looked at.
    return link.is_symlink()


if __name__ == "__main__":
    kind = {"calls": calls, "streams": streams}[sys.argv[3]]
    sys.stdout.write(json.dumps(asyncio.run(kind(sys.argv[1], sys.argv[2], int(sys.argv[4]), float(sys.argv[5])))))
