"""The jobs of the native interface: waiting their turn, being worked on, delivered once, or ended before that.

Nothing runs in the background. What a job is at a moment follows from when it began, how long it takes and who asked
for it since. Times are the emulator's own seconds, which may pass faster than real ones.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aki_transport.emulator.faults import Faults
from aki_transport.emulator.records import JobState, RecordedJob

WORKERS = 2
_MIDDLE = 0.5


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does: for how many seconds, what it reports when a part (0 to 1) is over, and what it delivers."""

    seconds: float
    # How far the work is (percent of a picture, tokens of a text), and what there is of it.
    report: Callable[[float], tuple[int, dict[str, Any]] | None]
    result: dict[str, Any]


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
        if self.began is None:
            return "queued"
        if self.part(now) < _MIDDLE:
            return "processing"
        return "lapsed" if self.faults.lapse else "canceled" if self.faults.job_cancel else "processing"

    def part(self, now: float) -> float:
        """How much of the work is over, from 0 to 1."""
        if self.began is None:
            return 0.0
        return max(0.0, min(1.0, (now - self.began) / self.seconds)) if self.seconds else 1.0

    def estimate(self) -> float:
        """The seconds until the result, as the last poll sees it; -1 where the job has ended."""
        return -1 if self.ended else round(self.seconds * (self.ahead / WORKERS + 1 - self.part(self.asked)), 1)


class Jobs:
    """All jobs of an emulator, whose seconds pass `speed` times as fast as those of the clock."""

    def __init__(self, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        if speed <= 0:
            raise ValueError(f"job_speed must be above 0, not {speed}.")
        self.speed = speed
        self._clock = clock
        self._jobs: dict[str, Job] = {}

    def _now(self) -> float:
        return self._clock() * self.speed

    def add(self, endpoint: str, work: Work, faults: Faults) -> Job:
        """A new job of an endpoint."""
        job = Job(len(self._jobs) + 1, endpoint, work, faults, self._now())
        self._jobs[job.id] = job
        return job

    def find(self, job_id: str, endpoint: str) -> Job | None:
        """The endpoint's job of this ID."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.endpoint == endpoint else None

    def poll(self, job: Job, *, cancel: bool = False, deliver: bool = True) -> tuple[JobState, dict[str, Any] | None]:
        """Its state, and its result once; `cancel` ends it unless it has ended, without `deliver` a result stays."""
        now = job.asked = self._now()
        state = job.state(now)
        job.polls += 1
        if state == "queued" and job.polls > 1:
            job.ahead -= 1
            job.began = None if job.ahead else now
            state = job.state(now)
        if cancel and state in ("queued", "processing"):
            job.cancelled = True
            state = "canceled"
        if state == "processing" and deliver and job.part(now) == 1:
            state = "done"
        result = job.work.result if state == "done" and job.ended is None else None
        if state not in ("queued", "processing"):
            job.ended = state
        return state, result

    def wait(self, job: Job) -> float | None:
        """The real seconds until a blocking call has the result; `None` if the job ends without one."""
        wait = job.seconds * job.ahead / WORKERS
        job.ahead = 0
        job.began = self._now() + wait
        return None if job.faults.lapse or job.faults.job_cancel else (wait + job.seconds) / self.speed

    def recorded(self) -> list[RecordedJob]:
        """All jobs so far, in order."""
        now, jobs = self._now(), list(self._jobs.values())
        return [RecordedJob(job.id, job.endpoint, job.state(now), job.polls, job.cancelled) for job in jobs]

    def clear(self) -> None:
        """Forget all jobs."""
        self._jobs.clear()
