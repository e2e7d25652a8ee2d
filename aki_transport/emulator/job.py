"""A job's life: waiting its turn, being worked on, delivered once, or ended before that.

Nothing runs in the background. What a job is at a moment follows from when it began, how long it takes and who asked
for it since. Times are the emulator's own seconds, which may pass faster than real ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from aki_transport.emulator.faults import Faults

State = Literal["queued", "processing", "done", "lapsed", "canceled"]

WORKERS = 2
# Seconds without a poll; the open server's limit is a setting of each endpoint, AKI.IO's is not known.
_IDLE = 600.0
_MIDDLE = 0.5


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells of a job it is at.

    Args:
        progress: How far it is; percent for images, tokens for text.
        data: What it has so far.
    """

    progress: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does for a job.

    Args:
        seconds: How long it takes.
        report: What it tells when so much of the time is over, from 0 to 1; `None` as long as it has told nothing.
        result: What it delivers; an `error` in it is the worker's failure.
    """

    seconds: float
    report: Callable[[float], Report | None]
    result: dict[str, Any]


class Job:
    """One job. Its faults are those of the call that made it."""

    def __init__(self, number: int, endpoint: str, work: Work, faults: Faults, now: float) -> None:
        self.id = f"{uuid4()}#{number}"
        self.endpoint = endpoint
        self.faults = faults
        self.polls = 0
        self.cancelled = False
        self.result = work.result
        self.seconds = 0.0 if faults.fast else work.seconds if faults.job_seconds is None else faults.job_seconds
        self._report = work.report
        self._ahead = faults.queue or 0
        self._created = self._asked = now
        self._began = now if self._ahead == 0 else None
        self._ended: State | None = None

    @property
    def position(self) -> int:
        """Its place in the queue; 0 when it is out of it."""
        return self._ahead

    def state(self, now: float) -> State:
        """Its state; an end that nobody saw is one all the same."""
        if self._ended is not None:
            return self._ended
        if now - self._asked > _IDLE:
            return "lapsed"
        if self._began is None:
            return "queued"
        if self.part(now) >= _MIDDLE:
            if self.faults.lapse:
                return "lapsed"
            if self.faults.job_cancel:
                return "canceled"
        return "processing"

    def part(self, now: float) -> float:
        """How much of the work is over, from 0 to 1."""
        if self._began is None:
            return 0.0
        return max(0.0, min(1.0, (now - self._began) / self.seconds)) if self.seconds else 1.0

    def report(self, now: float) -> Report | None:
        """The worker's last report."""
        return self._report(self.part(now))

    def estimate(self, now: float) -> float:
        """The seconds it will still take."""
        turns = self._ahead / WORKERS
        return round(self.seconds * (turns + 1 - self.part(now)), 1)

    def ask(self, now: float) -> State:
        """Ask for it, which keeps it from lapsing; the state it was found in."""
        state = self.state(now)
        if state in ("lapsed", "canceled"):
            self._ended = state
        self._asked = now
        self.polls += 1
        return state

    def move_up(self, now: float) -> None:
        """Come one place nearer to a worker; out of the queue, work begins."""
        self._ahead -= 1
        if self._ahead == 0:
            self._began = now

    def skip_queue(self, now: float) -> float:
        """Wait without being asked for, as a blocking call does; the seconds until the result."""
        wait = self.seconds * self._ahead / WORKERS
        self._ahead = 0
        self._began = now + wait
        return wait + self.seconds

    @property
    def total(self) -> float:
        """The seconds from the call to the result."""
        return self.seconds + (self._created if self._began is None else self._began) - self._created

    def end(self, state: State) -> None:
        """Stay in this state."""
        self._ended = state
