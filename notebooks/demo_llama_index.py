"""The LlamaIndex half of the demo: `AKI` behind a query engine, and as an agent."""

from __future__ import annotations

from textwrap import shorten

from demo_parts import AGENT, MODEL, QUESTIONS, TASK, Pieces, Steps, read_sections, token_cost
from llama_index.core import Settings
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCall, ToolCallResult
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import TextNode
from llama_index.retrievers.bm25 import BM25Retriever

from llama_index_aki import AKI


def read_documents() -> BM25Retriever:
    """Finds sections of the project's documents by BM25."""
    nodes = [TextNode(text=text, metadata={"source": source}) for source, text in read_sections()]
    return BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=4)


async def answer(engine: RetrieverQueryEngine, question: str) -> None:
    """A question answered from the documents, as the answer comes."""
    response = await engine.aquery(question)
    pieces = Pieces()
    async for text in response.async_response_gen():
        pieces.show("answer", text)
    pieces.end()
    print("sources:", "; ".join(each.metadata["source"] for each in response.source_nodes))


async def run_agent(llm: AKI, retriever: BM25Retriever, task: str) -> None:
    """An agent with two tools, its events as they come."""

    async def search_documents(query: str) -> str:
        """Search the documents."""
        found = await retriever.aretrieve(query)
        return "\n\n".join(f"[{each.metadata['source']}]\n{each.text}" for each in found)

    agent = FunctionAgent(llm=llm, tools=[search_documents, token_cost])
    print("task:", task)
    running, pieces = agent.run(task), Pieces()
    async for event in running.stream_events():
        match event:
            case AgentStream(thinking_delta=thought, delta=text):
                if thought:
                    pieces.show("thinking", thought)
                if text:
                    pieces.show("answer", text)
            case ToolCallResult(tool_name=name, tool_output=output):
                print(f"{name}: {shorten(str(output), 90)}")
            case ToolCall(tool_name=name, tool_kwargs=given):
                pieces.end()
                print(f"calls {name}:", ", ".join(f"{key}={value}" for key, value in given.items()))
    pieces.end()
    await running


async def run(settings: dict[str, str]) -> Steps:
    """Everything, in order."""
    # The service says how many tokens there were; the tokenizer is for services that do not.
    counter = TokenCountingHandler(tokenizer=str.split)
    Settings.callback_manager = CallbackManager([counter])
    steps, retriever = Steps("LlamaIndex"), read_documents()
    # The query engine reads the context window of this model; an LLM given to it alone does not tell older versions.
    Settings.llm = llm = AKI(model=MODEL, **settings)
    engine = RetrieverQueryEngine.from_args(retriever, streaming=True)

    def counted() -> tuple[int, int]:
        return counter.prompt_llm_token_count, counter.completion_llm_token_count

    for question in QUESTIONS:
        with steps.step(question, counted):
            await answer(engine, question)
    with steps.step(AGENT, counted):
        await run_agent(llm, retriever, TASK)
    await llm.aclose()
    return steps
