"""Oddities of how an answer ends: in other words, too early, or never having been one."""

from dataclasses import replace

from tests.scenarios.table import (
    COUNT,
    HELLO,
    HELLO_REPLY,
    HELLO_STREAM,
    ROLE,
    STOP,
    Fails,
    Scenario,
    at_once,
    broken,
    chunk,
    either,
    in_stream,
    reply,
    streamed,
    then_good,
)
from tests.script_server import Answer, json_answer, sse, text_answer

_HTML = "<html><head><title>Welcome</title></head><body>Please log in</body></html>"
_RESET = Answer(end="reset")
_CUT = Answer(end="cut")
_UNCOUNTED = replace(HELLO, usage=None)
_INVALID = Fails("InvalidResponseError")


def _lost(partial: str) -> Fails:
    return Fails("StreamInterruptedError", partial_text=partial)


COMPLETE = (
    # Many gateways (can1357/oh-my-pi#9433): no finish reason, but the terminator.
    in_stream("done-without-finish", sse(ROLE, chunk("Hello"), COUNT), replace(HELLO, finish_reason=None)),
    # Perplexity (perplexityai/api-discussion#209): no terminator, but a finish reason.
    in_stream("finish-without-done", sse(ROLE, chunk("Hello"), STOP, COUNT, done=False), HELLO),
    # Not seen in public: the connection is lost behind the finish reason: the answer is complete.
    in_stream("cut-after-finish", sse(ROLE, chunk("Hello"), STOP, done=False, end="cut"), _UNCOUNTED),
    # Not seen in public: the same by a reset.
    in_stream("reset-after-finish", sse(ROLE, chunk("Hello"), STOP, COUNT, done=False, end="reset"), HELLO),
    # Not seen in public: a reset behind the terminator.
    in_stream("reset-after-done", replace(HELLO_STREAM, end="reset"), HELLO),
    # Not seen in public: the connection is never closed; the terminator ends the stream.
    in_stream("hang-after-done", replace(HELLO_STREAM, end="hang"), HELLO),
)

INTERRUPTED = (
    # Any gateway (pydantic/pydantic-ai#6610): neither; peers take it as complete.
    in_stream("no-finish-no-done", broken("Hel", "lo"), _lost("Hello")),
    # OpenCode's gateway (earendil-works/pi#8460): the stream breaks off; the text so far is kept.
    in_stream("cut-amid-text", broken("Hel", end="cut"), _lost("Hel")),
    # KoboldCpp (PowerShell/AIShell#350): the finish reason is "null" in each event, so the answer is not complete.
    in_stream("cut-amid-text-with-finish-null", sse(chunk("Hel", finish="null"), done=False, end="cut"), _lost("Hel")),
    # DeepSeek (can1357/oh-my-pi#8563): the connection dies, here by a reset.
    in_stream("reset-amid-text", broken("Hel", end="reset"), _lost("Hel")),
    # Not seen in public: the last event is cut; its half is not text.
    in_stream(
        "cut-amid-event",
        sse(ROLE, chunk("Hel"), b'data: {"choices":[{"delta":{"content":"l', done=False, end="cut"),
        _lost("Hel"),
    ),
    # Our rule on retries: the first event was given: no second attempt.
    in_stream("cut-after-role", broken(end="cut"), _lost("")),
    # Not seen in public: the same amid reasoning, which is not text.
    in_stream("cut-amid-reasoning", broken(chunk(reasoning_content="hm"), end="cut"), _lost("")),
    # Not seen in public: inline reasoning is not text either.
    in_stream("cut-amid-thinking", broken("<think>hm", end="cut"), _lost("")),
    # OpenAI-compatible servers behind proxies (2389-research/tracker#544): half a call is no call.
    in_stream(
        "cut-amid-tool-call",
        broken(
            chunk(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "add", "arguments": '{"a":'}}]),
            end="cut",
        ),
        _lost(""),
        tools=True,
    ),
    # Our error tree, §7: headers alone are no answer; a stream is retried until its first payload.
    in_stream("cut-before-any-event", sse(b"", done=False, end="cut"), Fails("APIConnectionError"), requests=3),
    # Our rule on retries: a stream is retried until its first payload.
    in_stream(
        "cut-before-any-event-then-good",
        sse(b": waiting\n\n", done=False, end="cut"),
        HELLO,
        requests=2,
        then=(HELLO_STREAM,),
    ),
    # Our rule on retries: after the first event nothing is sent again, for it may have been billed.
    in_stream("ended-after-the-role", sse(ROLE, done=False), _lost("")),
    # Not seen in public: a stream of no bytes, ended in order.
    in_stream("no-event-at-all", sse(done=False), _lost(""), requests=3),
    # vLLM (vllm-project/vllm#40986): the terminator without any event; on AKI.IO a worker failure.
    in_stream("done-alone", sse(), Fails("ServerError"), requests=3),
    # Our rule on retries: loss before the first byte of a chat answer is retried.
    either("reset-before-any-byte", _RESET, Fails("APIConnectionError"), requests=3),
    # Our rule on retries: the same where the server closes in order.
    either("cut-before-any-byte", _CUT, Fails("APIConnectionError"), requests=3),
    # Our rule on retries: the second attempt's answer is the answer.
    then_good("reset-then-good", _RESET, _RESET),
    # Our rule on retries: an answer that has begun was billed; it is not asked for twice.
    at_once("body-cut", replace(HELLO_REPLY, end="cut"), Fails("APIConnectionError")),
    # Our rule on retries: the same by a reset.
    at_once("body-reset", replace(HELLO_REPLY, end="reset", chunked=True), Fails("APIConnectionError")),
)

SOMETHING_ELSE = (
    # Cloudflare (logto-io/logto#5429): its page in place of JSON, here with status 200.
    either("html-with-200", text_answer(_HTML, content_type="text/html"), _INVALID),
    # Not seen in public: the same with a content type that lies.
    either("html-as-json", text_answer(_HTML, content_type="application/json"), _INVALID),
    # Not seen in public: a proxy's text with status 200.
    either("text-with-200", text_answer("upstream connect error"), _INVALID),
    # DeepSeek (deepseek-ai/DeepSeek-V3#407): HTTP 200 and nothing.
    at_once("empty-body", text_answer("", content_type="application/json"), _INVALID),
    # Our error tree: bad JSON, in a body that is complete.
    Scenario(
        "json-broken",
        text_answer('{"choices": [{"index": 0, "mess', content_type="application/json"),
        sse('{"choices": [{"index": 0, "del'),
        _INVALID,
    ),
    # Our error tree: bad JSON behind good events.
    in_stream("json-broken-amid-text", sse(ROLE, chunk("Hel"), "{broken"), _INVALID),
    # Our error tree: JSON that is no object.
    Scenario("json-list", json_answer([reply()]), sse("[1]"), _INVALID),
    # Our error tree: JSON that is nothing.
    at_once("json-null", json_answer(None), _INVALID),
    # Kaito (kaito-project/kaito#1880): a stream to a blocking request; not what the wire promises.
    at_once("stream-to-a-blocking-request", HELLO_STREAM, _INVALID),
    # Not seen in public: `stream` is ignored for a model that cannot.
    in_stream("whole-answer-to-a-streamed-request", HELLO_REPLY, HELLO),
    # TokenMizer (Shweta-Mishra-ai/tokenmizer#11): an answer out of its cache, framed as one event.
    in_stream("whole-answer-as-one-event", sse(reply()), HELLO),
    # A gateway of dstack (dstackai/dstack#4269): silence between events is no end.
    in_stream("slow-in-pieces", replace(streamed("Hel", "lo"), delay=0.01, chunk_delay=0.01), HELLO),
)

ROWS = (*COMPLETE, *INTERRUPTED, *SOMETHING_ELSE)
