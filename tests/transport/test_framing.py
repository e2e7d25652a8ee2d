"""The end of an answer, found in any bytes that are cut anywhere; h11, which httpx reads with, is the witness."""

from __future__ import annotations

import re
from itertools import pairwise

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aki_transport.transport import framing as framing_module
from aki_transport.transport.framing import AnswerFraming
from tests.transport.raw_server import CHUNKED, GOOD, HEAD

more = settings(max_examples=80, deadline=None)


def ended_exactly(pieces: list[bytes]) -> bool:
    framing = AnswerFraming()
    for piece in pieces:
        framing.feed(piece)
    return framing.ended_exactly


def ended_exactly_by_h11(data: bytes) -> bool:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=100 * 1024)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    try:
        while type(event := connection.next_event()) is not h11.EndOfMessage:
            if event in (h11.NEED_DATA, h11.PAUSED):
                return False
    except h11.RemoteProtocolError:
        return False
    return connection.trailing_data == (b"", False)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(at % (len(data) + 1) for at in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


cuts = st.lists(st.integers(0, 10**6), max_size=12)
word = st.text(st.sampled_from("abcxyz-"), min_size=1, max_size=8).map(str.encode)
# Whatever may stand in a header, and what looks like the end of one in a body.
value = st.sampled_from([b"", b"a", b"chunked", b"content-length: 5", b"a" * 200, b"a\r\n b", b"\xc3\xbc"])
headers = st.lists(st.builds(b"x-%b: %b\r\n".__mod__, st.tuples(word, value)), max_size=4).map(b"".join)
body = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"data: a\n\n", b"HTTP/1.1 200 OK"]), max_size=4).map(
        b"".join
    ),
)
interim = st.lists(
    st.builds(b"HTTP/1.1 %b E\r\n%b\r\n".__mod__, st.tuples(st.sampled_from([b"100", b"102", b"103"]), headers)),
    max_size=2,
).map(b"".join)
status = st.sampled_from([b"200 OK", b"200", b"404 Not Found", b"500 Oh no"])


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    """A body in chunks, with extensions and trailers."""
    data = b""
    for part in draw(st.lists(body.filter(bool), max_size=4)):
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"0000%X"])) % len(part)
        extension = draw(st.sampled_from([b"", b"", b";a=b", b";a", b'; a="b c"']))
        data += size + extension + b"\r\n" + part + b"\r\n"
    return data + draw(st.sampled_from([b"0", b"000", b"0;end"])) + b"\r\n" + draw(headers) + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An answer from its status line to its last byte."""
    name = draw(st.sampled_from([b"%b: %b", b"%b:%b", b"%b: \t%b  "]))
    match draw(st.integers(0, 3)):
        case 0:
            length, content = (
                draw(st.sampled_from([b"content-length", b"Content-Length", b"CONTENT-LENGTH"])),
                draw(body),
            )
            framing = name % (length, b"%d" % len(content))
        case 1:
            content = draw(chunked())
            framing = name % (b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"])))
        case 2:  # both: the chunks count
            content = draw(chunked())
            framing = b"content-length: 3\r\ntransfer-encoding: chunked"
        case _:
            first = b"HTTP/1.1 %b E\r\n" % draw(st.sampled_from([b"204", b"304"]))
            return (
                draw(interim) + first + draw(st.sampled_from([b"", b"content-length: 7\r\n"])) + draw(headers) + b"\r\n"
            )
    first = b"HTTP/1.1 %b\r\n" % draw(status)
    return draw(interim) + first + draw(headers) + framing + b"\r\n" + draw(headers) + b"\r\n" + content


@more
@given(answers(), cuts)
def test_an_answer_ends_exactly_with_its_last_byte(answer: bytes, at: list[int]) -> None:
    assert ended_exactly_by_h11(answer)
    assert ended_exactly(cut(answer, at))
    assert not ended_exactly(cut(answer[:-1], at))


@more
@given(answers(), st.one_of(st.binary(min_size=1, max_size=20), st.sampled_from([b"\r\n", b"0\r\n\r\n", GOOD])), cuts)
def test_any_byte_behind_it_is_seen(answer: bytes, extra: bytes, at: list[int]) -> None:
    assert not ended_exactly(cut(answer + extra, at))
    assert not ended_exactly([*cut(answer, at), extra])


@more
@given(answers(), st.integers(0, 10**6), st.binary(max_size=3), st.integers(0, 4), cuts)
@example(HEAD + b"\r\nok", 0, b"", 0, [])
@example(b"HTTP/1.1 101 Switching\r\n\r\n", 0, b"", 0, [])
@example(CHUNKED + b"-5\r\nok\r\n0\r\n\r\n", 0, b"", 0, [])
@example(CHUNKED + b"zz\r\nok\r\n0\r\n\r\n", 0, b"", 0, [])
def test_where_bytes_are_broken_no_end_is_seen_that_httpx_does_not_see(
    answer: bytes, where: int, put: bytes, removed: int, at: list[int]
) -> None:
    where %= len(answer) + 1
    broken = answer[:where] + put + answer[where + removed :]
    if ended_exactly(cut(broken, at)):
        assert ended_exactly_by_h11(broken) or fails_in_h11(broken)


def fails_in_h11(data: bytes) -> bool:
    """Whether httpx raises, and so closes the connection."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    try:
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if type(event) is h11.EndOfMessage:
                return False
    except h11.RemoteProtocolError:
        return True
    return False


class CountingPattern:
    """Stands in for a pattern, and counts the bytes that it is searched for in."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern
        self.searched = 0

    def search(self, data: bytes, start: int = 0) -> re.Match[bytes] | None:
        self.searched += len(data) - start
        return self._pattern.search(data, start)


@pytest.mark.parametrize(
    "data",
    [HEAD + b"x: " + b"a" * 50_000, HEAD + b"x:y\n" * 10_000, CHUNKED + b"0\r\n" + b"x:y\n" * 10_000],
    ids=["one header", "many headers", "many trailers"],
)
def test_headers_that_come_byte_by_byte_are_searched_once(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = CountingPattern(framing_module._HEAD_END)
    monkeypatch.setattr(framing_module, "_HEAD_END", counting)
    ended_exactly([data[at : at + 1] for at in range(len(data))])
    assert len(data) < counting.searched < 5 * len(data)
