"""How work grows with its size: by the CPU of this thread, one size against four times it, never by a clock."""

import gc
import time
from collections.abc import Callable

_TRIES = 5
_NOISE = 0.002  # seconds of CPU that anything may take


def grows_with_its_size(work: Callable[[int], object], size: int) -> None:
    """Four times as much may take ten times as long; where every piece looks at all before it, it takes sixteen times.

    Args:
        work: Does the work in a size.
        size: One of which sixteen times the work takes many milliseconds.
    """
    found = []
    for _ in range(_TRIES):
        small, large = _seconds(work, size), _seconds(work, 4 * size)
        if large < 10 * small + _NOISE:
            return
        found.append(large / small)
    raise AssertionError(f"four times the size took {min(found):.1f} times as long at best")


def _seconds(work: Callable[[int], object], size: int) -> float:
    gc.disable()  # what it costs grows with what other tests have left
    try:
        begun = time.thread_time()
        work(size)
        return time.thread_time() - begun
    finally:
        gc.enable()
