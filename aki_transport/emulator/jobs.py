"""All jobs of an emulator: what a poll finds, and whom a result is delivered to."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aki_transport.emulator.faults import Faults
from aki_transport.emulator.job import Job, Report, State, Work


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A job as tests see it.

    Args:
        id: Its ID.
        endpoint: Its endpoint's name.
        state: Its state; it is done when its result was delivered.
        polls: How often it was asked for.
        cancelled: Whether the client ended it.

    Example:
        >>> with Emulator() as service:
        ...     client = Client(protocol="native", base_url=service.native_url, api_key=service.key)
        ...     drawn = client.generate_image("a red lighthouse", size="256x256")
        ...     service.jobs[0].state
        'done'
    """

    id: str
    endpoint: str
    state: State
    polls: int
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A job as one poll sees it.

    Args:
        state: Its state.
        position: Its place in the queue; 0 when it is out of it.
        estimate: The seconds it will still take; -1 if it will not end.
        report: The worker's last report.
        result: The result, in the one poll that delivers it.
    """

    state: State
    position: int
    estimate: float
    report: Report | None
    result: dict[str, Any] | None


class Jobs:
    """All jobs of an emulator; changed by the server's thread, read by any other.

    Args:
        speed: How many of the emulator's seconds pass in a real one.
        clock: Real seconds.
    """

    def __init__(self, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        if speed <= 0:
            raise ValueError(f"job_speed must be above 0, not {speed}.")
        self._speed = speed
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._count = 0

    def add(self, endpoint: str, work: Work, faults: Faults) -> Job:
        """A new job of an endpoint."""
        with self._lock:
            self._count += 1
            job = Job(self._count, endpoint, work, faults, self._now())
            self._jobs[job.id] = job
            return job

    def find(self, job_id: str, endpoint: str) -> Job | None:
        """The endpoint's job of this ID."""
        with self._lock:
            job = self._jobs.get(job_id)
            return job if job is not None and job.endpoint == endpoint else None

    def poll(self, job: Job, *, cancel: bool = False, deliver: bool = True) -> Look:
        """Ask for a job.

        Args:
            job: The job.
            cancel: End it, unless it has ended already.
            deliver: Hand out a result that is ready.
        """
        with self._lock:
            now = self._now()
            state = job.ask(now)
            if cancel and state in ("queued", "processing"):
                job.cancelled = True
                state = "canceled"
                job.end(state)
            result = None
            if state == "processing" and deliver and job.part(now) == 1:
                state = "done"
                job.end(state)
                result = job.result
            alive = state in ("queued", "processing")
            report = job.report(now) if state in ("processing", "lapsed") else None
            look = Look(state, job.position, job.estimate(now) if alive else -1, report, result)
            if state == "queued":
                job.move_up(now)
            return look

    def wait(self, job: Job) -> float | None:
        """The real seconds until a blocking call has the result; `None` if the job ends without one."""
        with self._lock:
            needed = job.skip_queue(self._now())
            return None if job.faults.lapse or job.faults.job_cancel else self.real(needed)

    def deliver(self, job: Job) -> dict[str, Any]:
        """The result of a job whose time is over."""
        with self._lock:
            job.end("done")
            return job.result

    def real(self, seconds: float) -> float:
        """What these seconds of the emulator's take on a clock."""
        return seconds / self._speed

    def seen(self) -> list[JobSeen]:
        """All jobs so far, in order."""
        with self._lock:
            now = self._now()
            return [
                JobSeen(job.id, job.endpoint, job.state(now), job.polls, job.cancelled) for job in self._jobs.values()
            ]

    def clear(self) -> None:
        """Forget all jobs."""
        with self._lock:
            self._jobs.clear()

    def _now(self) -> float:
        return self._clock() * self._speed
