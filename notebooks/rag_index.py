"""Finding pages: a LanceDB table that both frameworks search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rag_corpus import Page

# Read when it is imported. It would warn that the table does not exist, just before it makes it.
os.environ.setdefault("LANCEDB_LOG", "error")

import lancedb
import pyarrow as pa
from lancedb.index import FTS
from lancedb.rerankers import RRFReranker
from lancedb.table import Table

_TABLE = "pages"

Embed = Callable[[list[str]], list[list[float]]]
"""Texts to vectors: `embed_documents` of LangChain's embeddings, `get_text_embedding_batch` of LlamaIndex's."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page that was found; the higher the score the better it fits. Scores of two questions do not compare."""

    page: Page
    score: float


class PageIndex:
    """Pages in a table on disk, found by their words (BM25), or by words and vectors together.

    Args:
        table: The table.
        embed: What the table's vectors were made with; None if it has none.
    """

    def __init__(self, table: Table, embed: Embed | None = None) -> None:
        self._table = table
        self._embed = embed

    @classmethod
    def build(cls, folder: Path, pages: Iterable[Page], embed: Embed | None = None) -> Self:
        """Write the pages into a new table, in place of one that is there."""
        rows = [{"source": page.source, "text": page.text} for page in pages]
        fields = [pa.field("source", pa.string()), pa.field("text", pa.string())]
        if embed is not None:
            vectors = embed([row["text"] for row in rows])
            rows = [{**row, "vector": vector} for row, vector in zip(rows, vectors, strict=True)]
            fields.append(pa.field("vector", pa.list_(pa.float32(), len(vectors[0]))))
        table = lancedb.connect(folder).create_table(_TABLE, rows, schema=pa.schema(fields), mode="overwrite")
        table.create_index("text", config=FTS(language="English", stem=True, remove_stop_words=True))
        return cls(table, embed)

    @classmethod
    def open(cls, folder: Path, embed: Embed | None = None) -> Self:
        """The table that `build` wrote there, with the same `embed`."""
        return cls(lancedb.connect(folder).open_table(_TABLE), embed)

    def __len__(self) -> int:
        return int(self._table.count_rows())

    def search(self, question: str, limit: int = 4) -> list[Found]:
        """The pages that fit best, best first."""
        if self._embed is None:
            query, score = self._table.search(question, query_type="fts"), "_score"
        else:
            (vector,) = self._embed([question])
            query = self._table.search(query_type="hybrid").vector(vector).text(question).rerank(RRFReranker())
            score = "_relevance_score"
        return [Found(Page(row["source"], row["text"]), row[score]) for row in query.limit(limit).to_list()]
