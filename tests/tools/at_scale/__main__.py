"""`make ray`: a thousand rows on Ray, a worker killed in the middle; then how fast one and two actors are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from aki_transport.emulator import Emulator
from tests.tools.at_scale.trial import AT_ONCE, LATENCY, Outcome, play, questions, write_rows

_FRAMEWORKS = {"langchain": "ChatAKI", "llama-index": "AKI"}
_TOO_LONG = (123, 456, 789)
_BATCH = 20
_FOR_SPEED = 400


def main(arguments: Sequence[str] | None = None) -> None:
    """Do it for both frameworks, or for one, and print the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.at_scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--framework", choices=_FRAMEWORKS)
    given = parser.parse_args(arguments)
    _tell(f"{AT_ONCE} calls at once per actor, first byte after {LATENCY} s, {_BATCH} rows per batch")
    for framework, name in _FRAMEWORKS.items():
        if given.framework in (None, framework):
            with Emulator() as service:
                _tell(f"\n{name}")
                _count(service, framework, given.rows)
                _time(service, framework)


def _count(service: Emulator, framework: str, rows: int) -> None:
    asked = questions(rows, [number for number in _TOO_LONG if number < rows])
    found = _played(service, framework, asked, actors=2, kill_after=rows // 2)
    said, ids = found.said, [row["id"] for row in found.answers]
    _tell(f"  {said['rows']} rows in, two actors, one killed by SIGKILL after {rows // 2} calls; {found.seconds:.0f} s")
    _tell(f"  {len(ids)} rows out, {len(ids) - len(set(ids))} of them twice, {rows - len(set(ids))} missing")
    _tell(f"  {said['answered']} answered, {found.right(asked)} of them rightly")
    _tell(f"  {said['failed']} failed: {', '.join(sorted({row['error'] for row in found.answers if row['error']}))}")
    _tell(f"  {found.memory:.0f} MB resident in the larger actor")
    _tell(f"  {said['repeated']} calls repeated; the emulator was asked {found.asked.total()} times")


def _time(service: Emulator, framework: str) -> None:
    asked = questions(_FOR_SPEED)
    one, two = (_played(service, framework, asked, actors=actors).rate for actors in (1, 2))
    _tell(f"  {one:.1f} rows/s with one actor, {two:.1f} with two: {two / one:.2f} times as many")


def _played(
    service: Emulator, framework: str, asked: list[str], *, actors: int, kill_after: int | None = None
) -> Outcome:
    with TemporaryDirectory() as folder:
        write_rows(Path(folder) / "rows.parquet", asked)
        return play(service, framework, Path(folder), actors=actors, batch=_BATCH, kill_after=kill_after)


def _tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
