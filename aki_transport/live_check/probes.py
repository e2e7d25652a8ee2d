"""Questions to a service, and what their probes are made of: a request, and a look at its answer.

What is None in the body of a request is left out; further options are those of `Service.send`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from aki_transport.live_check.service import Service, ServiceAnswer

_SHOWN = 70  # characters of a value in the table


class Finding(NamedTuple):
    """What a service did: whether it is as assumed, and what it was."""

    as_assumed: bool
    detail: str


Probe: TypeAlias = Callable[[Service], Finding]
Look: TypeAlias = Callable[[ServiceAnswer], Finding]


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


def send(method: str, path: str, look: Look, **options: Any) -> Probe:
    """Look at the answer to one request."""
    return lambda service: look(service.send(method, path, **options))


def chat(look: Look, body: Mapping[str, Any] | None = None, **options: Any) -> Probe:
    """Look at the answer to a short chat with this in its body."""
    return lambda service: look(service.chat(body, **options))


def start(look: Look, body: Mapping[str, Any] | None = None, **options: Any) -> Probe:
    """Look at the answer that starts a job of the native interface."""
    return lambda service: look(service.start(body, **options))


def job(look: Look, body: Mapping[str, Any] | None = None, **options: Any) -> Probe:
    """Look at the last state of a job of the native interface, or at the refusal to start it."""

    def probe(service: Service) -> Finding:
        started = service.start(body, **options)
        return look(service.poll_until_done(started)[-1] if started.status == 200 else started)

    return probe


def answered(answer: ServiceAnswer) -> Finding:
    """The request was taken."""
    return Finding(answer.status == 200, "200, answered" if answer.status == 200 else answer.summary)


def refused(*statuses: int, naming: str = "") -> Look:
    """The request was refused with one of these statuses, and a text that has this in it."""
    return lambda answer: Finding(answer.status in statuses and naming in answer.text, answer.summary)


def value(
    read: Sequence[str | int] | Callable[[ServiceAnswer], Any], expected: Any, *, status: int | None = 200
) -> Look:
    """A value of the answer is as expected.

    Args:
        read: The path to it in the body, or a function that makes it of the answer.
        expected: The value, or a function that judges it; it gets None where there is no such value.
        status: The answer's status; None for any.
    """

    def look(answer: ServiceAnswer) -> Finding:
        shown = read(answer) if callable(read) else answer.at(*read)
        is_expected = expected(shown) if callable(expected) else shown == expected
        detail = answer.summary if shown is None else f"{answer.status}, {shown!r}"[:_SHOWN]
        return Finding(bool(is_expected) and status in (None, answer.status), detail)

    return look


def has(*names: str) -> Callable[[Any], bool]:
    """Judges whether a list or an object has all of these."""
    return lambda names_or_fields: set(names) <= set(names_or_fields or ())


def red_png(width: int, height: int) -> bytes:
    """A red picture of that size."""
    rows = b"".join(b"\x00" + b"\xff\x00\x00" * width for _ in range(height))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )
