"""Query engines, chat engines and synthesizers of LlamaIndex on the model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core import Settings, get_response_synthesizer
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine, SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import QueryEngineTool
from llama_index.retrievers.bm25 import BM25Retriever
from pydantic import BaseModel

import aki_transport.errors as ours
from tests.llama_index.asking import model_at, model_on
from tests.scenarios import chunk, replied, streamed, tokens
from tests.script_server import Answer, Request, ScriptServer, json_answer, sse

# What LlamaIndex and its tokenizer do with pydantic's old names.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")

FACTS = (
    "The Leipzig warehouse opened in 2019 and stores winter tyres.",
    "The Hamburg office has forty desks and a view of the harbour.",
    "Returns are accepted within thirty days of delivery.",
    "The canteen serves soup on Mondays and fish on Fridays.",
)
QUESTION = "When did the Leipzig warehouse open?"


@pytest.fixture(scope="module")
def retriever() -> BM25Retriever:
    nodes = [TextNode(text=text, id_=f"n{n}", metadata={"file": f"{n}.md"}) for n, text in enumerate(FACTS)]
    return BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=2, verbose=False)


def engine(llm: Any, retriever: BM25Retriever, **given: Any) -> RetrieverQueryEngine:
    return RetrieverQueryEngine.from_args(retriever, llm=llm, **given)


def answering(request: Request) -> Answer:
    return streamed("In ", "2019.") if request.json.get("stream") else replied("In 2019.")


def asked(server: ScriptServer, at: int = -1) -> str:
    return "\n".join(str(message["content"]) for message in server.requests[at].json["messages"])


# On the emulator


def test_a_question_is_answered_from_the_documents(fresh_emulator, retriever: BM25Retriever):
    found = engine(model_on(fresh_emulator), retriever).query(QUESTION)
    assert "2019" in str(found)
    assert found.source_nodes[0].node_id == "n0"


def test_an_answer_is_streamed_with_its_sources(fresh_emulator, retriever: BM25Retriever):
    found = engine(model_on(fresh_emulator), retriever, streaming=True).query(QUESTION)
    pieces = list(found.response_gen)
    assert len(pieces) > 1
    assert "2019" in "".join(pieces)
    assert found.source_nodes[0].metadata["file"] == "0.md"


def test_an_async_answer_is_streamed_with_its_sources(fresh_emulator, retriever: BM25Retriever):
    async def awaited() -> tuple[str, Any]:
        found = await engine(model_on(fresh_emulator), retriever, streaming=True, use_async=True).aquery(QUESTION)
        return "".join([piece async for piece in found.async_response_gen()]), found

    text, found = asyncio.run(awaited())
    assert "2019" in text
    assert found.source_nodes[0].node_id == "n0"


def test_the_model_of_the_settings_is_used(fresh_emulator, retriever: BM25Retriever):
    Settings.llm = model_on(fresh_emulator)
    assert "2019" in str(RetrieverQueryEngine.from_args(retriever).query(QUESTION))
    assert fresh_emulator.requests


# On a server that says what the test wrote


@pytest.mark.parametrize(
    "mode",
    [
        ResponseMode.REFINE,
        ResponseMode.COMPACT,
        ResponseMode.TREE_SUMMARIZE,
        ResponseMode.SIMPLE_SUMMARIZE,
        ResponseMode.ACCUMULATE,
        ResponseMode.COMPACT_ACCUMULATE,
    ],
)
@pytest.mark.parametrize("awaited", [False, True])
def test_each_synthesizer_gives_an_answer(server: ScriptServer, mode: ResponseMode, awaited: bool):
    server.always = answering
    synthesizer = get_response_synthesizer(llm=model_at(server), response_mode=mode)
    nodes = [NodeWithScore(node=TextNode(text=text), score=1.0) for text in FACTS]
    found = (
        asyncio.run(synthesizer.asynthesize(QUESTION, nodes)) if awaited else synthesizer.synthesize(QUESTION, nodes)
    )
    assert "In 2019." in str(found)
    assert len(found.source_nodes) == len(FACTS)
    expected = {ResponseMode.REFINE: len(FACTS), ResponseMode.ACCUMULATE: len(FACTS)}
    assert len(server.requests) == expected.get(mode, 1)


@pytest.mark.parametrize("mode", [ResponseMode.REFINE, ResponseMode.COMPACT, ResponseMode.TREE_SUMMARIZE])
def test_each_synthesizer_streams(server: ScriptServer, mode: ResponseMode):
    server.always = answering
    synthesizer = get_response_synthesizer(llm=model_at(server), response_mode=mode, streaming=True)
    found = synthesizer.synthesize(QUESTION, [NodeWithScore(node=TextNode(text=FACTS[0]), score=1.0)])
    assert "".join(found.response_gen) == "In 2019."


def test_documents_larger_than_the_window_are_asked_for_in_parts(server: ScriptServer):
    server.always = answering
    llm = model_at(server, context_window=3000, max_tokens=500)
    synthesizer = get_response_synthesizer(llm=llm, response_mode=ResponseMode.COMPACT)
    node = TextNode(text="The warehouse holds tyres. " * 1000)
    assert "In 2019." in str(synthesizer.synthesize(QUESTION, [NodeWithScore(node=node, score=1.0)]))
    assert len(server.requests) > 1
    assert all(len(request.body) < 3000 * 6 for request in server.requests)


class Found(BaseModel):
    """What was found."""

    year: int


def test_a_query_may_answer_with_an_object(server: ScriptServer, retriever: BM25Retriever):
    def as_object(request: Request) -> Answer:
        return streamed('{"year": 2019}') if request.json.get("stream") else replied('{"year": 2019}')

    server.always = as_object
    llm = model_at(server).as_structured_llm(Found)
    found = RetrieverQueryEngine.from_args(retriever, llm=llm).query(QUESTION)
    assert found.response == Found(year=2019)


def test_thoughts_are_no_part_of_an_answer(server: ScriptServer, retriever: BM25Retriever):
    server.say(streamed(chunk(reasoning_content="hm"), "In ", "2019."))
    found = engine(model_at(server), retriever, streaming=True).query(QUESTION)
    assert "".join(found.response_gen) == "In 2019."


def test_the_documents_are_in_the_question(server: ScriptServer, retriever: BM25Retriever):
    server.always = answering
    engine(model_at(server, system_prompt="be kind"), retriever).query(QUESTION)
    assert FACTS[0] in asked(server)
    assert QUESTION in asked(server)
    assert server.requests[0].json["messages"][0] == {"role": "system", "content": "be kind"}


def test_an_error_of_the_service_reaches_the_caller(server: ScriptServer, retriever: BM25Retriever):
    server.always = json_answer({"error": {"message": "wrong key", "code": "invalid_api_key"}}, 401)
    with pytest.raises(ours.AuthenticationError, match="wrong key"):
        engine(model_at(server), retriever).query(QUESTION)


def test_a_stream_that_breaks_off_reaches_the_caller(server: ScriptServer, retriever: BM25Retriever):
    server.always = sse(chunk("In "), done=False, end="cut")
    found = engine(model_at(server), retriever, streaming=True).query(QUESTION)
    with pytest.raises(ours.StreamInterruptedError):
        list(found.response_gen)


# Chat engines


def test_a_chat_remembers(server: ScriptServer):
    server.always = answering
    llm = model_at(server)
    chat = SimpleChatEngine.from_defaults(
        llm=llm, memory=ChatMemoryBuffer.from_defaults(llm=llm), system_prompt="be kind"
    )
    assert str(chat.chat("first?")) == "In 2019."
    assert "".join(chat.stream_chat("second?").response_gen) == "In 2019."
    assert str(asyncio.run(chat.achat("third?"))) == "In 2019."
    roles = [message["role"] for message in server.requests[-1].json["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


def test_an_async_chat_streams(server: ScriptServer):
    server.always = answering
    llm = model_at(server)
    chat = SimpleChatEngine.from_defaults(llm=llm, memory=ChatMemoryBuffer.from_defaults(llm=llm))

    async def awaited() -> str:
        found = await chat.astream_chat("first?")
        return "".join([piece async for piece in found.async_response_gen()])

    assert asyncio.run(awaited()) == "In 2019."


@pytest.mark.parametrize("kind", [ContextChatEngine, CondensePlusContextChatEngine])
def test_a_chat_about_documents_has_sources_and_remembers(server: ScriptServer, retriever: BM25Retriever, kind: Any):
    server.always = answering
    llm = model_at(server)
    chat = kind.from_defaults(retriever=retriever, llm=llm, memory=ChatMemoryBuffer.from_defaults(llm=llm))
    found = chat.chat(QUESTION)
    assert str(found) == "In 2019."
    assert found.source_nodes[0].node_id == "n0"
    assert FACTS[0] in asked(server, 0)
    found = chat.stream_chat("And the warehouse?")
    assert "".join(found.response_gen) == "In 2019."
    assert [message.role for message in chat.chat_history] == ["user", "assistant", "user", "assistant"]


def test_a_chat_about_documents_works_on_the_emulator(fresh_emulator, retriever: BM25Retriever):
    llm = model_on(fresh_emulator)
    chat = ContextChatEngine.from_defaults(retriever=retriever, llm=llm, memory=ChatMemoryBuffer.from_defaults(llm=llm))
    assert "2019" in str(chat.chat(QUESTION))


def test_a_query_engine_is_a_tool(server: ScriptServer, retriever: BM25Retriever):
    call = {"id": "c", "type": "function", "function": {"name": "facts", "arguments": f'{{"input": "{QUESTION}"}}'}}
    server.say(replied(None, tool_calls=[call], finish="tool_calls"), replied("In 2019."))
    llm = model_at(server)
    tool = QueryEngineTool.from_defaults(engine(llm, retriever), name="facts", description="Facts of the firm.")
    assert llm.predict_and_call([tool], user_msg=QUESTION).response == "In 2019."


def test_the_servers_counts_reach_a_query(server: ScriptServer, retriever: BM25Retriever):
    from llama_index.core.callbacks import CallbackManager, TokenCountingHandler  # noqa: PLC0415

    server.say(
        sse(chunk("In 2019."), chunk(finish="stop"), chunk(top={"choices": [], "usage": tokens(1234, 56)})),
    )
    counter = TokenCountingHandler(tokenizer=lambda _: [0])
    Settings.callback_manager = CallbackManager([counter])  # a synthesizer gives it to its model
    list(engine(model_at(server), retriever, streaming=True).query(QUESTION).response_gen)
    assert counter.total_llm_token_count == 1290
