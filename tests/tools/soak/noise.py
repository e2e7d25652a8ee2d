"""What goes wrong where no caller hears of it: in finalizers, threads and callbacks of the loop."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_KEPT = 20


@contextmanager
def heard() -> Iterator[list[str]]:
    """A list of what is said; warnings are errors meanwhile. To be entered within the loop."""
    said: list[str] = []

    def say(words: object) -> None:
        if len(said) < _KEPT:
            said.append(f"heard: {words}")

    def in_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        say(f"{context['message']}: {context.get('exception')!r}")

    kept, kept_of_threads = sys.unraisablehook, threading.excepthook
    sys.unraisablehook = lambda each: say(f"{each.err_msg or 'in'} {each.object!r}: {each.exc_value!r}")
    threading.excepthook = lambda each: say(f"{each.thread}: {each.exc_value!r}")
    asyncio.get_running_loop().set_exception_handler(in_loop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield said
    finally:
        sys.unraisablehook, threading.excepthook = kept, kept_of_threads
