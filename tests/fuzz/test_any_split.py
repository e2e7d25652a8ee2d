"""However the bytes of a stream are cut, or the looks at a job fall, users of both frameworks get the same message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aki_transport.messages import ToolCall
from tests.scenarios import chunk, tokens
from tests.script_server import sse
from tests.tools.fuzz.in_frameworks import ASKS, SERVICE, Protocol, no_pauses
from tests.transport import native_says
from tests.transport.anthropic_says import begin, grow, message, stop, streamed, text, thinking, tool_use, written
from tests.transport.test_decoding import cuts, interleaved

some = settings(max_examples=15, deadline=None)
few = settings(max_examples=6, deadline=None)
ways = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
each = pytest.mark.parametrize("framework", list(ASKS))

ARGUMENTS = ('{"ci', 'ty": "Zü', 'rich 🌍"}')
OPENAI = sse(
    chunk("", role="assistant"),
    chunk(reasoning_content="Hm, ü"),
    chunk("Grüße"),
    b": ping\n\n",
    chunk(" 🌍\n"),
    chunk(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "get_weather", "arguments": ""}}]),
    *(chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in ARGUMENTS),
    chunk(finish="tool_calls"),
    chunk(top={"choices": [], "usage": tokens()}),
).chunks
ANTHROPIC = written(
    streamed(
        begin(0, thinking("")),
        grow(0, "thinking", thinking="Hm, ü"),
        grow(0, "signature", signature="c2ln"),
        stop(0),
        begin(1, text("")),
        grow(1, "text", text="Grüße"),
        grow(1, "text", text=" 🌍\n"),
        stop(1),
        begin(2, tool_use("toolu_1", "get_weather", {})),
        *(grow(2, "input_json", partial_json=piece) for piece in ARGUMENTS),
        stop(2),
        reason="tool_use",
    )
)
STREAMS: dict[Protocol, bytes] = {"openai": b"".join(OPENAI), "anthropic": ANTHROPIC}


def heard(framework: str, protocol: Protocol, *, is_async: bool = False) -> Any:
    """What is left of the answer once it is no longer told when each piece of it came."""
    found = ASKS[framework][0](protocol, stream=True, is_async=is_async)
    if framework == "LangChain":
        calls = [(call["id"], call["name"], call["args"]) for call in found.tool_calls]
        more = found.additional_kwargs, found.response_metadata, found.usage_metadata
        return found.content, calls, found.invalid_tool_calls, more
    return [block.model_dump() for block in found.message.blocks], found.additional_kwargs, found.raw


def calls_in(framework: str, protocol: Protocol, *, is_async: bool = False) -> list[ToolCall]:
    found = ASKS[framework][0](protocol, stream=True, is_async=is_async)
    if framework == "LangChain":
        return [ToolCall(call["id"], call["name"], call["args"]) for call in found.tool_calls]
    blocks = [block for block in found.message.blocks if block.block_type == "tool_call"]
    return [ToolCall(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]


@each
@ways
@pytest.mark.parametrize("protocol", list(STREAMS))
@some
@given(cut=cuts)
def test_any_split_of_a_stream_gives_the_same_message(
    framework: str, protocol: Protocol, cut: list[int], *, is_async: bool
) -> None:
    SERVICE.say(STREAMS[protocol], kind="text/event-stream")
    whole = heard(framework, protocol)
    assert "Grüße 🌍\n" in str(whole).replace("\\n", "\n")
    assert "Zürich 🌍" in str(whole)
    SERVICE.say(STREAMS[protocol], kind="text/event-stream", cuts=cut)
    assert heard(framework, protocol, is_async=is_async) == whole


@each
@pytest.mark.parametrize("protocol", list(STREAMS))
def test_a_stream_that_comes_byte_by_byte_gives_the_same_message(framework: str, protocol: Protocol) -> None:
    SERVICE.say(STREAMS[protocol], kind="text/event-stream")
    whole = heard(framework, protocol)
    SERVICE.say(STREAMS[protocol], kind="text/event-stream", cuts=list(range(len(STREAMS[protocol]))))
    assert heard(framework, protocol) == whole


@each
@ways
@few
@given(looks=st.lists(st.integers(0, 40), max_size=8), as_object=st.booleans())
def test_any_looks_at_a_job_give_the_same_message(
    framework: str, looks: list[int], *, as_object: bool, is_async: bool
) -> None:
    answer = "Grüße aus Zürich 🌍\nund zurück"

    def said(words: str) -> Any:
        return {"thinking": "Hm, ü", "content": words} if as_object else f"<think>Hm, ü</think>{words}"

    def play(*ends: int) -> Any:
        states = [native_says.working(said(answer[:end])) for end in sorted(ends)]
        states = [native_says.STARTED, *states, native_says.done(said(answer))]
        SERVICE.say(*(json.dumps(state).encode() for state in states))
        return heard(framework, "native", is_async=is_async)

    with no_pauses():
        whole = play()
        assert answer in str(whole).replace("\\n", "\n")
        assert play(*looks) == whole


@each
@some
@given(drawn=interleaved(), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_any_interleaving_of_tool_calls_gives_the_calls(
    framework: str, drawn: tuple[list[ToolCall], list[dict[str, Any]]], sizes: list[int]
) -> None:
    calls, pieces = drawn
    chunks = []
    while pieces:
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(chunk(tool_calls=pieces[:size]))
        pieces = pieces[size:]
    SERVICE.say(b"".join(sse(*chunks, chunk(finish="tool_calls")).chunks), kind="text/event-stream")
    assert calls_in(framework, "openai") == [read(call) for call in calls]


@each
@some
@given(drawn=interleaved())
def test_any_interleaving_of_content_blocks_gives_the_calls(
    framework: str, drawn: tuple[list[ToolCall], list[dict[str, Any]]]
) -> None:
    calls, pieces = drawn
    events, begun = [], set()
    for piece in pieces:
        at = piece["index"]
        if at not in begun:
            begun.add(at)
            events.append(begin(at, tool_use(calls[at].id, calls[at].name, {})))
        events.append(grow(at, "input_json", partial_json=piece["function"]["arguments"]))
    SERVICE.say(written(streamed(*events, *map(stop, begun), reason="tool_use")), kind="text/event-stream")
    assert calls_in(framework, "anthropic") == [read(call) for call in calls]


def read(call: ToolCall) -> ToolCall:
    """The call with its arguments as an object, as both frameworks hold them."""
    return ToolCall(call.id, call.name, json.loads(call.arguments))


@each
@ways
def test_whole_calls_in_answer_to_a_stream_are_one_each(framework: str, *, is_async: bool) -> None:
    calls = [ToolCall("toolu_1", "add", {"a": 1}), ToolCall("toolu_2", "add", {"a": 2})]
    SERVICE.say(json.dumps(message(*(tool_use(call.id, call.name, call.arguments) for call in calls))).encode())
    assert calls_in(framework, "anthropic", is_async=is_async) == calls
