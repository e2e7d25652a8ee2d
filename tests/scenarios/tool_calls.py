"""Tool calls: what they stand beside, how many there are, and the builders for their rows."""

from typing import Any

from tests.scenarios.table import (
    ABSENT,
    COUNT,
    ROLE,
    STOP,
    Expect,
    Scenario,
    choices,
    chunk,
    counted,
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


def weather(arguments: Any, index: Any = ABSENT, *, call_id: Any = "call_1") -> dict[str, Any]:
    """A call of `get_weather`, or its first piece."""
    return call("get_weather", arguments, index=index, call_id=call_id)


def adding(arguments: Any, index: Any = ABSENT, *, call_id: Any = "call_2") -> dict[str, Any]:
    return call("add", arguments, index=index, call_id=call_id)


def more(arguments: str, index: Any = ABSENT, *, call_id: Any = ABSENT) -> dict[str, Any]:
    return call(arguments=arguments, index=index, call_id=call_id)


def asked(*calls: dict[str, Any], text: Any = None, finish: str = "tool_calls", **message: Any) -> Answer:
    """A blocking answer with these calls."""
    return replied(text, finish=finish, tool_calls=list(calls) or ABSENT, **message)


def asked_in(*events: Any, finish: str | None = "tool_calls") -> Answer:
    """A stream with an event for each list of entries; a text is an event with that text."""
    return streamed(*(chunk(tool_calls=each) if isinstance(each, list) else each for each in events), finish=finish)


def tool_row(
    name: str,
    *calls: tuple[str, dict[str, Any]],
    blocking: Answer | None = None,
    stream: Answer | None = None,
    **expect: Any,
) -> Scenario:
    """A row whose answer has these calls, asked with `TOOLS`."""
    wanted = Expect(tool_calls=calls, **{"finish_reason": "tool_calls", **expect})
    return Scenario(name, blocking, stream, wanted, tools=True)


def one(name: str, *events: Any, blocking: Answer | None = None, stream: Answer | None = None) -> Scenario:
    """A row whose answer has one call, with the ID that came first; streamed in these events."""
    stream = stream or asked_in(*events)
    return tool_row(name, IN_PARIS, tool_ids=("call_1",), blocking=blocking, stream=stream)


def two(name: str, *events: Any, blocking: Answer | None = None, stream: Answer | None = None) -> Scenario:
    """A row whose answer has a call of each function, with their IDs; streamed in these events."""
    stream = stream or asked_in(*events)
    return tool_row(name, IN_PARIS, ADDED, tool_ids=("call_1", "call_2"), blocking=blocking, stream=stream)


def _beside(name: str, message: dict[str, Any], *events: Any, **expect: Any) -> Scenario:
    return tool_row(name, IN_PARIS, blocking=asked(weather(PARIS), **message), stream=asked_in(*events), **expect)


_PART = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}}
_WHOLE = asked(weather(PARIS))
_WHOLE_STREAM = asked_in([weather("", 0)], [more('{"city":', 0)], [more(' "Paris"}', 0)])

ROWS = (
    # OpenAI's specification: name and ID first, then the arguments in pieces.
    tool_row("call-plain", IN_PARIS, tool_ids=("call_1",), blocking=_WHOLE, stream=_WHOLE_STREAM),
    # Mistral (openclaw/openclaw#130532): the whole call at once.
    one("call-in-one-event", [weather(PARIS, 0)]),
    # OpenAI's specification: parallel calls of two functions, one behind the other.
    two(
        "calls-two",
        blocking=asked(weather(PARIS), adding(SUM)),
        stream=asked_in([weather("", 0)], [more(PARIS, 0)], [adding("", 1)], [more(SUM, 1)]),
    ),
    # vLLM (vllm-project/vllm#26291): several calls in one event; LlamaIndex reads the first only.
    two("calls-two-in-one-event", [weather(PARIS, 0), adding(SUM, 1)]),
    # Not seen in public: several calls begin in one event, their arguments follow together.
    two(
        "calls-two-in-one-event-then-pieces",
        [weather('{"city":', 0), adding('{"a": 1,', 1)],
        [more(' "Paris"}', 0), more(' "b": 2}', 1)],
    ),
    # OpenAI behind Plexus (mcowger/plexus#691): parallel calls of one function are as many calls.
    tool_row(
        "calls-of-the-same-function",
        IN_PARIS,
        IN_ROME,
        tool_ids=("call_1", "call_2"),
        blocking=asked(weather(PARIS), weather(ROME, call_id="call_2")),
        stream=asked_in([weather(PARIS, 0)], [weather(ROME, 1, call_id="call_2")]),
    ),
    # OmniRoute (diegosouzapw/OmniRoute#11144): pieces of two calls in turn; LlamaIndex makes four of them.
    two(
        "calls-interleaved",
        stream=asked_in(
            [weather('{"city":', 0)], [adding('{"a": 1,', 1)], [more(' "Paris"}', 0)], [more(' "b": 2}', 1)]
        ),
    ),
    # Anthropic behind Switchyard (NVIDIA-NeMo/Switchyard#712): text before the call.
    _beside("call-behind-text", {"text": "Let me look."}, "Let me ", "look.", [weather(PARIS, 0)], text="Let me look."),
    # Not seen in public: text behind the call.
    tool_row("call-before-text", IN_PARIS, text="Looking.", stream=asked_in([weather(PARIS, 0)], "Looking.")),
    # SGLang (sgl-project/sglang#6310): a reasoning model's call.
    _beside(
        "call-behind-reasoning",
        {"reasoning_content": "hm, yes"},
        chunk(reasoning_content="hm, yes"),
        [weather(PARIS, 0)],
        reasoning="hm, yes",
    ),
    # Not seen in public: the same with inline reasoning and no text.
    _beside(
        "call-behind-thinking",
        {"text": "<think>hm, yes</think>\n\n"},
        *("<think>hm, yes</th", "ink>\n", "\n", [weather(PARIS, 0)]),
        reasoning="hm, yes",
    ),
    # Zhipu (zai-org/GLM-4.5#17): call and finish reason in one event.
    one("call-in-the-last-event", stream=sse(ROLE, chunk(tool_calls=[weather(PARIS, 0)], finish="tool_calls"), COUNT)),
    # Perplexity's form (BerriAI/litellm#8455): `message` in each event, here with a call.
    one("call-in-a-message", choices({"index": 0, "message": {"content": None, "tool_calls": [weather(PARIS)]}})),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): the reason is always `stop`.
    tool_row(
        "call-finished-with-stop",
        IN_PARIS,
        finish_reason="stop",
        blocking=asked(weather(PARIS), finish="stop"),
        stream=asked_in([weather(PARIS, 0)], finish="stop"),
    ),
    # Not seen in public: a call is a part of the content, as Anthropic has it.
    tool_row(
        "call-in-the-content",
        IN_PARIS,
        text="Looking.",
        tool_ids=("call_1",),
        blocking=asked(text=[{"type": "text", "text": "Looking."}, _PART]),
        stream=asked_in("Looking.", chunk([_PART])),
    ),
    # Our rule on answers: one with a call is not empty, whatever was counted.
    tool_row(
        "call-without-tokens",
        IN_PARIS,
        usage=(5, 0, 5),
        blocking=asked(weather(PARIS), top={"usage": tokens(5, 0)}),
        stream=sse(chunk(tool_calls=[weather(PARIS, 0)], finish="tool_calls"), counted(tokens(5, 0))),
    ),
    # LiteLLM before Bedrock (BerriAI/litellm#9127): calls without a name and arguments, which are none.
    tool_row(
        "calls-of-nothing",
        text="Hello",
        finish_reason="stop",
        blocking=replied(tool_calls=[call(None, text, call_id=text) for text in ("{}{}", "{}")]),
        stream=streamed("Hel", chunk(tool_calls=[call(None, "{}", index=0, call_id="x")]), "lo"),
    ),
    # The same (BerriAI/litellm#9127), beside a call that needs no arguments.
    tool_row(
        "call-beside-one-of-nothing",
        ("get_weather", {}),
        tool_ids=("call_1",),
        blocking=asked(call(None, "{}", call_id="x"), weather("")),
        stream=asked_in([call(None, "", index=0, call_id="x")], [weather("", 1)]),
    ),
    # ChatMock (RayBytes/ChatMock#114): every stream ends with `stop`, one with calls too.
    tool_row(
        "call-finished-twice",
        IN_PARIS,
        stream=sse(chunk(tool_calls=[weather(PARIS, 0)], finish="tool_calls"), STOP, COUNT),
    ),
    # Foundry Local (microsoft/foundry-local#144), SGLang (sgl-project/sglang#6310): an empty list, or null.
    tool_row(
        "calls-empty",
        text="Hello",
        finish_reason="stop",
        blocking=replied(tool_calls=[]),
        stream=streamed(chunk("Hel", tool_calls=[]), chunk("lo", tool_calls=None)),
    ),
    # Anthropic over any network (BerriAI/litellm#17493): events split anywhere.
    tool_row(
        "call-byte-by-byte",
        ("get_weather", {"city": "Zürich"}),
        tool_ids=("call_1",),
        blocking=split_everywhere(asked(weather('{"city": "Zürich"}')), 1),
        stream=split_everywhere(asked_in([weather("", 0)], *([more(c, 0)] for c in '{"city": "Zürich"}')), 1),
    ),
)
