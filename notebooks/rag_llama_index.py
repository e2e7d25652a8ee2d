"""Questions answered from pages, in LlamaIndex: a retriever over the same table, a query engine."""

from __future__ import annotations

from llama_index.core import PromptTemplate, QueryBundle
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from rag_index import PageIndex

from llama_index_aki import AKI

# LlamaIndex writes a node's metadata above its text: `source: …`.
_PROMPT = PromptTemplate(
    "Passages:\n\n{context_str}\n\n"
    "Answer briefly, from the passages alone, with the source of what you use in brackets. If they do not answer the"
    " question, say that you do not know.\n"
    "Question: {query_str}"
)


class Pages(BaseRetriever):
    """Finds pages."""

    def __init__(self, index: PageIndex, limit: int = 4) -> None:
        self._index = index
        self._limit = limit
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._index.search(query_bundle.query_str, self._limit)
        return [
            NodeWithScore(node=TextNode(text=each.page.text, metadata={"source": each.page.source}), score=each.score)
            for each in found
        ]


def answering(llm: AKI, index: PageIndex, *, streaming: bool = False) -> RetrieverQueryEngine:
    """A query engine."""
    return RetrieverQueryEngine.from_args(Pages(index), llm=llm, text_qa_template=_PROMPT, streaming=streaming)
