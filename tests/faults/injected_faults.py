"""What can be wrong with an answer: made from the right one, or in its place."""

import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from tests.faults.places import FIRST
from tests.script_server import Answer, End, text_answer

MB = 2**20
DEEP = 100_000
NESTED = b"[" * DEEP + b"]" * DEEP
_STREAM = "text/event-stream"
_TEXT = re.compile(rb'("(?:text|content)": ?)"')


def is_stream(answer: Answer) -> bool:
    return answer.headers.get("content-type") == _STREAM


def instead(answer: Answer) -> Callable[[Answer], Answer]:
    """This answer in place of the right one."""
    return lambda _: answer


def changed(**fields: Any) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, **fields)


late = changed(delay=0.02)
silent = instead(Answer(end="hang"))
reset_at_once = instead(Answer(end="reset"))
closed_at_once = instead(Answer(end="cut"))
reset_after_headers = changed(chunks=(b"",), end="reset")
without_content = instead(Answer(raw=True, chunks=(b"HTTP/1.1 204 No Content\r\n\r\n",), end="keep-alive"))
elsewhere = instead(text_answer("", 307, location="http://127.0.0.1:9/v1/elsewhere", end="keep-alive"))
_JSON = {"content-type": "application/json"}
nested_error = instead(Answer(status=400, chunks=(b'{"error":' + NESTED + b"}",), headers=_JSON, chunked=False))
_UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n\0\0\x12\4\0"
switching = instead(Answer(raw=True, chunks=(_UPGRADE,)))
_HEADERS = (b"HTTP/1.1 200 OK\r\n", *(b"x-%d: y\r\n" % number for number in range(200)))
headers_without_end = instead(Answer(raw=True, chunks=_HEADERS, chunk_delay=0.1))


def slow(answer: Answer) -> Answer:
    return replace(_in_pieces(answer), chunk_delay=0.01)


def dripping(answer: Answer) -> Answer:
    """The body never ends, though something comes all the time."""
    if is_stream(answer):
        chunks = (*_begun(answer), *(b": still here\n\n" for _ in range(200)))
    else:
        chunks = (_body(answer)[:-1], *(b" " for _ in range(200)))
    return replace(answer, chunks=chunks, chunked=True, chunk_delay=0.1)


def broken(end: End) -> Callable[[Answer], Answer]:
    """The body ends so in its middle."""

    def strike(answer: Answer) -> Answer:
        body = _body(answer)
        return replace(answer, chunks=_begun(answer) or (body[: len(body) // 2],), end=end)

    return strike


stalled, reset, truncated = broken("hang"), broken("reset"), broken("cut")


def too_long_a_length(answer: Answer) -> Answer:
    """All of the body comes, but more was promised."""
    return replace(_raw(answer, 100), end="cut")


def too_short_a_length(answer: Answer) -> Answer:
    """More of the body comes than was promised."""
    body = _body(answer)
    kept = len(b"".join(_begun(answer))) if is_stream(answer) else len(body) // 2
    whole = _raw(replace(answer, headers={**answer.headers, "connection": "close"}), kept - len(body))
    return replace(whole, chunks=(whole.chunks[0] + body[:kept], body[kept:]), chunk_delay=0.1, end="close")


def after(first: bytes) -> Callable[[Answer], Answer]:
    """These bytes come first."""

    def strike(answer: Answer) -> Answer:
        whole = _raw(answer)
        return replace(whole, chunks=(first, *whole.chunks))

    return strike


continued = after(b"HTTP/1.1 100 Continue\r\n\r\n")
hinted = after(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n")


def page(status: int) -> Callable[[Answer], Answer]:
    """A page for people."""
    words = f"<html><head><title>{status} from the gateway</title></head><body><h1>Sorry</h1></body></html>"
    return instead(text_answer(words, status, content_type="text/html; charset=utf-8", end="keep-alive"))


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
        answer, headers=_JSON, chunks=(b'{"x":"', *(b"x" * (MB // 8),) * 33, b'"}'), chunked=True, end="close"
    )


def in_chunks(change: Callable[[bytes], bytes]) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, chunks=tuple(map(change, answer.chunks)))


no_utf8 = in_chunks(lambda chunk: chunk.replace(FIRST, b"1\xff2"))
no_json = in_chunks(lambda chunk: chunk.replace(b"{", b"", 1))
nested_arguments = in_chunks(lambda chunk: chunk.replace(rb"{\"a\": 1}", rb"{\"a\": %b}" % NESTED))
said_twice = in_chunks(lambda chunk: _TEXT.sub(rb'\1"wrong",\1"', chunk))  # the second is the right one


def with_field(value: bytes) -> Callable[[Answer], Answer]:
    return in_chunks(lambda chunk: chunk.replace(b"{", b'{"x":%b,' % value, 1))


def with_numbers(value: bytes) -> Callable[[Answer], Answer]:
    return in_chunks(lambda chunk: re.sub(rb'(_tokens": ?|progress": ?)\d+', rb"\g<1>" + value, chunk))


def followed(answer: Answer) -> Answer:
    """An answer that nobody asked for comes behind the right one."""
    stray = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"x":1}'
    return replace(_raw(answer), chunks=(b"".join(_raw(answer).chunks) + stray,))


def closed_after(answer: Answer) -> Answer:
    """The connection is closed behind the answer, without a word."""
    return replace(_raw(answer), end="close")


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


def _raw(answer: Answer, more: int = 0) -> Answer:
    """The same answer byte for byte, with a length of this much more."""
    body = _body(answer)
    lines = (f"{name}: {value}\r\n" for name, value in answer.headers.items())
    head = f"HTTP/1.1 200 OK\r\n{''.join(lines)}content-length: {len(body) + more}\r\n\r\n"
    return replace(answer, raw=True, chunks=(head.encode(), body))
