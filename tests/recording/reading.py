"""Which classes read which cassettes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.recording import in_langchain, in_llama_index, in_transport
from tests.recording.got import Reader
from tests.recording.scenarios import SPOTS, Spot

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
