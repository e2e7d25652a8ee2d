"""A small real picture."""

from __future__ import annotations

from aki_transport.live_check.probes import red_png


def a_png(width: int = 8, height: int = 8) -> bytes:
    """A red PNG of that size."""
    return red_png(width, height)
