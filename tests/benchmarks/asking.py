"""What is asked and answered in every mode, known to the server and to the contenders."""

from __future__ import annotations

import re
from typing import NamedTuple

MODEL = "qwen3.6-35b"

WORDS = (" Europe", " hosts", " open", " models", ",", " and", " every", " token", " counts", ".")

ANSWER = "".join(WORDS[position % len(WORDS)] for position in range(200))
"""About 200 tokens."""

WAIT = 50
"""Milliseconds before an async answer, so that the calls of a batch are all under way at once."""

_WANTED = re.compile(r" in (\d+) pieces after (\d+) ms\.")


class Wanted(NamedTuple):
    """What a prompt tells the server: the pieces of a stream, and the milliseconds to wait before it."""

    pieces: int
    wait: int


def question(chunks: int, wait: int = 0) -> str:
    """The prompt that asks for a stream of that many pieces of text, or with 0 for a blocking answer."""
    return f"Who hosts open models in Europe, and what is counted there? Answer in {chunks} pieces after {wait} ms."


def wanted(prompt: str) -> Wanted:
    """What a prompt asks for."""
    found = _WANTED.search(prompt)
    return Wanted(int(found[1]), int(found[2])) if found else Wanted(0, 0)
