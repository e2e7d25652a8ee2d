"""Event loops, threads, tasks: every request is sent once, and nothing stays open."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llama_index.core.async_utils import asyncio_run
from llama_index.core.base.llms.types import ChatMessage

from llama_index_aki import AKI
from tests.llama_index.asking import WAYS, Way, ask, is_streamed, model_at
from tests.scenarios import replied, streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

ROOT = Path(__file__).parents[2]


def echoing(request: Request) -> Answer:
    """Says the question again, streamed where that was asked."""
    question = request.json["messages"][0]["content"]
    if request.json.get("stream"):
        return streamed(question, end="keep-alive")
    answer = replied(question)
    return Answer(headers=answer.headers, chunks=answer.chunks, chunked=False, end="keep-alive")


def said(text: str) -> list[ChatMessage]:
    return [ChatMessage(content=text)]


def run_alone(code: str, *arguments: str) -> tuple[str, str]:
    """What a fresh interpreter prints that takes every warning for an error: to stdout, and to stderr."""
    # LlamaIndex itself imports what warns.
    warnings = ["-W", "error", "-W", "ignore::DeprecationWarning", "-W", "ignore::UserWarning"]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-X", "dev", *warnings, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


HEAD = """
import asyncio, gc, logging, os, sys
from llama_index.core.async_utils import asyncio_run
from llama_index.core.base.llms.types import ChatMessage
from llama_index_aki import AKI

# In debug mode a loop tells of each step that took long.
logging.getLogger("asyncio").addFilter(lambda record: not record.getMessage().startswith("Executing"))
llm = AKI(model="qwen3.6-35b", base_url=sys.argv[1], api_key="aki-test")

def sockets():
    gc.collect()
    return sum(os.readlink(f"/proc/self/fd/{n}").startswith("socket:") for n in os.listdir("/proc/self/fd")
               if os.path.exists(f"/proc/self/fd/{n}"))

async def asked(n):
    question = [ChatMessage(content=f"q{n}")]
    if n % 2:
        return (await llm.achat(question)).message.content
    return "".join([item.delta async for item in await llm.astream_chat(question)])

wanted = [f"q{n}" for n in range(10)]
before = sockets()
"""
TEN_LOOPS = """
print([asyncio.run(asked(n)) for n in range(10)] == wanted, sockets() - before)
"""
FROM_WITHIN = """
async def within():
    return [asyncio_run(asked(n)) for n in range(10)]

print(asyncio.run(within()) == wanted, asyncio.run(within()) == wanted)
print(sockets() - before <= 1)  # the last loop's, which nobody told that it ended
"""
NEVER_CLOSED = """
print(llm.chat([ChatMessage(content="a")]).message.content)
print(asyncio.run(llm.achat([ChatMessage(content="b")])).message.content)
for item in llm.stream_chat([ChatMessage(content="c")]):
    print(item.delta)
    break

async def left():
    async for item in await llm.astream_chat([ChatMessage(content="d")]):
        print(item.delta)
        break

asyncio.run(left())
"""


def test_ten_event_loops_make_ten_requests_and_leave_no_socket_open():
    with ScriptServer(always=echoing) as server:
        assert run_alone(HEAD + TEN_LOOPS, server.openai_url) == ("True 0\n", "")
        assert len(server.requests) == 10
        assert len(server.listings) == 1


def test_loops_that_llama_index_runs_within_another_and_closes_uncleanly_leave_nothing_behind():
    with ScriptServer(always=echoing) as server:
        assert run_alone(HEAD + FROM_WITHIN, server.openai_url) == ("True True\nTrue\n", "")
        assert len(server.requests) == 20
        assert len(server.listings) == 1


def test_a_program_that_ends_without_closing_prints_nothing():
    with ScriptServer(always=echoing) as server:
        out, err = run_alone(HEAD + NEVER_CLOSED, server.openai_url)
        assert out.split() == ["a", "b", "c", "d"]
        assert err == ""
        assert len(server.requests) == 4


async def test_llama_indexs_own_runner_works_from_within_a_running_loop(server: ScriptServer, capfd):
    server.always = echoing
    llm = model_at(server)
    for n in range(5):
        assert asyncio_run(llm.achat(said(f"q{n}"))).message.content == f"q{n}"
        assert (await llm.achat(said(f"r{n}"))).message.content == f"r{n}"
    await llm.aclose()
    del llm
    gc.collect()
    assert len(server.requests) == 10
    assert capfd.readouterr().err == ""


def test_fifty_threads_make_fifty_requests_and_one_listing():
    with ScriptServer(always=echoing) as server, ThreadPoolExecutor(50) as threads:
        llm = model_at(server)
        start = threading.Barrier(50)

        def asked(n: int) -> str:
            start.wait()
            return ask(llm, "stream_chat" if n % 2 else "chat", f"q{n}").message.content

        assert list(threads.map(asked, range(50))) == [f"q{n}" for n in range(50)]
        questions = Counter(request.json["messages"][0]["content"] for request in server.requests)
        assert questions == Counter(f"q{n}" for n in range(50))
        assert len(server.listings) == 1


async def test_five_hundred_tasks_make_five_hundred_requests_and_one_listing():
    with ScriptServer(always=echoing) as server:
        llm = model_at(server)
        answers = await asyncio.gather(*(llm.achat(said(f"q{n}")) for n in range(500)))
        assert [answer.message.content for answer in answers] == [f"q{n}" for n in range(500)]
        assert len(server.requests) == 500
        assert len(server.listings) == 1
        await llm.aclose()


async def test_hundred_streams_at_once_do_not_mix():
    async def asked(llm: AKI, n: int) -> str:
        return "".join([item.delta async for item in await llm.astream_chat(said(f"q{n}"))])

    with ScriptServer(always=echoing) as server:
        llm = model_at(server)
        assert await asyncio.gather(*(asked(llm, n) for n in range(100))) == [f"q{n}" for n in range(100)]
        await llm.aclose()


def test_two_loops_at_once_do_not_meet():
    with ScriptServer(always=echoing) as server:
        llm = model_at(server)
        answers: list[str] = []

        def run(name: str) -> None:
            async def asked() -> None:
                found = await asyncio.gather(*(llm.achat(said(f"{name}{n}")) for n in range(10)))
                answers.extend(answer.message.content or "" for answer in found)

            asyncio.run(asked())

        threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == sorted(f"{name}{n}" for name in "ab" for n in range(10))
        assert len(server.requests) == 20


async def test_cancelled_tasks_free_their_connections():
    with ScriptServer(always=Answer(end="hang")) as server:
        llm = model_at(server)
        tasks = [asyncio.create_task(llm.achat(said("hi"))) for _ in range(20)]
        for _ in range(300):
            if len(server.requests) == 20:
                break
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in found] == [asyncio.CancelledError] * 20
        for _ in range(300):
            if server.open_connections <= 1:
                break
            await asyncio.sleep(0.01)
        assert server.open_connections <= 1  # the listing's connection may wait for the next call
        server.always = echoing
        assert (await llm.achat(said("still here"))).message.content == "still here"
        await llm.aclose()


@subcases("way", WAYS)
def test_closing_one_model_leaves_another_its_connections(server: ScriptServer, way: Way):
    server.always = echoing
    one, other = model_at(server), model_at(server)
    assert ask(one, way, "a").message.content == "a"
    one.close()
    assert ask(other, way, "b").message.content == "b"
    assert ask(one, way, "c").message.content == "c"
    assert len(server.requests) == 3


@subcases("way", WAYS)
def test_a_server_that_closes_each_connection_costs_no_answer(server: ScriptServer, way: Way):
    llm = model_at(server)
    for n in range(3):
        server.say(streamed(f"q{n}") if is_streamed(way) else replied(f"q{n}"))
        assert ask(llm, way, "hi").message.content == f"q{n}"
    assert len(server.requests) == 3


def test_a_model_is_freed_when_nobody_holds_it(server: ScriptServer):
    server.always = echoing
    llm = model_at(server)
    ask(llm, "chat", "hi")
    ask(llm, "astream_chat", "hi")
    gone = weakref.ref(llm._client)
    del llm
    gc.collect()
    assert gone() is None


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_models_take_no_thread_and_no_file():
    threads, files = threading.active_count(), open_files()
    kept = [AKI(model="qwen3.6-35b", timeout=n + 1) for n in range(100)]
    assert len(kept) == 100
    assert (threading.active_count(), open_files()) == (threads, files)
