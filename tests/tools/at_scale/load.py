"""`python -m tests.tools.at_scale.load`: what 100 to 1,000 answers at once take of one process.

That is CPU, memory and sockets: the figures of `docs/performance.md`. Calls and streams wait for a server in a
process of its own on this machine. Where no core was free, a stream's figures tell less: what is kept waiting reads
several chunks at a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.tools.benchmarks.contenders import ROOT

CONTENDERS = ("ChatAKI", "AKI")
CALLS = (100, 1000, 1200)
STREAMS = ((100, 50), (250, 50), (500, 50), (1000, 10), (1000, 50))
_HOLD = 5.0  # seconds that a call waits
_LOOK = 5.0  # seconds that streams are looked at
_BEGIN = 30  # seconds at most until all have begun


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.at_scale.load", description=__doc__)
    parser.add_argument("--only", choices=CONTENDERS)
    only = parser.parse_args(arguments).only
    contenders = [name for name in CONTENDERS if only in (None, name)]
    _tell("| | calls at once | process before | more per call | sockets | CPU per call |", "|---|---|---|---|---|---|")
    for name in contenders:
        for count in CALLS:
            found = measured(name, "calls", count, 1, _HOLD)
            _tell(
                f"| `{name}` | {count:,} | {found['before']:.0f} MB | {1000 * _more(found, count):.0f} kB "
                f"| {found['sockets']:,} | {found['cpu_ms']:.2f} ms |"
            )
    _tell(
        "\n| | streams at once | tokens/s of each | came | CPU of one core | no core free | per chunk "
        "| loop late (p99) | more per stream | sockets |",
        "|---|---|---|---|---|---|---|---|---|---|",
    )
    for name in contenders:
        for count, rate in STREAMS:
            found = measured(name, "streams", count, rate, _LOOK)
            _tell(
                f"| `{name}` | {count:,} | {rate} | {found['chunks_per_second'] / count / rate:.0%} "
                f"| {found['share']:.0%} | {found['queued']:.0%} | {found['cpu_us']:.0f} µs "
                f"| {found['late_ms']:.0f} ms | {1000 * _more(found, count):.0f} kB | {found['sockets']:,} |"
            )


def measured(contender: str, kind: str, count: int, rate: float, seconds: float) -> dict[str, float]:
    """The figures of one fresh process."""
    with paced_server(int(rate * (_BEGIN + seconds)), rate, seconds) as url:
        # In this environment, which has both frameworks.
        words = [sys.executable, "-m", "tests.tools.at_scale.loaded", contender, url, kind, str(count), str(seconds)]
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  our own
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextmanager
def paced_server(chunks: int, rate: float, hold: float) -> Iterator[str]:
    """The address of a server in a process of its own: streams of so many chunks, so many a second."""
    words = [sys.executable, "-m", "tests.tools.at_scale.paced", str(chunks), str(rate), str(hold)]
    with subprocess.Popen(  # noqa: S603  our own module
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None:
            raise RuntimeError("the server has no output")
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.communicate()


def _more(found: dict[str, float], count: int) -> float:
    return (found["held"] - found["before"]) / count


def _tell(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
