"""Makes cassettes: asks every scenario of the emulator, or of the live services whose keys there are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import vcr

from aki_transport import __version__
from aki_transport.live_check import Budget
from aki_transport.models.listing import forget_listings
from aki_transport.transport import polling
from tests.behaviour.faces import Face
from tests.tools.recording import files, in_transport, neutral, places, scrub
from tests.tools.recording.got import check
from tests.tools.recording.scenarios import Spot

_ROOT = Path(__file__).parents[3]
_SUITE = _ROOT / "tests/recording/test_langchain_standard.py"
_MORE = 2  # times as many calls may be made as the cassettes there are took
_LOOKS = 60  # times that a job may be looked at
CHOSEN: tuple[str, ...] = ()
"""Which tests of LangChain's suite are run, as pytest's options say it; none for all."""


def allowance(spots: Collection[Spot], suites: Collection[Face]) -> int:
    """How many calls may be made for so many cassettes."""
    looks = sum(_LOOKS for spot in spots if spot.place.protocol == "native")
    looks += sum(10 * _LOOKS for place in suites if place.protocol == "native")
    taken = [*(spot.cassette for spot in spots), *(f"{place.name}/{files.SUITE}" for place in suites)]
    there = files.names()
    return looks + sum(_MORE * (len(files.read(name)["interactions"]) if name in there else 1) for name in taken)


def record(spot: Spot, folder: Path, live: Budget | None = None) -> None:
    """Make one cassette. What the emulator answers has to be what the scenario says; a live service is free."""
    forget_listings()
    if live is not None:
        spot = replace(spot, scenario=replace(spot.scenario, shapes=""))  # words for the emulator
    with _connected(spot.place, live) as connection:
        connection["api_key"] = spot.scenario.key or connection["api_key"]
        path = files.path_of(spot.cassette, folder)
        path.unlink(missing_ok=True)
        with vcr.use_cassette(str(path), record_mode="all", **scrub.vcr_config()):
            reader = in_transport.Plain()
            got = reader.ask(spot, connection)
    try:
        check(spot, reader, got)
    except Exception as difference:
        if live is None:
            raise
        print(f"  {spot}: answered otherwise than the scenario says: {difference!r}")
    document = files.read(spot.cassette, folder)
    interactions = neutral.neutral(document["interactions"])
    files.write(
        spot.cassette, {**document, "made": how_made(live=live is not None), "interactions": interactions}, folder
    )


@contextmanager
def _connected(place: Face, live: Budget | None) -> Iterator[dict[str, Any]]:
    """How to reach the emulator, whose jobs are then looked at without pauses, or the live service within a budget."""
    if live is not None:
        clients = places.clients(live.take)
        with clients["http_client"]:
            yield {**places.replayed(place), **clients, "api_key": places.live_key(place)}
        return
    pause, polling.pause = polling.pause, lambda *_, **__: 0.0
    try:
        with places.steady_emulator() as emulator, scrub.played_by(emulator):
            yield place.connection(emulator)
    finally:
        polling.pause = pause


def record_suites(folder: Path, suites: Collection[Face], live: Collection[Face], limit: int) -> bool:
    """Run LangChain's suite at these places and keep its calls; whether it passed."""
    if not suites:
        return True
    for place in suites:
        files.path_of(f"{place.name}/{files.SUITE}", folder).unlink(missing_ok=True)
    done = subprocess.run(  # noqa: S603  our own tests
        [
            *(sys.executable, "-m", "pytest", "-q", "--no-header", "--record-mode=new_episodes"),
            *("-o", "filterwarnings=default", *CHOSEN),
            *(f"{_SUITE}::{_class_of(place)}" for place in suites),
        ],
        check=False,
        cwd=_ROOT,
        env=files.environment(
            AKI_CASSETTES=str(folder.resolve()),
            AKI_RECORD=",".join(f"{place.name}={places.own_url(place)}" for place in live),
            AKI_RECORD_CALLS=str(limit),
        ),
    )
    for place in suites:
        name = f"{place.name}/{files.SUITE}"
        document = files.read(name, folder)
        interactions = neutral.in_order(document["interactions"])
        files.write(name, {**document, "made": how_made(live=place in live), "interactions": interactions}, folder)
    return done.returncode == 0


def _class_of(place: Face) -> str:
    return "Test" + "".join(word.capitalize() for word in f"{place.provider}_{place.protocol}".split("_"))


def how_made(*, live: bool) -> dict[str, str]:
    """What a cassette says of itself."""
    by = {"by": "the live service"} if live else {"by": "the emulator", "version": __version__}
    return {**by, "date": datetime.now(UTC).date().isoformat()}
