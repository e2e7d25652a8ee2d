"""Passages in a prompt: units of text that can be quoted as an answer, each with its source."""

import re
from dataclasses import dataclass

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
        line = _CONTENT.sub("", _TAG.sub(" ", line), count=1) if not self._open else _TAG.sub(" ", line)
        if not line.strip() or _RULE.match(line):
            self.flush()
            return
        if bullet := _BULLET.match(line):
            self.flush()
            line = line[bullet.end() :]
        self._open.append(line.strip())

    def flush(self) -> None:
        before: frozenset[str] = frozenset()
        for sentence in sentences(" ".join(self._open)):
            before = self._add(sentence, before=before)
        self._open = []

    def _label(self, label: str) -> None:
        metadata = _METADATA_SOURCE.search(label)
        label = metadata.group(1) if metadata else label.strip(" *`'\"")
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
            return
        first, *rest = cells
        named = [
            f"{column}: {cell}" if column else cell
            for column, cell in zip(self._columns[1:], rest, strict=False)
            if cell
        ]
        self._add(f"{first}: {'; '.join(named)}" if named else first)

    def _add(self, text: str, *, is_code: bool = False, before: frozenset[str] = frozenset()) -> frozenset[str]:
        plain = text if is_code else _LINK.sub(r"\1", _BOLD.sub(r"\1", text))
        words = frozenset(content(plain))
        if words:
            near = frozenset(content(self._heading)) | before
            self.found.append(Unit(plain, words, near - words, self._source, is_code))
        return words
