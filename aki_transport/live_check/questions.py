"""What is assumed of the services, each with the code that depends on it and the question that settles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from aki_transport.live_check.service import Service


class Finding(NamedTuple):
    """What a service did: whether it is as assumed, and what it was."""

    as_assumed: bool
    detail: str


Probe: TypeAlias = Callable[[Service], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One assumption.

    Args:
        interface: The interface, as `provider/protocol`.
        about: The topic, in a word or two.
        assumed: What the service is assumed to do.
        code: The files that depend on it.
        probe: Asks the service.
        calls: How many calls that takes at most.
    """

    interface: str
    about: str
    assumed: str
    code: tuple[str, ...]
    probe: Probe
    calls: int = 1


def all_questions() -> tuple[Question, ...]:
    """The questions that need no framework."""
    from aki_transport.live_check import anthropic, gateways, native, openai  # noqa: PLC0415  they need `Question`

    return (*openai.QUESTIONS, *anthropic.QUESTIONS, *native.QUESTIONS, *gateways.QUESTIONS)
