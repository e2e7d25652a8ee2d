"""Event loops, threads, tasks: every request is sent once, and nothing stays open."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from langchain_aki import ChatAKI
from tests.langchain.asking import WAYS, Way, ask, is_streamed, model_at
from tests.scenarios import KEY, MODEL, chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

ROOT = Path(__file__).parents[2]
KEPT = {"end": "keep-alive"}


def echoing(request: Request) -> Answer:
    """Says the question again, streamed where that was asked."""
    question = request.json["messages"][0]["content"]
    if request.json.get("stream"):
        return streamed(question, **KEPT)
    answer = replied(question)
    return Answer(headers=answer.headers, chunks=answer.chunks, chunked=False, end="keep-alive")


def at_once(server: ScriptServer, connections: int) -> None:
    """Wait until that many connections are open at most."""
    tick = threading.Event()
    for _ in range(300):
        if server.open_connections <= connections:
            return
        tick.wait(0.01)
    pytest.fail(f"{server.open_connections} connections are open, not {connections}")


def run_alone(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints that takes every warning for an error."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


TEN_LOOPS = """
import asyncio, gc, os, sys
from langchain_aki import ChatAKI

model = ChatAKI(model="qwen3.6-35b", base_url=sys.argv[1], api_key="aki-test")

def sockets():
    gc.collect()
    return sum(os.readlink(f"/proc/self/fd/{n}").startswith("socket:") for n in os.listdir("/proc/self/fd")
               if os.path.exists(f"/proc/self/fd/{n}"))

async def asked(n):
    if n % 2:
        return (await model.ainvoke(f"q{n}")).text
    return "".join([piece.text async for piece in model.astream(f"q{n}")])

before = sockets()
answers = [asyncio.run(asked(n)) for n in range(10)]
print(answers == [f"q{n}" for n in range(10)], sockets() - before)
"""


def test_ten_event_loops_make_ten_requests_and_leave_no_socket_open():
    with ScriptServer(always=echoing) as server:
        assert run_alone(TEN_LOOPS, server.openai_url).split() == ["True", "0"]
        assert len(server.requests) == 10
        assert len(server.listings) == 1


SYNC_AND_ASYNC = """
import asyncio, sys
from langchain_aki import ChatAKI

model = ChatAKI(model="qwen3.6-35b", base_url=sys.argv[1], api_key="aki-test")
print(model.invoke("a").text)
print(asyncio.run(model.ainvoke("b")).text)
for piece in model.stream("c"):
    print(piece.text)
    break
"""


def test_a_program_that_ends_without_closing_leaves_no_warning():
    with ScriptServer(always=echoing) as server:
        assert run_alone(SYNC_AND_ASYNC, server.openai_url).split() == ["a", "b", "c"]
        assert len(server.requests) == 3


FORKED = """
import asyncio, multiprocessing, sys, warnings
warnings.filterwarnings("ignore", category=DeprecationWarning)
from langchain_aki import ChatAKI

model = ChatAKI(model="qwen3.6-35b", base_url=sys.argv[1], api_key="aki-test")

def asked(n):
    return model.invoke(f"q{n}").text + asyncio.run(model.ainvoke(f"q{n}")).text

if __name__ == "__main__":
    assert asked(0) == "q0q0"
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(*pool.map(asked, range(4)))
    print(asked(9))
"""


def test_a_fork_makes_its_own_connections():
    with ScriptServer(always=echoing) as server:
        assert run_alone(FORKED, server.openai_url).split() == ["q0q0", "q1q1", "q2q2", "q3q3", "q9q9"]
        assert len(server.requests) == 12


def test_the_same_loop_keeps_its_connection():
    async def asked(model: ChatAKI) -> None:
        for n in range(5):
            await model.ainvoke(f"q{n}")

    with ScriptServer(always=echoing) as server:
        asyncio.run(asked(model_at(server)))
        assert len(server.requests) == 5
        at_once(server, 0)


def test_two_loops_at_once_do_not_meet():
    with ScriptServer(always=echoing) as server:
        model = model_at(server)
        answers: list[str] = []

        def run(name: str) -> None:
            async def asked() -> None:
                found = await asyncio.gather(*(model.ainvoke(f"{name}{n}") for n in range(10)))
                answers.extend(answer.text for answer in found)

            asyncio.run(asked())

        threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == sorted(f"{name}{n}" for name in "ab" for n in range(10))
        assert len(server.requests) == 20


def test_fifty_threads_make_fifty_requests_and_one_listing():
    with ScriptServer(always=echoing) as server, ThreadPoolExecutor(50) as threads:
        model = model_at(server)
        start = threading.Barrier(50)

        def asked(n: int) -> str:
            start.wait()
            return ask(model, "stream" if n % 2 else "invoke", f"q{n}").text

        assert list(threads.map(asked, range(50))) == [f"q{n}" for n in range(50)]
        assert Counter(request.json["messages"][0]["content"] for request in server.requests) == Counter(
            f"q{n}" for n in range(50)
        )
        assert len(server.listings) == 1


async def test_five_hundred_tasks_make_five_hundred_requests_and_one_listing():
    with ScriptServer(always=echoing) as server:
        model = model_at(server)
        answers = await asyncio.gather(*(model.ainvoke(f"q{n}") for n in range(500)))
        assert [answer.text for answer in answers] == [f"q{n}" for n in range(500)]
        assert len(server.requests) == 500
        assert len(server.listings) == 1
        await model.aclose()


async def test_hundred_streams_at_once_do_not_mix():
    async def asked(model: ChatAKI, n: int) -> str:
        return "".join([piece.text async for piece in model.astream(f"q{n}")])

    with ScriptServer(always=echoing) as server:
        model = model_at(server)
        assert await asyncio.gather(*(asked(model, n) for n in range(100))) == [f"q{n}" for n in range(100)]
        assert len(server.requests) == 100
        await model.aclose()


@pytest.mark.parametrize("streaming", [False, True])
async def test_cancelled_tasks_free_their_connections(streaming: bool):
    silent = Answer(headers={"content-type": "text/event-stream"}, chunks=streamed("Hel").chunks[:2], end="hang")
    with ScriptServer(always=silent if streaming else Answer(end="hang")) as server:
        model = model_at(server)
        heard = 0

        async def asked() -> None:
            nonlocal heard
            if not streaming:
                await model.ainvoke("hi")
            async for _ in model.astream("hi"):
                heard += 1

        tasks = [asyncio.create_task(asked()) for _ in range(20)]
        for _ in range(300):
            if len(server.requests) == 20 and (heard == 20 or not streaming):
                break
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in found] == [asyncio.CancelledError] * 20
        for _ in range(200):
            if server.open_connections <= 1:
                break
            await asyncio.sleep(0.01)
        assert server.open_connections <= 1  # the listing's connection may wait for the next call
        server.always = echoing
        assert (await model.ainvoke("still here")).text == "still here"
        assert len(server.requests) == 21
        await model.aclose()


async def test_a_timeout_of_the_callers_is_a_timeout_of_the_callers():
    with ScriptServer(always=Answer(end="hang")) as server:
        model = model_at(server)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await model.ainvoke("hi")
        assert len(server.requests) == 1
        await model.aclose()


@subcases("way", WAYS)
def test_closing_one_model_leaves_another_its_connections(way: Way):
    with ScriptServer(always=echoing) as server:
        one, other = model_at(server), model_at(server)
        assert ask(one, way, "a").text == "a"
        assert ask(other, way, "b").text == "b"
        one.close()
        assert ask(other, way, "c").text == "c"
        assert ask(one, way, "d").text == "d"
        assert len(server.requests) == 4


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_open_files_do_not_grow_with_the_number_of_models():
    with ScriptServer(always=echoing) as server:
        model_at(server).invoke("hi")
        before = open_files()
        kept = [model_at(server, timeout=n + 1) for n in range(30)]
        for n, model in enumerate(kept):
            assert model.invoke(f"q{n}").text == f"q{n}"
        gc.collect()
        assert open_files() <= before + 1


@subcases("way", WAYS)
def test_a_server_that_closes_each_connection_costs_no_answer(way: Way):
    with ScriptServer() as server:
        model = model_at(server)
        for n in range(3):
            server.say(streamed(f"q{n}") if is_streamed(way) else replied(f"q{n}"))
            assert ask(model, way, "hi").text == f"q{n}"
        assert len(server.requests) == 3


def test_a_model_is_freed_when_nobody_holds_it():
    import weakref  # noqa: PLC0415

    with ScriptServer(always=echoing) as server:
        model = model_at(server)
        model.invoke("hi")
        asyncio.run(_asked(model))
        gone = weakref.ref(model._client)
        del model
        gc.collect()
        assert gone() is None


async def _asked(model: Any) -> Any:
    return await model.ainvoke("hi")


def test_a_stream_that_is_dropped_frees_its_connection():
    hanging = Answer(headers={"content-type": "text/event-stream"}, chunks=streamed("Hel").chunks[:2], end="hang")
    with ScriptServer(always=hanging) as server:
        for _ in model_at(server).stream("hi"):
            break
        gc.collect()
        at_once(server, 0)


def test_a_long_stream_does_not_slow_down_as_it_grows():
    many = streamed(*(chunk("x") for _ in range(2000)))
    with ScriptServer(many) as server:
        assert (
            sum(len(piece.text) for piece in ChatAKI(model=MODEL, base_url=server.openai_url, api_key=KEY).stream("hi"))
            == 2000
        )
