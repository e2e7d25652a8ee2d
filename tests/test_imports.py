"""What the packages import, and that calls are answered where what only POSIX has is missing.

What the frameworks and the standard library load comes first: what that is, and how they do without, is theirs.
"""

import sys
from types import ModuleType

import pytest

import aki_transport
import langchain_aki
import llama_index_aki
from tests.programs import run
from tests.scenarios import KEY, MODEL, replied, streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.test_structure import LANGCHAIN, LLAMA_INDEX, OF_POSIX, VENDORS

NOT_OURS = VENDORS | {"requests"}

START = """
import asyncio, os, select, signal, socket, sys, time, warnings
for name in {blocked}:
    sys.modules[name] = None
import {first}
theirs = set(sys.modules)
ours = ("aki_transport", "langchain_aki", "llama_index_aki")
assert not [name for name in theirs if name.partition(".")[0] in ours and sys.modules[name]]
def refuse(*args, **kwargs):
    raise SystemExit("a socket was connected")
look_up, socket.socket.connect, socket.getaddrinfo = socket.getaddrinfo, refuse, refuse
"""
WITHOUT_POSIX = f"""
for name in {OF_POSIX}:
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
# A file opened without an encoding is read otherwise there.
warnings.filterwarnings("error", category=EncodingWarning, module="aki_transport|langchain_aki|llama_index_aki")
"""
LOADED = """
print(*{name.partition(".")[0] for name in sys.modules.keys() - theirs if sys.modules[name]})
del socket.socket.connect
socket.getaddrinfo = look_up
"""
OF_LANGCHAIN = """
model, prompt = ChatAKI(**at), AKILLM(**at, protocol="openai")
async def awaited():
    return (await model.ainvoke("hi")).text, "".join([piece.text async for piece in model.astream("hi")])
assert model.invoke("hi").text == prompt.invoke("hi") == "Hello"
assert "".join(piece.text for piece in model.stream("hi")) == "Hello"
assert asyncio.run(awaited()) == ("Hello", "Hello")
"""
OF_LLAMA_INDEX = """
llm, prompt = AKI(**at), AKICompletion(**at, protocol="openai")
async def awaited():
    pieces = [piece.delta async for piece in await llm.astream_complete("hi")]
    return (await llm.acomplete("hi")).text, "".join(pieces)
assert llm.complete("hi").text == prompt.complete("hi").text == "Hello"
assert "".join(piece.delta for piece in llm.stream_complete("hi")) == "Hello"
assert asyncio.run(awaited()) == ("Hello", "Hello")
"""
OF_THE_EMULATOR = """
with Emulator() as emulator, tempfile.TemporaryDirectory() as folder:
    client, path = Client(base_url=emulator.openai_url, api_key=emulator.key), pathlib.Path(folder) / "picture.png"
    (picture,) = client.generate_image("a red circle", model="z-image-turbo", size="512x512")
    picture.save(path)
    assert ImageStore(folder=folder).add(path).width == 512
    client.close()
"""
# What the libraries load; what cannot be imported; what runs without a socket, and what is not loaded by it; calls,
# which are made where what only POSIX has is missing.
PROGRAMS = {
    "aki_transport": (
        "json",
        set(),
        "from aki_transport import *; assert Client(api_key='x').model_info('qwen3.6-35b').context_window == 262144",
        LANGCHAIN | LLAMA_INDEX | NOT_OURS | {"aiohttp", "starlette", "uvicorn"},
        "",
    ),
    "emulator": (
        "aiohttp, httpx, pathlib, PIL.Image, starlette.applications, tempfile, uvicorn",
        set(),
        "from aki_transport import Client, ImageStore; from aki_transport.emulator import Emulator",
        LANGCHAIN | LLAMA_INDEX | NOT_OURS,
        OF_THE_EMULATOR,
    ),
    "langchain_aki": (
        "aiohttp, httpx, langchain_core.language_models, langchain_core.tracers.langchain",
        LLAMA_INDEX,
        "from langchain_aki import *; assert ChatAKI(model='qwen3.6-35b').profile['max_input_tokens'] == 262144",
        VENDORS | {"langchain", "langgraph"},
        OF_LANGCHAIN,
    ),
    # LlamaIndex itself loads what is not blocked here.
    "llama_index_aki": (
        "aiohttp, httpx, llama_index.core",
        LANGCHAIN | (VENDORS - {"tiktoken"}),
        "from llama_index_aki import *; assert AKI(model='qwen3.6-35b').metadata.context_window == 262144",
        LANGCHAIN,
        "from llama_index.llms.aki import AKI" + OF_LLAMA_INDEX,
    ),
}


def answering(request: Request) -> Answer:
    return streamed("Hel", "lo") if request.json.get("stream") else replied("Hello")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_package_loads_no_other_framework_asks_nobody_and_needs_nothing_that_only_posix_has(name: str) -> None:
    first, blocked, program, never, calls = PROGRAMS[name]
    with ScriptServer(always=answering) as server:
        at = {"model": MODEL, "base_url": server.openai_url, "api_key": KEY}
        code = [START.format(first=first, blocked=sorted(blocked)), program, LOADED, f"at = {at}", calls]
        code.insert(1, WITHOUT_POSIX if calls else "")
        done = run("-X", "warn_default_encoding", "-c", "\n".join(code))
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
