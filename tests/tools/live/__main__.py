"""A short, paid-for look at the live services: `python -m tests.tools.live --help`."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator
from tests.tools.live.rows import Row, Seen, all_rows
from tests.tools.live.service import Service
from tests.tools.recording import places
from tests.tools.recording.budget import Budget

_WIDTHS = (17, 26, 34, 10, 58)
_HEADS = ("interface", "about", "assumed", "", "what it did")


@dataclass(frozen=True, slots=True)
class Where:
    """Address and key of an interface."""

    url: str
    key: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, and print the table; 0 if every line is answered."""
    given = _read(arguments)
    with _services(emulated=given.emulator) as there:
        rows = [row for row in all_rows() if row.place in there and row.place.startswith(given.only)]
        if not rows:
            print(_how_to())
            return 1
        calls = sum(row.calls for row in rows)
        if not given.emulator and not _agreed(rows, calls, yes=given.yes):
            print("Nothing was sent.")
            return 1
        answered = ask_all(rows, there, Budget(calls))
    by = "The emulator" if given.emulator else "The live service"
    print(f"{by} answered {len(answered)} of {len(rows)} questions.")
    otherwise = [row for row in rows if row in answered and not answered[row].as_assumed]
    print(f"{len(answered) - len(otherwise)} are as assumed, {len(otherwise)} are not.")
    for row in otherwise:
        print(f"- {row.place}, {row.about}: {answered[row].words}. Look at {', '.join(row.code)}.")
    return 0 if len(answered) == len(rows) else 1


def ask_all(rows: Sequence[Row], there: Mapping[str, Where], budget: Budget) -> dict[Row, Seen]:
    """Ask one after the other and print each line as it comes; the questions that were answered."""
    services = {name: Service(places.PLACES[name], where.url, where.key, budget) for name, where in there.items()}
    answered: dict[Row, Seen] = {}
    print(_line(_HEADS))
    print(_line(tuple("-" * width for width in _WIDTHS)))
    for row in rows:
        try:
            seen = answered[row] = row.ask(services[row.place])
            mark, words = "as assumed" if seen.as_assumed else "OTHERWISE", seen.words
        except Exception as error:  # noqa: BLE001  one question must not keep the others from being asked
            mark, words = "NO ANSWER", f"{type(error).__name__}: {error}"
        words = words.replace(there[row.place].key, "(key)")
        print(_line((row.place, row.about, row.assumed, mark, words)))
    for service in services.values():
        service.close()
    return answered


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.live",
        description="Compares what is assumed of the services with what they do. Costs a little money.",
    )
    parser.add_argument("--emulator", action="store_true", help="ask the emulator instead, which costs nothing")
    parser.add_argument("--yes", action="store_true", help="spend without asking")
    parser.add_argument("--only", default="", help="interfaces whose names begin so, like aki/native")
    return parser.parse_args(arguments)


@contextmanager
def _services(*, emulated: bool) -> Iterator[dict[str, Where]]:
    if not emulated:
        keys = {name: places.live_key(place) for name, place in places.PLACES.items()}
        yield {name: Where(places.own_url(places.PLACES[name]), key) for name, key in keys.items() if key}
        return
    with Emulator(job_speed=0.3) as emulator:
        yield {
            name: Where(getattr(emulator, place.url), getattr(emulator, place.key))
            for name, place in places.PLACES.items()
        }


def _agreed(rows: Sequence[Row], calls: int, *, yes: bool) -> bool:
    asked = ", ".join(dict.fromkeys(row.place for row in rows))
    print(f"{len(rows)} questions to {asked}: at most {calls} calls, and the account pays for them.")
    print("(Most of those are looks at jobs, which cost nothing.)")
    if yes:
        return True
    if not sys.stdin.isatty():
        print("There is nobody to ask; with --yes the calls are made.")
        return False
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def _how_to() -> str:
    names = "\n".join(f"  {row.key_variables[0]:20} for {row.title}" for row in PROVIDERS.values())
    return (
        "There is no key of a service here. Set one or more of\n"
        f"{names}\n"
        "and run `make live` again; it says how many calls it makes, and asks before it does.\n"
        "To try it without a key: make live ARGS=--emulator"
    )


def _line(cells: Sequence[str]) -> str:
    columns = [textwrap.wrap(" ".join(cell.split()), width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)]
    height = max(map(len, columns))
    lines = (
        "  ".join(
            (column[n] if n < len(column) else "").ljust(width) for column, width in zip(columns, _WIDTHS, strict=True)
        )
        for n in range(height)
    )
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
