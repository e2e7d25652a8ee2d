"""Oddities of how events stand in a stream, and of how bytes arrive."""

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
    at_once,
    chunk,
    in_stream,
    replied,
    split_everywhere,
    streamed,
)
from tests.script_server import sse

_EVENTS = (ROLE, chunk("Hel"), chunk("lo"), STOP, COUNT)
_WORLD = "Grüße, 世界 🌍"
_SEPARATORS = "a\u2028b\u2029c\u0085d"
_PRETTY = "".join(f"data: {line}\n" for line in json.dumps(chunk("Hello"), indent=1).splitlines()).encode() + b"\n"


ROWS = (
    # Manifest before OpenRouter (mnfst/llm-gateway#2053): a comment as the data of an event.
    in_stream(
        "sse-comments-as-data", sse(": OPENROUTER PROCESSING", ROLE, chunk("Hel"), ":", chunk("lo"), STOP, COUNT)
    ),
    # axum, which frames what is framed (paiml/aprender#2015).
    in_stream("sse-data-twice", sse(*_EVENTS, "[DONE]", prefix="data: data: ", done=False)),
    # Not seen in public: the terminator as JSON, as all the rest.
    in_stream("sse-done-as-json", sse(*_EVENTS, '"[DONE]"', done=False)),
    # 9router (decolua/9router#3492): the terminator of a stream behind a blocking answer.
    at_once("sse-done-behind-a-body", replace(HELLO_REPLY, chunks=(*HELLO_REPLY.chunks, b"\n\ndata: [DONE]\n\n"))),
    # llama.cpp (ollama/ollama#16443), DeepSeek (tmc/langchaingo#942): comments while it waits.
    in_stream(
        "sse-comments", sse(b": PROCESSING\n\n", ROLE, b":\n", chunk("Hel"), b": ping\n\n", chunk("lo"), STOP, COUNT)
    ),
    # sse-starlette, in many servers (sysid/sse-starlette sse_starlette/event.py): lines end in CRLF.
    in_stream("sse-crlf", sse(*_EVENTS, newline="\r\n")),
    # The SSE standard, HTML 9.2.5: CR alone is the third line end.
    in_stream("sse-cr", sse(*_EVENTS, newline="\r")),
    # Kimi (aaif-goose/goose#7929), Spring (openai/openai-python#498): `data:` without space.
    in_stream("sse-no-space", sse(*_EVENTS, prefix="data:")),
    # sse-starlette (sysid/sse-starlette sse_starlette/event.py): an event's data in several lines.
    in_stream("sse-data-in-lines", sse(_PRETTY, STOP, COUNT)),
    # The SSE standard, HTML 9.2.5: a byte order mark at the start.
    in_stream("sse-bom", sse(b"\xef\xbb\xbf", *_EVENTS)),
    # sse-starlette (sysid/sse-starlette sse_starlette/event.py): other fields, known and unknown.
    in_stream(
        "sse-id-and-retry", sse(*(part for event in _EVENTS for part in (b"id: 7\nretry: 100\nx-field: y\n", event)))
    ),
    # The SSE standard, HTML 9.2.6: the default name, written out.
    in_stream("sse-event-message", sse(*_EVENTS, prefix="event: message\ndata: ")),
    # sub2api before Anthropic (Wei-Shaw/sub2api#7097): ping events without choices.
    in_stream(
        "sse-ping", sse(ROLE, chunk("Hel"), b'event: ping\ndata: {"type":"ping"}\n\n', "{}", chunk("lo"), STOP, COUNT)
    ),
    # copilot-api (caozhiyuan/copilot-api#88): an event without data keeps the line open.
    in_stream("sse-empty-data", sse(ROLE, chunk("Hel"), "", chunk("lo"), STOP, COUNT)),
    # Azure OpenAI (microsoft/autogen#7711): null keeps the line open.
    in_stream("sse-null-data", sse(ROLE, "null", chunk("Hel"), "null", chunk("lo"), STOP, COUNT)),
    # The SSE standard, HTML 9.2.6: more blank lines than needed.
    in_stream("sse-blank-lines", sse(b"\n\n", ROLE, b"\n", chunk("Hello"), b"\n\n", STOP, COUNT)),
    # Not seen in public: the last line is cut short.
    in_stream("sse-done-without-blank-line", sse(*_EVENTS, b"data: [DONE]", done=False)),
    # Not seen in public: the stream ends with its last event's data line.
    in_stream(
        "sse-last-event-without-blank-line",
        sse(
            ROLE, chunk("Hello"), b"data: " + json.dumps({**STOP, "usage": COUNT["usage"]}).encode() + b"\n", done=False
        ),
    ),
    # Not seen in public: space around the terminator.
    in_stream("sse-done-spaced", sse(*_EVENTS, "[DONE] ", done=False)),
    # Not seen in public: what follows `[DONE]` is not read.
    in_stream("sse-after-done", sse(*_EVENTS, "[DONE]", chunk("Bye"), "{broken", done=False)),
    # DeepSeek on Azure (owndev/Open-WebUI-Functions#54): another content type, there none.
    in_stream("sse-other-content-type", replace(HELLO_STREAM, headers={"content-type": "text/plain"})),
    # LiteLLM (BerriAI/litellm#34095): the content type with a parameter, here in other case.
    in_stream("sse-charset", replace(HELLO_STREAM, headers={"content-type": "Text/Event-Stream; charset=UTF-8"})),
    # nginx (mostlygeek/llama-swap#236), dstack (dstackai/dstack#4269): every event in one piece.
    in_stream("sse-all-in-one-piece", replace(HELLO_STREAM, chunks=(b"".join(HELLO_STREAM.chunks),))),
    # codex-lb (Soju06/codex-lb#1010): U+2028, U+2029 and U+0085 in a string are line ends to `str.splitlines` alone.
    in_stream("line-separators-in-a-string", streamed(_SEPARATORS), replace(HELLO, text=_SEPARATORS)),
    # Anthropic over any network (BerriAI/litellm#17493): events split anywhere.
    Scenario("bytes-one-by-one", split_everywhere(HELLO_REPLY, 1), split_everywhere(HELLO_STREAM, 1), HELLO),
    # Not seen in public: split between CR and LF.
    in_stream("bytes-one-by-one-crlf", split_everywhere(sse(*_EVENTS, newline="\r\n"), 1)),
    # Not seen in public: split at other places.
    in_stream("bytes-three-by-three", split_everywhere(HELLO_STREAM, 3)),
    # dstack (dstackai/dstack#4269): pieces with parts of several events.
    in_stream("bytes-past-events", split_everywhere(HELLO_STREAM, 500)),
    # Not seen in public: UTF-8 split inside a character.
    Scenario(
        "utf-8-split",
        split_everywhere(replied(_WORLD), 1),
        split_everywhere(streamed(_WORLD, _WORLD[::-1]), 1),
        Expect(text=_WORLD),
        expect_stream=Expect(text=_WORLD + _WORLD[::-1]),
    ),
    # RFC 8259, section 8.2: JSON may write a character outside the first plane as two escapes.
    Scenario(
        "surrogates-escaped",
        replace(HELLO_REPLY, chunks=(HELLO_REPLY.chunks[0].replace(b"Hello", rb"\ud83c\udf0d"),)),
        sse(ROLE, json.dumps(chunk("🌍")), STOP, COUNT),
        Expect(text="🌍"),
    ),
    *(
        # Servers in JavaScript (elizaOS/eliza#30904): an event ends within a character, as UTF-16 has it.
        in_stream(
            f"surrogates-in-two-events-of-{name}",
            sse(
                *(json.dumps(chunk(**{field: "@"})).replace("@", half) for half in (r"Hi \ud83c", r"\udf0d!")),
                *(() if field == "text" else (chunk("Hello"),)),
                STOP,
                COUNT,
            ),
            expect,
        )
        for name, field, expect in (
            ("text", "text", Expect(text="Hi 🌍!")),
            ("reasoning", "reasoning_content", Expect(text="Hello", reasoning="Hi 🌍!")),
        )
    ),
    # nginx (nexu-io/open-design#111): gzip, flushed with each event.
    Scenario("gzip", replace(HELLO_REPLY, gzip=True), replace(HELLO_STREAM, gzip=True), HELLO),
    # nginx (nexu-io/open-design#111): gzip, split anywhere.
    Scenario(
        "gzip-in-small-pieces",
        replace(split_everywhere(HELLO_REPLY, 5), gzip=True, chunked=True),
        replace(split_everywhere(streamed(_WORLD), 5), gzip=True),
        HELLO,
        expect_stream=Expect(text=_WORLD),
    ),
    # Not seen in public: a long answer is unpacked in several steps.
    at_once("gzip-of-a-long-answer", replace(replied("x" * 2**21), gzip=True), Expect(text="x" * 2**21)),
    # Not seen in public: each event is packed by itself.
    in_stream(
        "gzip-of-each-event",
        replace(
            HELLO_STREAM,
            headers={**HELLO_STREAM.headers, "content-encoding": "gzip"},
            chunks=(b"".join(map(gzip.compress, HELLO_STREAM.chunks)),),
        ),
    ),
    # Not seen in public: a proxy that buffers gives even a stream a content length.
    Scenario("content-length-for-all", HELLO_REPLY, replace(HELLO_STREAM, chunked=False), HELLO),
    # Not seen in public: a proxy that re-frames sends even a blocking answer in chunks.
    Scenario("chunked-for-all", replace(HELLO_REPLY, chunked=True), HELLO_STREAM, HELLO),
    # Not seen in public: the connection stays open behind a complete answer, as HTTP has it.
    Scenario("keep-alive", replace(HELLO_REPLY, end="keep-alive"), replace(HELLO_STREAM, end="keep-alive"), HELLO),
    # RFC 8259, section 8.1: a byte order mark before a blocking answer may be ignored.
    at_once("json-with-bom", replace(HELLO_REPLY, chunks=(b"\xef\xbb\xbf", *HELLO_REPLY.chunks))),
    # oMLX (jundot/omlx#2066): blanks ahead of a slow blocking answer keep the connection open.
    at_once("json-behind-white-space", replace(HELLO_REPLY, chunks=(b"   \n\n  ", *HELLO_REPLY.chunks))),
)
