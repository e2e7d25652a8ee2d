"""What is asked and answered in every mode, known to the server and to the contenders."""

from __future__ import annotations

import re
from typing import NamedTuple

MODEL = "qwen3.6-35b"

NATIVE_MODEL = "gpt-oss-120b"
"""What the native wire is asked for: its endpoint is known, so that no list of endpoints has to be read."""

WORDS = (" Europe", " hosts", " open", " models", ",", " and", " every", " token", " counts", ".")

ANSWER = "".join(WORDS[position % len(WORDS)] for position in range(200))
"""About 200 tokens."""

WAIT = 50
"""Milliseconds before an async answer, so that the calls of a batch are all under way at once."""

ARGUMENT_PIECE = 20
"""Characters in each piece of a streamed tool call's arguments."""

IMAGE_PIECE = 1024
"""Bytes of the answer's body for each piece of a picture."""

_BEFORE, _BEHIND = '{"place": "Lisbon", "days": 3, "notes": "', '"}'
_WANTED = re.compile(r" in (\d+) pieces after (\d+) ms(?:, one every (\d+) ms)?\.")


class Wanted(NamedTuple):
    """What a prompt asks of the server.

    Args:
        pieces: Of a stream.
        wait: Milliseconds before the answer.
        every: Milliseconds from one piece to the next, each in a write of its own; 0 for 50 pieces a write, at once.
    """

    pieces: int = 0
    wait: int = 0
    every: int = 0


def question(chunks: int, wait: int = 0, every: int = 0) -> str:
    """The prompt that asks for a stream of that many pieces of text, or with 0 for a blocking answer."""
    pace = f", one every {every} ms" if every else ""
    return (
        f"Who hosts open models in Europe, and what is counted there? Answer in {chunks} pieces after {wait} ms{pace}."
    )


def wanted(prompt: str) -> Wanted:
    """What a prompt asks for."""
    found = _WANTED.search(prompt)
    return Wanted(*(int(number or 0) for number in found.groups())) if found else Wanted()


def notes(pieces: int) -> str:
    """What a tool call of that many pieces says as `notes`, or with 0 a blocking one."""
    length = pieces * ARGUMENT_PIECE - len(_BEFORE) - len(_BEHIND) if pieces else len(ANSWER)
    return (ANSWER * (length // len(ANSWER) + 1))[:length]


def arguments(pieces: int) -> list[str]:
    """The arguments of that tool call in its pieces, as JSON; with 0 as a single one."""
    written = f"{_BEFORE}{notes(pieces)}{_BEHIND}"
    step = ARGUMENT_PIECE if pieces else len(written)
    return [written[start : start + step] for start in range(0, len(written), step)]
