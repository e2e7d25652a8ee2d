"""Questions with known answers, asked of the same pages through both frameworks.

`make rag` runs it: on AKI.IO where `AKI_API_KEY` is set, else on a local emulator, without a key or a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten

import rag_langchain
import rag_llama_index
from demo import connect
from llama_index.core.async_utils import run_jobs
from rag_corpus import read_pages
from rag_index import PageIndex

from langchain_aki import ChatAKI
from llama_index_aki import AKI

MODEL = "qwen3.6-35b"
AT_ONCE = 8
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A question, words that a right answer holds, and the page (any of several) that says so."""

    question: str
    words: str
    sources: tuple[str, ...]


def _docs(question: str, words: str, *sources: str) -> Case:
    return Case(question, words, tuple(f"docs/{source}" for source in sources))


def _fable(question: str, words: str, heading: str) -> Case:
    return Case(question, words, (f"notebooks/pages/aesop.md, {heading}",))


def _amendment(question: str, words: str, *numbers: str) -> Case:
    return Case(question, words, tuple(f"notebooks/pages/us_constitution.md, Amendment {each}" for each in numbers))


_LIMITS = "Context window and maximum output"
_REPEATED = "What is repeated, and what is not"
CASES = (
    _docs("Which model has a context window of 204800 tokens?", "minimax-m2.5-230b", f"models.md, {_LIMITS}"),
    _docs(
        "Which error means that the account has too little credit?", "InsufficientCreditsError", "errors.md, All errors"
    ),
    _docs("Up to how many seconds is Retry-After respected?", "up to 60 s", f"errors.md, {_REPEATED}"),
    _docs("What does partial_text hold when a stream breaks off?", "what had arrived", f"errors.md, {_REPEATED}"),
    _docs("What is the maximum output of apertus-chat-70b?", "8192", f"models.md, {_LIMITS}"),
    _docs(
        "What is max_completion_tokens called here?",
        "max_tokens",
        "migrating.md, From ChatOpenAI",
        "migrating.md, All arguments",
    ),
    Case("Is there telemetry?", "no telemetry", ("docs/privacy.md, What is sent", "README.md, Privacy")),
    Case("How do I add a model?", "an entry in `models.toml`", ("CONTRIBUTING.md, How to",)),
    Case("How do I add a provider?", "a row in `PROVIDERS`", ("CONTRIBUTING.md, How to",)),
    Case("What is pillow needed for?", "pictures", ("CONTRIBUTING.md, Dependencies, and why each is there",)),
    Case("Through what do I report what I find to the maintainers?", "security advisories", ("SECURITY.md, Security",)),
    Case("How are the rounds of the benchmarks interleaved?", "A B C D", ("tests/tools/benchmarks/README.md, How",)),
    _fable("What did the Crow drop into the pitcher?", "stones", "The Crow and the Pitcher"),
    _fable(
        "Who chose the course of the race between the Hare and the Tortoise?",
        "the Fox should choose",
        "The Hare and the Tortoise",
    ),
    _fable("Into what did the Astronomer fall?", "a deep well", "The Astronomer"),
    _fable("How did the Grasshopper pass the days of summer?", "singing", "The Ants and the Grasshopper"),
    _fable("What did the Mouse gnaw to set the Lion free?", "the rope", "The Lion and the Mouse"),
    _fable("What blew off the wig of the Bald Knight?", "A sudden puff of wind", "The Bald Knight"),
    _fable("What did the Boy grasp in the pitcher?", "filberts", "The Boy and the Filberts"),
    _fable("What did the Groom steal from his Horse?", "oats", "The Horse and Groom"),
    _fable("What did the Shepherd-boy cry out?", "Wolf! Wolf!", "The Shepherd's Boy and the Wolf"),
    _fable("Why did the Seagull die on the shore?", "too large a fish", "The Seagull and the Kite"),
    _fable("What had the empty jar of the Old Woman been full of?", "prime old wine", "The Old Woman and the Wine-Jar"),
    _fable("Whom were the two daughters married to?", "a gardener", "The Father and His Two Daughters"),
    _amendment("Which punishments shall not be inflicted?", "cruel and unusual punishments", "VIII"),
    _amendment(
        "Does slavery exist within the United States?", "Neither slavery nor involuntary servitude", "XIII, Section 1"
    ),
    _amendment("From what age on are citizens allowed to vote?", "eighteen years of age", "XXVI, Section 1"),
    _amendment(
        "When do the terms of the President and Vice President end?", "the 20th day of January", "XX, Section 1"
    ),
    _amendment(
        "Who becomes President in case of the death of the President?",
        "the Vice President shall become President",
        "XXV, Section 1",
    ),
    _amendment("What is needed to quarter a Soldier in a house in time of peace?", "the consent of the Owner", "III"),
    _amendment("Which article of amendment is repealed?", "The eighteenth article", "XXI, Section 1"),
    _amendment("Above what value in controversy is the right of trial by jury preserved?", "twenty dollars", "VII"),
    _amendment("Upon what shall Warrants issue?", "probable cause", "IV"),
    _amendment(
        "Is the right to vote denied for failure to pay a poll tax?", "poll tax or other tax", "XXIV, Section 1"
    ),
    _amendment("Are taxes on incomes allowed?", "lay and collect taxes on incomes", "XVI"),
    _amendment("Who are citizens of the United States?", "All persons born or naturalized", "XIV, Section 1"),
)


@dataclass(frozen=True, slots=True)
class Answered:
    """What one framework made of a question: the pages it found, best first, and what the model said."""

    case: Case
    found: tuple[str, ...]
    text: str

    @property
    def rank(self) -> int | None:
        """The place of the first right page among those found, from 1 on."""
        places = (place for place, source in enumerate(self.found, start=1) if source in self.case.sources)
        return next(places, None)

    @property
    def named(self) -> tuple[str, ...]:
        """The pages that the answer names."""
        return tuple(source for source in self.found if f"[{source}]" in self.text)


@dataclass(frozen=True, slots=True)
class Figures:
    """How well the right pages were found, each from 0 to 1."""

    hit_rate: float
    """Questions for which a right page was found."""
    first: float
    """Questions for which it was the first one found."""

    @classmethod
    def of(cls, answered: Iterable[Answered]) -> Figures:
        """The figures of these answers."""
        ranks = [each.rank for each in answered]
        return cls(
            hit_rate=sum(rank is not None for rank in ranks) / len(ranks),
            first=sum(rank == 1 for rank in ranks) / len(ranks),
        )


async def ask_langchain(index: PageIndex, settings: dict[str, str], cases: Iterable[Case] = CASES) -> list[Answered]:
    """The answers of a chain on `ChatAKI`."""
    asked, model = list(cases), ChatAKI(model=MODEL, temperature=0, **settings)
    chain = rag_langchain.answering(model, index)
    results = await chain.abatch([case.question for case in asked], {"max_concurrency": AT_ONCE})
    await model.aclose()
    return [
        Answered(case, tuple(each.metadata["source"] for each in result["found"]), result["answer"].text)
        for case, result in zip(asked, results, strict=True)
    ]


async def ask_llama_index(index: PageIndex, settings: dict[str, str], cases: Iterable[Case] = CASES) -> list[Answered]:
    """The answers of a query engine on `AKI`."""
    asked, llm = list(cases), AKI(model=MODEL, temperature=0, **settings)
    engine = rag_llama_index.answering(llm, index)
    results = await run_jobs([engine.aquery(case.question) for case in asked], workers=AT_ONCE)
    await llm.aclose()
    return [
        Answered(case, tuple(each.metadata["source"] for each in result.source_nodes), str(result))
        for case, result in zip(asked, results, strict=True)
    ]


async def ask_both(index: PageIndex, settings: dict[str, str]) -> dict[str, list[Answered]]:
    """The answers of each framework, by its name."""
    return {
        "LangChain": await ask_langchain(index, settings),
        "LlamaIndex": await ask_llama_index(index, settings),
    }


def show(answers: dict[str, list[Answered]]) -> None:
    """Each question, the figures side by side, then the answers to the first questions."""
    print("For each question the right page's place among those found; the model gets them and names its source.")
    print(f"\n{'question':72}", *(f"{name:>12}" for name in answers), sep="")
    for rows in zip(*answers.values(), strict=True):
        print(f"{shorten(rows[0].case.question, 70):72}", *(f"{each.rank or '-':>12}" for each in rows), sep="")
    figures = {name: Figures.of(rows) for name, rows in answers.items()}
    print(f"\n{'':72}", *(f"{name:>12}" for name in figures), sep="")
    found = len(next(iter(answers.values()))[0].found)
    for field, title in (("hit_rate", f"hit rate: a right page among {found}"), ("first", "a right page first")):
        print(f"{title:72}", *(f"{getattr(each, field):>12.3f}" for each in figures.values()), sep="")
    for name, rows in answers.items():
        for each in rows[:_SHOWN]:
            print(f"\n{name}: {each.case.question}\n  {shorten(each.text, 160)}")


def main() -> None:
    """Index the pages, ask both frameworks, print how they did."""
    with connect() as settings, TemporaryDirectory() as folder:
        index = PageIndex.build(Path(folder), read_pages())
        print(f"{len(index)} pages, {len(CASES)} questions, model {MODEL}")
        show(asyncio.run(ask_both(index, settings)))


if __name__ == "__main__":
    main()
