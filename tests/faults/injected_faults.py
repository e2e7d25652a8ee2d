"""What can be wrong with an answer: each function makes it from the right one."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from functools import cache

from tests.faults.places import FIRST
from tests.script_server import Answer, End, text_answer

MB = 2**20
DEEP = 100_000
NESTED = b"[" * DEEP + b"]" * DEEP
_STREAM = "text/event-stream"
_TEXT = re.compile(rb'("(?:text|content)": ?)"')


def is_stream(answer: Answer) -> bool:
    """Whether it is one of events."""
    return answer.headers.get("content-type") == _STREAM


def late(answer: Answer) -> Answer:
    """The headers come late, but in time."""
    return replace(answer, delay=0.05)


def silent(answer: Answer) -> Answer:  # noqa: ARG001  nothing of it is said
    """The headers never come."""
    return Answer(end="hang")


def dripping_headers(answer: Answer) -> Answer:  # noqa: ARG001  nothing of it is said
    """There is always one more header."""
    return Answer(raw=True, chunks=(b"HTTP/1.1 200 OK\r\n", *(b"x-%d: y\r\n" % n for n in range(200))), chunk_delay=0.1)


def slow(answer: Answer) -> Answer:
    """The body comes slowly."""
    return replace(_in_pieces(answer), chunk_delay=0.02)


def dripping(answer: Answer) -> Answer:
    """The body never ends, though something comes all the time."""
    if is_stream(answer):
        chunks = (*_begun(answer), *(b": still here\n\n" for _ in range(200)))
    else:
        chunks = (_body(answer)[:-1], *(b" " for _ in range(200)))
    return replace(answer, chunks=chunks, chunked=True, chunk_delay=0.1)


def stalled(answer: Answer) -> Answer:
    """The body stops coming in its middle, and the connection stays."""
    return _broken(answer, "hang")


def reset_at_once(answer: Answer) -> Answer:  # noqa: ARG001  nothing of it is said
    """The connection is reset before the headers."""
    return Answer(end="reset")


def closed_at_once(answer: Answer) -> Answer:  # noqa: ARG001  nothing of it is said
    """The connection is closed before the headers."""
    return Answer(end="cut")


def reset_after_headers(answer: Answer) -> Answer:
    """The connection is reset before the body."""
    return replace(answer, chunks=(b"",), end="reset")


def reset(answer: Answer) -> Answer:
    """The connection is reset in the middle of the body."""
    return _broken(answer, "reset")


def truncated(answer: Answer) -> Answer:
    """The connection is closed in the middle of the body."""
    return _broken(answer, "cut")


def too_long_a_length(answer: Answer) -> Answer:
    """All of the body comes, but more was promised."""
    return _promising(answer, 100)


def too_short_a_length(answer: Answer) -> Answer:
    """More of the body comes than was promised."""
    body = _body(answer)
    kept = len(b"".join(_begun(answer))) if is_stream(answer) else len(body) // 2
    whole = _raw(replace(answer, headers={**answer.headers, "connection": "close"}), kept - len(body))
    return replace(whole, chunks=(whole.chunks[0] + body[:kept], body[kept:]), chunk_delay=0.1, end="close")


def continued(answer: Answer) -> Answer:
    """The body is said to be awaited, though it was sent already."""
    return _after(b"HTTP/1.1 100 Continue\r\n\r\n", answer)


def hinted(answer: Answer) -> Answer:
    """Other statuses come first."""
    first = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
    return _after(first, answer)


def switching(answer: Answer) -> Answer:  # noqa: ARG001  nothing of it is said
    """The service changes to another protocol."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    return Answer(raw=True, chunks=(head + b"\0\0\x12\4\0",))


def without_content(answer: Answer) -> Answer:  # noqa: ARG001  nothing of it is said
    """The service says that there is no content."""
    return Answer(raw=True, chunks=(b"HTTP/1.1 204 No Content\r\n\r\n",), end="keep-alive")


def elsewhere(answer: Answer) -> Answer:  # noqa: ARG001  nothing of it is said
    """The service says that the answer is at another address."""
    return text_answer("", 307, location="http://127.0.0.1:9/v1/elsewhere", end="keep-alive")


def page(status: int) -> Answer:
    """A page for people."""
    words = f"<html><head><title>{status} from the gateway</title></head><body><h1>Sorry</h1></body></html>"
    return text_answer(words, status, content_type="text/html; charset=utf-8", end="keep-alive")


@cache
def _bomb(start: bytes, unpacked: int) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    # Behind a full flush a block needs nothing of what was before it, so the same one can be said again and again.
    packer.compress(b"x" * MB)
    block = packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (unpacked // MB)


def bomb(answer: Answer) -> Answer:
    """The body is small, and unpacks to 256 MB."""
    headers = {**answer.headers, "content-encoding": "gzip"}
    packed = _bomb(_opening(answer), 256 * MB)
    return replace(answer, headers=headers, chunks=tuple(packed[at : at + MB] for at in range(0, len(packed), MB)))


def bomb_in_an_error(answer: Answer) -> Answer:
    """A refusal that unpacks to 256 MB."""
    return replace(bomb(answer), status=400)


def too_large_an_event(answer: Answer) -> Answer:
    """An event of more than 1 MB."""
    return replace(answer, chunks=(*_begun(answer), _opening(answer), *(b"x" * (MB // 8),) * 9, b'"}\n\n'), end="close")


def too_large_a_body(answer: Answer) -> Answer:
    """A body of more than 4 MB, whatever was asked for."""
    return replace(
        answer,
        headers={"content-type": "application/json"},
        chunks=(b'{"x":"', *(b"x" * (MB // 8),) * 33, b'"}'),
        chunked=True,
        end="close",
    )


def no_utf8(answer: Answer) -> Answer:
    """A byte within a text that no UTF-8 has."""
    return replace(answer, chunks=tuple(chunk.replace(FIRST, b"1\xff2") for chunk in answer.chunks))


def no_json(answer: Answer) -> Answer:
    """A brace is missing."""
    return replace(answer, chunks=tuple(chunk.replace(b"{", b"", 1) for chunk in answer.chunks))


def with_field(value: bytes, answer: Answer) -> Answer:
    """One more field in every object that comes."""
    return replace(answer, chunks=tuple(chunk.replace(b"{", b'{"x":%b,' % value, 1) for chunk in answer.chunks))


def with_numbers(value: bytes, answer: Answer) -> Answer:
    """Every number is this one."""
    return replace(
        answer, chunks=tuple(re.sub(rb'_tokens": ?\d+|progress": ?\d+', _is(value), c) for c in answer.chunks)
    )


def nested_error(answer: Answer) -> Answer:
    """A refusal whose words are nested."""
    chunks = (b'{"error":' + NESTED + b"}",)
    return replace(answer, status=400, chunks=chunks, headers={"content-type": "application/json"}, chunked=False)


def nested_arguments(answer: Answer) -> Answer:
    """The arguments of a tool call are nested, where they are written as text."""
    return replace(answer, chunks=tuple(c.replace(rb"{\"a\": 1}", rb"{\"a\": %b}" % NESTED) for c in answer.chunks))


def said_twice(answer: Answer) -> Answer:
    """Every text is there twice, under the same name; the second is the right one."""
    return replace(answer, chunks=tuple(_TEXT.sub(rb'\1"wrong",\1"', chunk) for chunk in answer.chunks))


def followed(answer: Answer) -> Answer:
    """An answer that nobody asked for comes behind the right one."""
    stray = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"x":1}'
    return replace(_raw(answer), chunks=(b"".join(_raw(answer).chunks) + stray,))


def closed_after(answer: Answer) -> Answer:
    """The connection is closed behind the answer, without a word."""
    return replace(_raw(answer), end="close")


def _is(value: bytes):
    return lambda found: found.group().rpartition(b":")[0] + b":" + value


def _body(answer: Answer) -> bytes:
    return b"".join(answer.chunks)


def _opening(answer: Answer) -> bytes:
    return b'data: {"x":"' if is_stream(answer) else b'{"x":"'


def _begun(answer: Answer) -> tuple[bytes, ...]:
    """A stream's events up to the first text."""
    if not is_stream(answer):
        return ()
    first = next(number for number, chunk in enumerate(answer.chunks) if FIRST in chunk)
    return answer.chunks[: first + 1]


def _in_pieces(answer: Answer) -> Answer:
    if is_stream(answer):
        return answer
    body = _body(answer)
    size = len(body) // 5
    return replace(answer, chunks=tuple(body[at : at + size] for at in range(0, len(body), size)))


def _broken(answer: Answer, end: End) -> Answer:
    body = _body(answer)
    chunks = _begun(answer) or (body[: len(body) // 2],)
    return replace(answer, chunks=chunks, end=end)


def _promising(answer: Answer, more: int) -> Answer:
    return replace(_raw(answer, more), end="cut")


def _after(first: bytes, answer: Answer) -> Answer:
    whole = _raw(answer)
    return replace(whole, chunks=(first, *whole.chunks))


def _raw(answer: Answer, more: int = 0) -> Answer:
    """The same answer byte for byte, with a length of this much more."""
    body = _body(answer)
    lines = (f"{name}: {value}\r\n" for name, value in answer.headers.items())
    head = f"HTTP/1.1 200 OK\r\n{''.join(lines)}content-length: {len(body) + more}\r\n\r\n"
    return replace(answer, raw=True, chunks=(head.encode(), body))
