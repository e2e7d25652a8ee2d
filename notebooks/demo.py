"""LangChain on AKI.IO: questions over this project's own documents, and an agent with two tools.

`make demo` runs it: against AKI.IO with `AKI_API_KEY` set, else against the emulator, without a key or a network.
"""

from __future__ import annotations

import os
import re
import sys
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
from langchain_core.runnables import RunnablePassthrough
from langchain_core.tools import tool

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator
from langchain_aki import ChatAKI
from langchain_aki.errors import ModelNotFoundError

MODEL = "qwen3.6-35b"
ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/benchmarks/README.md")
QUESTIONS = (
    "Which models have the largest context window?",
    "What happens when a stream breaks off half-way?",
    "Does a key from the environment go to any host?",
)
TASK = (
    "Look up in the documents how I add a provider, and work out what 250000 tokens cost at 0.45 euros per million."
)
PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "Answer from the passages, briefly, with the source in brackets.\n\nPassages:\n\n{passages}"),
        ("human", "{question}"),
    ]
)


class Pages(BaseRetriever):
    """Finds sections of the documents by BM25."""

    sections: list[Document]
    index: Any
    k: int = 4

    @classmethod
    def read(cls) -> Pages:
        """The documents of this project, split at their headings."""
        sections = [section for page in PAGES if (ROOT / page).exists() for section in split(page)]
        index = bm25s.BM25()
        index.index(tokens([each.page_content for each in sections]), show_progress=False)
        return cls(sections=sections, index=index)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        found, _ = self.index.retrieve(tokens([query]), corpus=self.sections, k=self.k, show_progress=False)
        return list(found[0])


def split(page: str) -> Iterator[Document]:
    """The sections of a Markdown file."""
    for part in re.split(r"^(?=## )", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE):
        heading = part.partition("\n")[0].lstrip("# ")
        if part.strip():
            yield Document(part.strip(), metadata={"source": f"{page}, {heading}"})


def tokens(texts: list[str]) -> Any:
    """Words as BM25 compares them."""
    return bm25s.tokenize(texts, stopwords="en", stemmer=stems, show_progress=False)


def stems(words):
    return [re.sub(r"(?:s|ed|ing)$", "", word) for word in words]

def quoted(sections: list[Document]) -> str:
    """The passages of a prompt, each under its source."""
    return "\n\n".join(f"[{each.metadata['source']}]\n{each.page_content}" for each in sections)


@contextmanager
def connect() -> Iterator[dict[str, str]]:
    """Which service to talk to, as arguments of `ChatAKI`: none for AKI.IO, else those of the local emulator."""
    if any(os.environ.get(name) for name in PROVIDERS["aki"].key_variables):
        print(f"Talking to AKI.IO at {PROVIDERS['aki'].route('openai').base_url}")
        yield {}
        return
    with Emulator() as service:
        print(f"Talking to the emulator at {service.openai_url}, for AKI_API_KEY is not set")
        yield {"base_url": service.openai_url, "api_key": service.key}


class Steps:
    """Times each step and counts its tokens."""
