"""Finds the end of an HTTP/1.1 answer in the bytes of its connection.

httpx keeps bytes behind an answer and reads them as the next one. Whoever owns the connection closes it if such bytes
came, and for that has to know where the answer ended.
"""

from __future__ import annotations

import re
from typing import Literal

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d{1,20})")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding:[^\r\n]*chunked")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,20})[^\r\n]*\r?\n")
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})")
_LONGEST_LINE = 2**17  # bytes; httpx itself refuses longer heads

_State = Literal["head", "length", "chunks", "trailers", "end", "unknown"]


class AnswerFraming:
    """Follows the bytes of one answer. Anything it cannot read counts as an answer whose end is unknown."""

    __slots__ = ("_buffer", "_left", "_searched", "_state")

    def __init__(self) -> None:
        self._state: _State = "head"
        self._buffer = b""
        self._left = 0  # bytes of the body, or of the chunk with its line end, that are still to come
        self._searched = 0  # bytes of the buffer that hold no end of a head, nor the beginning of one

    @property
    def ended_exactly(self) -> bool:
        """Whether the answer has ended, and no byte came behind it."""
        return self._state in ("length", "end") and self._left == 0 and not self._buffer

    def feed(self, data: bytes) -> None:
        """Take the bytes of one read."""
        if self._state == "length" or (self._state == "chunks" and len(data) < self._left):
            self._left -= len(data)
        elif self._state != "unknown":
            self._buffer += data
            self._advance()

    def _advance(self) -> None:
        if self._state == "head":
            self._read_head()
        if self._state == "chunks":
            self._read_chunks()
        if self._state == "trailers":
            self._read_trailers()
        if len(self._buffer) > _LONGEST_LINE:
            self._state, self._buffer = "unknown", b""

    def _read_head(self) -> None:
        while (end := self._head_end()) is not None:
            head, self._buffer = self._buffer[: end.start() + 1], self._buffer[end.end() :]
            status = _STATUS.match(head)
            if status is None or status[1] == b"101":
                self._state = "unknown"
                return
            if status[1].startswith(b"1"):
                continue  # an interim answer; the real one follows
            length = _LENGTH.search(head)
            if status[1] in (b"204", b"304"):
                self._state = "end"
            elif _CHUNKED.search(head):
                self._state = "chunks"
            elif length is not None:
                self._state, self._left = "length", int(length[1]) - len(self._buffer)
                self._buffer = b""
            else:
                self._state = "unknown"  # the answer ends with its connection
            return

    def _read_chunks(self) -> None:
        buffer, position = self._buffer, 0
        while True:
            if self._left > len(buffer) - position:
                self._left -= len(buffer) - position
                self._buffer = b""
                return
            position += self._left
            self._left = 0
            size = _CHUNK_SIZE.match(buffer, position)
            if size is None:
                self._buffer = buffer[position:]
                return
            position = size.end()
            self._left = int(size[1], 16)
            if self._left == 0:
                self._state, self._buffer = "trailers", buffer[position:]
                return
            self._left += 2  # the line end behind the chunk

    def _read_trailers(self) -> None:
        if self._buffer.startswith(b"\r\n"):
            self._state, self._buffer = "end", self._buffer[2:]
        elif (end := self._head_end()) is not None:
            self._state, self._buffer = "end", self._buffer[end.end() :]

    def _head_end(self) -> re.Match[bytes] | None:
        """The end of the headers that the buffer begins with, if it is there."""
        end = _HEAD_END.search(self._buffer, self._searched)
        self._searched = max(len(self._buffer) - 3, 0) if end is None else 0
        return end
