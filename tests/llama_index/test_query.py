"""Query engines, chat engines and synthesizers of LlamaIndex on the models."""

import asyncio
from typing import Any

import pytest
from llama_index.core import get_response_synthesizer
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.retrievers.bm25 import BM25Retriever
from pydantic import BaseModel

from llama_index_aki import AKI, AKICompletion
from tests.llama_index.asking import answering, model_at, model_on, results, sent
from tests.script_server import ScriptServer

# LlamaIndex and its tokenizer use pydantic's old names.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")

FACTS = (
    "The Leipzig warehouse opened in 2019 and stores winter tyres.",
    "The Hamburg office has forty desks and a view of the harbour.",
    "Returns are accepted within thirty days of delivery.",
    "The canteen serves soup on Mondays and fish on Fridays.",
)
QUESTION = "When did the Leipzig warehouse open?"
IN_2019 = answering("In 2019.")


@pytest.fixture(scope="module")
def retriever() -> BM25Retriever:
    nodes = [TextNode(text=text, id_=f"n{n}", metadata={"file": f"{n}.md"}) for n, text in enumerate(FACTS)]
    return BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=2, verbose=False)


def engine(llm: Any, retriever: BM25Retriever, **given: Any) -> RetrieverQueryEngine:
    return RetrieverQueryEngine.from_args(retriever, llm=llm, **given)


def text_and_response(queries: RetrieverQueryEngine, *, awaited: bool, streaming: bool) -> tuple[str, Any]:
    async def awaiting() -> tuple[str, Any]:
        response: Any = await queries.aquery(QUESTION)
        pieces = [piece async for piece in response.async_response_gen()] if streaming else [str(response)]
        return "".join(pieces), response

    if awaited:
        return asyncio.run(awaiting())
    response: Any = queries.query(QUESTION)
    return "".join(response.response_gen) if streaming else str(response), response


@pytest.mark.parametrize("cls", [AKI, AKICompletion])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_a_question_is_answered_from_the_documents(
    fresh_emulator, retriever: BM25Retriever, cls: Any, awaited: bool, streaming: bool
):
    protocol = "native" if cls is AKICompletion else "openai"
    url = getattr(fresh_emulator, f"{protocol}_url")
    llm = model_on(fresh_emulator, cls, protocol=protocol, base_url=url)
    queries = engine(llm, retriever, streaming=streaming, use_async=awaited)
    text, response = text_and_response(queries, awaited=awaited, streaming=streaming)
    assert "2019" in text
    assert response.source_nodes[0].node_id == "n0"
    body = next(str(seen.body) for seen in fresh_emulator.requests if seen.body)
    assert FACTS[0] in body
    assert "user:" not in body


def test_a_query_may_answer_with_an_object(server: ScriptServer, retriever: BM25Retriever):
    class Opening(BaseModel):
        year: int

    server.always = answering('{"year": 2019}')
    response = engine(model_at(server).as_structured_llm(Opening), retriever).query(QUESTION)
    assert response.response == Opening(year=2019)


def test_documents_larger_than_the_window_are_asked_for_in_parts(server: ScriptServer):
    server.always = IN_2019
    llm = model_at(server, context_window=3000, max_tokens=500)
    long = NodeWithScore(node=TextNode(text="The warehouse holds tyres. " * 1000), score=1.0)
    synthesizer = get_response_synthesizer(llm=llm, response_mode=ResponseMode.COMPACT)
    assert "In 2019." in str(synthesizer.synthesize(QUESTION, [long]))
    assert len(server.requests) > 1
    assert all(len(request.body) < 3000 * 6 for request in server.requests)


def test_a_chat_remembers(server: ScriptServer):
    server.always = IN_2019
    llm = model_at(server)
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    chat = SimpleChatEngine.from_defaults(llm=llm, memory=memory, system_prompt="be kind")
    assert str(chat.chat("first?")) == "In 2019."
    assert "".join(chat.stream_chat("second?").response_gen) == "In 2019."
    assert str(results(chat.achat, "third?")[0]) == "In 2019."
    assert "".join(results(async_pieces, chat)) == "In 2019."
    roles = [message["role"] for message in sent(server)["messages"]]
    assert roles == ["system", *["user", "assistant"] * 3, "user"]


async def async_pieces(chat: Any) -> Any:
    response = await chat.astream_chat("fourth?")
    return response.async_response_gen()
