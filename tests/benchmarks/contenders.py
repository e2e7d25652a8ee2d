"""Who is measured: each contender is a row. Nothing here imports what it measures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

Part = Literal["ours", "peer", "http", "alone"]

ROOT = Path(__file__).parents[2]


class Driver(Protocol):
    """Uses one contender as its users would; each framework has one, for all its contenders."""

    def call(self) -> str:
        """The text of a blocking answer."""

    def stream(self, chunks: int) -> int:
        """Read a stream of that many pieces of text, and count them."""

    async def acall(self) -> str:
        """`call`, async."""

    async def astream(self, chunks: int) -> int:
        """`stream`, async."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One row.

    Args:
        name: In the table.
        framework: Whose table it stands in; empty where it belongs to every framework.
        part: `"ours"`, the `"peer"` that ratios are taken to, plain `"http"`, or the framework `"alone"`.
        module: What its user imports; measured as the import.
        drives: The module with its make-function and with the `Driver` for what that makes.
        make: The name of that function; it takes the server's address.
        environment: The virtual environment it runs in, from the project's root; empty for that of the caller.
    """

    name: str
    framework: str = ""
    part: Part
    module: str
    drives: str
    make: str
    environment: str = ""

    @property
    def python(self) -> str:
        """What runs it. Not resolved, for a virtual environment's is a link, and known by where that stands."""
        return str(ROOT / self.environment / "bin" / "python") if self.environment else sys.executable

    @property
    def is_here(self) -> bool:
        """Whether its environment was made."""
        return Path(self.python).exists()

    def maker(self, url: str) -> Callable[[], Any]:
        """What makes a model or client of it for the server there; imports what that needs."""
        return partial(getattr(import_module(self.drives), self.make), url)

    def driver(self, url: str) -> Driver:
        """What drives one of it."""
        made = self.maker(url)()
        driver: Driver = import_module(self.drives).Driver(made)
        return driver


# OpenAILike needs openai before 3, ChatOpenAI needs 3. Ours runs beside its peer, so that both find the same packages.
_LLAMA_INDEX_PEERS = ".venv/llama-index-peers"

CONTENDERS = (
    Contender(
        name="ChatAKI",
        framework="LangChain",
        part="ours",
        module="langchain_aki",
        drives="tests.benchmarks.drive_langchain",
        make="chat_aki",
    ),
    Contender(
        name="ChatOpenAI",
        framework="LangChain",
        part="peer",
        module="langchain_openai",
        drives="tests.benchmarks.drive_langchain",
        make="chat_openai",
    ),
    Contender(
        name="LangChain alone",
        framework="LangChain",
        part="alone",
        module="langchain_core.language_models.chat_models",
        drives="tests.benchmarks.drive_langchain",
        make="ready_made",
    ),
    Contender(
        name="AKI",
        framework="LlamaIndex",
        part="ours",
        module="llama_index_aki",
        drives="tests.benchmarks.drive_llama_index",
        make="aki",
        environment=_LLAMA_INDEX_PEERS,
    ),
    Contender(
        name="OpenAILike",
        framework="LlamaIndex",
        part="peer",
        module="llama_index.llms.openai_like",
        drives="tests.benchmarks.drive_llama_index",
        make="openai_like",
        environment=_LLAMA_INDEX_PEERS,
    ),
    Contender(
        name="LlamaIndex alone",
        framework="LlamaIndex",
        part="alone",
        module="llama_index.core",
        drives="tests.benchmarks.drive_llama_index",
        make="ready_made",
        environment=_LLAMA_INDEX_PEERS,
    ),
    Contender(
        name="httpx + json",
        part="http",
        module="httpx",
        drives="tests.benchmarks.drive_httpx",
        make="client",
    ),
)


def find_contender(name: str) -> Contender:
    """The row of that name."""
    return next(row for row in CONTENDERS if row.name == name)


def left_out(contenders: Sequence[Contender]) -> str:
    """What to say of those whose environment is missing, and how they come in; empty if there are none."""
    missing = [row for row in contenders if not row.is_here]
    if not missing:
        return ""
    names = ", ".join(row.name for row in missing)
    environments = " and ".join(dict.fromkeys(row.environment for row in missing))
    return f"Left out: {names}, for there is no {environments}. `make bench` makes it and measures them too."
