"""LangChain on AKI.IO: questions answered from this project's own documents, and an agent with two tools.

`make demo` runs it: on AKI.IO where `AKI_API_KEY` is set, else on a local emulator, without a key or a network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import bm25s
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForRetrieverRun, get_usage_metadata_callback
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool

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
TASK = "Look up in the documents how I add a provider, and work out what 250000 tokens cost at 0.45 dollars per million."
PROMPT = ChatPromptTemplate(
    [
        ("system", "Answer briefly from the passages, with their source in brackets.\n\nPassages:\n\n{passages}"),
        ("human", "{question}"),
    ]
)


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


def quoted(documents: list[Document]) -> str:
    """Passages for a prompt, each under its source."""
    return "\n\n".join(f"[{each.metadata['source']}]\n{each.page_content}" for each in documents)


@contextmanager
def connect() -> Iterator[dict[str, str]]:
    """The service to talk to, as arguments of `ChatAKI`: none of them for AKI.IO, else a local emulator's."""
    if any(os.environ.get(variable) for variable in PROVIDERS["aki"].key_variables):
        print("Talking to AKI.IO at", PROVIDERS["aki"].route("openai").base_url)
        yield {}
    else:
        with Emulator() as emulator:
            print(f"Talking to the emulator at {emulator.openai_url} (AKI.IO itself once AKI_API_KEY is set)")
            yield {"base_url": emulator.openai_url, "api_key": emulator.key}


def show_models(model: ChatAKI) -> None:
    """What is known of each model, and where each number came from."""
    print(f"{'model':22}{'context window':>15}  {'from':9}{'maximum output':>15}  from")
    for info in model.refresh_models():
        window, output = f"{info.context_window:>15,}  {info.source:9}", f"{info.max_output:>15,}  {info.output_source}"
        print(f"{info.id:22}{window}{output}")


def answer(model: ChatAKI, sections: Sections, question: str) -> None:
    """A question answered from the documents, as the answer comes."""
    found = sections.invoke(question)
    thinking = False
    for chunk in (PROMPT | model).stream({"passages": quoted(found), "question": question}):
        for block in chunk.content_blocks:
            if block["type"] == "reasoning":
                print("" if thinking else "(thinking) ", block["reasoning"], sep="", end="", flush=True)
                thinking = True
            elif block["type"] == "text":
                print("\n" if thinking else "", block["text"], sep="", end="", flush=True)
                thinking = False
    print("\nRead:", "; ".join(each.metadata["source"] for each in found))


def run_agent(model: ChatAKI, sections: Sections, task: str) -> None:
    """An agent with two tools, its steps as they come."""

    @tool
    def search_documents(query: str) -> str:
        """Search the project's documents."""
        return quoted(sections.invoke(query))

    @tool
    def token_cost(tokens: int, dollars_per_million: float) -> str:
        """What a number of tokens costs at a price per million."""
        return f"{tokens:,} tokens cost {tokens * dollars_per_million / 1e6:.4f} dollars."

    agent = create_agent(model, tools=[search_documents, token_cost])
    asked = {"messages": [("user", task)]}
    for mode, step in agent.stream(asked, stream_mode=["messages", "updates"]):
        if mode == "messages":
            if isinstance(step[0], AIMessageChunk):
                print(step[0].text, end="", flush=True)
            continue
        for message in [each for update in step.values() for each in update["messages"]]:
            for call in getattr(message, "tool_calls", ()):
                print(f"calls {call['name']}({', '.join(f'{name}={value!r}' for name, value in call['args'].items())})")
            if message.type == "tool":
                print(f"{message.name} gives {' '.join(message.text.split())[:90]}")
    print()


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
    used = list(counted.usage_metadata.values())
    tokens = [sum(each[kind] for each in used) for kind in ("input_tokens", "output_tokens")]
    spent.append(f"{title[:54]:56}{tokens[0]:>8,}{tokens[1]:>8,}{perf_counter() - start:>9.2f}")


def main() -> None:
    """Everything, in order."""
    spent: list[str] = []
    with connect() as settings:
        model = ChatAKI(model=MODEL, **settings)
        sections = Sections.read()
        with step("Models and their limits", spent):
            show_models(model)
        for question in QUESTIONS:
            with step(question, spent):
                answer(model, sections, question)
        with step(f"An agent: {TASK}", spent):
            run_agent(model, sections, TASK)
        with step(f"A misspelled model: {MISSPELLED}", spent):
            ask_misspelled(settings)
    print(f"\n{'step':56}{'in':>8}{'out':>8}{'seconds':>9}", *spent, sep="\n")


if __name__ == "__main__":
    main()
