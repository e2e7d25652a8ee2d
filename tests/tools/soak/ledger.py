"""What was asked and what came of it, beside what the service saw."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from tests.behaviour.running import Happened
from tests.tools.soak.questions import Asked, complaint

_KEPT = 20


class Ledger:
    """Filled by any thread. A question is forgotten once it was answered and seen as often as it may be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, Asked] = {}
        self._unseen: dict[int, range] = {}
        self._seen: Counter[int] = Counter()
        self.calls = 0
        self.by_name: Counter[str] = Counter()
        self.wrong = 0
        self.words: list[str] = []

    def begun(self, asked: Asked) -> None:
        """A question is about to be asked."""
        with self._lock:
            self.calls += 1
            self.by_name[asked.run.row.name] += 1
            self._waiting[asked.number] = asked

    def ended(self, asked: Asked, happened: Happened) -> None:
        """Something came of it."""
        words = complaint(asked, happened)
        with self._lock:
            del self._waiting[asked.number]
            self._unseen[asked.number] = asked.requests
            if words is not None:
                self.wrong += 1
                self.words = [*self.words, words][:_KEPT]

    def seen(self, counts: Mapping[int, int]) -> None:
        """The service tells what it saw since the last time."""
        with self._lock:
            self._seen.update(counts)
            for number in [each for each, right in self._unseen.items() if self._seen[each] == right[-1]]:
                del self._unseen[number]
                del self._seen[number]

    @property
    def lost(self) -> int:
        """Questions of which nothing came, or that reached the service less often than they must have."""
        with self._lock:
            return len(self._waiting) + sum(self._seen[number] < right[0] for number, right in self._unseen.items())

    @property
    def repeated(self) -> int:
        """Requests that the service should not have seen; those of a question that is still out are not judged."""
        with self._lock:
            known = {number: right[-1] for number, right in self._unseen.items()}
            return sum(
                max(count - known.get(number, 0), 0)
                for number, count in self._seen.items()
                if number not in self._waiting
            )
