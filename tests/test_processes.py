"""What becomes of models when their process forks or ends: each gets its own answers, and nothing is said on stderr."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from aki_transport.emulator import Emulator
from tests.scenarios import KEY, MODEL, replied, streamed
from tests.script_server import Answer, Request, ScriptServer

ROOT = Path(__file__).parents[1]
_STRICT = ("-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning", "-W", "ignore::UserWarning")

# The same names for both frameworks: a model, and the ways to ask it.
PRELUDES = {
    "langchain": """
        from langchain_aki import ChatAKI
        def made(**more):
            return ChatAKI(model=MODEL, base_url=URL, api_key=KEY, **more)
        def said(words):
            return model.invoke(words).text
        async def asaid(words):
            return (await model.ainvoke(words)).text
        def stream(words):
            return model.stream(words)
        async def astream(words):
            return model.astream(words)
    """,
    "llama_index": """
        from llama_index.core.base.llms.types import ChatMessage
        from llama_index_aki import AKI
        def made(**more):
            return AKI(model=MODEL, base_url=URL, api_key=KEY, **more)
        def said(words):
            return model.chat([ChatMessage(words)]).message.content
        async def asaid(words):
            return (await model.achat([ChatMessage(words)])).message.content
        def stream(words):
            return model.stream_chat([ChatMessage(words)])
        async def astream(words):
            return await model.astream_chat([ChatMessage(words)])
    """,
}


class Echo(ScriptServer):
    """Says the question again, and keeps which questions came over which connection."""

    def __init__(self) -> None:
        super().__init__(always=self._echo)
        self.over: defaultdict[object, list[str]] = defaultdict(list)

    def _echo(self, request: Request) -> Answer:
        question = request.json["messages"][0]["content"]
        self.over[asyncio.current_task()].append(question)
        if request.json.get("stream"):
            return streamed(question, end="keep-alive")
        answer = replied(question)
        return Answer(headers=answer.headers, chunks=answer.chunks, chunked=False, end="keep-alive")

    @property
    def askers(self) -> list[set[str]]:
        """For each connection, who asked over it: a question is `asker:number`."""
        return [{question.partition(":")[0] for question in questions} for questions in self.over.values()]


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as server:
        yield server


@pytest.fixture(params=PRELUDES)
def prelude(request: pytest.FixtureRequest) -> str:
    return textwrap.dedent(PRELUDES[request.param])


def run_program(prelude: str, program: str, url: str, *options: str, before: str = "", given: str = "") -> list[str]:
    """The words that it prints; it must end well and say nothing on stderr."""
    code = f"""
import asyncio, gc, logging, os, sys, threading, time
{before}
URL, KEY, MODEL = {url!r}, {KEY!r}, {MODEL!r}
{prelude}
# In development mode a loop tells of each step that took long.
logging.getLogger("asyncio").addFilter(lambda record: not record.getMessage().startswith("Executing"))
model = made({given})
{textwrap.dedent(program)}
"""
    done = subprocess.run(  # noqa: S603  a program of this file
        [sys.executable, *options, "-c", code], capture_output=True, text=True, timeout=90, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_parent_and_child_go_on_with_connections_of_their_own(prelude: str, server: Echo):
    """Even on the loop that the child inherits, which is polled through a descriptor that both have."""
    program = """
    loop = asyncio.new_event_loop()
    def asked(who):
        return [said(f"{who}:1"), loop.run_until_complete(asaid(f"{who}:2")), asyncio.run(asaid(f"{who}:3"))]
    before = asked("parent")
    child = os.fork()
    if not child:
        print(*asked("child"), flush=True)
        sys.exit()
    print(os.waitpid(child, 0)[1], *before, *asked("parent"))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    """
    parent = ["parent:1", "parent:2", "parent:3"]
    words = run_program(prelude, program, server.openai_url, *_STRICT)
    assert words == ["child:1", "child:2", "child:3", "0", *parent, *parent]
    assert len(server.requests) == 9
    assert all(len(askers) == 1 for askers in server.askers)


def test_workers_answer_side_by_side_and_one_that_only_ends_takes_nothing_along(prelude: str, server: Echo):
    """As gunicorn does it with `preload_app`; the last worker ends within the loop that it inherits."""
    program = """
    said("parent:1")
    workers = []
    for number in range(4):
        worker = os.fork()
        if not worker:
            name = f"worker{number}"
            right = [f"{name}:{n}" for n in range(5)]
            async def several():
                return await asyncio.gather(*map(asaid, right))
            sys.exit(not (asyncio.run(several()) == right == [said(words) for words in right]))
        workers.append(worker)
    async def main():
        first = await asaid("parent:2")
        worker = os.fork()
        if not worker:
            sys.exit()
        workers.append(worker)
        statuses = [os.waitpid(worker, 0)[1] for worker in workers]
        print(*statuses, first, await asyncio.wait_for(asaid("parent:3"), 30))
    asyncio.run(main())
    """
    words = run_program(prelude, program, server.openai_url, *_STRICT)
    assert words == ["0", "0", "0", "0", "0", "parent:2", "parent:3"]
    assert len(server.requests) == 1 + 4 * 10 + 2
    assert all(len(askers) == 1 for askers in server.askers)


def test_a_platform_without_fork_misses_nothing(server: Echo):
    before = "del os.fork, os.register_at_fork"
    for prelude in map(textwrap.dedent, PRELUDES.values()):
        program = "print(said('a'), asyncio.run(asaid('b')), hasattr(os, 'fork'))"
        assert run_program(prelude, program, server.openai_url, before=before) == ["a", "b", "False"]


def test_cells_of_a_notebook_ask_in_one_loop_with_sync_calls_among_them(prelude: str, server: Echo):
    """The loop is never closed, as in a kernel that is shut down."""
    program = """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    async def cell(number):
        def streamed(words):
            return len(list(stream(words))) > 0
        assert streamed("sync stream")
        async for _ in await astream("async stream"):
            pass
        in_thread = await asyncio.to_thread(lambda: asyncio.run(asaid(f"c{number}")))
        return said(f"a{number}"), await asaid(f"b{number}"), in_thread
    for number in range(3):
        print(*loop.run_until_complete(cell(number)))
    """
    words = run_program(prelude, program, server.openai_url)
    assert words == [f"{letter}{number}" for number in range(3) for letter in "abc"]
    assert len(server.requests) == 15


_HELD = """
held = stream("Count from 1 to 900.")
next(held)
async def left():
    global left_behind
    left_behind = await astream("Count from 1 to 900.")
    await anext(left_behind)
asyncio.run(left())
print("end")
"""


def test_models_that_nobody_holds_and_streams_half_read_say_nothing_at_the_end(prelude: str, server: Echo):
    program = """
    for number in range(3):
        model = made()
        print(said(f"q{number}"))
        asyncio.run(asaid("async"))
        del model
        gc.collect()
    model = made()
    for ask in (lambda: said("wait"), lambda: asyncio.run(asaid("wait"))):
        threading.Thread(target=ask, daemon=True).start()
    """
    half = Answer(headers={"content-type": "text/event-stream"}, chunks=streamed("One, ").chunks[:2], end="hang")

    def says(request: Request) -> Answer:
        match request.json["messages"][0]["content"]:
            case "wait":
                return Answer(end="hang")
            case words if words.startswith("Count"):
                return half
            case _:
                return server._echo(request)

    server.always = says
    words = run_program(prelude, textwrap.dedent(program) + _HELD, server.openai_url, *_STRICT)
    assert words == ["q0", "q1", "q2", "end"]


@pytest.mark.parametrize("options", [(), _STRICT], ids=["as it is run", "strict"])
def test_a_program_that_ends_with_jobs_under_way_cancels_them_and_says_nothing(prelude: str, options: tuple[str, ...]):
    with Emulator() as emulator:
        given = "protocol='native', default_headers={'x-emulator-fault': 'job-seconds=60'}"
        assert run_program(prelude, _HELD, emulator.native_url, *options, given=given) == ["end"]
        assert [job.cancelled for job in emulator.jobs] == [True, True]
