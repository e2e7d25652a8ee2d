"""The rows of a table that hold the most or the least of something."""

import re
from itertools import groupby

from aki_transport.emulator.facts import Number, number
from aki_transport.emulator.passages import Unit
from aki_transport.emulator.words import content

_MOST = re.compile(r"\b(?:larg|bigg|high|long|great|new|lat)est\b|\bmost\b", re.IGNORECASE)
_LEAST = re.compile(r"\b(?:small|low|short|few|cheap|fast)est\b|\bleast\b", re.IGNORECASE)
_AMOUNT = re.compile(r"\W*(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)")
_ROWS_AT_LEAST = 2


def extreme(question: str, known: list[Unit]) -> str | None:
    """The names of the rows with the most or the least in the column that is asked for, with their source."""
    word = _MOST.search(question) or _LEAST.search(question)
    if word is None:
        return None
    asked = set(content(question))
    best: tuple[int, str] | None = None
    for _, rows in groupby((unit for unit in known if unit.table), key=lambda unit: unit.table):
        table = list(rows)
        for column in dict.fromkeys(name for unit in table for name in unit.cells):
            named = set(content(column))
            amounts = [(amount, unit) for unit in table if (amount := _amount(unit.cells.get(column, ""))) is not None]
            if not named or not named <= asked or len(amounts) < _ROWS_AT_LEAST:
                continue
            if best is None or len(named) > best[0]:
                best = (len(named), _told(word.group().lower(), column, amounts))
    return best[1] if best else None


def _amount(cell: str) -> Number | None:
    found = _AMOUNT.match(cell)
    return number(found.group(1)) if found else None


def _told(word: str, column: str, amounts: list[tuple[Number, Unit]]) -> str:
    pick = max if _MOST.match(word) else min
    extremest = pick(amount for amount, _ in amounts)
    rows = [unit for amount, unit in amounts if amount == extremest]
    cell = rows[0].cells[column]
    *others, last = [unit.subject for unit in rows]
    who = f"{', '.join(others)} and {last}" if others else last
    have = "have" if others else "has"
    source = f" [{rows[0].source}]" if rows[0].source else ""
    return f"{who} {have} the {word} {column}: {cell}.{source}"
