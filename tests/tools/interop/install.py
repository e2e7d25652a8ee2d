"""Installs the servers into a cache: LiteLLM from PyPI; llama.cpp's server, built from the sources on PyPI; a model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("AKI_INTEROP_CACHE") or "~/.cache/aki-interop").expanduser()
# The sources of llama.cpp are in this package's source distribution, under vendor/.
LLAMA_CPP_PYTHON = "0.3.36"
LITELLM = "1.108.7"
REQUIREMENTS = (f"litellm[proxy]=={LITELLM}", "gguf==0.19.0", "cmake>=3.28,<4", "ninja>=1.11")

# No GPU, no TLS, no web pages, no tests; little optimization: it is built faster, and the model is tiny.
CMAKE_OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DCMAKE_C_FLAGS_RELEASE=-O1",
    "-DCMAKE_CXX_FLAGS_RELEASE=-O1",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_ALL_WARNINGS=OFF",
    "-DGGML_OPENMP=OFF",
)


def environment() -> Path:
    """The folder of programs of an environment with LiteLLM, gguf, cmake and ninja."""
    folder = CACHE / f"servers-{LITELLM}"
    if not (folder / "made").exists():
        uv = Path(sys.executable).with_name("uv")
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
        _run(uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *REQUIREMENTS)
        (folder / "made").touch()
    return folder / "bin"


def llama_server() -> Path:
    """llama.cpp's server, built if it is not there."""
    binary = CACHE / f"llama-server-{LLAMA_CPP_PYTHON}"
    if not binary.exists():
        programs = environment()
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            sources, build = _sources(Path(work)), Path(work, "build")
            print("Building llama.cpp's server; that takes some minutes, once.", flush=True)
            ninja = f"-DCMAKE_MAKE_PROGRAM={programs / 'ninja'}"
            _run(programs / "cmake", "-S", sources, "-B", build, "-G", "Ninja", ninja, *CMAKE_OPTIONS)
            jobs = os.environ.get("AKI_INTEROP_JOBS") or str(os.cpu_count() or 1)
            _run(programs / "ninja", "-C", build, "-j", jobs, "llama-server")
            shutil.rmtree(templates := _templates_folder(), ignore_errors=True)
            shutil.copytree(sources / "models" / "templates", templates)
            _keep(build / "bin" / "llama-server", binary)
    return binary


def chat_templates() -> list[Path]:
    """The chat templates of well-known models, which llama.cpp's sources hold for its own tests."""
    llama_server()
    return sorted(_templates_folder().glob("*.jinja"), key=lambda path: path.name.lower())


def model() -> Path:
    """The tiny model of random weights."""
    path = CACHE / "tiny.gguf"
    script = Path(__file__).with_name("tiny_model.py")
    if not path.exists() or path.stat().st_mtime < script.stat().st_mtime:
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            _run(environment() / "python", script, Path(work, "tiny.gguf"))
            _keep(Path(work, "tiny.gguf"), path)
    return path


def _templates_folder() -> Path:
    return CACHE / f"chat-templates-{LLAMA_CPP_PYTHON}"


def _sources(folder: Path) -> Path:
    name = f"llama-cpp-python=={LLAMA_CPP_PYTHON}"
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "llama-cpp-python")
    _run(sys.executable, "-m", "pip", "download", *options, "--dest", folder, name)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (sources,) = folder.glob("*/vendor/llama.cpp")
    return sources


def _keep(made: Path, path: Path) -> None:
    """Put what was made into its place in one step: a run that is broken off leaves nothing unfinished."""
    part = path.with_suffix(".part")
    shutil.copy2(made, part)
    part.replace(path)


def _run(*command: object) -> None:
    """Run a program; what it printed is shown only if it fails."""
    done = subprocess.run(  # noqa: S603  our own command
        [str(each) for each in command], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}\nfailed with {done.returncode}.")
