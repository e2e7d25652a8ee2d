"""The actor and its folder, without Ray: what is asked, what is kept, and what is not asked twice."""

import re
import time
from datetime import UTC, datetime
from importlib import import_module

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aki_transport.errors import AuthenticationError
from notebooks.at_scale.__main__ import FRAMEWORKS, _parser
from notebooks.at_scale.answering import Answering
from notebooks.at_scale.folder import Folder
from tests.tools.at_scale.trial import MODEL, ROOT, known_answer, questions


@pytest.fixture
def service(fresh_emulator, monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", fresh_emulator.key)
    return fresh_emulator


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "out", "id")


@pytest.fixture
def answering(service, folder):
    made = []

    def make(framework="langchain", ask=None, **given):
        module = import_module(FRAMEWORKS[framework])
        model = module.MODEL(model=MODEL, base_url=service.openai_url, max_retries=0)
        settings = {"prompt": "{question}", "folder": folder, "at_once": 4, "per_second": None, **given}
        made.append(Answering(model=model, ask=ask or module.ask, **settings))
        return made[-1]

    yield make
    for actor in made:
        actor.close()


def rows(asked):
    return pa.table({"id": range(len(asked)), "question": asked})


def kept(folder):
    answered, failed = folder.merge(folder.path / "answers.parquet")
    found = pq.read_table(folder.path / "answers.parquet").to_pylist()
    assert len(found) == answered + failed
    return {row["id"]: row for row in found}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_row_that_fails_keeps_its_error_and_the_others_their_answers(answering, folder, framework):
    asked = questions(12, too_long=[5])
    told = answering(framework)(rows(asked)).to_pylist()
    assert told == [{"id": number, "error": "ContextOverflowError" if number == 5 else None} for number in range(12)]
    found = kept(folder)
    assert "65536" in found[5]["error_words"]
    assert found[5]["answer"] is None
    for number in set(range(12)) - {5}:
        assert known_answer(asked[number]) in found[number]["answer"]
        assert found[number]["model"] == MODEL
        assert all(found[number][name] > 0 for name in ("input_tokens", "output_tokens", "seconds"))


def test_no_more_are_under_way_than_the_actor_may_have_in_one_batch_or_several(answering):
    in_langchain, under_way, most = import_module(FRAMEWORKS["langchain"]), 0, 0

    async def counted(model, prompt):
        nonlocal under_way, most
        under_way, most = under_way + 1, max(most, under_way + 1)
        try:
            return await in_langchain.ask(model, prompt)
        finally:
            under_way -= 1

    actor = answering(ask=counted, at_once=3)
    actor(rows(questions(12)))
    actor(rows(questions(10)))
    assert most == 3


def test_calls_begin_no_faster_than_the_rate_says_from_one_batch_to_the_next_too(answering):
    actor, start = answering(at_once=12, per_second=20), time.monotonic()
    actor(rows(questions(6)))
    actor(rows(questions(7)))
    assert time.monotonic() - start >= 12 / 20


def test_a_batch_that_was_kept_is_not_asked_again_and_what_failed_is_by_the_next_run(answering, service, folder):
    asked = questions(8, too_long=[0, 1])
    first = answering()(rows(asked))
    assert service.count("/chat/completions") == 8
    assert answering()(rows(asked)).equals(first)
    assert service.count("/chat/completions") == 8
    answering(folder=Folder(folder.path, "id", "the next run"))(rows(asked[:2]))
    assert service.count("/chat/completions") == 10
    assert folder.merge(folder.path / "answers.parquet") == (6, 2)


def test_a_wrong_key_ends_the_run_and_what_was_answered_before_is_kept(answering, service, folder):
    in_langchain = import_module(FRAMEWORKS["langchain"])
    wrong = in_langchain.MODEL(model=MODEL, base_url=service.openai_url, api_key="wrong", max_retries=0)

    async def revoked(model, prompt):
        return await in_langchain.ask(wrong if prompt == questions(8)[3] else model, prompt)

    with pytest.raises(AuthenticationError):
        answering(ask=revoked, at_once=1)(rows(questions(8)))
    assert folder.answered().to_pylist() == [0, 1, 2]
    assert service.count("/chat/completions") == 4


def test_of_several_results_of_a_row_an_answer_wins_and_then_the_newest(folder):
    def at(minute, **row):
        return {**row, "answered_at": datetime(2026, 1, 1, 12, minute, tzinfo=UTC)}

    assert len(folder.answered()) == 0
    assert folder.merge(folder.path / "answers.parquet") == (0, 0)
    assert not (folder.path / "answers.parquet").exists()
    folder.keep([at(1, id="a", answer="old"), at(1, id="b", answer="kept"), at(1, id="c", error="E1")], pa.string())
    folder.keep([at(3, id="a", answer="new"), at(3, id="b", error="E2")], pa.string())
    folder.keep([at(2, id="a", answer="between"), at(2, id="c", error="E2"), at(2, id="d", error="E3")], pa.string())
    assert sorted(folder.answered().to_pylist()) == ["a", "a", "a", "b"]
    assert folder.merge(folder.path / "answers.parquet") == (2, 2)
    found = {name: row["answer"] or row["error"] for name, row in kept(folder).items()}
    assert found == {"a": "new", "b": "kept", "c": "E2", "d": "E3"}


def test_the_page_names_the_columns_and_no_option_that_there_is_not(answering, folder):
    page = (ROOT / "notebooks" / "at_scale" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page)) <= set(_parser()._option_string_actions)
    answering()(rows(questions(1)))
    (columns,) = re.findall(r"\| `answers.parquet` \| (.*) \|", page)
    assert set(re.findall(r"`(\w+)`", columns)) == set(kept(folder)[0]) - {"id"}
