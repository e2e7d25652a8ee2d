"""What is assumed of the services, each with the code that leans on it and the question that settles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.tools.live.service import Service


class Seen(NamedTuple):
    """What a service did: whether it is as assumed, and in words."""

    as_assumed: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One assumption.

    Args:
        place: The interface, as `provider/protocol`.
        about: What it is about, in a word or two.
        assumed: What we think the service does.
        code: The files that lean on it.
        ask: Asks the service.
        calls: How many calls that takes at most.
    """

    place: str
    about: str
    assumed: str
    code: tuple[str, ...]
    ask: Callable[[Service], Seen]
    calls: int = 1


def all_rows() -> tuple[Row, ...]:
    """The whole table."""
    from tests.tools.live import about_anthropic, about_gateways, about_native, about_openai  # noqa: PLC0415  they need `Row`

    return (*about_openai.ROWS, *about_anthropic.ROWS, *about_native.ROWS, *about_gateways.ROWS)
