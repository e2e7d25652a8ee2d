"""What is asked and answered in every mode, known to the server and to the contenders."""

from __future__ import annotations

import re

MODEL = "qwen3.6-35b"

WORDS = (" Europe", " hosts", " open", " models", ",", " and", " every", " token", " counts", ".")

ANSWER = "".join(WORDS[position % len(WORDS)] for position in range(200))
"""About 200 tokens."""

_PIECES = re.compile(r" in (\d+) pieces\.")


def question(chunks: int) -> str:
    """The prompt; it also tells the server how many pieces of text to stream, 0 for a blocking answer."""
    return f"Who hosts open models in Europe, and what is counted there? Answer in {chunks} pieces."


def pieces_in(text: str) -> int:
    """How many pieces a prompt asks for."""
    found = _PIECES.search(text)
    return int(found[1]) if found else 0
