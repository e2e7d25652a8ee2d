"""Two hundred questions at once, in both frameworks: a progress bar, a bound, and failures kept apart from answers.

    python notebooks/batches.py

It talks to AKI.IO where `AKI_API_KEY` is set, else to a local emulator. Three of the questions bring a text along that
does not fit into the context window: they fail, and the others are answered all the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from llama_index.core.async_utils import run_jobs
from service import Services
from tqdm.asyncio import tqdm

from aki_transport import AKIError
from langchain_aki import ChatAKI
from llama_index_aki import AKI

MODEL = "apertus-chat-70b"
COUNT = 200
AT_ONCE = 16
TOO_LONG = (40, 90, 140)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, with what it took."""

    text: str
    seconds: float
    input_tokens: int
    output_tokens: int
    credits: float | None = None


@dataclass(slots=True)
class Batch:
    """What became of each question, by its number."""

    answers: dict[int, Answered] = field(default_factory=dict)
    failures: dict[int, AKIError] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, number: int, result: Answered | Exception) -> None:
        """Put one result where it belongs; what is no error of a call is raised."""
        match result:
            case Answered():
                self.answers[number] = result
            case AKIError():
                self.failures[number] = result
            case _:
                raise result


def questions(count: int = COUNT, too_long: Sequence[int] = TOO_LONG) -> list[str]:
    """Questions with known answers; those of the given numbers come with a text that is too long for the model."""
    asked = [f"What is {number + 1} * {count - number}?" for number in range(count)]
    for number in too_long:
        asked[number] = f"{'word ' * 70_000}\n\n{asked[number]}"
    return asked


def known_answer(number: int, count: int = COUNT) -> str:
    """What is right for the question of that number."""
    return str((number + 1) * (count - number))


async def ask_langchain(model: ChatAKI, asked: Sequence[str], at_once: int = AT_ONCE) -> Batch:
    """`abatch_as_completed`: as many at once as the bound says, results as they come."""
    batch, start = Batch(), perf_counter()
    results = _timed(model).abatch_as_completed(list(asked), {"max_concurrency": at_once}, return_exceptions=True)
    async for number, result in tqdm(results, total=len(asked), desc="LangChain"):
        batch.add(number, result)
    batch.seconds = perf_counter() - start
    return batch


def ask_langchain_sync(model: ChatAKI, asked: Sequence[str], at_once: int = AT_ONCE) -> Batch:
    """`batch_as_completed`: the same without asyncio, in so many threads."""
    batch, start = Batch(), perf_counter()
    results = _timed(model).batch_as_completed(list(asked), {"max_concurrency": at_once}, return_exceptions=True)
    for number, result in tqdm(results, total=len(asked), desc="LangChain, sync"):
        batch.add(number, result)
    batch.seconds = perf_counter() - start
    return batch


async def ask_llama_index(llm: AKI, asked: Sequence[str], at_once: int = AT_ONCE) -> Batch:
    """`run_jobs` has the bar and the bound; a job that raises would end them all, so each gives its error back."""
    batch, start = Batch(), perf_counter()

    async def job(question: str) -> Answered | AKIError:
        begun = perf_counter()
        try:
            response = await llm.acomplete(question)
        except AKIError as error:
            return error
        said = response.additional_kwargs
        return Answered(
            response.text,
            perf_counter() - begun,
            said["prompt_tokens"],
            said["completion_tokens"],
            said.get("credits_used"),
        )

    jobs = [job(question) for question in asked]
    for number, result in enumerate(await run_jobs(jobs, show_progress=True, workers=at_once, desc="LlamaIndex")):
        batch.add(number, result)
    batch.seconds = perf_counter() - start
    return batch


def _timed(model: ChatAKI) -> RunnableLambda[str, Answered]:
    def ask(question: str) -> Answered:
        begun = perf_counter()
        return _answered(model.invoke(question), perf_counter() - begun)

    async def aask(question: str) -> Answered:
        begun = perf_counter()
        return _answered(await model.ainvoke(question), perf_counter() - begun)

    return RunnableLambda(ask, aask)


def _answered(message: AIMessage, seconds: float) -> Answered:
    used = message.usage_metadata or {"input_tokens": 0, "output_tokens": 0}
    spent = message.response_metadata.get("credits_used")
    return Answered(message.text, seconds, used["input_tokens"], used["output_tokens"], spent)


def show(name: str, batch: Batch) -> None:
    """How many were answered, how many rightly, and what became of the rest."""
    right = sum(known_answer(number) in each.text.replace(",", "") for number, each in batch.answers.items())
    tokens = sum(each.input_tokens + each.output_tokens for each in batch.answers.values())
    print(f"{name}: {len(batch.answers)} answered, {right} of them rightly, {tokens:,} tokens, {batch.seconds:.1f} s")
    for kind, count in Counter(type(error).__name__ for error in batch.failures.values()).items():
        numbers = [number for number, error in batch.failures.items() if type(error).__name__ == kind]
        print(f"  {count} failed with {kind}: questions {', '.join(map(str, sorted(numbers)))}")


async def main() -> None:
    """The same questions in both frameworks."""
    services, asked = Services(), questions()
    settings = services.connect()
    model, llm = ChatAKI(model=MODEL, **settings), AKI(model=MODEL, **settings)
    show("LangChain", await ask_langchain(model, asked))
    show("LangChain, sync", await asyncio.to_thread(ask_langchain_sync, model, asked))
    show("LlamaIndex", await ask_llama_index(llm, asked))
    await model.aclose()
    await llm.aclose()
    services.stop()


if __name__ == "__main__":
    asyncio.run(main())
