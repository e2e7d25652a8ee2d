"""The LangChain half of the demo: `ChatAKI` behind a prompt, and as an agent."""

from __future__ import annotations

from textwrap import shorten
from typing import Any

import bm25s
from demo_parts import AGENT, MODEL, QUESTIONS, TASK, Pieces, Steps, read_sections, token_cost
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForRetrieverRun, get_usage_metadata_callback
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate, format_document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import create_retriever_tool, tool

from langchain_aki import ChatAKI
from langchain_aki.errors import ModelNotFoundError

MISSPELLED = "qwen3.5-36b"
RULES = "Answer briefly from the passages, with their source in brackets.\n\nPassages:\n\n{passages}"
PROMPT = ChatPromptTemplate([("system", RULES), ("human", "{question}")])
PASSAGE = PromptTemplate.from_template("[{source}]\n{page_content}")


class Sections(BaseRetriever):
    """Finds sections of the project's documents by BM25."""

    documents: list[Document]
    index: Any

    @classmethod
    def read(cls) -> Sections:
        """All of them."""
        documents = [Document(text, metadata={"source": source}) for source, text in read_sections()]
        index = bm25s.BM25()
        index.index(_words(*[each.page_content for each in documents]), show_progress=False)
        return cls(documents=documents, index=index)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        found, _ = self.index.retrieve(_words(query), corpus=self.documents, k=4, show_progress=False)
        return list(found[0])


def _words(*texts: str) -> Any:
    return bm25s.tokenize(list(texts), stopwords="en", show_progress=False)


def show_models(model: ChatAKI) -> None:
    """What is known of each model, and where each number came from."""
    print(f"{'model':22}{'context window':>15}  {'from':9}{'maximum output':>15}  from")
    for info in model.refresh_models():
        window, output = f"{info.context_window:>15,}  {info.source:9}", f"{info.max_output:>15,}  {info.output_source}"
        print(f"{info.id:22}{window}{output}")
    print("service: its own listing; table: models.toml of this package; default: a cautious guess")


def answer(model: ChatAKI, sections: Sections, question: str) -> None:
    """A question answered from the documents, as the answer comes."""
    found = sections.invoke(question)
    passages = "\n\n".join(format_document(each, PASSAGE) for each in found)
    pieces = Pieces()
    for chunk in (PROMPT | model).stream({"passages": passages, "question": question}):
        for kind, text in ((block["type"], block.get(block["type"], "")) for block in chunk.content_blocks):
            pieces.show("answer" if kind == "text" else kind, text)
    pieces.end()
    print("sources:", "; ".join(each.metadata["source"] for each in found))


def run_agent(model: ChatAKI, sections: Sections, task: str) -> None:
    """An agent with two tools, its steps as they come."""
    search = create_retriever_tool(sections, "search_documents", "Search the documents.", document_prompt=PASSAGE)
    agent = create_agent(model, tools=[search, tool(token_cost)])
    print("task:", task)
    for update in agent.stream({"messages": [HumanMessage(task)]}, stream_mode="updates"):
        for message in (message for node in update.values() for message in node["messages"]):
            for call in getattr(message, "tool_calls", ()):
                print(f"calls {call['name']}:", ", ".join(f"{name}={value}" for name, value in call["args"].items()))
            if message.text:
                print(f"{message.name}: {shorten(message.text, 90)}" if message.name else f"answer: {message.text}")


def ask_misspelled(settings: dict[str, str]) -> None:
    """A model's name with a slip in it."""
    try:
        ChatAKI(model=MISSPELLED, **settings).invoke("Hello")
    except ModelNotFoundError as error:
        print(f"{type(error).__name__}: {error}")


def run(settings: dict[str, str]) -> Steps:
    """Everything, in order."""
    steps, model, sections = Steps("LangChain"), ChatAKI(model=MODEL, **settings), Sections.read()
    with get_usage_metadata_callback() as usage:

        def counted() -> tuple[int, int]:
            used = usage.usage_metadata.values()
            return sum(each["input_tokens"] for each in used), sum(each["output_tokens"] for each in used)

        with steps.step("Models and their limits", counted):
            show_models(model)
        for question in QUESTIONS:
            with steps.step(question, counted):
                answer(model, sections, question)
        with steps.step(AGENT, counted):
            run_agent(model, sections, TASK)
        with steps.step(f"A misspelled model: {MISSPELLED}", counted):
            ask_misspelled(settings)
    return steps
