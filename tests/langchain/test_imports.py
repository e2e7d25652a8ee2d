"""What the packages import, and what they do not."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aki_transport
import langchain_aki

TRANSPORT = Path(aki_transport.__file__).parent
LANGCHAIN = Path(langchain_aki.__file__).parent
FRAMEWORKS = (
    "langchain",
    "langchain_core",
    "langgraph",
    "langsmith",
    "llama_index",
    "langchain_aki",
    "llama_index_aki",
)
VENDORS = ("openai", "anthropic", "aki_io", "tiktoken", "transformers", "requests", "langchain_openai")


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
        [sys.executable, "-c", f"{code}\n{told}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=LANGCHAIN.parent,
    )
    return set(done.stdout.split())


def name_of(path: Path) -> str:
    return str(path.relative_to(LANGCHAIN.parent))


def test_langchain_aki_loads_neither_llama_index_nor_a_vendors_client():
    loaded = loaded_by("import langchain_aki")
    assert not loaded & {"llama_index", "llama_index_aki", "langchain", "langgraph", *VENDORS} - {"requests"}
    assert {"langchain_core", "aki_transport"} <= loaded


def test_aki_transport_loads_no_framework():
    assert not loaded_by("import aki_transport") & {*FRAMEWORKS, *VENDORS, "aiohttp", "starlette", "uvicorn"}


def test_the_emulator_loads_no_framework():
    assert not loaded_by("import aki_transport.emulator") & {*FRAMEWORKS, *VENDORS}


def test_langchain_aki_works_where_llama_index_cannot_be_imported():
    loaded_by(
        "import sys\n"
        "for name in ('llama_index', 'llama_index.core', 'llama_index_aki', 'openai', 'langchain'):\n"
        "    sys.modules[name] = None\n"
        "from langchain_aki import ChatAKI\n"
        "assert ChatAKI(model='qwen3.6-35b').profile['max_input_tokens'] == 262144\n"
    )


def test_aki_transport_works_where_no_framework_can_be_imported():
    loaded_by(
        "import sys\n"
        f"for name in {FRAMEWORKS[:5]}:\n"
        "    sys.modules[name] = None\n"
        "from aki_transport import Client\n"
        "assert Client(api_key='x').model_info('qwen3.6-35b').context_window == 262144\n"
    )


@pytest.mark.parametrize("path", files(TRANSPORT), ids=name_of)
def test_no_file_of_the_transport_imports_a_framework(path: Path):
    assert not roots(path) & {*FRAMEWORKS, *VENDORS}


@pytest.mark.parametrize("path", files(LANGCHAIN), ids=name_of)
def test_no_file_of_langchain_aki_imports_the_other_package(path: Path):
    assert not roots(path) & {"llama_index", "llama_index_aki", *VENDORS}


@pytest.mark.parametrize("path", [*files(TRANSPORT), *files(LANGCHAIN)], ids=name_of)
def test_httpx_is_imported_where_sending_and_errors_are_and_nowhere_else(path: Path):
    """Under `transport/` and in `errors.py` only, so that another client is a small change."""
    allowed = (TRANSPORT / "transport") in path.parents or path == TRANSPORT / "errors.py"
    assert allowed or "httpx" not in roots(path)


@pytest.mark.parametrize("path", [*files(TRANSPORT), *files(LANGCHAIN)], ids=name_of)
def test_aiohttp_is_imported_by_the_transport_alone(path: Path):
    assert (TRANSPORT / "transport") in path.parents or "aiohttp" not in roots(path)


@pytest.mark.parametrize("path", [path for path in files(LANGCHAIN) if path.name != "registration.py"], ids=name_of)
def test_langchain_itself_is_imported_by_the_registration_alone(path: Path):
    assert "langchain" not in roots(path)


def test_public_names_are_there():
    for package in (langchain_aki, aki_transport):
        assert len(set(package.__all__)) == len(package.__all__)
        assert all(hasattr(package, name) for name in package.__all__)
    assert {"ChatAKI", "register_providers"} <= set(langchain_aki.__all__)


@pytest.mark.parametrize("package", [TRANSPORT, LANGCHAIN], ids=["aki_transport", "langchain_aki"])
def test_the_package_says_that_it_is_typed(package: Path):
    assert (package / "py.typed").exists()


def test_importing_does_nothing_on_the_network():
    loaded_by(
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('a socket was made')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "import langchain_aki\n"
        "langchain_aki.ChatAKI(model='qwen3.6-35b').profile\n"
    )
