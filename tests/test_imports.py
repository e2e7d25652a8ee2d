"""What the packages import, and what they do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import aki_transport
import langchain_aki
import llama_index_aki

ROOT = Path(aki_transport.__file__).parents[1]
LANGCHAIN = {"langchain", "langchain_core", "langgraph", "langsmith", "langchain_aki", "langchain_openai"}
LLAMA_INDEX = {"llama_index", "llama_index_aki"}
VENDORS = {"openai", "anthropic", "aki_io", "tiktoken", "transformers", "requests"}
ALONE = """
import socket, sys
for name in {blocked}:
    sys.modules[name] = None
{first}
def refuse(*args, **kwargs):
    raise SystemExit("a socket was connected")
socket.socket.connect = socket.getaddrinfo = refuse
{program}
print(*sorted({{name.partition(".")[0] for name, module in sys.modules.items() if module}}))
"""
# What runs, what cannot be imported meanwhile, and what is not loaded afterwards.
PROGRAMS = {
    "aki_transport": (
        (
            "from aki_transport import Client\n"
            "assert Client(api_key='x').model_info('qwen3.6-35b').context_window == 262144"
        ),
        "",
        set(),
        LANGCHAIN | LLAMA_INDEX | VENDORS | {"aiohttp", "starlette", "uvicorn"},
    ),
    "emulator": ("import aki_transport.emulator", "", set(), LANGCHAIN | LLAMA_INDEX | VENDORS),
    "langchain_aki": (
        "from langchain_aki import ChatAKI\nassert ChatAKI(model='qwen3.6-35b').profile['max_input_tokens'] == 262144",
        "",
        set(),
        LLAMA_INDEX | (VENDORS - {"requests"}) | {"langchain", "langgraph", "langchain_openai"},
    ),
    # LlamaIndex itself loads what is not blocked here.
    "llama_index_aki": (
        "from llama_index.llms.aki import AKI\nassert AKI(model='qwen3.6-35b').metadata.context_window == 262144",
        "import llama_index.core",
        LANGCHAIN | (VENDORS - {"requests", "tiktoken"}),
        LANGCHAIN,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_package_loads_no_other_framework_and_no_vendor_s_client_and_asks_nobody(name: str):
    program, first, blocked, never = PROGRAMS[name]
    code = ALONE.format(blocked=sorted(blocked), first=first, program=program)
    done = subprocess.run(  # noqa: S603  a program of this file
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=90, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & never
    assert "aki_transport" in done.stdout.split()


@pytest.mark.parametrize("package", [aki_transport, langchain_aki, llama_index_aki])
def test_public_names_are_there(package: ModuleType):
    assert len(set(package.__all__)) == len(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)
    assert package.__version__ == aki_transport.__version__
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{package.__name__}.")]
    assert {module.log.name for module in modules if hasattr(module, "log")} == {"aki_transport"}


def test_there_is_no_package_file_that_would_hide_llama_index():
    assert not list(ROOT.glob("llama_index/**/__init__.py"))
