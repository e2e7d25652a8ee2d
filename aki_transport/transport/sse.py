"""Server-sent events out of bytes. Pure: bytes in, events out, however the bytes are cut."""

from __future__ import annotations

import codecs

from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import is_json
from aki_transport.transport.decoder import Payload

MAX_EVENT = 16 * 2**20  # characters that one event may have
OUTSIDE = "outside"  # the name of an event that is made of lines at the end of a stream which are no fields
_MAX_OUTSIDE = 20  # lines of it
_SHOWN = 4096  # characters that an error is made of; its message keeps fewer


class EventDecoder:
    """Reads one stream of events.

    It follows the WHATWG's rules: lines end with CR, LF or CRLF; a line that begins with a colon is a comment; several
    `data` lines are joined by LF; an event without data is none. `id` and `retry` are of no use here. A last event
    without the empty line behind it counts, for some services leave that line out. Beyond the rules, an error counts as
    an event if it stands in a field `error`, as llama.cpp sent it until 2025, and so does an object in no field, as
    Lemonade sends its errors, in one line or several.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._after_cr = False  # a LF that comes next belongs to the line end before it
        self._line: list[str] = []  # the pieces of a line that has not ended yet
        self._event = ""
        self._data: list[str] = []
        self._event_size = 0
        self.start = ""
        """The beginning of a stream that has had no event yet."""
        self._has_events = False
        self._outside: list[str] = []  # lines behind the last event that are none of its fields
        self._is_bare = False  # whether the data stands in no field

    def feed(self, chunk: bytes) -> list[Payload]:
        """The events that end in this chunk; `InvalidResponseError` if one is larger than is taken."""
        text = self._decode(chunk)
        if not self._has_events:
            self.start += text[: _SHOWN - len(self.start)]
        return self._read(text)

    def end(self) -> list[Payload]:
        """The event that the end of the stream ends, if there is one."""
        events = self._read(self._decode(b"", final=True) + "\n\n")
        if self._outside and self._has_events:
            events.append(Payload(OUTSIDE, "\n".join(self._outside)))
        return events

    def _read(self, text: str) -> list[Payload]:
        if self._after_cr and text:
            text = text.removeprefix("\n")
            self._after_cr = False
        if "\r" in text:
            self._after_cr = text.endswith("\r")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        first, *lines = text.split("\n")
        self._line.append(first)
        self._count(len(first))
        events: list[Payload] = []
        for line in lines:
            ended = self._line[0] if len(self._line) == 1 else "".join(self._line)
            if ended:
                self._take(ended, events)
            else:
                self._dispatch(events)
            self._line = [line]
            if line:
                self._count(len(line))
        return events

    def _count(self, size: int) -> None:
        self._event_size += size
        if self._event_size > MAX_EVENT:
            raise InvalidResponseError(f"an event is larger than {MAX_EVENT // 2**20} MB; reading stopped there")

    def _take(self, line: str, events: list[Payload]) -> None:
        name, _, value = line.partition(":")
        if name == "data":
            if (
                self._data
                and self._data[-1][:1] == "{"
                and value.lstrip()[:1] in ("{", "[")
                and is_json(self._data[-1])
            ):
                self._dispatch(events)  # some services leave out the empty line between events
            self._data.append(value.removeprefix(" "))
        elif name == "event":
            self._event = value.removeprefix(" ")
        elif name == "error":
            self._event = "error"
            self._data.append(value.removeprefix(" "))
        elif line[0] == "{" or self._is_bare:
            if line[0] == "{" and self._is_bare and self._data[-1].endswith("}"):
                self._dispatch(events)
            self._is_bare = True
            self._data.append(line)
        elif line[0] == "<" or " " in name.strip():  # a page, or a sentence
            self._outside = [*self._outside, line][-_MAX_OUTSIDE:]

    def _dispatch(self, events: list[Payload]) -> None:
        data = self._data[0] if len(self._data) == 1 else "\n".join(self._data)
        if data:
            events.append(Payload(self._event or "message", data))
            self._has_events, self.start, self._outside = True, "", []
        self._event, self._data, self._event_size, self._is_bare = "", [], 0, False
