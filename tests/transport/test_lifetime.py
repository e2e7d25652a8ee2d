"""Connections: shared, used again, given back, and never left open."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from aki_transport import Client
from aki_transport.transport import connections, lifetime
from tests.scenarios import chunk
from tests.script_server import Answer, Request, ScriptServer, sse
from tests.transport.asking import (
    KEY,
    client_for,
    good,
    in_every_async_way,
    in_every_chat,
    in_every_stream,
    in_every_way,
    request_for,
    run,
    true,
)
from tests.transport.raw_server import until

pytestmark = pytest.mark.usefixtures("own_client")  # what others left in the shared pool does not count
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[ScriptServer]:
    with ScriptServer(always=good) as server:
        yield server


PRELUDE = """
import asyncio, gc, json, os, threading, time, warnings
import aki_transport.wire.openai, anyio.streams.tls
from aki_transport import Client
from aki_transport.messages import ChatRequest, Message
from aki_transport.models import listing
from aki_transport.transport import lifetime
warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
def asking(text):
    return ChatRequest(model="qwen3.6-35b", messages=(Message(role="user", content=text),))
HANG = asking("hang")
client = Client(base_url=os.environ["URL"])
client.model_info("qwen3.6-35b")
async def streamed():
    return [d async for d in client.astream(ASK)][-1].reply.text
def ended(child):
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.01)
    os.kill(child, 9)
"""


IN_LOOPS = """
for _ in range(3):
    loop = asyncio.new_event_loop()
    loop.run_until_complete({ask})
    loop.close()  # without a shutdown
    del loop
    gc.collect()
asyncio.run({ask})
sockets = [f for f in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{{f}}")
           and os.readlink(f"/proc/self/fd/{{f}}").startswith("socket:")]
assert not sockets, sockets
"""
# What programs do, and how many requests they make; each asks with its own name. More are in `test_processes.py`.
USES = {
    "streams that are left and kept": (
        "next(client.stream(ASK)); client.chat(ASK); client.close(); stream = client.stream(ASK); next(stream)",
        3,
    ),
    "async streams left": (
        """
async def abandon():
    async for _ in client.astream(ASK):
        break
    async for _ in client.astream(ASK):
        return
asyncio.run(abandon())
""",
        2,
    ),
    "tasks that are canceled at the end": (
        """
ASK = HANG
async def leave():
    tasks = [asyncio.create_task(client.achat(HANG)), asyncio.create_task(streamed())]
    await asyncio.sleep(0.3)
asyncio.run(leave())
""",
        0,
    ),
    "loops, answered": (IN_LOOPS.format(ask="client.achat(ASK)"), 4),
    "loops, streamed": (IN_LOOPS.format(ask="streamed()"), 4),
    "fork within a loop": (
        """
async def parent():
    await client.achat(ASK)
    child = os.fork()
    if not child:
        os._exit(client.chat(ASK).text != "Hello")
    assert ended(child)
    assert (await client.achat(ASK)).text == "Hello"
asyncio.run(parent())
""",
        3,
    ),
    "fork while another thread holds every lock": (
        """
client.chat(ASK)
client.close()
held, over = threading.Event(), threading.Event()
def hold():
    with lifetime._lock, next(iter(listing._listings.values()))._lock:
        held.set(); over.wait(30)
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    os._exit({client.chat(ASK).text, asyncio.run(client.achat(ASK)).text} != {"Hello"})
assert ended(child)
over.set()
""",
        3,
    ),
}
# Each use in a child, which ends as a program does; the imports are made once.
CHILDREN = """
uses = json.loads(os.environ["USES"])
for name, use in uses.items():
    child = os.fork()
    if not child:
        ASK = asking(name)
        break
    print(name, os.waitpid(child, 0)[1], flush=True)
else:
    use = ""
exec(use)
"""


def test_programs_end_without_a_word_and_forks_work(server):
    server.always = lambda request: Answer(end="hang") if question_of(request) == "hang" else good(request)
    uses = json.dumps({name: use for name, (use, _) in USES.items()})
    done = subprocess.run(  # noqa: S603  a program of this file
        [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + CHILDREN],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "AKI_API_KEY": KEY, "URL": server.openai_url, "USES": uses},
        check=False,
    )
    # Development mode also reports whatever takes a loop's thread for long, such as an import.
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert (done.returncode, complaints) == (0, []), done.stderr
    assert done.stdout.splitlines() == [f"{name} 0" for name in USES]
    asked = Counter(map(question_of, server.requests))
    assert {name: asked[name] for name in USES} == {name: requests for name, (_, requests) in USES.items()}


def question_of(request: Request) -> str:
    return request.json["messages"][0]["content"]


@in_every_way
def test_connections_are_used_again_after_answers_and_refusals(way, server):
    with client_for(server) as client, way.on_one_loop() as ask:
        for status in (400, 404, 422):
            server.always = Answer(status=status, chunks=(b"no",), end="keep-alive")
            with pytest.raises(Exception, match="no"):
                ask(client)
        server.always = good
        for _ in range(5):
            ask(client)
        assert (len(server.requests), server.made) == (8, 1)


@in_every_way
def test_a_call_s_request_with_the_key_goes_without_the_garbage_collector(way, server):
    def requests() -> int:
        return sum(type(each) is httpx.Request for each in gc.get_objects())

    with client_for(server) as client, way.on_one_loop() as ask:
        ask(client)
        gc.collect()
        before = requests()
        gc.disable()
        try:
            ask(client)
            assert requests() == before
        finally:
            gc.enable()


@in_every_stream
def test_an_error_frees_its_connection(stream_way, server, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    event_stream = {"content-type": "text/event-stream"}
    bad = (b"data: {\n\n", b"data: []\n\n")
    server.say(*(Answer(chunks=(event,), end="hang", headers=event_stream) for event in bad))
    client = client_for(server, timeout=0.5, max_retries=0)
    with stream_way.on_one_loop() as ask:
        for _ in bad:
            with pytest.raises(Exception, match="AKI"):
                ask(client)
        assert ask(client).text == "Hello"


@in_every_chat
def test_an_abandoned_stream_frees_its_connection(chat_way, server, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    server.say(*[sse(chunk("Hel"), done=False, end="hang")] * 3)
    client = client_for(server, max_retries=0)

    async def abandon() -> str:
        for _ in range(3):
            async for delta in client.astream(request_for()):
                assert delta.text == "Hel"
                break
        return (await client.achat(request_for())).text

    if chat_way.is_async:
        assert run(abandon()) == "Hello"
    else:
        assert [next(client.stream(request_for())).text for _ in range(3)] == ["Hel"] * 3
        assert client.chat(request_for()).text == "Hello"


@in_every_async_way
def test_cancelled_tasks_free_their_connections(way, server, monkeypatch):
    server.always = sse(chunk("Hel"), done=False, end="hang") if way.streamed else Answer(end="hang")

    async def cancel() -> str:
        client = client_for(server)
        tasks = [asyncio.create_task(way.aask(client)) for _ in range(40)]
        await true(lambda: len(server.requests) >= 20)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
        await true(lambda: server.open_connections <= 1)
        server.always = good
        return (await way.aask(client)).text

    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    assert run(cancel()) == "Hello"


@in_every_chat
def test_closing_one_client_leaves_the_others_their_connections(chat_way, server):
    one, other = client_for(server), client_for(server)
    with asyncio.Runner() as runner:

        def do(client: Client, name: str, *args: Any) -> Any:
            return runner.run(getattr(client, f"a{name}")(*args)) if chat_way.is_async else getattr(client, name)(*args)

        do(one, "chat", request_for())
        do(other, "chat", request_for())
        do(one, "close")
        do(other, "chat", request_for())
        assert server.made == 1
        do(other, "close")
        until(lambda: server.open_connections == 0)
        assert do(one, "chat", request_for()).text == "Hello"
        do(one, "close")


def test_clients_that_come_and_go_in_threads_do_not_close_each_other_s_pool(server):
    together = threading.Barrier(12)

    async def ask_async() -> str:
        async with client_for(server, max_retries=0) as client:
            return (await client.achat(request_for())).text

    async def ask_together() -> set[str]:
        return set(await asyncio.gather(*(ask_async() for _ in range(5))))

    def ask(number: int) -> set[str]:
        together.wait(60)
        if number % 4 == 0:
            return {text for _ in range(3) for text in run(ask_together())}
        texts = set()
        for _ in range(10):
            with client_for(server, max_retries=0) as client:
                texts.add(client.chat(request_for()).text)
        return texts

    with ThreadPoolExecutor(12) as threads:
        assert set().union(*threads.map(ask, range(12))) == {"Hello"}
    until(lambda: server.open_connections == 0)


def test_a_client_that_comes_while_the_last_other_one_goes_finds_the_connections_open(server):
    last, fresh = client_for(server), client_for(server, max_retries=0)
    last.chat(request_for())
    leaving = threading.Thread(target=last.close)

    class Users(weakref.WeakSet[Any]):
        def add(self, user: Any) -> None:
            if self and not leaving.ident:
                leaving.start()
                leaving.join(0.2)  # it is over by then, or waits for this
            super().add(user)

    shared = lifetime._threads
    assert shared is not None
    shared.users = Users(list(shared.users))
    assert fresh.chat(request_for()).text == "Hello"
    leaving.join()
    fresh.close()
    until(lambda: server.open_connections == 0)
