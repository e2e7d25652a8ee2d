"""Who is measured: each contender is a row. Nothing here imports what it measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Protocol

Part = Literal["ours", "peer", "http", "alone"]


class Driver(Protocol):
    """Uses one contender as its users would; each framework has one, for all its contenders."""

    def __init__(self, make: Callable[[str], Any], url: str) -> None: ...

    def make(self) -> object:
        """A new model or client."""

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
        drives: The module with its `Driver` and its make-function.
        make: The name of the function there that makes its model for a server's address.
    """

    name: str
    framework: str = ""
    part: Part
    module: str
    drives: str
    make: str

    def driver(self, url: str) -> Driver:
        """What drives it against the server there; imports it."""
        module = import_module(self.drives)
        driver: Driver = module.Driver(getattr(module, self.make), url)
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
