"""What reached the emulator, and how often each fault struck."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived.

    Args:
        method: The HTTP method.
        path: The URL's path.
        headers: With names in small letters.
        query: The URL's parameters.
        body: The JSON body, or a form as a dict; None if there was none.
        raw: The body's bytes.
        request_id: The ID that the answer names.

    Example:
        >>> with Emulator() as service:
        ...     models = Client(base_url=service.openai_url, api_key=service.key).refresh_models()
        ...     service.requests[0].method, service.requests[0].path
        ('GET', '/v1/models')
    """

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
