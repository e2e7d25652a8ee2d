"""What both halves of the demo share: the documents, what is asked of them, and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

MODEL = "qwen3.6-35b"
ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/tools/benchmarks/README.md"),
    *(f"docs/{name}.md" for name in ("errors", "images", "migrating", "models", "privacy", "protocols", "testing")),
)
QUESTIONS = (
    "Which model answers a request for an unknown model?",
    "What does partial_text of a stream hold?",
    "Is a key sent only to the provider's own hosts?",
)
AGENT = "An agent with two tools"
TASK = "Look up in the documents how I add a provider, and work out what 250000 tokens cost at 0.45 USD per million."


def read_sections(pages: Iterable[str] = PAGES) -> Iterator[tuple[str, str]]:
    """Source and text of each section of the project's documents."""
    for page in (page for page in pages if (ROOT / page).exists()):
        for part in re.split(r"^(?=## )", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE):
            heading = part.partition("\n")[0].lstrip("# ").replace("`", "")
            yield f"{page}, {heading}", part.strip()


def token_cost(tokens: int, usd_per_million: float) -> str:
    """What a number of tokens costs at a price per million."""
    return f"{tokens:,} tokens cost {tokens * usd_per_million / 1e6:.4f} USD."


class Pieces:
    """Prints what a model says as it comes, each kind of it on a line of its own."""

    def __init__(self) -> None:
        self._kind = ""

    def show(self, kind: str, text: str) -> None:
        """A piece of text, of a kind such as `answer`."""
        if kind != self._kind:
            self.end()
            print(kind, end=": ")
            self._kind = kind
        print(text, end="", flush=True)

    def end(self) -> None:
        """What follows begins on a new line."""
        if self._kind:
            print()
        self._kind = ""


class Steps:
    """The steps of one half, each timed and its tokens counted."""

    def __init__(self, framework: str) -> None:
        self.framework = framework
        self.taken: dict[str, tuple[int, int, float]] = {}
        print(f"\n==== {framework}")

    @contextmanager
    def step(self, title: str, counted: Callable[[], tuple[int, int]]) -> Iterator[None]:
        """One step; `counted` gives the tokens read and written so far."""
        print(f"\n== {title}")
        read, written = counted()
        start = perf_counter()
        yield
        seconds = perf_counter() - start
        self.taken[title] = (counted()[0] - read, counted()[1] - written, seconds)


def show_side_by_side(*halves: Steps) -> None:
    """What each step took in each framework."""
    print(f"\n{'':48}", *(f"{half.framework:>26}" for half in halves), sep="")
    print(f"{'step':48}", *(f"{'tokens in':>11}{'out':>6}{'seconds':>9}" for _ in halves), sep="")
    for title in dict.fromkeys(title for half in halves for title in half.taken):
        taken = (half.taken.get(title) for half in halves)
        cells = (
            f"{each[0]:>11,}{each[1]:>6,}{each[2]:>9.2f}" if each else f"{'-':>11}{'-':>6}{'-':>9}" for each in taken
        )
        print(f"{title:48}", *cells, sep="")
