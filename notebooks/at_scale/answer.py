"""One answer, and who gives it: the async method of each framework's model, behind the same function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept of an answer."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int


Ask: TypeAlias = Callable[[Any, str], Awaitable[Answer]]
"""Asks a model one prompt."""
