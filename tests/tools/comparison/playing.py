"""Plays the lines to the clients, each in a process of its own, all at once."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from aki_transport.emulator import Emulator
from tests.scenarios import ERRORS, KEY, SCENARIOS, replied
from tests.script_server import Answer, Request, ScriptServer, text_answer
from tests.tools.benchmarks.contenders import ROOT
from tests.tools.comparison.clients import Client
from tests.tools.comparison.lines import WHICH_KEY, Line

_SCENES = {row.name: row for row in (*SCENARIOS, *ERRORS)}
_LONGEST = 120  # seconds
# Nothing else: no key, no proxy and no tracing of whoever runs it.
_KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Found:
    """What one client gave, by the line's key, and its package's name and version."""

    version: str
    cells: Mapping[str, str]


def played(lines: Sequence[Line], clients: Sequence[Client]) -> dict[str, Found]:
    """What each client gave, by its name."""
    keys = [line.key for line in lines]
    with servers() as urls:
        processes = {row.name: _started(row, *urls, *keys) for row in clients}
        return {name: _found(name, process) for name, process in processes.items()}


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """The base URLs of the emulator and of the server that plays scenarios."""
    with Emulator() as emulator, ScriptServer(always=_scene) as scripted:
        if emulator.key != KEY:
            raise RuntimeError(f"the emulator takes {emulator.key}, and the clients have {KEY}")
        yield emulator.openai_url, scripted.openai_url


def _scene(request: Request) -> Answer:
    """What the scenario says that the question names."""
    question = request.json["messages"][-1]["content"]
    if question == WHICH_KEY:
        return replied(request.headers.get("authorization", "no key"))
    row = _SCENES[question]
    scene = row.stream if request.json.get("stream") else row.blocking
    return scene or text_answer(f"{question} is not played to this way of asking", 418)


def _started(client: Client, *arguments: str) -> subprocess.Popen[str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return subprocess.Popen(  # noqa: S603  our own module
        [client.python, "-m", "tests.tools.comparison.worker", client.name, *arguments],
        cwd=ROOT,
        env={**kept, "OPENAI_API_KEY": "meant-for-another-service"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _found(name: str, process: subprocess.Popen[str]) -> Found:
    try:
        written, wrong = process.communicate(timeout=_LONGEST)
    finally:
        process.kill()
    if process.returncode:
        raise RuntimeError(f"the process of {name} failed:\n{wrong}")
    said = json.loads(written)
    return Found(said["version"], said["found"])
