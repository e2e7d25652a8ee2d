"""Reads answers in the harmony format, whose marks some servers leave in the text.

Such an answer is a row of messages, each with a channel: `analysis` is reasoning, `final` the answer, and `commentary`
words for the user too. A message with a recipient is a call, if that is a tool that was offered. A mark that begins no
message, and the end of one behind which anything but a message follows, belong to the text, which may be about them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# Where one begins, which is what tells it from a text about such marks.
_BEGINS = ("<|channel|>analysis", "<|channel|>commentary", "<|channel|>final", "<|start|>assistant")
_NAME = r"\s*(?P<{0}>[\w.-]{{1,99}})?(?:\s+to=(?P<{0}_to>[\w.-]{{1,200}}))?(?:\s+\w{{1,32}})?\s*"
_HEADER = re.compile(
    rf"(?:<\|start\|>{_NAME.format('author')})?(?:<\|channel\|>{_NAME.format('channel')})?"
    r"(?:<\|constrain\|>\s*\w{1,32}\s*)?<\|message\|>"
)
_MAX_HEADER = 700  # characters that may be one, and blanks before it
_STARTS = ("<|start|>", "<|channel|>")
_ENDS = ("<|end|>", "<|return|>", "<|call|>")
_MARKS = (*_STARTS, *_ENDS)
_MARK = re.compile("|".join(map(re.escape, _MARKS)))
_LONGEST = max(map(len, _MARKS))
_NO_BLANK = re.compile(r"\S")


def may_begin(text: str) -> bool | None:
    """Whether an answer in this format begins so; None if the text is too short to tell."""
    if text.startswith(_BEGINS):
        return True
    return None if _begins_any(text, _BEGINS) else False


def _begins_any(text: str, marks: tuple[str, ...]) -> bool:
    """Whether a text is the beginning of one of these, and not all of it."""
    return any(mark.startswith(text) and mark != text for mark in marks)


class HarmonySplitter:
    """Splits such an answer, which arrives in pieces, into text, reasoning and `calls`, each a name and arguments.

    `names` are those of the tools that were offered, each with the one that it has for its caller.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.calls: list[tuple[str, str]] = []
        self._names = names
        self._held, self._at = "", 0
        self._read: Callable[[], bool] = self._read_header  # what is done next with the text that is held
        self._is_behind_end = False
        self._sink = "text"  # where the body goes: "text", "reasoning", the name of a tool
        self._arguments: list[str] = []
        self._out: dict[str, list[str]] = {"text": [], "reasoning": []}
        self._written: set[str] = set()

    def feed(self, text: str) -> tuple[str, str]:
        """The answer text and the reasoning that are certain now."""
        self._held += text
        while self._read():
            pass
        self._held, self._at = self._held[self._at :], 0
        return self._take()

    def flush(self) -> tuple[str, str]:
        """What is still held back when the text has ended."""
        if self._read == self._read_body or (self._sink == "text" and not self._is_behind_end):
            self._write(self._held)
        self._held = ""
        self._end_call()
        return self._take()

    def _take(self) -> tuple[str, str]:
        text, reasoning = ("".join(self._out[name]) for name in ("text", "reasoning"))
        self._out = {"text": [], "reasoning": []}
        return text, reasoning

    def _write_to(self, end: int) -> None:
        """Write what is held up to there to where the body goes."""
        self._write(self._held[self._at : end])
        self._at = end

    def _read_header(self) -> bool:
        held, at = self._held, self._at
        header = _HEADER.match(held, at)
        if header is not None:
            self._at = header.end()
            self._begin(header)
            self._read = self._read_body
            return True
        is_open = len(held) - at < _MAX_HEADER and held.find("<|message|>", at) < 0
        if is_open and (held.startswith(_STARTS, at) or _begins_any(held[at:], _STARTS)):
            return False
        mark = _MARK.match(held, at)
        self._read = self._read_body
        self._write_to(at if mark is None else mark.end())
        return True

    def _read_body(self) -> bool:
        held = self._held
        mark = _MARK.search(held, self._at)
        if mark is None:
            last = held.rfind("<", self._at)
            self._write_to(last if last >= 0 and _begins_any(held[last:], _MARKS) else len(held))
            return False
        self._write_to(mark.start())
        self._is_behind_end = mark[0] in _ENDS
        self._read = self._read_end if self._is_behind_end else self._read_header
        return True

    def _read_end(self) -> bool:
        held, end = self._held, self._held.index(">", self._at) + 1
        behind = _NO_BLANK.search(held, end, end + _MAX_HEADER)
        start = len(held) if behind is None else behind.start()
        if start - end < _MAX_HEADER and _begins_any(held[start : start + _LONGEST], _MARKS):
            return False
        if held.startswith(_MARKS, start):
            self._at = start
            self._end_call()
            self._read = self._read_header if held.startswith(_STARTS, start) else self._read_end
        else:
            self._write_to(end)
            self._read = self._read_body
        return True

    def _begin(self, header: re.Match[str]) -> None:
        self._end_call()
        recipient = header["channel_to"] or header["author_to"]
        name = None if recipient is None else self._names.get(recipient.removeprefix("functions."))
        if name is not None:
            self._sink, self._arguments = name, [""]
            return
        self._sink = "reasoning" if header["channel"] == "analysis" else "text"
        if self._sink in self._written:
            self._write("\n\n")
        if self._sink == "text" and (recipient is not None or header["author"] not in (None, "assistant")):
            self._write(header[0])  # what is for nobody here is not for us to leave out

    def _write(self, text: str) -> None:
        if self._arguments:
            self._arguments.append(text)
        elif text:
            self._out[self._sink].append(text)
            self._written.add(self._sink)

    def _end_call(self) -> None:
        if self._arguments:
            self.calls.append((self._sink, "".join(self._arguments).strip()))
            self._arguments, self._sink = [], "text"
