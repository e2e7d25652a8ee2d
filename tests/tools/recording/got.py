"""What a class gave, in words that are no framework's, and whether it is what the scenario says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aki_transport.images.image import GeneratedImage, as_image
from aki_transport.messages import JobProgress
from tests.pictures import a_png
from tests.tools.recording.scenarios import Answers, Spot

SIZE = "128x128"


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """An answer, or the error that came in its place."""

    text: str = ""
    pieces: int = 1
    reasoning: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    made: Any = None
    usage: tuple[int, int, int] | None = None
    models: tuple[str, ...] = ()
    pictures: tuple[tuple[int, int], ...] = ()
    told: list[JobProgress] = field(default_factory=list)
    error: Exception | None = None


class Reader(Protocol):
    """A class of a framework, or the transport itself."""

    name: str
    kinds: frozenset[str]

    def error(self, name: str) -> type[Exception]:
        """The class of this name, as its users catch it."""

    def ask(self, spot: Spot, connection: Mapping[str, Any]) -> Got:
        """Ask what the spot's scenario asks, and read the answer."""

    async def aask(self, spot: Spot, connection: Mapping[str, Any]) -> Got:
        """`ask`, async."""


def picture() -> GeneratedImage:
    """The one that is changed."""
    return as_image({"data": a_png(128, 128), "id": "img_3f9c2a"})


def check(spot: Spot, reader: Reader, got: Got) -> None:
    """Compare with what the scenario says."""
    wanted = spot.result
    if not isinstance(wanted, Answers):
        assert type(got.error) is reader.error(wanted.error), repr(got.error)
        assert wanted.status is None or got.error.status_code == wanted.status
        return
    if got.error is not None:
        raise got.error
    if spot.scenario.kind == "models":
        assert {model for part, model in spot.place.models.items() if part in ("plain", "thinking")} <= set(got.models)
    assert wanted.says in got.text
    assert got.pieces >= wanted.pieces
    assert bool(got.reasoning) == wanted.reasons
    assert got.calls == wanted.calls
    assert got.made == wanted.made
    assert (got.usage is not None) == wanted.usage
    assert got.pictures == wanted.pictures
    if wanted.states is not None:
        assert tuple(dict.fromkeys(progress.state for progress in got.told)) == wanted.states
