"""Questions with known answers, asked of the same pages through both frameworks."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core import MockEmbedding

from aki_transport.emulator import Emulator
from llama_index_aki import AKI
from tests.lazily import lazily

sys.path.append(str(Path(__file__).resolve().parents[1] / "notebooks"))
rag_corpus, rag_index, rag_evaluation = map(lazily, ("rag_corpus", "rag_index", "rag_evaluation"))
rag_langchain, rag_llama_index = map(lazily, ("rag_langchain", "rag_llama_index"))

FRAMEWORKS = ("LangChain", "LlamaIndex")
FIELDS = ("case", "found")


@pytest.fixture(scope="module")
def index():
    with TemporaryDirectory() as folder:
        yield rag_index.PageIndex.build(Path(folder), rag_corpus.read_pages())


@pytest.fixture(scope="module")
def answers(index):
    with Emulator() as service:
        settings = {"base_url": service.openai_url, "api_key": service.key}
        return asyncio.run(rag_evaluation.ask_both(index, settings))


def test_every_question_is_about_a_page_that_there_is_and_that_holds_the_known_words():
    texts = {page.source: " ".join(page.text.split()) for page in rag_corpus.read_pages()}
    for case in rag_evaluation.CASES:
        assert set(case.sources) <= set(texts)
        assert any(case.words in texts[source] for source in case.sources), case.question


def test_both_frameworks_are_asked_the_same_and_find_the_same_right_pages_which_their_answers_name(answers):
    cases, found = (
        [[getattr(each, name) for each in answers[framework]] for framework in FRAMEWORKS] for name in FIELDS
    )
    assert cases[0] == cases[1] == list(rag_evaluation.CASES)
    assert found[0] == found[1]
    for answered in answers.values():
        figures = rag_evaluation.Figures.of(answered)
        assert (figures.hit_rate >= 0.9, figures.first >= 0.75) == (True, True)
        assert [each.text for each in answered if not each.named and each.text != "I do not know."] == []
        assert any(each.named for each in answered)


def test_any_question_can_be_searched_for(index):
    for question in ("", "the", "?!", 'a "b AND (c', "Ω", "word " * 5000):
        assert len(index.search(question)) <= 4


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_any_embeddings_can_be_plugged_in(tmp_path, framework):
    theirs = (DeterministicFakeEmbedding(size=8).embed_documents, MockEmbedding(embed_dim=8).get_text_embedding_batch)
    embed = dict(zip(FRAMEWORKS, theirs, strict=True))[framework]
    index = rag_index.PageIndex.build(tmp_path, rag_corpus.read_pages(), embed=embed)
    assert len(index.search("no word in common: xyzzy", limit=3)) == 3
    found = [each.page.source for each in index.search("What did the Crow drop?", limit=3)]
    assert "notebooks/pages/aesop.md, The Crow and the Pitcher" in found


def test_a_stream_of_the_query_engine_names_its_source(index):
    with Emulator() as service:
        llm = AKI(model="qwen3.6-35b", base_url=service.openai_url, api_key=service.key)
        response = rag_llama_index.answering(llm, index, streaming=True).query("What did the Crow drop?")
        assert "[notebooks/pages/aesop.md, The Crow and the Pitcher]" in "".join(response.response_gen)
        llm.close()
