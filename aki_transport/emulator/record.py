"""What reached the emulator, and how often each fault struck."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: Any
    raw: bytes
    request_id: str


class Record:
    """Filled by the server's thread, read by any other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._struck: Counter[tuple[str, str]] = Counter()

    def add(self, seen: Seen) -> None:
        """Keep one request."""
        with self._lock:
            self._seen.append(seen)

    def seen(self) -> list[Seen]:
        """All requests so far, in order."""
        with self._lock:
            return list(self._seen)

    def strike(self, path: str, spec: str, times: int | None) -> bool:
        """Whether the fault of this wording still applies; each call uses up one of its times."""
        if times is None:
            return True
        with self._lock:
            self._struck[path, spec] += 1
            return self._struck[path, spec] <= times

    def clear(self) -> None:
        """Forget the requests and the faults' counters."""
        with self._lock:
            self._seen.clear()
            self._struck.clear()
