"""The emulator in a process of its own, which counts what it is asked and keeps none of it.

`python -m tests.tools.soak.server` writes a line of JSON that says where it serves, another one for each line that it
reads: how many requests came since the last, by the number of their question; and ends when its standard input does.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from threading import Lock

from aki_transport.emulator import Emulator, RecordedRequest
from tests.tools.soak.numbers import NUMBER

ADDRESSES = ("openai_url", "anthropic_url", "native_url", "key")
_CALLS = ("/chat/completions", "/v1/messages", "/api/call/")


class Tally(list[RecordedRequest]):
    """Counts the requests of each question."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def append(self, seen: RecordedRequest) -> None:
        """Count one request; looks at a job are none."""
        number = NUMBER.search(seen.raw)
        if number is not None and any(part in seen.path for part in _CALLS):
            with self._lock:
                self._counts[number.group().decode()] += 1

    def taken(self) -> dict[str, int]:
        """What was counted since the last time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return counts


def many_descriptors() -> None:
    """Let this process open as many files and sockets as it may at most."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Serve until standard input ends."""
    many_descriptors()
    emulator, tally = Emulator(), Tally()
    emulator._application.requests = tally
    with emulator:
        _say({name: getattr(emulator, name) for name in ADDRESSES})
        for _ in sys.stdin:
            # One that nobody asked for is one whose ID was lost on its way: who started it cannot cancel it.
            at_work = sum(job.state in ("queued", "processing") and job.polls > 0 for job in emulator.jobs)
            _say({"counts": tally.taken(), "jobs": at_work, "cpu": time.process_time()})


def _say(words: dict[str, object]) -> None:
    sys.stdout.write(f"{json.dumps(words)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
