"""Passages in a prompt: units of text that can be quoted as an answer, each with its source."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aki_transport.emulator.words import content, sentences

_LABEL = re.compile(
    r"\s*(?:\[(?P<bracket>[^\]\n]{1,80})\](?!\()|<(?:document|doc|source|passage|chunk|file)\b[^>\n]*?"
    r"(?:source|name|file|path|id|title)\s*=\s*[\"'](?P<attribute>[^\"'\n]+)[\"'][^>\n]*>"
    r"|(?:source|file|document|datei|quelle)(?:\s*\d+)?\s*[:=]\s*(?P<source>[^\n]{1,200}?)\s*$"
    r"|(?:-{3,}|={3,}|\#{1,6})\s*(?P<file>[\w./-]+\.[A-Za-z]\w{1,4})\s*[-=\#]*\s*$)[:\s]*",
    re.IGNORECASE,
)
_METADATA_SOURCE = re.compile(r"['\"]source['\"]\s*:\s*['\"]([^'\"]+)['\"]")
_CONTENT = re.compile(r"\s*(?:page_?content|content|text|passage|context|excerpt)\s*[:=]\s*", re.IGNORECASE)
_TAG = re.compile(
    r"\s*</?(?:context|documents?|doc|source|passages?|chunks?|file|content|page_content|text|excerpts?)\b[^>\n]*>\s*"
)
_HEADING = re.compile(r"\s*#{1,6}\s+(.+?)\s*#*\s*$")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_RULE = re.compile(r"\s*(?:-{3,}|={3,}|\*{3,})\s*$")
_ROW = re.compile(r"\s*\|(.+)\|\s*$")
_TABLE_RULE = re.compile(r"[\s|:-]+$")
_BULLET = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ x]\]\s+)?")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_MARKED = re.compile(r"([*`'\"]+)([^*`'\"]+)\1")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\([^)\s]+\)")


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, a row of a table or a line of code."""

    text: str
    words: frozenset[str]
    # The words of the heading above it and of the sentence before it in its paragraph.
    near: frozenset[str]
    source: str | None
    is_code: bool = False
    # The sentence before it in its paragraph.
    before: str = ""
    # A row of a table: the table's number from 1 on, the first cell, and the others by their columns.
    table: int = 0
    subject: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)


def units(text: str) -> list[Unit]:
    """The units of Markdown or plain text, in order."""
    reader = _Reader()
    for line in text.splitlines():
        reader.line(line)
    reader.flush()
    return reader.found


class _Reader:
    """Reads line by line; holds the paragraph that is still open."""

    def __init__(self) -> None:
        self.found: list[Unit] = []
        self._source: str | None = None
        self._heading = ""
        self._open: list[str] = []
        self._in_code = False
        self._columns: list[str] | None = None
        self._tables = 0

    def line(self, line: str) -> None:
        if _FENCE.match(line):
            self.flush()
            self._in_code = not self._in_code
            return
        if self._in_code:
            if line.strip():
                self._add(line.strip(), is_code=True)
            return
        if label := _LABEL.match(line):
            self.flush()
            self._label(next(filter(None, label.groups())))
            self.line(line[label.end() :])
            return
        if row := _ROW.match(line):
            self._row([cell.strip() for cell in re.split(r"(?<!\\)\|", row.group(1))])
            return
        self._columns = None
        if heading := _HEADING.match(line):
            self.flush()
            self._heading = heading.group(1)
            return
        line = _TAG.sub(" ", line)
        if not self._open and (begun := _CONTENT.match(line)):
            line = line[begun.end() :]
        if not line.strip() or _RULE.match(line):
            self.flush()
            return
        if bullet := _BULLET.match(line):
            self.flush()
            line = line[bullet.end() :]
        self._open.append(line.strip())

    def flush(self) -> None:
        before = ""
        for sentence in sentences(" ".join(self._open)):
            self._add(sentence, before=before)
            before = sentence
        self._open = []

    def _label(self, label: str) -> None:
        metadata = _METADATA_SOURCE.search(label)
        label = metadata.group(1) if metadata else _unquoted(label.strip())
        # A new passage begins under no heading; `[1] [a.md]` keeps the name.
        if not (label.isdigit() and self._source and not self.found):
            self._source = label
        self._heading = ""

    def _row(self, cells: list[str]) -> None:
        self.flush()
        if all(_TABLE_RULE.match(cell) or not cell for cell in cells):
            return
        if self._columns is None:
            self._columns = cells
            self._tables += 1
            return
        first, *rest = cells
        known = {column: cell for column, cell in zip(self._columns[1:], rest, strict=False) if cell}
        named = [f"{column}: {cell}" if column and len(known) > 1 else cell for column, cell in known.items()]
        text = f"{first}: {'; '.join(named)}" if named else first
        self._add(text, above=" ".join(known), table=self._tables, subject=_plain(first), cells=known)

    def _add(self, text: str, *, is_code: bool = False, before: str = "", above: str = "", **row: Any) -> None:
        text = text if is_code else _plain(text)
        if words := frozenset(content(text)):
            near = frozenset(content(f"{self._heading} {above} {before}")) - words
            self.found.append(Unit(text, words, near, self._source, is_code, _plain(before), **row))


def _unquoted(label: str) -> str:
    marked = _MARKED.fullmatch(label)
    return marked.group(2) if marked else label


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", _BOLD.sub(r"\1", text))
