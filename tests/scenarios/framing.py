"""Oddities of how events stand in a stream, and of how bytes arrive."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

from tests.scenarios.table import (
    COUNT,
    HELLO,
    HELLO_REPLY,
    HELLO_STREAM,
    ROLE,
    STOP,
    Expect,
    Scenario,
    chunk,
    replied,
    split_everywhere,
    streamed,
)
from tests.script_server import Answer, sse

_EVENTS = (ROLE, chunk("Hel"), chunk("lo"), STOP, COUNT)
_WORLD = "Grüße, 世界 🌍"
_SEPARATORS = "a\u2028b\u2029c\u0085d"
_PRETTY = "".join(f"data: {line}\n" for line in json.dumps(chunk("Hello"), indent=1).splitlines()).encode() + b"\n"


def _stream(name: str, stream: Answer, *, text: str = "Hello") -> Scenario:
    return Scenario(name, None, stream, replace(HELLO, text=text))


ROWS = (
    # OpenRouter: comments while it waits.
    _stream(
        "sse-comments", sse(b": PROCESSING\n\n", ROLE, b":\n", chunk("Hel"), b": ping\n\n", chunk("lo"), STOP, COUNT)
    ),
    # llama-cpp-python, whose sse-starlette ends lines so: CRLF.
    _stream("sse-crlf", sse(*_EVENTS, newline="\r\n")),
    # The SSE standard's third line end: CR alone.
    _stream("sse-cr", sse(*_EVENTS, newline="\r")),
    # TGI: `data:` without space.
    _stream("sse-no-space", sse(*_EVENTS, prefix="data:")),
    # The SSE standard: an event's data in several lines.
    _stream("sse-data-in-lines", sse(_PRETTY, STOP, COUNT)),
    # The SSE standard: a byte order mark at the start.
    _stream("sse-bom", sse(b"\xef\xbb\xbf", *_EVENTS)),
    # The SSE standard: other fields, known and unknown.
    _stream(
        "sse-id-and-retry", sse(*(part for event in _EVENTS for part in (b"id: 7\nretry: 100\nx-field: y\n", event)))
    ),
    # The SSE standard's default name, written out.
    _stream("sse-event-message", sse(*_EVENTS, prefix="event: message\ndata: ")),
    # Anthropic, behind a gateway: ping events without choices; one peer crashes on them.
    _stream(
        "sse-ping", sse(ROLE, chunk("Hel"), b'event: ping\ndata: {"type":"ping"}\n\n', "{}", chunk("lo"), STOP, COUNT)
    ),
    # Any server: an event without data keeps the line open.
    _stream("sse-empty-data", sse(ROLE, chunk("Hel"), "", chunk("lo"), STOP, COUNT)),
    # Azure OpenAI (microsoft/autogen#7711): null keeps the line open.
    _stream("sse-null-data", sse(ROLE, "null", chunk("Hel"), "null", chunk("lo"), STOP, COUNT)),
    # Any server: more blank lines than needed.
    _stream("sse-blank-lines", sse(b"\n\n", ROLE, b"\n", chunk("Hello"), b"\n\n", STOP, COUNT)),
    # Any server: the last line is cut short.
    _stream("sse-done-without-blank-line", sse(*_EVENTS, b"data: [DONE]", done=False)),
    # Any server: the stream ends with its last event's data line.
    _stream(
        "sse-last-event-without-blank-line",
        sse(
            ROLE, chunk("Hello"), b"data: " + json.dumps({**STOP, "usage": COUNT["usage"]}).encode() + b"\n", done=False
        ),
    ),
    # Any server: space around the terminator.
    _stream("sse-done-spaced", sse(*_EVENTS, "[DONE] ", done=False)),
    # Any server: what follows `[DONE]` is not read.
    _stream("sse-after-done", sse(*_EVENTS, "[DONE]", chunk("Bye"), "{broken", done=False)),
    # AKI.IO's open-source server, proxies: another content type.
    _stream("sse-other-content-type", replace(HELLO_STREAM, headers={"content-type": "text/plain"})),
    # Any server: the content type with a parameter, in other case.
    _stream("sse-charset", replace(HELLO_STREAM, headers={"content-type": "Text/Event-Stream; charset=UTF-8"})),
    # nginx with `proxy_buffering`: every event in one piece.
    _stream("sse-all-in-one-piece", replace(HELLO_STREAM, chunks=(b"".join(HELLO_STREAM.chunks),))),
    # JSON allows U+2028, U+2029 and U+0085 in a string; `str.splitlines` breaks there, SSE does not.
    _stream("line-separators-in-a-string", streamed(_SEPARATORS), text=_SEPARATORS),
    # Any server: events split anywhere.
    Scenario("bytes-one-by-one", split_everywhere(HELLO_REPLY, 1), split_everywhere(HELLO_STREAM, 1), HELLO),
    # Any server: split between CR and LF.
    _stream("bytes-one-by-one-crlf", split_everywhere(sse(*_EVENTS, newline="\r\n"), 1)),
    # Any server: split at other places.
    _stream("bytes-three-by-three", split_everywhere(HELLO_STREAM, 3)),
    # Any server: pieces with parts of several events.
    _stream("bytes-past-events", split_everywhere(HELLO_STREAM, 500)),
    # Any server: UTF-8 split inside a character.
    Scenario(
        "utf-8-split",
        split_everywhere(replied(_WORLD), 1),
        split_everywhere(streamed(_WORLD, _WORLD[::-1]), 1),
        Expect(text=_WORLD),
        expect_stream=Expect(text=_WORLD + _WORLD[::-1]),
    ),
    # Any server: JSON writes a character outside the first plane as two escapes.
    Scenario(
        "surrogates-escaped",
        replace(HELLO_REPLY, chunks=(HELLO_REPLY.chunks[0].replace(b"Hello", rb"\ud83c\udf0d"),)),
        sse(ROLE, json.dumps(chunk("🌍")), STOP, COUNT),
        Expect(text="🌍"),
    ),
    # nginx, Cloudflare: gzip, flushed with each event.
    Scenario("gzip", replace(HELLO_REPLY, gzip=True), replace(HELLO_STREAM, gzip=True), HELLO),
    # nginx, Cloudflare: gzip, split anywhere.
    Scenario(
        "gzip-in-small-pieces",
        replace(split_everywhere(HELLO_REPLY, 5), gzip=True, chunked=True),
        replace(split_everywhere(streamed(_WORLD), 5), gzip=True),
        HELLO,
        expect_stream=Expect(text=_WORLD),
    ),
    # Any server: a long answer is unpacked in several steps.
    Scenario("gzip-of-a-long-answer", replace(replied("x" * 2**21), gzip=True), None, Expect(text="x" * 2**21)),
    # Any server that packs each event by itself.
    _stream(
        "gzip-of-each-event",
        replace(
            HELLO_STREAM,
            headers={**HELLO_STREAM.headers, "content-encoding": "gzip"},
            chunks=(b"".join(map(gzip.compress, HELLO_STREAM.chunks)),),
        ),
    ),
    # nginx, a proxy that buffers: even a stream has a content length.
    Scenario("content-length-for-all", HELLO_REPLY, replace(HELLO_STREAM, chunked=False), HELLO),
    # nginx, a proxy that re-frames: even a blocking answer comes chunked.
    Scenario("chunked-for-all", replace(HELLO_REPLY, chunked=True), HELLO_STREAM, HELLO),
    # Any server: the connection stays open behind a complete answer.
    Scenario("keep-alive", replace(HELLO_REPLY, end="keep-alive"), replace(HELLO_STREAM, end="keep-alive"), HELLO),
    # Any server: a byte order mark before a blocking answer.
    Scenario("json-with-bom", replace(HELLO_REPLY, chunks=(b"\xef\xbb\xbf", *HELLO_REPLY.chunks)), None, HELLO),
    # OpenRouter, DeepSeek: blanks ahead of a slow blocking answer keep the connection open.
    Scenario("json-behind-white-space", replace(HELLO_REPLY, chunks=(b"   \n\n  ", *HELLO_REPLY.chunks)), None, HELLO),
)
