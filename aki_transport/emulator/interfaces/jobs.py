"""The jobs of the native interface: waiting their turn, being worked on, delivered once, or ended before that.

Nothing runs in the background. What a job is at a moment follows from when it began, how long it takes and who asked
for it since. Times are the emulator's own seconds, which may pass faster than real ones.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aki_transport.emulator.faults import Faults
from aki_transport.emulator.records import JobState, RecordedJob

WORKERS = 2
# Seconds without a poll; the open server's limit is a setting of each endpoint, AKI.IO's is not known.
_IDLE = 600.0
_MIDDLE = 0.5

# How far the work is (percent of a picture, tokens of a text), and what there is of it.
Report = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does: for how many seconds, what it reports when a part (0 to 1) is over, and what it delivers."""

    seconds: float
    report: Callable[[float], Report | None]
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Poll:
    """A job as one poll sees it; an estimate of -1 is that of a job that has ended, the result is delivered once."""

    state: JobState
    position: int
    estimate: float
    report: Report | None
    result: dict[str, Any] | None


class Job:
    """One job. Its faults are those of the call that made it."""

    def __init__(self, number: int, endpoint: str, work: Work, faults: Faults, now: float) -> None:
        self.id = f"{uuid4()}#{number}"
        self.endpoint = endpoint
        self.work = work
        self.faults = faults
        self.polls = 0
        self.cancelled = False
        self.seconds = 0.0 if faults.fast else work.seconds if faults.job_seconds is None else faults.job_seconds
        self.ahead = faults.queue or 0
        self.created = self.asked = now
        self.began = None if self.ahead else now
        self.ended: JobState | None = None

    def state(self, now: float) -> JobState:
        """Its state; an end that nobody saw is one all the same."""
        if self.ended is not None:
            return self.ended
        if now - self.asked > _IDLE:
            return "lapsed"
        if self.began is None:
            return "queued"
        ends = "lapsed" if self.faults.lapse else "canceled" if self.faults.job_cancel else None
        return ends if ends and self.part(now) >= _MIDDLE else "processing"  # type: ignore[return-value]

    def part(self, now: float) -> float:
        """How much of the work is over, from 0 to 1."""
        if self.began is None:
            return 0.0
        return max(0.0, min(1.0, (now - self.began) / self.seconds)) if self.seconds else 1.0

    @property
    def total(self) -> float:
        """The seconds from the call to the result."""
        return self.seconds + (self.began or self.created) - self.created


class Jobs:
    """All jobs of an emulator, whose seconds pass `speed` times as fast as those of the clock.

    Changed by the server's thread, read by any other.
    """

    def __init__(self, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        if speed <= 0:
            raise ValueError(f"job_speed must be above 0, not {speed}.")
        self.speed = speed
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def _now(self) -> float:
        return self._clock() * self.speed

    def add(self, endpoint: str, work: Work, faults: Faults) -> Job:
        """A new job of an endpoint."""
        with self._lock:
            job = Job(len(self._jobs) + 1, endpoint, work, faults, self._now())
            self._jobs[job.id] = job
            return job

    def find(self, job_id: str, endpoint: str) -> Job | None:
        """The endpoint's job of this ID."""
        with self._lock:
            job = self._jobs.get(job_id)
            return job if job is not None and job.endpoint == endpoint else None

    def poll(self, job: Job, *, cancel: bool = False, deliver: bool = True) -> Poll:
        """Ask for a job; `cancel` ends it unless it has ended, `deliver` hands out a result that is ready."""
        with self._lock:
            now = self._now()
            state = job.state(now)
            job.asked = now
            job.polls += 1
            if cancel and state in ("queued", "processing"):
                job.cancelled = True
                state = "canceled"
            if state == "processing" and deliver and job.part(now) == 1:
                state = "done"
            result = job.work.result if state == "done" and job.ended is None else None
            if state not in ("queued", "processing"):
                job.ended = state
            left = job.seconds * (job.ahead / WORKERS + 1 - job.part(now))
            report = job.work.report(job.part(now)) if state in ("processing", "lapsed") else None
            poll = Poll(state, job.ahead, -1 if job.ended else round(left, 1), report, result)
            if state == "queued":
                job.ahead -= 1
                job.began = None if job.ahead else now
            return poll

    def wait(self, job: Job) -> float | None:
        """The real seconds until a blocking call has the result; `None` if the job ends without one."""
        with self._lock:
            wait = job.seconds * job.ahead / WORKERS
            job.ahead = 0
            job.began = self._now() + wait
            return None if job.faults.lapse or job.faults.job_cancel else (wait + job.seconds) / self.speed

    def deliver(self, job: Job) -> dict[str, Any]:
        """The result of a job whose time is over."""
        with self._lock:
            job.ended = "done"
            return job.work.result

    def recorded(self) -> list[RecordedJob]:
        """All jobs so far, in order."""
        with self._lock:
            now = self._now()
            jobs = self._jobs.values()
            return [RecordedJob(job.id, job.endpoint, job.state(now), job.polls, job.cancelled) for job in jobs]

    def clear(self) -> None:
        """Forget all jobs."""
        with self._lock:
            self._jobs.clear()
