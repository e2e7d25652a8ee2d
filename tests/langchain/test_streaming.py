"""Streams: their chunks, the sum of these, LangChain's event protocols, callbacks, and what is left when one ends."""

import operator
from functools import reduce
from typing import Any

import pytest
from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from langgraph.graph import START, MessagesState, StateGraph

from aki_transport import Provider
from tests.langchain.asking import WAYS, Ears, Way, ask, is_streamed, model_at, pieces_of
from tests.scenarios import TOOLS, chunk, replied, reply, streamed, tokens
from tests.script_server import ScriptServer, json_answer, sse
from tests.subcases import subcases

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

STREAMED: tuple[Way, ...] = ("stream", "astream")
in_both_versions = pytest.mark.parametrize("version", ["v0", "v1"])
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
# Names by which LangChain chooses a translator of blocks, and one that it does not know.
NAMES_OF_OTHERS = ("anthropic", "openai", "bedrock_converse", "google_genai", "groq", "my_gateway")
KINDS = ["reasoning", "text", "tool_call", "tool_call"]


def added(pieces: list[AIMessageChunk]) -> AIMessageChunk:
    return reduce(operator.add, pieces)


def check_everything(blocks: list[dict[str, Any]]) -> None:
    assert [block["type"] for block in blocks] == KINDS
    assert blocks[0]["reasoning"] == "hm, yes"
    assert blocks[1]["text"] == "I look."
    assert [(block["name"], block["args"], block["id"]) for block in blocks[2:]] == [
        ("get_weather", {"city": "Paris"}, "call_0"),
        ("add", {"a": 1, "b": 2}, "call_1"),
    ]


@in_both_versions
@subcases("way", WAYS)
def test_an_answer_has_each_block_once_and_a_chunk_one_at_most(server: ScriptServer, way: Way, version: str):
    calls = [called("get_weather", PARIS, 0), called("add", '{"a": 1, "b": 2}', 1)]
    blocking = replied("I look.", reasoning_content="hm, yes", tool_calls=calls, finish="tool_calls")
    server.always = EVERYTHING if is_streamed(way) else blocking
    for name in NAMES_OF_OTHERS:
        other = model_at(server, output_version=version, provider=Provider(name=name, base_url=server.openai_url))
        check_everything(ask(other, way, "hi").content_blocks)
    pieces = pieces_of(model_at(server, output_version=version).bind_tools(list(TOOLS)), way, "hi")
    whole = added(pieces)
    check_everything(whole.content_blocks)
    assert [call["name"] for call in whole.tool_calls] == ["get_weather", "add"]
    if version == "v0":
        assert whole.content == "I look."
        assert whole.additional_kwargs == {"reasoning_content": "hm, yes"}
    else:
        assert [block["type"] for block in whole.content][:2] == KINDS[:2]
    if is_streamed(way):
        kinds = [block["type"] for piece in pieces for block in piece.content_blocks]
        assert all(len(piece.content_blocks) <= 1 for piece in pieces)
        assert kinds == [*["reasoning"] * 2, *["text"] * 2, *["tool_call_chunk"] * 3]
    elif version == "v1":
        check_everything(whole.content)


@in_both_versions
@subcases("way", STREAMED)
def test_metadata_and_usage_come_once_and_are_those_of_a_blocking_answer(server: ScriptServer, way: Way, version: str):
    head = {"x_request_id": "req-1", "x_credits_used": "0.000123", "x_credits_remaining": "9.5"}
    top = {"usage": tokens(5, 3), "system_fingerprint": "fp"}
    server.say(
        json_answer(reply(top=top), **head),
        sse(
            chunk("Hel", finish="stop", top={**top, "usage": tokens(5, 1)}),
            chunk("lo", finish="stop", top=top),
            chunk(finish="stop", top={"usage": tokens(5, 3)}),
            chunk(top={"choices": [], "usage": tokens(5, 3)}),
            **head,
        ),
    )
    blocking = model_at(server, output_version=version).invoke("hi")
    pieces = pieces_of(model_at(server, output_version=version), way, "hi")
    assert [piece.usage_metadata is not None for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert [piece.chunk_position for piece in pieces] == [None] * (len(pieces) - 1) + ["last"]
    assert len({piece.id for piece in pieces}) == 1
    whole = added(pieces)
    assert whole.response_metadata == blocking.response_metadata
    assert whole.usage_metadata == blocking.usage_metadata
    metadata = whole.response_metadata
    assert (metadata["finish_reason"], metadata["model_name"]) == ("stop", "qwen3.6-35b")
    assert (metadata["id"], metadata["system_fingerprint"]) == ("chatcmpl-1", "fp")
    assert (metadata["model_provider"], metadata["request_id"]) == ("aki", "req-1")
    assert (metadata["credits_used"], metadata["credits_remaining"]) == (0.000123, 9.5)
    assert whole.usage_metadata["total_tokens"] == 8


@in_both_versions
async def test_events_v3_are_valid_and_whole(server: ScriptServer, version: str):
    server.always = EVERYTHING
    ears = Ears()
    model = model_at(server, output_version=version, callbacks=[ears]).bind_tools(list(TOOLS))
    stream = model.stream_events("hi", version="v3")
    assert isinstance(stream, ChatModelStream)
    assert_valid_event_stream(list(stream))
    assert "".join(ears.tokens) == "I look."
    astream = await model.astream_events("hi", version="v3")
    assert isinstance(astream, AsyncChatModelStream)
    assert_valid_event_stream([event async for event in astream])
    for output in (stream.output, await astream.output):
        check_everything(output.content_blocks)
        assert output.usage_metadata["total_tokens"] == 8
        assert output.response_metadata["finish_reason"] == "tool_calls"
        assert output.response_metadata["model_name"] == "qwen3.6-35b"


def test_events_v3_project_text_reasoning_and_a_refusal(server: ScriptServer):
    model = model_at(server)
    server.say(THOUGHTFUL, THOUGHTFUL, streamed(chunk(None, refusal="I cannot "), chunk(None, refusal="do that.")))
    assert "".join(model.stream_events("hi", version="v3").text) == "Hello"
    assert "".join(model.stream_events("hi", version="v3").reasoning) == "hm, yes"
    stream = model.stream_events("hi", version="v3")
    assert_valid_event_stream(list(stream))
    assert stream.output.additional_kwargs["refusal"] == "I cannot do that."


@subcases("way", WAYS)
def test_a_handler_hears_each_token_once_also_of_an_invoke_that_streams(server: ScriptServer, way: Way):
    ears = Ears()
    server.always = THOUGHTFUL
    answer = ask(model_at(server, streaming=True, callbacks=[ears]), way, "hi")
    assert server.requests[0].json["stream"] is True
    assert type(answer) is (AIMessageChunk if is_streamed(way) else AIMessage)
    assert (answer.text, answer.additional_kwargs["reasoning_content"]) == ("Hello", "hm, yes")
    assert answer.response_metadata["finish_reason"] == "stop"
    assert list(filter(None, ears.tokens)) == ["Hel", "lo"]
    assert ears.ends[0].generations[0][0].message.usage_metadata["total_tokens"] == 8
    if way == "invoke":  # a call may ask for it
        assert model_at(server).invoke("hi", stream=True).text == "Hello"
        assert server.requests[1].json["stream"] is True


def graph_of(model: Any) -> Any:
    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    return StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()


def test_invoke_in_a_graph_streams_its_tokens_once_and_events_v3(server: ScriptServer):
    server.say(THOUGHTFUL, EVERYTHING)
    pieces = [piece for piece, _ in graph_of(model_at(server)).stream({"messages": "hi"}, stream_mode="messages")]
    assert [piece.text for piece in pieces if piece.text] == ["Hel", "lo"]
    assert added(pieces).usage_metadata["total_tokens"] == 8
    assert server.requests[0].json["stream"] is True
    run = graph_of(model_at(server).bind_tools(list(TOOLS))).stream_events({"messages": "hi"}, version="v3")
    (message,) = list(run.messages)
    check_everything(message.output.content_blocks)
    check_everything(run.output["messages"][-1].content_blocks)
