"""The load would tell of what is wrong."""

from __future__ import annotations

import asyncio
import itertools
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from tests.behaviour.faces import FACES
from tests.behaviour.running import READERS, Happened, Run
from tests.behaviour.table import MODES, Expect, Row
from tests.tools.soak.ledger import Ledger
from tests.tools.soak.noise import heard
from tests.tools.soak.questions import Asked, about, ask, complaint, counted
from tests.tools.soak.soak import Bounds, Soak
from tests.tools.soak.traffic import FAULTS, PLACES, fitting
from tests.tools.soak.watch import Look, Pauses, first_and_last

_ROW = Row(name="an answer", result=Expect())
FEW = 10_000_000
NOTHING = Happened()


def asked(number: int = FEW) -> Asked:
    return Asked(number, Run(about(_ROW, number, Expect()), FACES[0], READERS[0], MODES[0]))


def test_an_answer_to_another_question_is_wrong():
    another = replace(NOTHING, items=[AIMessage(counted(FEW + 100))])
    assert "answer.text == expect.text" in complaint(asked(), another)


def test_every_fault_is_sent_somewhere():
    sent = {
        row.name
        for (face, reader), mode in itertools.product(PLACES, MODES)
        for row in fitting(Run(_ROW, face, reader, mode))
    }
    assert sent == set(FAULTS)


def test_a_question_that_is_answered_wrongly_is_wrong():
    ledger, question = Ledger(), asked()
    ledger.begun(question)
    ledger.ended(question, Happened(error=ValueError("another")))
    assert ledger.wrong == 1
    assert "another" in ledger.words[0]


def test_a_question_without_an_answer_or_without_a_request_is_lost():
    ledger = Ledger()
    for number in (FEW, FEW + 100):
        ledger.begun(asked(number))
    ledger.ended(asked(FEW), NOTHING)
    assert ledger.lost == 2
    ledger.seen({FEW: 1})
    assert ledger.lost == 1


def test_a_question_that_was_given_up_may_reach_the_service_late_or_never():
    ledger = Ledger()
    for number in (FEW, FEW + 100):
        question = replace(asked(number), is_cut_short=True)
        ledger.begun(question)
        ledger.ended(question, NOTHING)
    ledger.seen({})
    ledger.seen({FEW: 1})
    assert (ledger.wrong, ledger.lost, ledger.repeated) == (0, 0, 0)


@pytest.mark.parametrize("late", [False, True])
def test_a_request_too_many_is_a_repeated_one_even_after_the_answer(late: bool):
    ledger, question = Ledger(), asked()
    ledger.begun(question)
    ledger.ended(question, NOTHING)
    for counts in ({FEW: 1}, {FEW: 1}) if late else ({FEW: 2},):
        ledger.seen(counts)
    assert (ledger.repeated, ledger.lost) == (1, 0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"last": Look(100.0, 140.0, 10)}, "memory grew by 40 MB"),
        ({"last": Look(100.0, 100.0, 40)}, "30 descriptors more"),
        ({"pause": 6.0}, "the loop paused for 6.0 s"),
        ({"jobs": 1}, "1 jobs go on"),
        ({"noise": ["heard: a socket was left open"]}, "a socket was left open"),
    ],
)
def test_what_piles_up_or_holds_the_loop_up_is_told_of(wrong: dict[str, Any], words: str):
    look = Look(0.0, 100.0, 10)
    fine = {"ledger": Ledger(), "seconds": 1.0, "first": look, "last": look, "pause": 0.1, "jobs": 0, "cpu": (0.0, 0.0)}
    assert Soak(**fine, noise=[], bounds=Bounds()).complaints == []
    (said,) = Soak(**{**fine, "noise": [], **wrong}, bounds=Bounds()).complaints
    assert words in said


def test_the_first_part_is_compared_with_the_last():
    looks = [Look(float(second), 100.0 + second, second) for second in range(11)]
    first, last = first_and_last(looks, 2.0)
    assert (first.memory, first.descriptors) == (101.0, 1)
    assert (last.memory, last.descriptors) == (109.0, 9)


async def test_a_loop_that_is_held_up_is_noticed():
    async with Pauses() as pauses:
        await asyncio.sleep(0)
        until = asyncio.get_running_loop().time() + 0.3
        while asyncio.get_running_loop().time() < until:
            pass
        await asyncio.sleep(0.02)
    assert pauses.longest > 0.2


async def test_what_a_finalizer_says_is_heard():
    class Left:
        def __del__(self) -> None:
            warnings.warn("left open", ResourceWarning, stacklevel=1)

    with heard() as said:
        Left()
    assert "left open" in said[0]


def test_a_model_that_cannot_be_asked_is_no_crash():
    happened = ask(asked(), SimpleNamespace())
    assert isinstance(happened.error, AttributeError)
