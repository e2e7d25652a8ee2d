"""Tool calls: what they stand beside, how many there are, and the builders for their rows."""

from __future__ import annotations

from typing import Any

from tests.scenarios.table import (
    ABSENT,
    COUNT,
    ROLE,
    Expect,
    Scenario,
    chunk,
    replied,
    split_everywhere,
    streamed,
    tokens,
)
from tests.script_server import Answer, sse

PARIS, ROME, SUM = '{"city": "Paris"}', '{"city": "Rome"}', '{"a": 1, "b": 2}'
IN_PARIS = ("get_weather", {"city": "Paris"})
IN_ROME = ("get_weather", {"city": "Rome"})
ADDED = ("add", {"a": 1, "b": 2})


def call(name: Any = ABSENT, arguments: Any = ABSENT, *, index: Any = ABSENT, call_id: Any = ABSENT) -> dict[str, Any]:
    """One entry of `tool_calls`: a whole call, or what a stream adds to one."""
    function = {"name": name, "arguments": arguments}
    entry = {
        "index": index,
        "id": call_id,
        "type": ABSENT if name is ABSENT else "function",
        "function": {field: value for field, value in function.items() if value is not ABSENT},
    }
    return {field: value for field, value in entry.items() if value is not ABSENT}


def asked(*calls: dict[str, Any], text: Any = None, finish: str = "tool_calls", **message: Any) -> Answer:
    """A blocking answer with these calls."""
    return replied(text, finish=finish, tool_calls=list(calls), **message)


def asked_in(*events: list[dict[str, Any]] | str, finish: str | None = "tool_calls") -> Answer:
    """A stream with an event for each list of entries; a text is an event with that text."""
    return streamed(*(event if isinstance(event, str) else chunk(tool_calls=event) for event in events), finish=finish)


def tool_row(
    name: str,
    why: str,
    *calls: tuple[str, dict[str, Any]],
    blocking: Answer | None = None,
    stream: Answer | None = None,
    **expect: Any,
) -> Scenario:
    """A row whose answer has these calls, asked with `TOOLS`."""
    wanted = Expect(tool_calls=calls, **{"finish_reason": "tool_calls", **expect})
    return Scenario(name=name, why=why, blocking=blocking, stream=stream, expect=wanted, tools=True)


_WHOLE = asked(call("get_weather", PARIS, call_id="call_1"))
_WHOLE_STREAM = asked_in(
    [call("get_weather", "", index=0, call_id="call_1")],
    [call(arguments='{"city":', index=0)],
    [call(arguments=' "Paris"}', index=0)],
)

ROWS = (
    tool_row(
        "call-plain",
        "OpenAI's shape: name and ID first, then the arguments in pieces.",
        IN_PARIS,
        tool_ids=("call_1",),
        blocking=_WHOLE,
        stream=_WHOLE_STREAM,
    ),
    tool_row(
        "call-in-one-event",
        "vLLM's and Ollama's shape: the whole call at once.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in([call("get_weather", PARIS, index=0, call_id="call_1")]),
    ),
    tool_row(
        "calls-two",
        "OpenAI: parallel calls of two functions, one behind the other.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        blocking=asked(call("get_weather", PARIS, call_id="call_1"), call("add", SUM, call_id="call_2")),
        stream=asked_in(
            [call("get_weather", "", index=0, call_id="call_1")],
            [call(arguments=PARIS, index=0)],
            [call("add", "", index=1, call_id="call_2")],
            [call(arguments=SUM, index=1)],
        ),
    ),
    tool_row(
        "calls-two-in-one-event",
        "Mistral, Gemini: several calls in one event; LlamaIndex reads the first only.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id="call_1"), call("add", SUM, index=1, call_id="call_2")]
        ),
    ),
    tool_row(
        "calls-two-in-one-event-then-pieces",
        "Any server: several calls begin in one event, their arguments follow together.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [
                call("get_weather", '{"city":', index=0, call_id="call_1"),
                call("add", '{"a": 1,', index=1, call_id="call_2"),
            ],
            [call(arguments=' "Paris"}', index=0), call(arguments=' "b": 2}', index=1)],
        ),
    ),
    tool_row(
        "calls-of-the-same-function",
        "OpenAI: parallel calls of one function are as many calls.",
        IN_PARIS,
        IN_ROME,
        tool_ids=("call_1", "call_2"),
        blocking=asked(call("get_weather", PARIS, call_id="call_1"), call("get_weather", ROME, call_id="call_2")),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id="call_1")],
            [call("get_weather", ROME, index=1, call_id="call_2")],
        ),
    ),
    tool_row(
        "calls-interleaved",
        "Any server: pieces of two calls in turn; LlamaIndex makes four calls of them.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")],
            [call("add", '{"a": 1,', index=1, call_id="call_2")],
            [call(arguments=' "Paris"}', index=0)],
            [call(arguments=' "b": 2}', index=1)],
        ),
    ),
    tool_row(
        "call-behind-text",
        "DeepSeek, Qwen: text before the call.",
        IN_PARIS,
        text="Let me look.",
        blocking=asked(call("get_weather", PARIS, call_id="call_1"), text="Let me look."),
        stream=asked_in("Let me ", "look.", [call("get_weather", PARIS, index=0, call_id="call_1")]),
    ),
    tool_row(
        "call-before-text",
        "Any server: text behind the call.",
        IN_PARIS,
        text="Looking.",
        stream=asked_in([call("get_weather", PARIS, index=0, call_id="call_1")], "Looking."),
    ),
    tool_row(
        "call-behind-reasoning",
        "DeepSeek: a reasoning model's call.",
        IN_PARIS,
        reasoning="hm, yes",
        blocking=asked(call("get_weather", PARIS, call_id="call_1"), reasoning_content="hm, yes"),
        stream=streamed(
            chunk(reasoning_content="hm, yes"),
            chunk(tool_calls=[call("get_weather", PARIS, index=0, call_id="call_1")]),
            finish="tool_calls",
        ),
    ),
    tool_row(
        "call-behind-thinking",
        "Ollama, MiniMax: the same with inline reasoning and no text.",
        IN_PARIS,
        reasoning="hm, yes",
        blocking=asked(call("get_weather", PARIS, call_id="call_1"), text="<think>hm, yes</think>\n\n"),
        stream=asked_in("<think>hm, yes</th", "ink>\n", "\n", [call("get_weather", PARIS, index=0, call_id="call_1")]),
    ),
    tool_row(
        "call-in-the-last-event",
        "Mistral, Gemini: call and finish reason in one event.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=sse(
            ROLE,
            chunk(tool_calls=[call("get_weather", PARIS, index=0, call_id="call_1")], finish="tool_calls"),
            COUNT,
        ),
    ),
    tool_row(
        "call-in-a-message",
        "Perplexity: `message` in each event of a stream.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=streamed(
            chunk(
                top={
                    "choices": [
                        {
                            "index": 0,
                            "message": {"content": None, "tool_calls": [call("get_weather", PARIS, call_id="call_1")]},
                        }
                    ]
                }
            ),
            finish="tool_calls",
        ),
    ),
    tool_row(
        "call-finished-with-stop",
        "AKI.IO's open-source server: the finish reason is always `stop`.",
        IN_PARIS,
        finish_reason="stop",
        blocking=asked(call("get_weather", PARIS, call_id="call_1"), finish="stop"),
        stream=asked_in([call("get_weather", PARIS, index=0, call_id="call_1")], finish="stop"),
    ),
    tool_row(
        "call-without-tokens",
        "AKI.IO: an answer with a call is not empty, whatever was counted.",
        IN_PARIS,
        usage=(5, 0, 5),
        blocking=asked(call("get_weather", PARIS, call_id="call_1"), top={"usage": tokens(5, 0)}),
        stream=sse(
            chunk(tool_calls=[call("get_weather", PARIS, index=0, call_id="call_1")], finish="tool_calls"),
            chunk(top={"choices": [], "usage": tokens(5, 0)}),
        ),
    ),
    tool_row(
        "calls-empty",
        "vLLM: an empty list, or null, is no call.",
        text="Hello",
        finish_reason="stop",
        blocking=replied(tool_calls=[]),
        stream=streamed(chunk("Hel", tool_calls=[]), chunk("lo", tool_calls=None)),
    ),
    tool_row(
        "call-byte-by-byte",
        "Any server: events split anywhere.",
        ("get_weather", {"city": "Zürich"}),
        tool_ids=("call_1",),
        blocking=split_everywhere(asked(call("get_weather", '{"city": "Zürich"}', call_id="call_1")), 1),
        stream=split_everywhere(
            asked_in(
                [call("get_weather", "", index=0, call_id="call_1")],
                *([call(arguments=c, index=0)] for c in '{"city": "Zürich"}'),
            ),
            1,
        ),
    ),
)
