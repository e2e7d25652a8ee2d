"""Counting tokens, cutting at a number of them, and the pieces a stream is made of."""

import re
from collections.abc import Iterator

# Lossless: the pieces of a text joined are the text. About 1.3 of them per English word, as real tokenizers have.
_PIECE = re.compile(r"\s*[^\W_]{1,6}|\s*[^\w\s]|\s*_|\s+")


def pieces(text: str) -> list[str]:
    """The text as its tokens."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """How many tokens the text has."""
    return sum(1 for _ in _PIECE.finditer(text))


def cut(text: str, limit: int) -> str:
    """The text's first tokens."""
    return "".join(pieces(text)[:limit])


def groups(text: str, size: int) -> Iterator[str]:
    """The text in deltas of so many tokens."""
    parts = pieces(text)
    for start in range(0, len(parts), size):
        yield "".join(parts[start : start + size])
