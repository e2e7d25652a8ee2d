"""Answers and streams: what each item and the last one hold, what a chunk costs, and what is left of one left early."""

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ThinkingBlock, ToolCallBlock

from llama_index_aki import _convert_replies
from tests.llama_index.asking import WAYS, Way, answering, ask, call, check_items, is_streamed, items_of, model_at
from tests.scenarios import TOOLS, chunk, replied, streamed, tokens
from tests.script_server import Answer, ScriptServer, sse
from tests.subcases import subcases

HI = [ChatMessage(content="hi")]
HANGING = Answer(headers={"content-type": "text/event-stream"}, chunks=streamed("Hel").chunks[:2], end="hang")
HEADERS = {"x-request-id": "req-1", "x-credits-used": "0.000123", "x-credits-remaining": "9.5"}
COUNTED = tokens(prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 2})
WEATHER, ADD = call("get_weather", '{"city": "Paris"}'), call("add", '{"a": 1, "b": 2}', "call_2")
EVERYTHING = answering("I look.", WEATHER, ADD, reasoning_content="hm, yes", usage=COUNTED, headers=HEADERS)


@subcases("way", WAYS)
def test_an_answer_has_its_blocks_what_is_known_of_it_and_the_services_own(server: ScriptServer, way: Way):
    server.always = EVERYTHING
    items = items_of(model_at(server), way, "hi", tools=list(TOOLS))
    if is_streamed(way):
        check_items(items)
    last = items[-1]
    thought, *others = last.message.blocks
    assert thought == ThinkingBlock(content="hm, yes", num_tokens=2)
    assert others == [
        TextBlock(text="I look."),
        ToolCallBlock(tool_call_id="call_1", tool_name="get_weather", tool_kwargs={"city": "Paris"}),
        ToolCallBlock(tool_call_id="call_2", tool_name="add", tool_kwargs={"a": 1, "b": 2}),
    ]
    again = ChatResponse.model_validate_json(last.model_dump_json())
    assert again.message == ChatMessage.model_validate(last.message.model_dump()) == last.message
    assert last.additional_kwargs == {
        "model_name": "qwen3.6-35b",
        "model_provider": "aki",
        "finish_reason": "tool_calls",
        "stop_reason": "tool_calls",
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
    raw: Any = last.raw
    assert isinstance(raw, dict)
    assert (raw["model"], dict(raw["usage"])["total_tokens"]) == ("qwen3.6-35b", 8)
    assert raw["choices"][0]["finish_reason"] == "tool_calls"
    json.dumps(raw)
    if is_streamed(way):  # nothing behind the finish reason
        server.always = sse(chunk("Hello"), chunk(finish="stop"))
        raw = ask(model_at(server), way, "hi").raw
        assert (raw["model"], raw["choices"][0]["finish_reason"]) == ("qwen3.6-35b", "stop")


def test_a_completion_of_thoughts_alone_has_no_text(server: ScriptServer):
    server.always = answering(None, reasoning_content="hm")
    response = model_at(server).complete("hi")
    assert (response.text, response.additional_kwargs["reasoning_content"]) == ("", "hm")


def test_a_call_that_cannot_be_read_yet_has_no_arguments(server: ScriptServer):
    message = ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="add", tool_kwargs="a")])
    (selected,) = model_at(server).get_tool_calls_from_response(ChatResponse(message=message))
    assert (selected.tool_name, selected.tool_kwargs) == ("add", {})


def test_an_item_that_was_given_does_not_change_later(server: ScriptServer):
    server.always = EVERYTHING
    kept = [(item, item.model_dump_json()) for item in model_at(server).stream_chat(HI, tools=list(TOOLS))]
    assert kept
    assert [item.model_dump_json() for item, _ in kept] == [before for _, before in kept]


@subcases("way", WAYS)
def test_probabilities_of_tokens_are_given(server: ScriptServer, way: Way):
    logprobs = {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]}
    choice = {"index": 0, "logprobs": logprobs, "finish_reason": "stop"}
    server.always = (
        sse(chunk(top={"choices": [{**choice, "delta": {"content": "Hi"}}]}))
        if is_streamed(way)
        else replied(top={"choices": [{**choice, "message": {"role": "assistant", "content": "Hi"}}]})
    )
    ((entry,),) = ask(model_at(server), way, "hi", extra_body={"logprobs": True}).logprobs
    assert (entry.token, entry.logprob, entry.bytes) == ("Hi", -0.5, [72, 105])


@pytest.mark.parametrize("how", ["stream_chat", "astream_chat"])
async def test_a_stream_that_is_left_early_frees_its_connection(how: str):
    with ScriptServer(HANGING) as server:
        stream = getattr(model_at(server, model_listing=False), how)(HI)
        if how == "astream_chat":
            stream = await stream
            item = await anext(stream)
        else:
            item = await asyncio.to_thread(next, stream)
        assert item.delta == "Hel"
        del stream
        gc.collect()
        async with asyncio.timeout(60):
            while server.open_connections:  # noqa: ASYNC110  another thread closes them
                await asyncio.sleep(0.01)


async def test_a_stream_that_was_never_begun_sends_nothing(server: ScriptServer):
    llm = model_at(server)
    llm.stream_chat(HI).close()
    await (await llm.astream_chat(HI)).aclose()
    gc.collect()
    assert not server.requests


def characters_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    lengths: list[int] = []
    read = _convert_replies.from_json

    def counting(text: Any, **given: Any) -> Any:
        lengths.append(len(text))
        return read(text, **given)

    monkeypatch.setattr(_convert_replies, "from_json", counting)
    return lengths


def test_long_arguments_in_many_pieces_are_read_at_a_linear_cost(server: ScriptServer, monkeypatch):
    lengths = characters_read(monkeypatch)
    counts = []
    for letters in (1_000, 10_000):
        server.always = answering(None, call("get_weather", json.dumps({"city": "x" * letters})))
        lengths.clear()
        read_by_agents = 0
        last: Any = None
        llm = model_at(server)
        for last in llm.stream_chat(HI, tools=list(TOOLS)):
            before = len(lengths)
            llm.get_tool_calls_from_response(last, error_on_no_tool_call=False)
            read_by_agents += len(lengths) - before
        assert last.message.blocks[0].tool_kwargs == {"city": "x" * letters}
        assert read_by_agents == 0
        assert sum(lengths) <= 8 * letters
        assert len(lengths) <= 100
        counts.append(sum(lengths))
    assert counts[1] <= 13 * counts[0]


def test_a_chunk_costs_one_message(server: ScriptServer, monkeypatch):
    made = 0

    def counted(make: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*given: Any, **named: Any) -> Any:
            nonlocal made
            made += 1
            return make(*given, **named)

        return counting

    server.always = streamed(*("x" for _ in range(300)))
    llm = model_at(server)
    for name in ("__init__", "__copy__", "model_construct"):
        monkeypatch.setattr(ChatMessage, name, counted(getattr(ChatMessage, name)))
    items = list(llm.stream_chat(HI))
    assert items[-1].message.content == "x" * 300
    assert made == len(items)


def test_arguments_are_seen_while_they_grow(server: ScriptServer):
    arguments = {"city": "x" * 50, "days": [1, 2, 3], "note": "y" * 50}
    server.always = answering(None, call("get_weather", json.dumps(arguments)))
    llm = model_at(server)
    items = list(llm.stream_chat(HI, tools=list(TOOLS)))
    selections = [llm.get_tool_calls_from_response(item, error_on_no_tool_call=False) for item in items]
    lengths = [len(each[0].tool_kwargs.get("city", "")) for each in selections if each]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 5
    assert selections[-1][0].tool_kwargs == arguments
    begun = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    assert items[-2].message.additional_kwargs["tool_calls"] == [begun]  # where programs look for calls


@subcases("way", [way for way in WAYS if is_streamed(way)])
def test_text_that_was_held_back_is_in_the_last_delta(server: ScriptServer, way: Way):
    server.always = streamed("Hello", " EN")
    items = items_of(model_at(server, stop=["END"]), way, "hi")
    assert [item.delta for item in items][-1] == "EN"
    assert "".join(item.delta for item in items) == items[-1].message.content == "Hello EN"
