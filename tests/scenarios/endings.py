"""Oddities of how an answer ends: in other words, too early, or never having been one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.scenarios.table import (
    COUNT,
    HELLO,
    HELLO_REPLY,
    HELLO_STREAM,
    ROLE,
    STOP,
    Expect,
    Fails,
    Scenario,
    broken,
    chunk,
    reply,
    streamed,
)
from tests.script_server import Answer, json_answer, sse, text_answer

_HTML = "<html><head><title>Welcome</title></head><body>Please log in</body></html>"
_RESET = Answer(end="reset")
_CUT = Answer(end="cut")
_UNCOUNTED = replace(HELLO, usage=None)
_INVALID = Fails(error="InvalidResponseError")


def _lost(partial: str) -> Fails:
    return Fails(error="StreamInterruptedError", partial_text=partial)


def _stream(name: str, why: str, stream: Answer, expect: Expect | Fails, **more: Any) -> Scenario:
    return Scenario(name=name, why=why, blocking=None, stream=stream, expect=expect, **more)


COMPLETE = (
    _stream(
        "done-without-finish",
        "Any server: no finish reason, but the terminator.",
        sse(ROLE, chunk("Hello"), COUNT),
        replace(HELLO, finish_reason=None),
    ),
    _stream(
        "finish-without-done",
        "Any server: no terminator, but a finish reason.",
        sse(ROLE, chunk("Hello"), STOP, COUNT, done=False),
        HELLO,
    ),
    _stream(
        "cut-after-finish",
        "Any server: the connection is lost behind the finish reason: the answer is complete.",
        sse(ROLE, chunk("Hello"), STOP, done=False, end="cut"),
        _UNCOUNTED,
    ),
    _stream(
        "reset-after-finish",
        "Any server: the same by a reset.",
        sse(ROLE, chunk("Hello"), STOP, COUNT, done=False, end="reset"),
        HELLO,
    ),
    _stream(
        "reset-after-done", "Any server: a reset behind the terminator.", replace(HELLO_STREAM, end="reset"), HELLO
    ),
    _stream(
        "hang-after-done",
        "Any server: the connection is never closed; the terminator ends the stream.",
        replace(HELLO_STREAM, end="hang"),
        HELLO,
    ),
)

INTERRUPTED = (
    _stream(
        "no-finish-no-done",
        "Any server: neither; peers take it as complete.",
        broken("Hel", "lo"),
        _lost("Hello"),
    ),
    _stream("cut-amid-text", "Our error tree: the text so far is kept.", broken("Hel", end="cut"), _lost("Hel")),
    _stream("reset-amid-text", "Our error tree: the same by a reset.", broken("Hel", end="reset"), _lost("Hel")),
    _stream(
        "cut-amid-event",
        "Any server: the last event is cut; its half is not text.",
        sse(ROLE, chunk("Hel"), b'data: {"choices":[{"delta":{"content":"l', done=False, end="cut"),
        _lost("Hel"),
    ),
    _stream(
        "cut-after-role", "Any server: the first event was given: no second attempt.", broken(end="cut"), _lost("")
    ),
    _stream(
        "cut-amid-reasoning",
        "Any server: reasoning is not text.",
        broken(chunk(reasoning_content="hm"), end="cut"),
        _lost(""),
    ),
    _stream(
        "cut-amid-thinking",
        "Any server: inline reasoning is not text either.",
        broken("<think>hm", end="cut"),
        _lost(""),
    ),
    _stream(
        "cut-amid-tool-call",
        "Any server: half a call is no call.",
        broken(
            chunk(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "add", "arguments": '{"a":'}}]),
            end="cut",
        ),
        _lost(""),
        tools=True,
    ),
    _stream(
        "cut-before-any-event",
        "Our error tree, §7: headers alone are no answer; a stream is retried until its first payload.",
        sse(b"", done=False, end="cut"),
        Fails(error="APIConnectionError"),
        requests=3,
    ),
    _stream(
        "cut-before-any-event-then-good",
        "Our rule on retries: a stream is retried until its first payload.",
        sse(b": waiting\n\n", done=False, end="cut"),
        HELLO,
        requests=2,
        then=(HELLO_STREAM,),
    ),
    _stream(
        "ended-after-the-role",
        "Our rule on retries: after the first event nothing is sent again, for it may have been billed.",
        sse(ROLE, done=False),
        _lost(""),
    ),
    _stream(
        "no-event-at-all", "Any server: a stream of no bytes, ended in order.", sse(done=False), _lost(""), requests=3
    ),
    _stream(
        "done-alone",
        "AKI.IO's open-source server: a worker failure, here without any event.",
        sse(),
        Fails(error="ServerError"),
        requests=3,
    ),
    Scenario(
        name="reset-before-any-byte",
        why="Our rule on retries: loss before the first byte of a chat answer is retried.",
        blocking=_RESET,
        stream=_RESET,
        expect=Fails(error="APIConnectionError"),
        requests=3,
    ),
    Scenario(
        name="cut-before-any-byte",
        why="Our rule on retries: the same where the server closes in order.",
        blocking=_CUT,
        stream=_CUT,
        expect=Fails(error="APIConnectionError"),
        requests=3,
    ),
    Scenario(
        name="reset-then-good",
        why="Our rule on retries: the second attempt's answer is the answer.",
        blocking=_RESET,
        stream=_RESET,
        expect=HELLO,
        requests=2,
        then=(HELLO_REPLY,),
        then_stream=(HELLO_STREAM,),
    ),
    Scenario(
        name="body-cut",
        why="Our rule on retries: an answer that has begun was billed; it is not asked for twice.",
        blocking=replace(HELLO_REPLY, end="cut"),
        stream=None,
        expect=Fails(error="APIConnectionError"),
    ),
    Scenario(
        name="body-reset",
        why="Our rule on retries: the same by a reset.",
        blocking=replace(HELLO_REPLY, end="reset", chunked=True),
        stream=None,
        expect=Fails(error="APIConnectionError"),
    ),
)

SOMETHING_ELSE = (
    Scenario(
        name="html-with-200",
        why="Cloudflare Access, a company's proxy: HTML with any status, here a log-in page.",
        blocking=text_answer(_HTML, content_type="text/html"),
        stream=text_answer(_HTML, content_type="text/html"),
        expect=_INVALID,
    ),
    Scenario(
        name="html-as-json",
        why="Any server: the same with a content type that lies.",
        blocking=text_answer(_HTML, content_type="application/json"),
        stream=text_answer(_HTML, content_type="application/json"),
        expect=_INVALID,
    ),
    Scenario(
        name="text-with-200",
        why="AKI.IO: sometimes `text/plain`.",
        blocking=text_answer("upstream connect error"),
        stream=text_answer("upstream connect error"),
        expect=_INVALID,
    ),
    Scenario(
        name="empty-body",
        why="Any server: HTTP 200 and nothing.",
        blocking=text_answer("", content_type="application/json"),
        stream=None,
        expect=_INVALID,
    ),
    Scenario(
        name="json-broken",
        why="Our error tree: bad JSON, in a body that is complete.",
        blocking=text_answer('{"choices": [{"index": 0, "mess', content_type="application/json"),
        stream=sse('{"choices": [{"index": 0, "del'),
        expect=_INVALID,
    ),
    _stream(
        "json-broken-amid-text",
        "Our error tree: bad JSON behind good events.",
        sse(ROLE, chunk("Hel"), "{broken"),
        _INVALID,
    ),
    Scenario(
        name="json-list",
        why="Our error tree: JSON that is no object.",
        blocking=json_answer([reply()]),
        stream=sse("[1]"),
        expect=_INVALID,
    ),
    Scenario(
        name="json-null",
        why="Our error tree: JSON that is nothing.",
        blocking=json_answer(None),
        stream=None,
        expect=_INVALID,
    ),
    Scenario(
        name="stream-to-a-blocking-request",
        why="Our error tree: not what the wire promises.",
        blocking=HELLO_STREAM,
        stream=None,
        expect=_INVALID,
    ),
    _stream(
        "whole-answer-to-a-streamed-request",
        "Any server: `stream` is ignored for a model that cannot.",
        HELLO_REPLY,
        HELLO,
    ),
    _stream(
        "whole-answer-as-one-event",
        "Any server: the same, framed as a stream.",
        sse(reply()),
        HELLO,
    ),
    _stream(
        "slow-in-pieces",
        "Any server: silence between events is no end.",
        replace(streamed("Hel", "lo"), delay=0.01, chunk_delay=0.01),
        HELLO,
    ),
)

ROWS = (*COMPLETE, *INTERRUPTED, *SOMETHING_ELSE)
