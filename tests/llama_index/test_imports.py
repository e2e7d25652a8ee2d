"""What the package imports, and what it does not."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aki_transport
import langchain_aki
import llama_index_aki

LLAMA_INDEX = Path(llama_index_aki.__file__).parent
LANGCHAIN = Path(langchain_aki.__file__).parent
ROOT = LLAMA_INDEX.parent
VENDORS = {"openai", "anthropic", "aki_io", "tiktoken", "transformers", "requests"}
LANGCHAINS = {"langchain", "langchain_core", "langgraph", "langsmith", "langchain_aki"}


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds afterwards."""
    told = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", f"{code}\n{told}"], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_it_loads_no_vendors_client_beyond_what_llama_index_itself_loads():
    more = loaded_by("import llama_index_aki") - loaded_by("import llama_index.core")
    assert not more & {*LANGCHAINS, *VENDORS, "aiohttp"}
    assert {"llama_index_aki", "aki_transport"} <= more


def test_it_works_where_langchain_and_vendors_cannot_be_imported():
    loaded_by(
        "import sys\n"
        f"for name in {sorted((LANGCHAINS | VENDORS) - {'requests', 'tiktoken'})}:\n"
        "    sys.modules[name] = None\n"
        "from llama_index.llms.aki import AKI\n"
        "assert AKI(model='qwen3.6-35b').metadata.context_window == 262144\n"
    )


def test_importing_and_making_a_model_does_nothing_on_the_network():
    loaded_by(
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('a socket was made')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "import llama_index_aki\n"
        "llama_index_aki.AKI(model='qwen3.6-35b').metadata\n"
    )


@pytest.mark.parametrize("path", files(LLAMA_INDEX), ids=lambda path: path.name)
def test_no_file_imports_the_other_package_a_vendor_or_what_the_transport_alone_may(path: Path):
    assert not roots(path) & {*LANGCHAINS, *VENDORS, "aiohttp", "httpx"}


@pytest.mark.parametrize("path", files(LANGCHAIN), ids=lambda path: path.name)
def test_no_file_of_the_other_package_imports_this_one(path: Path):
    assert not roots(path) & {"llama_index", "llama_index_aki"}


def test_public_names_are_there():
    assert set(llama_index_aki.__all__) == {"AKI", "AKICompletion", "AKIImageToolSpec", "__version__"}
    assert all(hasattr(llama_index_aki, name) for name in llama_index_aki.__all__)
    assert llama_index_aki.__version__ == aki_transport.__version__


def test_the_package_says_that_it_is_typed():
    assert (LLAMA_INDEX / "py.typed").exists()


def test_there_is_no_package_file_that_would_hide_llama_index():
    assert not list(ROOT.glob("llama_index/__init__.py"))
    assert not list(ROOT.glob("llama_index/llms/__init__.py"))
