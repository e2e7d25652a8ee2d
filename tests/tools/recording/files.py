"""Where the cassettes are, how each was made, and in what a run of their tests is started.

They are files of vcrpy's own form, with one entry beside its own: `made`, which vcrpy does not read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vcr.serializers import yamlserializer

CASSETTES = Path(os.environ.get("AKI_CASSETTES") or Path(__file__).parents[3] / "cassettes")
"""The folder; another one if the environment names it."""

SUITE = "langchain_standard"
"""The cassette of a place that holds the calls of LangChain's standard suite."""


def environment(**more: str) -> dict[str, str]:
    """The environment of a run of tests that a test starts: none of what this run tells its own workers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | more


def names(folder: Path = CASSETTES) -> list[str]:
    """Every cassette, without folder and suffix."""
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*/*.yaml"))


def path_of(name: str, folder: Path = CASSETTES) -> Path:
    """Where a cassette is."""
    return folder / f"{name}.yaml"


def read(name: str, folder: Path = CASSETTES) -> dict[str, Any]:
    """A cassette's document: how it was `made`, and its `interactions`."""
    return yamlserializer.deserialize(path_of(name, folder).read_text(encoding="utf-8"))


def write(name: str, document: Mapping[str, Any], folder: Path) -> None:
    """Put a cassette there."""
    path = path_of(name, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yamlserializer.serialize(document), encoding="utf-8")


def documents(folder: Path = CASSETTES) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every cassette with its name."""
    return ((name, read(name, folder)) for name in names(folder))
