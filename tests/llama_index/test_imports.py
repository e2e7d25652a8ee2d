"""What the package imports, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import aki_transport
import llama_index_aki

LLAMA_INDEX = Path(llama_index_aki.__file__).parent
ROOT = LLAMA_INDEX.parent
VENDORS = {"openai", "anthropic", "aki_io", "tiktoken", "transformers", "requests"}
LANGCHAINS = {"langchain", "langchain_core", "langgraph", "langsmith", "langchain_aki"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds afterwards."""
    told = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", f"{code}\n{told}"], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_it_loads_no_vendors_client_beyond_what_llama_index_itself_loads_and_asks_nobody():
    more = loaded_by(
        "import llama_index.core, socket, sys\n"
        "before = set(sys.modules)\n"
        "def refuse(*a, **k): raise SystemExit('a socket was made')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "import llama_index_aki\n"
        "llama_index_aki.AKI(model='qwen3.6-35b').metadata\n"
        "for name in before - {'sys', 'builtins'}: del sys.modules[name]\n"
    )
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


def test_public_names_are_there():
    assert set(llama_index_aki.__all__) == {"AKI", "AKICompletion", "AKIImageToolSpec", "__version__"}
    assert all(hasattr(llama_index_aki, name) for name in llama_index_aki.__all__)
    assert llama_index_aki.__version__ == aki_transport.__version__


def test_there_is_no_package_file_that_would_hide_llama_index():
    assert not list(ROOT.glob("llama_index/__init__.py"))
    assert not list(ROOT.glob("llama_index/llms/__init__.py"))
