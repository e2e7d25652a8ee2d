"""Which classes read which cassettes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import vcr

from tests.tools.recording import files, in_langchain, in_llama_index, in_transport
from tests.tools.recording.got import Reader, check
from tests.tools.recording.places import replayed
from tests.tools.recording.scenarios import SPOTS, Spot
from tests.tools.recording.scrub import BODY_TOO

READERS: tuple[Reader, ...] = (
    in_transport.Plain(),
    in_langchain.Chat(),
    in_langchain.Raw(),
    in_langchain.Draw(),
    in_langchain.Edit(),
    in_llama_index.Chat(),
    in_llama_index.Raw(),
    in_llama_index.Pictures(),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A cassette, read by a class in one way."""

    spot: Spot
    reader: Reader
    way: Literal["sync", "async"]

    def play(self, folder: Path = files.CASSETTES) -> None:
        """Ask what the scenario asks, answered by its cassette in that folder, and compare with what it says."""
        # The boundary of a form is another in each request, so vcrpy cannot compare its body.
        matched = {} if self.spot.cassette == "aki/openai/image_edit" else {"match_on": BODY_TOO}
        path, connection = files.path_of(self.spot.cassette, folder), replayed(self.spot.place)
        with vcr.use_cassette(str(path), record_mode="none", **matched) as cassette:
            if self.way == "async":
                got = asyncio.run(self.reader.aask(self.spot, connection))
            else:
                got = self.reader.ask(self.spot, connection)
        check(self.spot, self.reader, got)
        left = len(cassette) - cassette.play_count
        assert cassette.all_played, f"{left} of {len(cassette)} recorded answers were not asked for"

    def __str__(self) -> str:
        return f"{self.spot}-{self.reader.name}-{self.way}"


def _reads(reader: Reader, spot: Spot) -> bool:
    return spot.scenario.kind in reader.kinds or (spot.scenario.raw and "prompt" in reader.kinds)


READINGS = tuple(
    Reading(spot, reader, way)
    for spot in SPOTS
    for reader in READERS
    if _reads(reader, spot)
    for way in ("sync", "async")
)
