"""What the packages import, and what they do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import aki_transport
import langchain_aki

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


def test_langchain_aki_loads_neither_llama_index_nor_a_vendors_client_and_asks_nobody():
    loaded = loaded_by(
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('a socket was made')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "import langchain_aki\n"
        "langchain_aki.ChatAKI(model='qwen3.6-35b').profile\n"
    )
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


def test_public_names_are_there():
    for package in (langchain_aki, aki_transport):
        assert len(set(package.__all__)) == len(package.__all__)
        assert all(hasattr(package, name) for name in package.__all__)
    assert {"ChatAKI", "register_providers"} <= set(langchain_aki.__all__)
