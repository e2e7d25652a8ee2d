"""Who is compared: each client is a row. Nothing here imports what it compares."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tests.tools.benchmarks.contenders import find_contender


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One row.

    Args:
        name: Its class, and its row among the benchmarks' contenders, which says where it runs.
        module: Where its make-function and its framework's lines are.
        make: The name of that function; it takes the fields of the constructor.
        package: Whose version is told.
        everywhere: It runs here too, where its own environment is missing.
    """

    name: str
    module: str
    make: str
    package: str
    everywhere: bool

    @property
    def is_here(self) -> bool:
        """Whether it can run."""
        return self.everywhere or find_contender(self.name).is_here

    @property
    def python(self) -> str:
        """What runs it."""
        row = find_contender(self.name)
        return row.python if row.is_here else sys.executable


_LANGCHAIN, _LLAMA_INDEX = "tests.tools.comparison.in_langchain", "tests.tools.comparison.in_llama_index"

CLIENTS = (
    Client(name="ChatOpenAI", module=_LANGCHAIN, make="chat_openai", package="langchain-openai", everywhere=True),
    Client(name="ChatAKI", module=_LANGCHAIN, make="chat_aki", package="aki-integrations", everywhere=True),
    Client(
        name="OpenAILike",
        module=_LLAMA_INDEX,
        make="openai_like",
        package="llama-index-llms-openai-like",
        everywhere=False,
    ),
    Client(name="AKI", module=_LLAMA_INDEX, make="aki", package="aki-integrations", everywhere=True),
)


def find_client(name: str) -> Client:
    """The row of this name."""
    return next(row for row in CLIENTS if row.name == name)
