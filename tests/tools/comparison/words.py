"""How a finding is worded, alike for every client."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

ANSWER = "an answer"
EMPTY = "an empty answer"
WHOLE = "taken for whole"
SHOWN = "shown"
LOST = "lost"
COUNTED = "counted"
NONE = "none"
UNKNOWN = "unknown"


def told(error: Exception) -> str:
    """The error's class, and whether it keeps what had arrived."""
    kept = ", with `partial_text`" if getattr(error, "partial_text", None) else ""
    return f"`{type(error).__name__}`{kept}"


def called(calls: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Tool calls as they would be written."""
    said = (f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})" for name, given in calls)
    return f"`{', '.join(said)}`"


def sent(answer: str) -> str:
    """Which key went out, by the answer that repeats it."""
    secret = os.environ["OPENAI_API_KEY"]
    return "`OPENAI_API_KEY` is sent" if answer == f"Bearer {secret}" else f"sent: {answer}"


def run_thrice(make: Callable[..., Any], once: Callable[[Any], object]) -> str:
    """What comes of it with the client's own number of repetitions, and what a repetition had to hide."""
    for _ in [model := make()] * 3:
        once(model)
    bare = make(max_retries=0)
    try:
        for _ in range(3):
            once(bare)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
        return f"answers; a retry hides {told(error)}"
    return "answers"
