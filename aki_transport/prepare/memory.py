"""Remembers which features services refused, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from aki_transport.messages import ChatRequest

REMEMBERED_FOR = 3600.0
"""Seconds after which what a service refused is tried again."""

clock = time.monotonic
"""Seconds of the clock by which that is measured; tests set another one."""

Change: TypeAlias = Callable[[ChatRequest], ChatRequest]
"""Makes the request in another form; gives it back unchanged where there is nothing to change."""

_refused: dict[tuple[str, str, str], tuple[float, Change]] = {}
"""What services refused, by base URL, model and name: until when, and the change that worked."""


def forget_refusals() -> None:
    """Forget everything that was refused, as if the process had just started."""
    _refused.clear()


@dataclass(frozen=True, slots=True)
class Memory:
    """What the service at one base URL refused, for each model: not sent again for an hour.

    All clients of the process share it.
    """

    base_url: str

    @property
    def is_empty(self) -> bool:
        """Whether nothing is remembered of any service, so that no feature need be looked up."""
        return not _refused

    def add(self, model: str, changes: Mapping[str, Change]) -> None:
        """Remember the changes after which the service took the request, each under the name of what was refused."""
        now = clock()
        for expired in [key for key, (until, _) in list(_refused.items()) if now >= until]:
            _refused.pop(expired, None)
        for name, change in changes.items():
            _refused.setdefault((self.base_url, model, name), (now + REMEMBERED_FOR, change))

    def discard(self, model: str, name: str) -> None:
        """Forget this."""
        _refused.pop((self.base_url, model, name), None)

    def change(self, model: str, name: str) -> Change | None:
        """The change that worked less than an hour ago; None if there is none."""
        until, change = _refused.get((self.base_url, model, name), (0.0, None))
        return change if clock() < until else None
