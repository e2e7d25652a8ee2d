"""Questions answered from pages, in LangChain: a retriever over the table, a prompt, a model."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate, format_document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableParallel, RunnablePassthrough
from rag_index import PageIndex

from langchain_aki import ChatAKI

_RULES = (
    "Answer briefly, from the passages alone, with the source of what you use in brackets. If they do not answer the"
    " question, say that you do not know.\n\nPassages:\n\n{passages}"
)
_PROMPT = ChatPromptTemplate([("system", _RULES), ("human", "{question}")])
_PASSAGE = PromptTemplate.from_template("[{source}]\n{page_content}")


class Pages(BaseRetriever):
    """Finds pages."""

    index: Any
    limit: int = 4

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        found = self.index.search(query, self.limit)
        return [Document(each.page.text, metadata={"source": each.page.source, "score": each.score}) for each in found]


def answering(model: ChatAKI, index: PageIndex) -> Runnable[str, dict[str, Any]]:
    """A chain from a question to a dict of the `question`, the `found` documents and the model's `answer`."""
    asked = RunnableParallel(question=RunnablePassthrough(), found=Pages(index=index))
    return asked | RunnablePassthrough.assign(passages=_passages) | RunnablePassthrough.assign(answer=_PROMPT | model)


def _passages(asked: dict[str, Any]) -> str:
    return "\n\n".join(format_document(each, _PASSAGE) for each in asked["found"])
