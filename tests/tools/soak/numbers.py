"""The numbers by which both sides know a question. Imports nothing, so that the service's process starts at once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

STEP = 100
"""From one question's number to the next, so that the numbers of one answer are in no other."""

NUMBER = re.compile(rb"\b[1-9]\d{7}\b")
_FIRST = 10_000_000


def numbers() -> Iterator[int]:
    """One for each question; any thread may take the next."""
    return itertools.count(_FIRST, STEP)
