"""The packages where what only POSIX has is missing: they load, and calls are answered.

What the frameworks and the standard library themselves load comes first: how they do without is theirs.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aki_transport
from tests.scenarios import KEY, replied, streamed
from tests.script_server import Answer, Request, ScriptServer

ROOT = Path(aki_transport.__file__).parent.parent
OURS = ("aki_transport", "langchain_aki", "llama_index_aki")
MODULES = ("crypt", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")

WITHOUT = f"""
import asyncio, os, select, signal, socket, sys, time, warnings
for name in {MODULES}:
    sys.modules[name] = None
for module, names in {{
    os: "chown fchown fork forkpty geteuid getgid getgroups getloadavg getpgid getpgrp getuid killpg lchown mkfifo "
        "nice openpty posix_spawn pread pwrite register_at_fork sendfile setsid sysconf uname wait",
    select: "epoll poll",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGUSR1 alarm pthread_kill pthread_sigmask setitimer sigwait",
    socket: "MSG_DONTWAIT SO_REUSEPORT SCM_RIGHTS",
    time: "clock_gettime pthread_getcpuclockid tzset",
}}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
assert not [name for name in sys.modules if name.partition(".")[0] in {OURS}]
# A file opened without an encoding is read otherwise there.
warnings.filterwarnings("error", category=EncodingWarning, module="aki_transport|langchain_aki|llama_index_aki")
"""

LANGCHAIN = """
from langchain_aki import AKILLM, ChatAKI
given = {"model": "qwen3.6-35b", "base_url": url, "api_key": key}
model, prompt = ChatAKI(**given), AKILLM(**given, protocol="openai")

async def awaited():
    pieces = [piece.text async for piece in model.astream("hi")]
    return (await model.ainvoke("hi")).text, "".join(pieces)

assert model.invoke("hi").text == prompt.invoke("hi") == "Hello"
assert "".join(piece.text for piece in model.stream("hi")) == "Hello"
assert asyncio.run(awaited()) == ("Hello", "Hello")
"""

LLAMA_INDEX = """
from llama_index.llms.aki import AKI
from llama_index_aki import AKICompletion
given = {"model": "qwen3.6-35b", "base_url": url, "api_key": key}
llm, prompt = AKI(**given), AKICompletion(**given, protocol="openai")

async def awaited():
    pieces = [piece.delta async for piece in await llm.astream_complete("hi")]
    return (await llm.acomplete("hi")).text, "".join(pieces)

assert llm.complete("hi").text == prompt.complete("hi").text == "Hello"
assert "".join(piece.delta for piece in llm.stream_complete("hi")) == "Hello"
assert asyncio.run(awaited()) == ("Hello", "Hello")
"""

EMULATOR = """
from aki_transport import Client, ImageStore
from aki_transport.emulator import Emulator
from pathlib import Path
import tempfile

with Emulator() as emulator, tempfile.TemporaryDirectory() as folder:
    client = Client(base_url=emulator.openai_url, api_key=emulator.key)
    (picture,) = client.generate_image("a red circle", model="z-image-turbo", size="512x512")
    picture.save(Path(folder) / "picture.png")
    assert ImageStore(folder=folder).add(Path(folder) / "picture.png").width == 512
    client.close()
"""


def answering(request: Request) -> Answer:
    return streamed("Hel", "lo") if request.json.get("stream") else replied("Hello")


@pytest.mark.parametrize(
    ("loaded", "calls"),
    [
        ("langchain_core.language_models, langchain_core.tracers.langchain", LANGCHAIN),
        ("llama_index.core", LLAMA_INDEX),
        ("starlette.applications, uvicorn, PIL.Image", EMULATOR),
    ],
    ids=["langchain", "llama_index", "emulator"],
)
def test_calls_are_answered_where_nothing_is_there_that_only_posix_has(loaded: str, calls: str):
    with ScriptServer(always=answering) as server:
        first = f"import aiohttp, httpx, urllib3, {loaded}\nurl, key = {server.openai_url!r}, {KEY!r}\n"
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-X", "warn_default_encoding", "-c", first + WITHOUT + calls],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            cwd=ROOT,
        )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", OURS)
def test_no_file_names_a_module_or_a_path_that_only_posix_has(package: str):
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & set(MODULES), path
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in MODULES, path
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.startswith(("/proc/", "/dev/", "/tmp/", "/etc/", "/usr/")), path  # noqa: S108
