"""Calls that cost money are counted before they are sent."""

from __future__ import annotations


class OverBudgetError(Exception):
    """As many calls were made as had been agreed to."""


class Budget:
    """Counts calls.

    Args:
        calls: How many may be made.
    """

    def __init__(self, calls: int) -> None:
        self._left = calls

    def take(self, address: object) -> None:
        """One call more; none is sent that is too many."""
        if self._left <= 0:
            raise OverBudgetError(f"{address} is one call more than was agreed to; nothing was sent.")
        self._left -= 1
