"""LangChain on AKI.IO: questions answered from this project's own documents, and an agent with two tools.

`make demo` runs it: on AKI.IO where `AKI_API_KEY` is set, else on a local emulator, without a key or a network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from time import perf_counter
from typing import Any

import bm25s
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForRetrieverRun, get_usage_metadata_callback
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate, format_document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import create_retriever_tool, tool

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator
from langchain_aki import ChatAKI
from langchain_aki.errors import ModelNotFoundError

MODEL, MISSPELLED = "qwen3.6-35b", "qwen3.5-36b"
ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/benchmarks/README.md")
QUESTIONS = (
    "Which models have the largest context window?",
    "What happens when a stream breaks off half-way?",
    "Does a key from the environment go to any host?",
)
TASK = "Look up in the documents how I add a provider, and work out what 250000 tokens cost at 0.45 USD per million."
RULES = "Answer briefly from the passages, with their source in brackets.\n\nPassages:\n\n{passages}"
PROMPT = ChatPromptTemplate([("system", RULES), ("human", "{question}")])
PASSAGE = PromptTemplate.from_template("[{source}]\n{page_content}")


class Sections(BaseRetriever):
    """Finds sections of the project's documents by BM25."""

    documents: list[Document]
    index: Any

    @classmethod
    def read(cls) -> Sections:
        """The Markdown files, split at their headings."""
        documents = []
        for page in (page for page in PAGES if (ROOT / page).exists()):
            for part in re.split(r"^(?=## )", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE):
                heading = part.partition("\n")[0].lstrip("# ").replace("`", "")
                documents.append(Document(part.strip(), metadata={"source": f"{page}, {heading}"}))
        index = bm25s.BM25()
        index.index(_words(*[each.page_content for each in documents]), show_progress=False)
        return cls(documents=documents, index=index)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        found, _ = self.index.retrieve(_words(query), corpus=self.documents, k=4, show_progress=False)
        return list(found[0])


def _words(*texts: str) -> Any:
    return bm25s.tokenize(list(texts), stopwords="en", show_progress=False)


@tool
def token_cost(tokens: int, usd_per_million: float) -> str:
    """What a number of tokens costs at a price per million."""
    return f"{tokens:,} tokens cost {tokens * usd_per_million / 1e6:.4f} USD."


@contextmanager
def connect() -> Iterator[dict[str, str]]:
    """The service to talk to, as arguments of `ChatAKI`: none of them for AKI.IO, else a local emulator's."""
    if any(os.environ.get(variable, "").strip() for variable in PROVIDERS["aki"].key_variables):
        print("Talking to AKI.IO at", PROVIDERS["aki"].route("openai").base_url)
        yield {}
    else:
        with Emulator() as emulator:
            print(f"Talking to the emulator at {emulator.openai_url}; with AKI_API_KEY set, to AKI.IO itself")
            yield {"base_url": emulator.openai_url, "api_key": emulator.key}


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
    shown = ""
    for chunk in (PROMPT | model).stream({"passages": passages, "question": question}):
        for kind, text in ((block["type"], block.get(block["type"], "")) for block in chunk.content_blocks):
            if kind != shown:
                print("\n" if shown else "", "answer: " if kind == "text" else f"{kind}: ", sep="", end="")
            print(text, end="", flush=True)
            shown = kind
    print("\nsources:", "; ".join(each.metadata["source"] for each in found))


def run_agent(model: ChatAKI, sections: Sections, task: str) -> None:
    """An agent with two tools, its steps as they come."""
    search = create_retriever_tool(sections, "search_documents", "Search the documents.", document_prompt=PASSAGE)
    agent = create_agent(model, tools=[search, token_cost])
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


@contextmanager
def step(title: str, spent: list[str]) -> Iterator[None]:
    """One step of the demo, timed and its tokens counted."""
    print(f"\n== {title}")
    start = perf_counter()
    with get_usage_metadata_callback() as counted:
        yield
    used = counted.usage_metadata.values()
    read, written = sum(each["input_tokens"] for each in used), sum(each["output_tokens"] for each in used)
    spent.append(f"{title:50}{read:>10,}{written:>10,}{perf_counter() - start:>10.2f}")


def main() -> None:
    """Everything, in order."""
    spent = [f"\n{'step':50}{'tokens in':>10}{'out':>10}{'seconds':>10}"]
    with connect() as settings:
        model, sections = ChatAKI(model=MODEL, **settings), Sections.read()
        with step("Models and their limits", spent):
            show_models(model)
        for question in QUESTIONS:
            with step(question, spent):
                answer(model, sections, question)
        with step("An agent with two tools", spent):
            run_agent(model, sections, TASK)
        with step(f"A misspelled model: {MISSPELLED}", spent):
            ask_misspelled(settings)
    print(*spent, sep="\n")


if __name__ == "__main__":
    main()
