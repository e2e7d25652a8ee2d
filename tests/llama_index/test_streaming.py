"""Streams: what each item holds, what the last one holds, what a chunk costs, and what is left when one ends."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ThinkingBlock, ToolCallBlock

from llama_index_aki import AKI, _convert_replies
from tests.llama_index.asking import STREAMED, WAYS, Way, ask, check_items, is_streamed, items_of, model_at, said_of
from tests.scenarios import TOOLS, chunk, replied, streamed, tokens
from tests.script_server import Answer, ScriptServer, sse
from tests.subcases import subcases

HI = [ChatMessage(content="hi")]
HANGING = Answer(headers={"content-type": "text/event-stream"}, chunks=streamed("Hel").chunks[:2], end="hang")
NAMED = {"x_request_id": "req-1", "x_credits_used": "0.000123", "x_credits_remaining": "9.5"}


def called(name: str, arguments: str, index: int) -> dict[str, Any]:
    return {
        "index": index,
        "id": f"call_{index}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


EVERYTHING = streamed(
    chunk(reasoning_content="hm, "),
    chunk("I ", reasoning_content="yes"),
    "look.",
    chunk(tool_calls=[called("get_weather", '{"city"', 0)]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": ': "Paris"}'}}]),
    chunk(tool_calls=[called("add", '{"a": 1, "b": 2}', 1)]),
    finish="tool_calls",
)
COUNTED = tokens(prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 2})


def dumped(response: ChatResponse) -> dict[str, Any]:
    return response.model_dump(exclude={"raw"})


def until_closed(server: ScriptServer, connections: int = 0) -> None:
    tick = threading.Event()
    for _ in range(300):
        if server.open_connections <= connections:
            return
        tick.wait(0.01)
    pytest.fail(f"{server.open_connections} connections are still open")


async def until_closed_async(server: ScriptServer) -> None:
    for _ in range(300):
        if server.open_connections <= 1:  # the listing's may be kept alive
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{server.open_connections} connections are still open")


def lines_of(items: list[ChatResponse]) -> list[tuple[Any, ...]]:
    return [
        (
            item.delta,
            item.additional_kwargs.get("thinking_delta"),
            item.message.content,
            [type(block) for block in item.message.blocks],
            [block.tool_kwargs for block in item.message.blocks if isinstance(block, ToolCallBlock)],
        )
        for item in items
    ]


@subcases("way", STREAMED)
def test_thoughts_text_and_calls_grow_in_their_blocks(server: ScriptServer, way: Way):
    server.say(EVERYTHING)
    items = items_of(model_at(server), way, "hi", tools=list(TOOLS))
    check_items(items)
    thought, text, calls = said_of(items[-1].message)
    assert (thought, text) == ("hm, yes", "I look.")
    assert [(call.tool_call_id, call.tool_name, call.tool_kwargs) for call in calls] == [
        ("call_0", "get_weather", {"city": "Paris"}),
        ("call_1", "add", {"a": 1, "b": 2}),
    ]
    assert [type(block) for block in items[-1].message.blocks] == [
        ThinkingBlock,
        TextBlock,
        ToolCallBlock,
        ToolCallBlock,
    ]


def test_a_stream_is_the_same_in_sync_and_async(server: ScriptServer):
    server.say(EVERYTHING, EVERYTHING)
    llm = model_at(server)
    sync, awaited = (items_of(llm, way, "hi", tools=list(TOOLS)) for way in STREAMED)
    assert lines_of(sync) == lines_of(awaited)
    assert dumped(sync[-1]) == dumped(awaited[-1])


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@subcases("way", STREAMED)
def test_no_thought_is_lost_also_where_the_stream_begins_with_it(server: ScriptServer, way: Way, field: str):
    server.say(sse(chunk(**{field: "R1"}), chunk(**{field: "R2"}), chunk("A"), chunk(finish="stop")))
    items = items_of(model_at(server), way, "hi")
    deltas = [item.additional_kwargs.get("thinking_delta") for item in items]
    assert [delta for delta in deltas if delta] == ["R1", "R2"]
    assert items[-1].message.blocks[0].content == "R1R2"


@subcases("way", STREAMED)
def test_thoughts_inside_the_text_are_thoughts(server: ScriptServer, way: Way):
    server.say(streamed("<thi", "nk>R1", "R2</thi", "nk>\n\nA"))
    items = items_of(model_at(server), way, "hi")
    check_items(items)
    assert said_of(items[-1].message)[:2] == ("R1R2", "A")


@subcases("way", WAYS)
def test_the_number_of_thought_tokens_stands_at_the_thought(server: ScriptServer, way: Way):
    server.say(
        sse(
            chunk(reasoning_content="hm"),
            chunk("A"),
            chunk(finish="stop"),
            chunk(top={"choices": [], "usage": COUNTED}),
        )
        if is_streamed(way)
        else replied("A", reasoning_content="hm", top={"usage": COUNTED})
    )
    thought = ask(model_at(server), way, "hi").message.blocks[0]
    assert isinstance(thought, ThinkingBlock)
    assert thought.num_tokens == 2


@subcases("way", WAYS)
def test_raw_of_the_last_item_is_a_dict_with_model_usage_and_finish_reason(server: ScriptServer, way: Way):
    server.say(EVERYTHING if is_streamed(way) else replied("I look.", finish="tool_calls"))
    raw = ask(model_at(server), way, "hi", tools=list(TOOLS)).raw
    assert isinstance(raw, dict)
    assert raw["model"] == "qwen3.6-35b"
    assert dict(raw["usage"])["total_tokens"] == 8
    assert raw["choices"][0]["finish_reason"] == "tool_calls"
    json.dumps(raw)


@subcases("way", STREAMED)
def test_raw_of_the_last_item_is_whole_also_where_nothing_came_behind_the_finish_reason(server: ScriptServer, way: Way):
    server.say(sse(chunk("Hello"), chunk(finish="stop")))
    raw = ask(model_at(server), way, "hi").raw
    assert raw["model"] == "qwen3.6-35b"
    assert raw["choices"][0]["finish_reason"] == "stop"


@subcases("way", WAYS)
def test_what_is_known_of_the_answer_has_its_names(server: ScriptServer, way: Way):
    body = replied(top={"usage": COUNTED})
    headers = {name.replace("_", "-"): value for name, value in NAMED.items()}
    server.say(
        sse(chunk("Hello"), chunk(finish="stop"), chunk(top={"choices": [], "usage": COUNTED}), **NAMED)
        if is_streamed(way)
        else Answer(headers={**body.headers, **headers}, chunks=body.chunks, chunked=False)
    )
    known = ask(model_at(server), way, "hi").additional_kwargs
    assert known == {
        "model_name": "qwen3.6-35b",
        "model_provider": "aki",
        "finish_reason": "stop",
        "stop_reason": "stop",
        "id": "chatcmpl-1",
        "request_id": "req-1",
        "credits_used": 0.000123,
        "credits_remaining": 9.5,
        "created": 1767225600,
        "token_usage": COUNTED,
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "total_tokens": 8,
        "reasoning_tokens": 2,
        "cached_tokens": 4,
    }


@subcases("way", WAYS)
def test_a_response_is_json_and_a_copy(server: ScriptServer, way: Way):
    server.say(EVERYTHING if is_streamed(way) else replied("A", reasoning_content="hm"))
    response = ask(model_at(server), way, "hi", tools=list(TOOLS))
    again = ChatResponse.model_validate_json(response.model_dump_json())
    assert again.message == response.message
    assert ChatMessage.model_validate(response.message.model_dump()) == response.message


@subcases("way", STREAMED)
def test_an_item_that_was_given_does_not_change_later(server: ScriptServer, way: Way):
    server.say(EVERYTHING, EVERYTHING)
    llm = model_at(server)

    async def awaited() -> list[tuple[Any, Any]]:
        return [(item, item.model_dump_json()) async for item in await llm.astream_chat(HI, tools=list(TOOLS))]

    if way == "astream_chat":
        kept = asyncio.run(awaited())
    else:
        kept = [(item, item.model_dump_json()) for item in llm.stream_chat(HI, tools=list(TOOLS))]
    assert kept
    assert [item.model_dump_json() for item, _ in kept] == [before for _, before in kept]


def test_a_stream_asks_for_usage_and_a_blocking_call_does_not(server: ScriptServer):
    server.say(streamed("Hello"), replied())
    llm = model_at(server)
    ask(llm, "stream_chat", "hi")
    ask(llm, "chat", "hi")
    assert server.requests[0].json["stream_options"] == {"include_usage": True}
    assert "stream_options" not in server.requests[1].json
    assert "stream" not in server.requests[1].json


@subcases("way", WAYS)
def test_probabilities_of_tokens_are_given(server: ScriptServer, way: Way):
    said = {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]}
    choice = {"index": 0, "logprobs": said, "finish_reason": "stop"}
    server.say(
        sse(chunk(top={"choices": [{**choice, "delta": {"content": "Hi"}}]}))
        if is_streamed(way)
        else replied(top={"choices": [{**choice, "message": {"role": "assistant", "content": "Hi"}}]})
    )
    (found,) = ask(model_at(server), way, "hi", extra_body={"logprobs": True}).logprobs
    assert (found[0].token, found[0].logprob, found[0].bytes) == ("Hi", -0.5, [72, 105])


# Left early


@pytest.mark.parametrize("how", ["stream_chat", "stream_complete"])
@pytest.mark.parametrize("end", ["close", "break"])
def test_a_stream_that_is_left_early_frees_its_connection(server: ScriptServer, how: str, end: str):
    server.say(HANGING)
    llm = model_at(server)
    stream = llm.stream_chat(HI) if how == "stream_chat" else llm.stream_complete("hi")
    for item in stream:
        assert item.delta == "Hel"
        break
    if end == "close":
        stream.close()
    del stream
    gc.collect()
    until_closed(server)


@pytest.mark.parametrize("how", ["astream_chat", "astream_complete"])
@pytest.mark.parametrize("end", ["close", "break"])
async def test_an_async_stream_that_is_left_early_frees_its_connection(server: ScriptServer, how: str, end: str):
    server.say(HANGING)
    llm = model_at(server)
    stream = await (llm.astream_chat(HI) if how == "astream_chat" else llm.astream_complete("hi"))
    async for item in stream:
        assert item.delta == "Hel"
        break
    if end == "close":
        await stream.aclose()
    del stream
    gc.collect()
    await until_closed_async(server)
    await llm.aclose()


async def test_a_stream_that_was_never_begun_sends_nothing(server: ScriptServer):
    llm = model_at(server)
    llm.stream_chat(HI).close()
    await (await llm.astream_chat(HI)).aclose()
    gc.collect()
    assert not server.requests


# What a chunk costs


def characters_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that are read as JSON, as they are read."""
    lengths: list[int] = []
    read = _convert_replies.from_json

    def counting(text: Any, **given: Any) -> Any:
        lengths.append(len(text))
        return read(text, **given)

    monkeypatch.setattr(_convert_replies, "from_json", counting)
    return lengths


def long_call(pieces: int, size: int) -> Answer:
    """A call whose arguments come in that many pieces of that many characters."""
    first = called("get_weather", '{"city": "', 0)
    more = [chunk(tool_calls=[{"index": 0, "function": {"arguments": "x" * size}}]) for _ in range(pieces)]
    last = chunk(tool_calls=[{"index": 0, "function": {"arguments": '"}'}}])
    body = b"".join(streamed(chunk(tool_calls=[first]), *more, last, finish="tool_calls").chunks)
    return Answer(headers={"content-type": "text/event-stream"}, chunks=(body,))


def test_hundred_kilobytes_of_arguments_in_five_thousand_pieces_are_read_at_a_linear_cost(
    server: ScriptServer, monkeypatch
):
    server.say(long_call(5000, 20))
    lengths = characters_read(monkeypatch)
    llm = model_at(server)
    read_by_agents = 0
    last = None
    for item in llm.stream_chat(HI, tools=list(TOOLS)):
        before = len(lengths)
        llm.get_tool_calls_from_response(item, error_on_no_tool_call=False)
        read_by_agents += len(lengths) - before
        last = item
    assert last.message.blocks[0].tool_kwargs == {"city": "x" * 100_000}
    assert read_by_agents == 0
    assert sum(lengths) <= 8 * 100_000
    assert len(lengths) <= 100


def test_the_characters_read_grow_with_the_arguments_and_not_with_their_square(server: ScriptServer, monkeypatch):
    counts = []
    for pieces in (200, 2000):
        lengths = characters_read(monkeypatch)
        server.say(long_call(pieces, 10))
        items_of(model_at(server), "stream_chat", "hi", tools=list(TOOLS))
        counts.append(sum(lengths))
        monkeypatch.undo()
    assert counts[1] <= 13 * counts[0]


def test_a_chunk_costs_one_message(server: ScriptServer, monkeypatch):
    made = 0

    def counted(make: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*given: Any, **named: Any) -> Any:
            nonlocal made
            made += 1
            return make(*given, **named)

        return counting

    server.say(streamed(*("x" for _ in range(300))))
    llm = model_at(server)
    for name in ("__init__", "__copy__", "model_construct"):
        monkeypatch.setattr(ChatMessage, name, counted(getattr(ChatMessage, name)))
    items = list(llm.stream_chat(HI))
    assert items[-1].message.content == "x" * 300
    assert made == len(items)


def test_arguments_are_seen_while_they_grow(server: ScriptServer):
    text = json.dumps({"city": "x" * 50, "days": [1, 2, 3], "note": "y" * 50})
    pieces = [chunk(tool_calls=[{"index": 0, "function": {"arguments": letter}}]) for letter in text]
    server.say(streamed(chunk(tool_calls=[called("get_weather", "", 0)]), *pieces, finish="tool_calls"))
    llm: AKI = model_at(server)
    seen = [
        llm.get_tool_calls_from_response(item, error_on_no_tool_call=False)
        for item in llm.stream_chat(HI, tools=list(TOOLS))
    ]
    lengths = [len(calls[0].tool_kwargs.get("city", "")) for calls in seen if calls]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 5
    assert seen[-1][0].tool_kwargs == json.loads(text)
