"""Oddities of how events stand in a stream, and of how bytes arrive."""

from __future__ import annotations

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


def _stream(name: str, why: str, stream: Answer, *, text: str = "Hello") -> Scenario:
    return Scenario(name=name, why=why, blocking=None, stream=stream, expect=replace(HELLO, text=text))


ROWS = (
    _stream(
        "sse-comments",
        "OpenRouter: comments while it waits.",
        sse(b": PROCESSING\n\n", ROLE, b":\n", chunk("Hel"), b": ping\n\n", chunk("lo"), STOP, COUNT),
    ),
    _stream("sse-crlf", "llama-cpp-python, whose sse-starlette ends lines so: CRLF.", sse(*_EVENTS, newline="\r\n")),
    _stream("sse-cr", "The SSE standard's third line end: CR alone.", sse(*_EVENTS, newline="\r")),
    _stream("sse-no-space", "TGI: `data:` without space.", sse(*_EVENTS, prefix="data:")),
    _stream("sse-data-in-lines", "The SSE standard: an event's data in several lines.", sse(_PRETTY, STOP, COUNT)),
    _stream("sse-bom", "The SSE standard: a byte order mark at the start.", sse(b"\xef\xbb\xbf", *_EVENTS)),
    _stream(
        "sse-id-and-retry",
        "The SSE standard: other fields, known and unknown.",
        sse(*(part for event in _EVENTS for part in (b"id: 7\nretry: 100\nx-field: y\n", event))),
    ),
    _stream(
        "sse-event-message",
        "The SSE standard's default name, written out.",
        sse(*_EVENTS, prefix="event: message\ndata: "),
    ),
    _stream(
        "sse-ping",
        "Anthropic, behind a gateway: ping events without choices; one peer crashes on them.",
        sse(ROLE, chunk("Hel"), b'event: ping\ndata: {"type":"ping"}\n\n', "{}", chunk("lo"), STOP, COUNT),
    ),
    _stream(
        "sse-empty-data",
        "Any server: an event without data keeps the line open.",
        sse(ROLE, chunk("Hel"), "", chunk("lo"), STOP, COUNT),
    ),
    _stream(
        "sse-blank-lines",
        "Any server: more blank lines than needed.",
        sse(b"\n\n", ROLE, b"\n", chunk("Hello"), b"\n\n", STOP, COUNT),
    ),
    _stream(
        "sse-done-without-blank-line",
        "Any server: the last line is cut short.",
        sse(*_EVENTS, b"data: [DONE]", done=False),
    ),
    _stream(
        "sse-last-event-without-blank-line",
        "Any server: the stream ends with its last event's data line.",
        sse(
            ROLE, chunk("Hello"), b"data: " + json.dumps({**STOP, "usage": COUNT["usage"]}).encode() + b"\n", done=False
        ),
    ),
    _stream("sse-done-spaced", "Any server: space around the terminator.", sse(*_EVENTS, "[DONE] ", done=False)),
    _stream(
        "sse-after-done",
        "Any server: what follows `[DONE]` is not read.",
        sse(*_EVENTS, "[DONE]", chunk("Bye"), "{broken", done=False),
    ),
    _stream(
        "sse-other-content-type",
        "AKI.IO's open-source server, proxies: another content type.",
        replace(HELLO_STREAM, headers={"content-type": "text/plain"}),
    ),
    _stream(
        "sse-charset",
        "Any server: the content type with a parameter, in other case.",
        replace(HELLO_STREAM, headers={"content-type": "Text/Event-Stream; charset=UTF-8"}),
    ),
    _stream(
        "sse-all-in-one-piece",
        "nginx with `proxy_buffering`: every event in one piece.",
        replace(HELLO_STREAM, chunks=(b"".join(HELLO_STREAM.chunks),)),
    ),
    _stream(
        "line-separators-in-a-string",
        "JSON allows U+2028, U+2029 and U+0085 in a string; `str.splitlines` breaks there, SSE does not.",
        streamed(_SEPARATORS),
        text=_SEPARATORS,
    ),
    Scenario(
        name="bytes-one-by-one",
        why="Any server: events split anywhere.",
        blocking=split_everywhere(HELLO_REPLY, 1),
        stream=split_everywhere(HELLO_STREAM, 1),
        expect=HELLO,
    ),
    _stream(
        "bytes-one-by-one-crlf",
        "Any server: split between CR and LF.",
        split_everywhere(sse(*_EVENTS, newline="\r\n"), 1),
    ),
    _stream("bytes-three-by-three", "Any server: split at other places.", split_everywhere(HELLO_STREAM, 3)),
    _stream(
        "bytes-past-events",
        "Any server: pieces with parts of several events.",
        split_everywhere(HELLO_STREAM, 500),
    ),
    Scenario(
        name="utf-8-split",
        why="Any server: UTF-8 split inside a character.",
        blocking=split_everywhere(replied(_WORLD), 1),
        stream=split_everywhere(streamed(_WORLD, _WORLD[::-1]), 1),
        expect=Expect(text=_WORLD),
        expect_stream=Expect(text=_WORLD + _WORLD[::-1]),
    ),
    Scenario(
        name="surrogates-escaped",
        why="Any server: JSON writes a character outside the first plane as two escapes.",
        blocking=replace(HELLO_REPLY, chunks=(HELLO_REPLY.chunks[0].replace(b"Hello", rb"\ud83c\udf0d"),)),
        stream=sse(ROLE, json.dumps(chunk("🌍")), STOP, COUNT),
        expect=Expect(text="🌍"),
    ),
    Scenario(
        name="gzip",
        why="nginx, Cloudflare: gzip, flushed with each event.",
        blocking=replace(HELLO_REPLY, gzip=True),
        stream=replace(HELLO_STREAM, gzip=True),
        expect=HELLO,
    ),
    Scenario(
        name="gzip-in-small-pieces",
        why="nginx, Cloudflare: gzip, split anywhere.",
        blocking=replace(split_everywhere(HELLO_REPLY, 5), gzip=True, chunked=True),
        stream=replace(split_everywhere(streamed(_WORLD), 5), gzip=True),
        expect=HELLO,
        expect_stream=Expect(text=_WORLD),
    ),
    Scenario(
        name="content-length-for-all",
        why="nginx, a proxy that buffers: even a stream has a content length.",
        blocking=HELLO_REPLY,
        stream=replace(HELLO_STREAM, chunked=False),
        expect=HELLO,
    ),
    Scenario(
        name="chunked-for-all",
        why="nginx, a proxy that re-frames: even a blocking answer comes chunked.",
        blocking=replace(HELLO_REPLY, chunked=True),
        stream=HELLO_STREAM,
        expect=HELLO,
    ),
    Scenario(
        name="keep-alive",
        why="Any server: the connection stays open behind a complete answer.",
        blocking=replace(HELLO_REPLY, end="keep-alive"),
        stream=replace(HELLO_STREAM, end="keep-alive"),
        expect=HELLO,
    ),
    Scenario(
        name="json-with-bom",
        why="Any server: a byte order mark before a blocking answer.",
        blocking=replace(HELLO_REPLY, chunks=(b"\xef\xbb\xbf", *HELLO_REPLY.chunks)),
        stream=None,
        expect=HELLO,
    ),
    Scenario(
        name="json-behind-white-space",
        why="OpenRouter, DeepSeek: blanks ahead of a slow blocking answer keep the connection open.",
        blocking=replace(HELLO_REPLY, chunks=(b"   \n\n  ", *HELLO_REPLY.chunks)),
        stream=None,
        expect=HELLO,
    ),
)
