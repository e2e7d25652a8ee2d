"""Records the cassettes anew: `python -m tests.tools.recording --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from aki_transport.live_check import Budget, OverBudgetError
from tests.tools.recording import files, places
from tests.tools.recording.page import write_page
from tests.tools.recording.recorder import allowance, record, record_suites
from tests.tools.recording.scenarios import SPOTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Record; 0 if every cassette was made."""
    given = _read(arguments)
    live = [] if given.emulator else [place for place in places.PLACES.values() if places.live_key(place)]
    spots = [spot for spot in SPOTS if spot.cassette.startswith(given.only)]
    suites = [place for place in places.PLACES.values() if f"{place.name}/{files.SUITE}".startswith(given.only)]
    asked = [spot for spot in spots if spot.place in live and spot.can_be_live]
    limit, suites_limit = allowance(asked, ()), allowance((), [place for place in suites if place in live])
    if live and not _agreed(live, limit + suites_limit, yes=given.yes):
        print("Nothing was sent.")
        return 1
    budget = Budget(limit)
    try:
        for spot in spots:
            record(spot, given.into, budget if spot in asked else None)
    except OverBudgetError as error:
        print(error)
        return 1
    passed = record_suites(given.into, suites, live, suites_limit)
    write_page(given.into)
    by = " and ".join(sorted({document["made"]["by"] for _, document in files.documents(given.into)}))
    print(f"{len(files.names(given.into))} cassettes in {_short(given.into)}, recorded from {by}.")
    return 0 if passed else 1


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.recording",
        description="Records the cassettes anew: from the live services whose keys the environment has"
        " (AKI_API_KEY, AACFLOW_API_KEY, AK_AI_CORE_API_KEY), else from the emulator.",
    )
    parser.add_argument("--emulator", action="store_true", help="from the emulator, whatever keys there are")
    parser.add_argument("--yes", action="store_true", help="spend without asking")
    parser.add_argument("--into", type=Path, default=files.CASSETTES, help="the folder (default: cassettes/)")
    parser.add_argument("--only", default="", help="the cassettes whose names begin so, like aki/native/")
    return parser.parse_args(arguments)


def _agreed(live: Sequence[places.Face], calls: int, *, yes: bool) -> bool:
    names = ", ".join(place.name for place in live)
    print(f"Live: {names}. At most {calls} calls are made there, and the account pays for them.")
    if yes:
        return True
    if not sys.stdin.isatty():
        print("There is nobody to ask; with --yes the calls are made.")
        return False
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def _short(folder: Path) -> str:
    return os.path.relpath(folder)


if __name__ == "__main__":
    sys.exit(main())
