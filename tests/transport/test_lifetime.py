"""Connections: shared, used again, given back, and never left open."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from aki_transport.transport import connections, lifetime
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, sse
from tests.transport.asking import KEY, Way, alive, client_for, in_every_way, request_for, run, true

ROOT = Path(__file__).parents[2]


def good(request: Request) -> Answer:
    return alive(streamed("Hel", "lo") if request.json.get("stream") else replied())


@pytest.fixture
def server() -> Iterator[ScriptServer]:
    with ScriptServer(always=good) as server:
        yield server


@pytest.fixture(autouse=True)
def own_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread pool of the test's own, so that what others left there does not count."""
    monkeypatch.setattr(lifetime, "_threads", None)
    yield
    if lifetime._threads is not None:
        lifetime._threads.client.close()


def open_sockets() -> int:
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue  # the one that lists the folder
    return found


def until(condition: Callable[[], bool], words: str) -> None:
    give_up = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < give_up, words
        time.sleep(0.005)


def run_program(program: str, **environment: str) -> str:
    """What a program of its own prints; nothing may stand on stderr."""
    done = subprocess.run(  # noqa: S603  a program of this file
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "AKI_API_KEY": KEY, **environment},
        check=False,
    )
    # Development mode also reports whatever takes a loop's thread for long, such as an import.
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert (done.returncode, complaints) == (0, []), done.stderr
    return done.stdout.strip()


PRELUDE = """
import asyncio, os, sys
from aki_transport import Client
from aki_transport.messages import ChatRequest, Message
def asking(text):
    return ChatRequest(model="qwen3.6-35b", messages=(Message(role="user", content=text),))
ASK, HANG = asking("hi"), asking("hang")
client = Client(base_url=os.environ["URL"])
async def streamed(request=ASK):
    return [d async for d in client.astream(request)][-1].reply.text
"""


def test_ten_loops_make_ten_requests_and_leave_no_socket(server: ScriptServer) -> None:
    client = client_for(server)
    run(client.achat(request_for()))
    server.requests.clear()
    before = open_sockets()
    for _ in range(10):
        assert run(client.achat(request_for())).text == "Hello"
    gc.collect()
    assert len(server.requests) == 10
    until(lambda: server.open_connections == 0, "connections outlive their loops")
    assert open_sockets() <= before


def test_ten_loops_of_streams_leave_no_socket(server: ScriptServer) -> None:
    client = client_for(server)
    for _ in range(10):
        Way(streamed=True, is_async=True).ask(client)
    assert len(server.requests) == 10
    until(lambda: server.open_connections == 0, "connections outlive their loops")


USES = {
    "call": "client.chat(ASK)",
    "stream": "list(client.stream(ASK))",
    "stream left at once": "next(client.stream(ASK))",
    "stream that is kept": "stream = client.stream(ASK); next(stream)",
    "async call": "asyncio.run(client.achat(ASK))",
    "ten loops": "[asyncio.run(client.achat(ASK)) for _ in range(10)]",
    "async stream": "asyncio.run(streamed())",
    "mixed": "client.chat(ASK); asyncio.run(client.achat(ASK)); client.chat(ASK)",
    "closed in between": "client.chat(ASK); client.close(); client.chat(ASK)",
    "loop that is not shut down": """
loop = asyncio.new_event_loop()
assert loop.run_until_complete(client.achat(ASK)).text == "Hello"
loop.close()
""",
    "async streams left": """
async def abandon():
    async for _ in client.astream(ASK):
        break
    async for _ in client.astream(ASK):
        return
asyncio.run(abandon())
""",
    "tasks that are canceled at the end": """
async def leave():
    tasks = [asyncio.create_task(client.achat(HANG)), asyncio.create_task(streamed(HANG))]
    await asyncio.sleep(0.3)
asyncio.run(leave())
""",
    **{
        f"loops closed without shutdown: {ask}": f"""
for _ in range(5):
    loop = asyncio.new_event_loop()
    loop.run_until_complete({ask})
    loop.close()
    del loop
    import gc; gc.collect()
asyncio.run({ask})
sockets = [f for f in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{{f}}")
           and os.readlink(f"/proc/self/fd/{{f}}").startswith("socket:")]
assert not sockets, sockets
"""
        for ask in ("client.achat(ASK)", "streamed()")
    },
}
# Each use in a child, which ends as a program does; the imports are made once.
CHILDREN = """
import json
uses = json.loads(os.environ["USES"])
for name, use in uses.items():
    child = os.fork()
    if not child:
        break
    print(name, os.waitpid(child, 0)[1], flush=True)
else:
    use = ""
exec(use)
"""


def test_programs_end_without_a_word(server: ScriptServer) -> None:
    server.always = lambda request: Answer(end="hang") if "hang" in str(request.json) else good(request)
    program = PRELUDE + CHILDREN
    assert run_program(program, URL=server.openai_url, USES=json.dumps(USES)).splitlines() == [
        f"{name} 0" for name in USES
    ]


@pytest.mark.parametrize("used_by_parent", [True, False])
def test_parent_and_child_of_a_fork_both_work(server: ScriptServer, *, used_by_parent: bool) -> None:
    use = f"""
    import warnings; warnings.simplefilter("ignore", DeprecationWarning)
    if {used_by_parent}:
        client.chat(ASK); asyncio.run(client.achat(ASK))
    child = os.fork()
    print(client.chat(ASK).text, asyncio.run(client.achat(ASK)).text, asyncio.run(streamed()), flush=True)
    if child:
        _, status = os.waitpid(child, 0)
        print(client.chat(ASK).text, status)
    """
    said = run_program(PRELUDE + textwrap.dedent(use), URL=server.openai_url)
    assert sorted(said.splitlines()) == ["Hello 0", "Hello Hello Hello", "Hello Hello Hello"]
    assert len(server.requests) == 2 * used_by_parent + 7


def test_a_fork_within_a_running_loop_leaves_the_child_a_working_client(server: ScriptServer) -> None:
    use = """
    import warnings; warnings.simplefilter("ignore", DeprecationWarning)
    async def parent():
        await client.achat(ASK)
        child = os.fork()
        if not child:
            text = client.chat(ASK).text
            os._exit(0 if text == "Hello" else 1)
        _, status = os.waitpid(child, 0)
        print(status, (await client.achat(ASK)).text)
    asyncio.run(parent())
    """
    assert run_program(PRELUDE + textwrap.dedent(use), URL=server.openai_url) == "0 Hello"


def test_a_child_waits_for_no_lock_that_another_thread_held_at_the_fork(server: ScriptServer) -> None:
    use = """
    import threading, time, warnings; warnings.simplefilter("ignore", DeprecationWarning)
    from aki_transport.models import listing
    from aki_transport.transport import lifetime
    client.chat(ASK)
    client.close()
    held, over = threading.Event(), threading.Event()
    def hold():
        with lifetime._lock, listing._lock, next(iter(listing._listings.values()))._lock:
            held.set(); over.wait(20)
    threading.Thread(target=hold, daemon=True).start()
    held.wait()
    child = os.fork()
    if not child:
        next(iter(listing._listings.values()))._read_at -= 4000
        print(client.chat(ASK).text, asyncio.run(client.achat(ASK)).text, flush=True)
        os._exit(0)
    give_up = time.monotonic() + 20
    ended = 0
    while not ended and time.monotonic() < give_up:
        ended, status = os.waitpid(child, os.WNOHANG); time.sleep(0.05)
    if not ended:
        os.kill(child, 9)
    over.set()
    print(ended == child and status)
    """
    said = run_program(PRELUDE + textwrap.dedent(use), URL=server.openai_url)
    assert said.splitlines() == ["Hello Hello", "0"]


def test_fifty_threads_share_a_client(server: ScriptServer) -> None:
    client = client_for(server)
    together = threading.Barrier(50)

    def ask(number: int) -> str:
        together.wait(10)
        return Way(streamed=number % 2 == 0, is_async=number % 4 == 3).ask(client).text

    with ThreadPoolExecutor(50) as threads:
        assert set(threads.map(ask, range(50))) == {"Hello"}
    assert len(server.requests) == 50
    assert len(server.listings) == 1


def test_five_hundred_tasks_share_a_client(server: ScriptServer) -> None:
    client = client_for(server)

    async def ask() -> set[str]:
        return {reply.text for reply in await asyncio.gather(*(client.achat(request_for()) for _ in range(500)))}

    assert run(ask()) == {"Hello"}
    assert (len(server.requests), len(server.listings)) == (500, 1)


def test_five_hundred_streams_share_a_client(server: ScriptServer) -> None:
    client = client_for(server)
    way = Way(streamed=True, is_async=True)

    async def ask() -> set[str]:
        return {reply.text for reply in await asyncio.gather(*(way.aask(client) for _ in range(500)))}

    assert run(ask()) == {"Hello"}
    assert len(server.requests) == 500


@pytest.mark.parametrize("streamed_", [False, True])
def test_cancelled_tasks_free_their_connections(
    server: ScriptServer, monkeypatch: pytest.MonkeyPatch, *, streamed_: bool
) -> None:
    hang = sse(chunk("Hel"), done=False, end="hang") if streamed_ else Answer(end="hang")
    server.say(*[hang] * 5)
    way = Way(streamed=streamed_, is_async=True)

    async def cancel() -> str:
        client = client_for(server)
        tasks = [asyncio.create_task(way.aask(client)) for _ in range(5)]
        await true(lambda: len(server.requests) >= 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
        server._script.clear()
        async with asyncio.timeout(5):
            return (await way.aask(client)).text

    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    assert run(cancel()) == "Hello"


def test_cancelled_tasks_close_at_the_server(server: ScriptServer) -> None:
    server.always = Answer(end="hang")

    async def cancel() -> None:
        client = client_for(server)
        tasks = [asyncio.create_task(client.achat(request_for())) for _ in range(100)]
        await true(lambda: len(server.requests) >= 100)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await true(lambda: server.open_connections <= 1)

    run(cancel())


def test_an_abandoned_stream_frees_its_connection(server: ScriptServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    server.say(*[sse(chunk("Hel"), done=False, end="hang")] * 3)
    client = client_for(server)
    for _ in range(3):
        for delta in client.stream(request_for()):
            assert delta.text == "Hel"
            break
    assert client.chat(request_for()).text == "Hello"


def test_an_abandoned_async_stream_frees_its_connection(server: ScriptServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    server.say(*[sse(chunk("Hel"), done=False, end="hang")] * 3)

    async def abandon() -> str:
        client = client_for(server)
        for _ in range(3):
            async for delta in client.astream(request_for()):
                assert delta.text == "Hel"
                break
        async with asyncio.timeout(5):
            return (await client.achat(request_for())).text

    assert run(abandon()) == "Hello"


@in_every_way
def test_an_error_frees_its_connection(way: Way, server: ScriptServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    bad = [
        Answer(status=400, chunks=(b"no",)),
        Answer(chunks=(b"data: {", b"\n\n"), end="hang", headers={"content-type": "text/event-stream"}),
        Answer(headers={"content-type": "text/event-stream"}, chunks=(b"data: []\n\n",), end="hang"),
    ]
    server.say(*bad)
    client = client_for(server, timeout=0.3, max_retries=0)

    async def ask() -> None:
        for _ in bad:
            with pytest.raises(Exception, match="AKI"):
                await way.aask(client)
        async with asyncio.timeout(5):
            assert (await way.aask(client)).text == "Hello"

    if way.is_async:
        run(ask())
        return
    for _ in bad:
        with pytest.raises(Exception, match="AKI"):
            way.ask(client)
    assert way.ask(client).text == "Hello"


class Counting(ScriptServer):
    """Counts the connections that are made."""

    made = 0

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        super()._accept(reader, writer)


@in_every_way
def test_connections_are_used_again(way: Way) -> None:
    with Counting(always=good) as server:
        client = client_for(server)

        async def ask() -> None:
            for _ in range(5):
                await way.aask(client)

        if way.is_async:
            run(ask())
        else:
            for _ in range(5):
                way.ask(client)
        assert (len(server.requests), server.made) == (5, 1)


@pytest.mark.parametrize("status", [400, 404, 422])
@in_every_way
def test_a_connection_is_used_again_after_a_refusal(way: Way, status: int) -> None:
    refusal = Answer(status=status, chunks=(b"no",), end="keep-alive")
    with Counting(always=refusal) as server:
        client = client_for(server)

        async def ask() -> None:
            for _ in range(3):
                with pytest.raises(Exception, match="no"):
                    await way.aask(client)

        if way.is_async:
            run(ask())
        else:
            for _ in range(3):
                with pytest.raises(Exception, match="no"):
                    way.ask(client)
        assert server.made == 1


def test_closing_one_client_leaves_the_others_their_connections() -> None:
    with Counting(always=good) as server:
        one, other = client_for(server), client_for(server)
        one.chat(request_for())
        other.chat(request_for())
        one.close()
        other.chat(request_for())
        assert server.made == 1
        other.close()
        until(lambda: server.open_connections == 0, "the last user's close leaves a connection open")
        assert one.chat(request_for()).text == "Hello"


def test_closing_one_client_leaves_the_others_of_the_loop_their_connections() -> None:
    async def ask(server: Counting) -> None:
        one, other = client_for(server), client_for(server)
        await one.achat(request_for())
        await other.achat(request_for())
        await one.aclose()
        await other.achat(request_for())
        assert server.made == 1
        await other.aclose()
        await true(lambda: not server.open_connections)
        assert (await one.achat(request_for())).text == "Hello"
        await one.aclose()

    with Counting(always=good) as server:
        run(ask(server))


def test_clients_that_come_and_go_in_threads_do_not_close_each_other_s_pool(server: ScriptServer) -> None:
    together = threading.Barrier(20)

    def ask(_: int) -> set[str]:
        together.wait(10)
        texts = set()
        for _ in range(30):
            with client_for(server, max_retries=0) as client:
                texts.add(client.chat(request_for()).text)
        return texts

    with ThreadPoolExecutor(20) as threads:
        assert set().union(*threads.map(ask, range(20))) == {"Hello"}


def test_tasks_that_close_their_clients_do_not_close_each_other_s_pool(server: ScriptServer) -> None:
    async def ask() -> str:
        async with client_for(server, max_retries=0) as client:
            return (await client.achat(request_for())).text

    async def all_of_them() -> set[str]:
        return set(await asyncio.gather(*(ask() for _ in range(200))))

    assert run(all_of_them()) == {"Hello"}


def test_sockets_do_not_grow_with_clients(server: ScriptServer) -> None:
    clients = [client_for(server) for _ in range(200)]
    clients[0].chat(request_for())
    before = open_sockets()
    for client in clients:
        client.chat(request_for())
    assert open_sockets() <= before

    async def ask() -> int:
        for client in clients[:50]:
            await client.achat(request_for())
        return open_sockets()

    assert run(ask()) <= before + 6  # the loop's own, and one connection


@in_every_way
def test_a_client_of_the_user_s_is_used_and_not_closed(way: Way, server: ScriptServer) -> None:
    sync = httpx.Client(headers={"x-mine": "1"}, trust_env=False)

    async def ask() -> None:
        async with httpx.AsyncClient(headers={"x-mine": "1"}, trust_env=False) as mine:
            client = client_for(server, http_async_client=mine)
            await way.aask(client)
            await client.aclose()
            assert not mine.is_closed

    if way.is_async:
        run(ask())
    else:
        client = client_for(server, http_client=sync)
        way.ask(client)
        client.close()
        assert not sync.is_closed
    sync.close()
    assert server.requests[0].headers["x-mine"] == "1"


def test_an_event_loop_in_each_of_ten_threads(server: ScriptServer) -> None:
    client = client_for(server)

    def ask(_: int) -> set[str]:
        return {run(client.achat(request_for())).text for _ in range(5)}

    with ThreadPoolExecutor(10) as threads:
        assert set().union(*threads.map(ask, range(10))) == {"Hello"}
    assert len(server.requests) == 50
    until(lambda: server.open_connections <= 1, "connections outlive their loops")


@in_every_way
def test_a_connection_that_the_server_closed_in_between_costs_nothing(way: Way, server: ScriptServer) -> None:
    """Counts requests: one that goes out on a dead connection would be sent again without need."""
    client = client_for(server)

    async def ask() -> None:
        await way.aask(client)
        await asyncio.sleep(0.05)
        await way.aask(client)

    server.always = lambda request: streamed("Hello") if request.json.get("stream") else replied()
    if way.is_async:
        run(ask())
    else:
        way.ask(client)
        time.sleep(0.05)
        way.ask(client)
    assert len(server.requests) == 2


def test_a_stream_read_by_turns_with_calls(server: ScriptServer) -> None:
    async def deltas() -> AsyncIterator[str]:
        client = client_for(server)
        async for delta in client.astream(request_for()):
            yield delta.text
            await client.achat(request_for())

    async def collect() -> list[str]:
        return [text async for text in deltas()]

    assert "".join(run(collect())) == "Hello"
