"""Streams: their chunks, the sum of these, LangChain's event protocols, callbacks, and what is left when one ends."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from langgraph.graph import START, MessagesState, StateGraph

from tests.langchain.asking import Way, ask, model_at, pieces_of
from tests.scenarios import TOOLS, chunk, replied, streamed, tokens
from tests.script_server import Answer, ScriptServer, sse
from tests.subcases import subcases

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

STREAMED: tuple[Way, ...] = ("stream", "astream")
PARIS = '{"city": "Paris"}'


def called(name: str, arguments: str, index: int) -> dict[str, Any]:
    return {
        "index": index,
        "id": f"call_{index}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


TWO_CALLS = (
    chunk(tool_calls=[called("get_weather", '{"city"', 0)]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": ': "Paris"}'}}]),
    chunk(tool_calls=[called("add", '{"a": 1, "b": 2}', 1)]),
)
EVERYTHING = streamed(
    chunk(reasoning_content="hm, "),
    chunk("I ", reasoning_content="yes"),
    "look.",
    *TWO_CALLS,
    finish="tool_calls",
)
THOUGHTFUL = streamed(chunk(reasoning_content="hm, "), chunk("Hel", reasoning_content="yes"), "lo")
KINDS = ["reasoning", "text", "tool_call", "tool_call"]


class Tokens(BaseCallbackHandler):
    """Keeps the tokens a handler hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.chunks: list[Any] = []
        self.ends: list[Any] = []

    def on_llm_new_token(self, token: str, *, chunk: Any = None, **_: Any) -> None:
        self.heard.append(token)
        self.chunks.append(chunk)

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.ends.append(response)


class AsyncTokens(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_llm_new_token(self, token: str, **_: Any) -> None:
        self.heard.append(token)


def added(pieces: list[AIMessageChunk]) -> AIMessageChunk:
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    return whole


def until_closed(server: ScriptServer) -> None:
    tick = threading.Event()
    for _ in range(300):
        if not server.open_connections:
            return
        tick.wait(0.01)
    pytest.fail(f"{server.open_connections} connections are still open")


def check_everything(blocks: list[dict[str, Any]]) -> None:
    assert [block["type"] for block in blocks] == KINDS
    assert blocks[0]["reasoning"] == "hm, yes"
    assert blocks[1]["text"] == "I look."
    assert [(block["name"], block["args"], block["id"]) for block in blocks[2:]] == [
        ("get_weather", {"city": "Paris"}, "call_0"),
        ("add", {"a": 1, "b": 2}, "call_1"),
    ]


@subcases("way", STREAMED)
def test_content_is_text_and_reasoning_stands_beside_it(server: ScriptServer, way: Way):
    server.say(EVERYTHING)
    whole = ask(model_at(server).bind_tools(list(TOOLS)), way, "hi")
    assert whole.content == "I look."
    assert whole.additional_kwargs == {"reasoning_content": "hm, yes"}
    check_everything(whole.content_blocks)


@subcases("way", ["invoke", "ainvoke"])
def test_a_blocking_answer_has_the_blocks_of_a_streamed_one(server: ScriptServer, way: Way):
    calls = [called("get_weather", PARIS, 0), called("add", '{"a": 1, "b": 2}', 1)]
    answer = replied("I look.", reasoning_content="hm, yes", tool_calls=calls, finish="tool_calls")
    server.say(answer, answer)
    check_everything(ask(model_at(server).bind_tools(list(TOOLS)), way, "hi").content_blocks)
    as_blocks = ask(model_at(server, output_version="v1").bind_tools(list(TOOLS)), way, "hi")
    check_everything(as_blocks.content)
    check_everything(as_blocks.content_blocks)


@subcases("way", STREAMED)
def test_a_stream_of_standard_blocks_keeps_tool_calls_behind_text_apart(server: ScriptServer, way: Way):
    server.say(EVERYTHING)
    whole = ask(model_at(server, output_version="v1").bind_tools(list(TOOLS)), way, "hi")
    check_everything(whole.content_blocks)
    assert isinstance(whole.content, list)
    assert [block["type"] for block in whole.content][:2] == ["reasoning", "text"]
    assert [call["name"] for call in whole.tool_calls] == ["get_weather", "add"]


@pytest.mark.parametrize("version", ["v0", "v1"])
@subcases("way", STREAMED)
def test_chunks_hold_one_kind_of_block_each(server: ScriptServer, way: Way, version: str):
    server.say(EVERYTHING)
    pieces = pieces_of(model_at(server, output_version=version).bind_tools(list(TOOLS)), way, "hi")
    kinds = [block["type"] for piece in pieces for block in piece.content_blocks]
    assert all(len(piece.content_blocks) <= 1 for piece in pieces)
    assert kinds == ["reasoning", "reasoning", "text", "text", "tool_call_chunk", "tool_call_chunk", "tool_call_chunk"]


@pytest.mark.parametrize("version", ["v0", "v1"])
@subcases("way", STREAMED)
def test_metadata_and_usage_come_once(server: ScriptServer, way: Way, version: str):
    server.say(
        sse(
            chunk("Hel", finish="stop", top={"usage": tokens(5, 1), "system_fingerprint": "fp"}),
            chunk("lo", finish="stop", top={"usage": tokens(5, 3), "system_fingerprint": "fp"}),
            chunk(finish="stop", top={"usage": tokens(5, 3)}),
            chunk(top={"choices": [], "usage": tokens(5, 3)}),
        )
    )
    pieces = pieces_of(model_at(server, output_version=version), way, "hi")
    assert [piece.usage_metadata is not None for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert [piece.chunk_position for piece in pieces] == [None] * (len(pieces) - 1) + ["last"]
    whole = added(pieces)
    metadata = whole.response_metadata
    assert (metadata["finish_reason"], metadata["model_name"]) == ("stop", "qwen3.6-35b")
    assert (metadata["id"], metadata["system_fingerprint"]) == ("chatcmpl-1", "fp")
    assert metadata["model_provider"] == "aki"
    assert whole.usage_metadata["total_tokens"] == 8
    assert len({piece.id for piece in pieces}) == 1


@subcases("way", STREAMED)
def test_metadata_of_a_stream_are_those_of_a_blocking_answer(server: ScriptServer, way: Way):
    head = {"x_request_id": "req-1", "x_credits_used": "0.000123", "x_credits_remaining": "9.5"}
    body = replied()
    server.say(
        Answer(headers={**body.headers, **{k.replace("_", "-"): v for k, v in head.items()}}, chunks=body.chunks)
    )
    server.say(streamed("Hel", "lo", **head))
    whole = model_at(server).invoke("hi")
    streamed_whole = ask(model_at(server), way, "hi")
    assert streamed_whole.response_metadata == whole.response_metadata
    assert streamed_whole.usage_metadata == whole.usage_metadata
    assert whole.response_metadata["request_id"] == "req-1"
    assert whole.response_metadata["credits_used"] == 0.000123
    assert whole.response_metadata["credits_remaining"] == 9.5


def test_stream_asks_for_usage(server: ScriptServer):
    server.say(streamed("Hello"), replied())
    list(model_at(server).stream("hi"))
    model_at(server).invoke("hi")
    assert server.requests[0].json["stream"] is True
    assert server.requests[0].json["stream_options"] == {"include_usage": True}
    assert "stream_options" not in server.requests[1].json
    assert not server.requests[1].json.get("stream")


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_events_v3_are_valid_and_whole(server: ScriptServer, version: str):
    server.say(EVERYTHING)
    stream = model_at(server, output_version=version).bind_tools(list(TOOLS)).stream_events("hi", version="v3")
    assert isinstance(stream, ChatModelStream)
    assert_valid_event_stream(list(stream))
    check_everything(stream.output.content_blocks)
    assert stream.output.usage_metadata["total_tokens"] == 8
    assert stream.output.response_metadata["finish_reason"] == "tool_calls"
    assert stream.output.response_metadata["model_name"] == "qwen3.6-35b"


@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_async_events_v3_are_valid_and_whole(server: ScriptServer, version: str):
    server.say(EVERYTHING)
    model = model_at(server, output_version=version).bind_tools(list(TOOLS))
    stream = await model.astream_events("hi", version="v3")
    assert isinstance(stream, AsyncChatModelStream)
    assert_valid_event_stream([event async for event in stream])
    output = await stream.output
    check_everything(output.content_blocks)
    assert output.usage_metadata["total_tokens"] == 8


def test_events_v3_project_text_and_reasoning(server: ScriptServer):
    server.say(THOUGHTFUL, THOUGHTFUL)
    model = model_at(server)
    assert "".join(model.stream_events("hi", version="v3").text) == "Hello"
    assert "".join(model.stream_events("hi", version="v3").reasoning) == "hm, yes"


def test_events_v3_of_a_refusal_keep_its_words(server: ScriptServer):
    server.say(streamed(chunk(None, refusal="I cannot "), chunk(None, refusal="do that.")))
    stream = model_at(server).stream_events("hi", version="v3")
    assert_valid_event_stream(list(stream))
    assert stream.output.additional_kwargs["refusal"] == "I cannot do that."


async def test_events_v2_tell_of_every_chunk(server: ScriptServer):
    server.say(THOUGHTFUL)
    events = [event async for event in model_at(server).astream_events("hi", version="v2")]
    assert [event["event"] for event in events][:1] == ["on_chat_model_start"]
    assert [event["event"] for event in events][-1] == "on_chat_model_end"
    pieces = [event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"]
    assert added(pieces).text == "Hello"
    assert events[-1]["data"]["output"].usage_metadata["total_tokens"] == 8
    assert added(pieces).additional_kwargs["reasoning_content"] == "hm, yes"


def test_a_handler_hears_each_token_once(server: ScriptServer):
    ears = Tokens()
    server.say(streamed("Hel", "lo"))
    list(model_at(server).stream("hi", config={"callbacks": [ears]}))
    assert "".join(ears.heard) == "Hello"
    assert ears.heard.count("Hel") == 1
    assert ears.ends[0].generations[0][0].message.usage_metadata["total_tokens"] == 8


async def test_an_async_handler_hears_each_token_once(server: ScriptServer):
    ears = AsyncTokens()
    server.say(streamed("Hel", "lo"))
    async for _ in model_at(server).astream("hi", config={"callbacks": [ears]}):
        pass
    assert "".join(ears.heard) == "Hello"


def test_a_handler_hears_each_token_once_in_events_v3(server: ScriptServer):
    ears = Tokens()
    server.say(streamed("Hel", "lo"))
    list(model_at(server).stream_events("hi", version="v3", config={"callbacks": [ears]}))
    assert "".join(ears.heard) == "Hello"


@subcases("way", ["invoke", "ainvoke"])
def test_streaming_true_lets_invoke_stream(server: ScriptServer, way: Way):
    ears = Tokens()
    server.say(THOUGHTFUL)
    answer = ask(model_at(server, streaming=True, callbacks=[ears]), way, "hi")
    assert server.requests[0].json["stream"] is True
    assert type(answer) is AIMessage
    assert (answer.text, answer.additional_kwargs["reasoning_content"]) == ("Hello", "hm, yes")
    assert answer.usage_metadata["total_tokens"] == 8
    assert answer.response_metadata["finish_reason"] == "stop"
    assert "".join(ears.heard) == "Hello"


def test_stream_true_in_a_call_lets_invoke_stream(server: ScriptServer):
    server.say(streamed("Hello"))
    assert model_at(server).invoke("hi", stream=True).text == "Hello"
    assert server.requests[0].json["stream"] is True


@subcases("way", STREAMED)
def test_disable_streaming_lets_stream_ask_once_for_all(server: ScriptServer, way: Way):
    server.say(replied())
    pieces = pieces_of(model_at(server, disable_streaming=True), way, "hi")
    assert added(pieces).text == "Hello"
    assert not server.requests[0].json.get("stream")


def test_disable_streaming_for_tools_streams_without_tools(server: ScriptServer):
    model = model_at(server, disable_streaming="tool_calling")
    server.say(replied(), streamed("Hello"))
    ask(model.bind_tools(list(TOOLS)), "stream", "hi")
    ask(model, "stream", "hi")
    assert [bool(request.json.get("stream")) for request in server.requests] == [False, True]


def test_a_stream_that_is_left_early_frees_its_connection(server: ScriptServer):
    server.say(Answer(headers={"content-type": "text/event-stream"}, chunks=streamed("Hel").chunks[:2], end="hang"))
    stream = model_at(server).stream("hi")
    assert next(stream).text == "Hel"
    stream.close()
    until_closed(server)


async def test_an_async_stream_that_is_left_early_frees_its_connection(server: ScriptServer):
    server.say(Answer(headers={"content-type": "text/event-stream"}, chunks=streamed("Hel").chunks[:2], end="hang"))
    stream = model_at(server).astream("hi")
    assert (await anext(stream)).text == "Hel"
    await stream.aclose()
    for _ in range(200):
        if server.open_connections <= 1:  # the listing's may be kept alive
            break
        await asyncio.sleep(0.01)
    assert server.open_connections <= 1


def test_a_chain_streams_text(server: ScriptServer):
    server.say(THOUGHTFUL)
    assert "".join((model_at(server) | StrOutputParser()).stream("hi")) == "Hello"


def graph_of(model: Any) -> Any:
    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    return StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()


def test_invoke_in_a_graph_streams_its_tokens_once(server: ScriptServer):
    server.say(THOUGHTFUL)
    pieces = [piece for piece, _ in graph_of(model_at(server)).stream({"messages": "hi"}, stream_mode="messages")]
    assert [piece.text for piece in pieces if piece.text] == ["Hel", "lo"]
    assert added(pieces).usage_metadata["total_tokens"] == 8
    assert server.requests[0].json["stream"] is True


def test_invoke_in_a_graph_streams_events_v3(server: ScriptServer):
    server.say(EVERYTHING)
    run = graph_of(model_at(server).bind_tools(list(TOOLS))).stream_events({"messages": "hi"}, version="v3")
    (message,) = list(run.messages)
    check_everything(message.output.content_blocks)
    check_everything(run.output["messages"][-1].content_blocks)


async def test_an_agent_streams_tokens_and_steps(server: ScriptServer):
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    server.say(
        streamed(
            chunk(reasoning_content="hm"), chunk(tool_calls=[called("get_weather", PARIS, 0)]), finish="tool_calls"
        ),
        streamed("It is ", "sunny."),
    )
    agent = create_agent(model_at(server), tools=[get_weather])
    text, steps = "", []
    async for mode, item in agent.astream({"messages": "hi"}, stream_mode=["messages", "updates"]):
        if mode == "updates":
            steps.extend(item)
        elif isinstance(item[0], AIMessageChunk):
            text += item[0].text
    assert text == "It is sunny."
    assert steps == ["model", "tools", "model"]
    assert server.requests[1].json["messages"][-1]["content"] == "sunny in Paris"
    assert server.requests[1].json["messages"][-2]["reasoning_content"] == "hm"
