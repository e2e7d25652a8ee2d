"""Keeps fields of an answer that have no name here: merges them over the pieces of a stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

# Fields that name something, and are repeated rather than continued.
_LABELS = frozenset({"type", "id", "index", "format", "role", "name", "object", "status", "provider"})
# Fields of text that is written on, so that equal pieces are no repetitions.
_TEXTS = frozenset({"text", "thinking", "reasoning", "summary", "data", "content", "transcript"})


def merged(values: list[Any], name: str = "") -> Any:
    """One value out of the pieces of the field `name`. Linear in their size.

    Texts are joined, unless they are labels or repetitions. Entries of lists with the same `index` and type are one
    entry; so are pieces of reasoning in a row, until one has its signature.
    """
    values = [value for value in values if value is not None]
    if len(values) < 2:  # noqa: PLR2004  nothing to merge
        return values[0] if values else None
    if all(isinstance(value, str) for value in values):
        if name in _LABELS:
            return next((value for value in reversed(values) if value), "")
        return values[0] if name not in _TEXTS and len(set(values)) == 1 else "".join(values)
    if all(isinstance(value, dict) for value in values):
        return merged_fields(values)
    if all(isinstance(value, list) for value in values):
        return [merged(_without_repetition(entry)) for entry in _entries(values)]
    return values[-1]


def merged_fields(pieces: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of one object, out of its pieces."""
    fields: defaultdict[str, list[Any]] = defaultdict(list)
    for piece in pieces:
        for name, value in piece.items():
            fields[name].append(value)
    return {name: merged(values, name) for name, values in fields.items()}


def _entries(lists: list[list[Any]]) -> list[list[Any]]:
    entries: list[list[Any]] = []
    by_index: dict[tuple[int, str | None], list[Any]] = {}
    for piece in (piece for pieces in lists for piece in pieces):
        index = piece.get("index") if isinstance(piece, dict) else None
        if isinstance(index, int):
            kind = piece.get("type")
            key = (index, None if kind is None else str(kind))
            known = by_index.get(key)
            if known is not None:
                known.append(piece)
                continue
            entries.append([piece])
            by_index[key] = by_index[index, None] = entries[-1]
        elif entries and _continues(entries[-1][-1], piece):
            entries[-1].append(piece)
        else:
            entries.append([piece])
    return entries


def _without_repetition(pieces: list[Any]) -> list[Any]:
    """The pieces of an entry without the text that LiteLLM repeats where a thought has its signature."""
    *before, last = pieces
    if not before or not isinstance(last, dict) or not last.get("signature"):
        return pieces
    repeated = [name for name in ("thinking", "text") if last.get(name) and last[name] == merged(before).get(name)]
    return [*before, {**last, **dict.fromkeys(repeated, "")}]


def _continues(last: Any, piece: Any) -> bool:
    """Whether this is the next piece of the same reasoning, which has no index."""
    if not isinstance(last, dict) or not isinstance(piece, dict) or last.get("signature"):
        return False
    is_reasoning = "thinking" in piece or str(piece.get("type")).startswith("reasoning.text")
    return is_reasoning and piece.get("type") == last.get("type") and piece.get("id") in (None, last.get("id"))
