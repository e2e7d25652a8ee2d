"""Who is measured: each contender is a row. Nothing here imports what it measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal, Protocol

Part = Literal["ours", "peer", "http", "alone"]


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
    """

    name: str
    framework: str = ""
    part: Part
    module: str
    drives: str
    make: str

    def maker(self, url: str) -> Callable[[], Any]:
        """What makes a model or client of it for the server there; imports what that needs."""
        return partial(getattr(import_module(self.drives), self.make), url)

    def driver(self, url: str) -> Driver:
        """What drives one of it."""
        made = self.maker(url)()
        driver: Driver = import_module(self.drives).Driver(made)
        return driver


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
