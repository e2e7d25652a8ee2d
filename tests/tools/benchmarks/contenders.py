"""Who is measured: each contender is a row. Nothing here imports what it measures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

Part = Literal[
    "ours", "plain", "aiohttp", "before", "anthropic", "native", "peer", "earlier peer", "other peer", "http", "alone"
]

ROOT = Path(__file__).parents[3]


class Driver(Protocol):
    """Uses one contender as its users would; each framework has one, for all its contenders.

    httpx's does no more than the text in the first four ways, for tools and pictures are the frameworks' matter.
    """

    def call(self, wait: int = 0) -> str:
        """The text of a blocking answer, which comes after so many milliseconds."""

    def stream(self, chunks: int, every: int = 0) -> int:
        """Read a stream of that many pieces of text, one every so many milliseconds, and count them."""

    async def acall(self) -> str:
        """`call`, async."""

    async def astream(self, chunks: int, every: int = 0) -> int:
        """`stream`, async."""

    def tool_call(self) -> str:
        """The notes among the arguments of a tool call, with five tools on offer."""

    def stream_tool_call(self, chunks: int) -> str:
        """The same of a streamed one, whose arguments come in that many pieces."""

    def structured(self) -> str:
        """The notes in an answer that is an object of a class."""

    def image(self, chunks: int) -> int:
        """The bytes of a picture that comes as a body of that many kB."""

    async def aimage(self, chunks: int) -> int:
        """`image`, async."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One row.

    Args:
        name: In the table.
        framework: Whose table it stands in; empty where it belongs to every framework.
        part: `"ours"`, on OpenAI's wire; ours over `"plain"` httpx, over `"aiohttp"`, and as it was `"before"` httpx
            carried every call; ours on another wire, by the name of that; the `"peer"` that ratios are taken to, the
            `"earlier peer"`, which is that on what it ran on before, and any `"other peer"`; only `"http"`, or the
            framework `"alone"`.
        module: What its user imports; measured as the import.
        drives: The module with its make-function and with the `Driver` for what that makes.
        make: The name of that function; it takes the server's address.
        environment: The virtual environment it runs in, from the project's root; empty for that of the caller.
        tree: The working tree whose packages it imports, from the project's root; empty for this one.
    """

    name: str
    framework: str = ""
    part: Part
    module: str
    drives: str
    make: str
    environment: str = ""
    tree: str = ""

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
_OPENAI_2_PEER = ".venv/openai-2-peer"
_MISTRAL_PEER = ".venv/mistral-peer"

_COMMIT_BEFORE = "3ab8fd6"
"""The last one before httpx carried every call: its sync calls go over urllib3, its async ones over aiohttp."""
_BEFORE = ".venv/before"

_in_langchain = partial(Contender, framework="LangChain", drives="tests.tools.benchmarks.drive_langchain")
_in_llama_index = partial(
    Contender,
    framework="LlamaIndex",
    drives="tests.tools.benchmarks.drive_llama_index",
    environment=_LLAMA_INDEX_PEERS,
)
_chat_aki = partial(_in_langchain, module="langchain_aki")
_aki = partial(_in_llama_index, module="llama_index_aki")
_of_before = {"part": "before", "environment": f"{_BEFORE}/.venv", "tree": _BEFORE}

CONTENDERS: tuple[Contender, ...] = (
    _chat_aki(name="ChatAKI", part="ours", make="chat_aki"),
    _chat_aki(name="ChatAKI, plain httpx", part="plain", make="chat_aki_plain"),
    _chat_aki(name="ChatAKI, aiohttp", part="aiohttp", make="chat_aki_aiohttp"),
    _chat_aki(name=f"ChatAKI, {_COMMIT_BEFORE}", make="chat_aki", **_of_before),
    _chat_aki(name="ChatAKI, Anthropic", part="anthropic", make="chat_aki_anthropic"),
    _chat_aki(name="ChatAKI, native", part="native", make="chat_aki_native"),
    _in_langchain(name="ChatOpenAI", part="peer", module="langchain_openai", make="chat_openai"),
    _in_langchain(
        name="ChatOpenAI, openai 2",
        part="earlier peer",
        module="langchain_openai",
        make="chat_openai",
        environment=_OPENAI_2_PEER,
    ),
    _in_langchain(
        name="ChatMistralAI",
        part="other peer",
        module="langchain_mistralai",
        make="chat_mistral",
        environment=_MISTRAL_PEER,
    ),
    _in_langchain(
        name="LangChain alone", part="alone", module="langchain_core.language_models.chat_models", make="ready_made"
    ),
    _aki(name="AKI", part="ours", make="aki"),
    _aki(name="AKI, plain httpx", part="plain", make="aki_plain"),
    _aki(name="AKI, aiohttp", part="aiohttp", make="aki_aiohttp"),
    _aki(name=f"AKI, {_COMMIT_BEFORE}", make="aki", **_of_before),
    _aki(name="AKI, Anthropic", part="anthropic", make="aki_anthropic"),
    _aki(name="AKI, native", part="native", make="aki_native"),
    _in_llama_index(name="OpenAILike", part="peer", module="llama_index.llms.openai_like", make="openai_like"),
    _in_llama_index(name="LlamaIndex alone", part="alone", module="llama_index.core", make="ready_made"),
    Contender(
        name="httpx + json", part="http", module="httpx", drives="tests.tools.benchmarks.drive_httpx", make="client"
    ),
)


def modules_alone(framework: str) -> tuple[str, ...]:
    """What of the framework itself every contender of it imports; nothing for one of no framework."""
    return tuple(row.module for row in CONTENDERS if framework and row.framework == framework and row.part == "alone")


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
    return (
        f"Left out: {names}, for there is no {environments}. `make bench` makes what is missing and measures them too."
    )
