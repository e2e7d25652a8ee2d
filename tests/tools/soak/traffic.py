"""What is asked in a soak: every class over every wire in every mode, at times with tools, a fault or a farewell."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tests.behaviour.faces import FACES
from tests.behaviour.rows import FAILURES, JOBS, REFUSALS
from tests.behaviour.running import READERS, Run, make
from tests.behaviour.table import MODES, By, Expect, Left, Row, of
from tests.tools.soak.numbers import numbers
from tests.tools.soak.questions import Asked, about
from tests.tools.soak.service import Service

# The rows whose faults are sent; with another fault where the row's own would take its time at a job's real speed.
FAULTS: Mapping[str, str | None] = {
    "402": None,
    "429 once": None,
    "429 for good": None,
    "500 once": None,
    "503 once": None,
    "a page of a proxy with 502": None,
    "a page of a proxy with 200": None,
    "a connection that is reset once": None,
    "a cut stream": None,
    "a cut answer": None,
    "a stream without its end": None,
    "an error in a stream": None,
    "an error event in a stream": None,
    "a job that waits in the queue": "queue=2;job-seconds=0.1",
    "a job that lapses": "lapse;job-seconds=0.4",
    "a job that fails in a good answer": None,
    "a job that the service cancels": "job-cancel;job-seconds=0.4",
    "a poll whose answer is lost": "lose-poll=2;job-seconds=0.3",
    "a result that is lost on its way": None,
    "a full queue": None,
}
_FAULTY = {row.name: row for row in (*REFUSALS, *FAILURES, *JOBS) if row.name in FAULTS}

ANSWERED = Row(name="an answer", result=Expect())
LEFT = Row(
    name="a stream that is left after its first piece",
    fault=By({"native": "job-seconds=20", "": "chunk-delay=0.02"}),
    result=Left(by="close"),
)
CANCELED = Row(name="a call that is canceled at any moment", result=Expect())

FAULT_SHARE = 0.05
_TOOL_SHARE = 0.1
_LEAVING_SHARE = 0.02
PLACES = tuple((face, reader) for face in FACES if face.provider == "aki" for reader in READERS)


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


class Traffic:
    """Gives the next question and the model to ask; any thread may take one.

    Args:
        service: Where it is asked.
        seed: For the same mixture again.
    """

    def __init__(self, service: Service, seed: int) -> None:
        self._service = service
        self._dice = random.Random(seed)  # noqa: S311  no secret
        self._numbers = numbers()
        for face in {face.name: face for face, _ in PLACES}.values():
            face.learn(service)
        # Those that everybody shares, as programs do; what needs a fault gets a model of its own.
        self._models = {
            (face.name, reader.name): make(Run(ANSWERED, face, reader, MODES[0]), service) for face, reader in PLACES
        }

    def next(self, waits: str) -> tuple[Asked, Any]:
        """A question for someone who waits in this way."""
        face, reader = self._dice.choice(PLACES)
        mode = self._dice.choice([mode for mode in MODES if mode.waits == waits])
        asked = self._asked(Run(ANSWERED, face, reader, mode))
        model = self._models[face.name, reader.name] if not asked.run.row.fault else make(asked.run, self._service)
        return asked, model

    def _asked(self, run: Run) -> Asked:
        number, dice = next(self._numbers), self._dice.random()
        if dice < FAULT_SHARE:
            return Asked(number, _at(run, self._dice.choice(fitting(run)), number))
        dice -= FAULT_SHARE
        if dice < _LEAVING_SHARE and run.mode.comes == "stream":
            return Asked(number, _at(run, LEFT, number))
        if dice < _LEAVING_SHARE and run.mode.waits == "async":
            return Asked(number, _at(run, CANCELED, number), is_cut_short=True)
        dice -= _LEAVING_SHARE
        if dice < _TOOL_SHARE and run.tags >= {"tools", "chat"}:
            return Asked(number, _with_tools(run, number))
        return Asked(number, _at(run, ANSWERED, number))


def fitting(run: Run) -> list[Row]:
    """The rows of faults that can happen there, each with the fault that is sent."""
    return [row for row in _FAULTY.values() if row.fits(run.tags)]


def _at(run: Run, row: Row, number: int) -> Run:
    fault = FAULTS.get(row.name) or of(row.fault, run.tags)
    return Run(about(row, number, of(row.result, run.tags), fault), run.face, run.reader, run.mode)


def _with_tools(run: Run, number: int) -> Run:
    calls = (("add", {"a": number, "b": 7}),)
    asked = f"What is {number} plus 7?"
    row = Row(name="a call of a tool", asked=asked, tools=(add,), result=Expect(calls=calls, finish="tool_calls"))
    return Run(row, run.face, run.reader, run.mode)
