"""What arrives, piece by piece."""

from __future__ import annotations

from typing import NamedTuple


class Payload(NamedTuple):
    """One message of the service: an event of a stream, or a whole body under the name `"body"`."""

    event: str
    data: str | bytes

    def __repr__(self) -> str:
        # Shown by tools that print the variables of a traceback; a service may have echoed the key in the data.
        return f"Payload({self.event!r}, {len(self.data)} long)"
