"""What becomes of models when their process forks or ends: each gets its own answers, and nothing is said on stderr.

The transport's own part is in `transport/test_lifetime.py`.
"""

import asyncio
import json
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from aki_transport.emulator import Emulator
from tests.programs import run
from tests.scenarios import MODEL, replied, streamed
from tests.script_server import Answer, Request, ScriptServer

# The same names for both frameworks: a model, and the ways to ask it.
FRAMEWORKS = {
    "langchain": """
from langchain_aki import ChatAKI as Model
def said(words, by=None):
    return (by or model).invoke(words).text
async def asaid(words, by=None):
    return (await (by or model).ainvoke(words)).text
def stream(words):
    return model.stream(words)
async def astream(words):
    return model.astream(words)
""",
    "llama_index": """
from llama_index.core.base.llms.types import ChatMessage
from llama_index_aki import AKI as Model
def said(words, by=None):
    return (by or model).chat([ChatMessage(words)]).message.content
async def asaid(words, by=None):
    return (await (by or model).achat([ChatMessage(words)])).message.content
def stream(words):
    return model.stream_chat([ChatMessage(words)])
async def astream(words):
    return await model.astream_chat([ChatMessage(words)])
""",
}
LEFT = """
held.append(stream("half"))
next(held[-1])
async def leave():
    held.append(await astream("half"))
    await anext(held[-1])
asyncio.run(leave())
"""
# What programs do, and how many requests they make.
USES = {
    # Even on the loop that the child inherits, which is polled through a descriptor that both have.
    "fork": (
        """
loop = asyncio.new_event_loop()
def ask(who):
    words = [f"{who}:{number}" for number in range(3)]
    assert [said(words[0]), loop.run_until_complete(asaid(words[1])), asyncio.run(asaid(words[2]))] == words
ask("parent")
child = os.fork()
ask("child" if child == 0 else "parent")
if child:
    assert os.waitpid(child, 0)[1] == 0
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
""",
        9,
    ),
    # In one loop that is never closed, as in a kernel that is shut down; with sync calls among them.
    "cells of a notebook": (
        """
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
async def cell(number):
    assert list(stream("sync stream"))
    assert [piece async for piece in await astream("async stream")]
    in_thread = await asyncio.to_thread(lambda: asyncio.run(asaid(f"c{number}")))
    return said(f"a{number}"), await asaid(f"b{number}"), in_thread
for number in range(3):
    assert loop.run_until_complete(cell(number)) == tuple(f"{letter}{number}" for letter in "abc")
""",
        15,
    ),
    "models that nobody holds, streams half read and jobs under way": (
        """
held = []
for number in range(3):
    model = made()
    assert said(f"q{number}") == f"q{number}"
    asyncio.run(asaid("async"))
    del model
    gc.collect()
model = made()
for ask in (lambda by=model: said("wait", by), lambda by=model: asyncio.run(asaid("wait", by))):
    threading.Thread(target=ask, daemon=True).start()
"""
        + LEFT
        + "model = made(protocol='native', base_url=NATIVE_URL, default_headers=SLOWLY)"
        + LEFT,
        None,  # the threads may not have asked yet
    ),
}
# Each use in a child, which ends as a program does, and in one more where loops are watched and a warning is an error;
# the imports are made once.
PROGRAM = """
import asyncio, gc, json, logging, os, threading, warnings
{framework}
URL, NATIVE_URL, KEY, MODEL = {where!r}
SLOWLY = {{"x-emulator-fault": "job-seconds=60"}}
# A loop that is watched tells of each step that took long.
logging.getLogger("asyncio").addFilter(lambda record: not record.getMessage().startswith("Executing"))
def made(**more):
    return Model(**{{"model": MODEL, "base_url": URL, "api_key": KEY, **more}})
uses, children = json.loads(os.environ["USES"]), []
for strict, name in [(strict, name) for strict in (False, True) for name in uses]:
    children.append((name, os.fork()))
    if not children[-1][1]:
        use = uses[name]
        break
else:
    for name, child in children:
        print(name, os.waitpid(child, 0)[1], flush=True)
    strict, use = False, ""
if strict:
    os.environ["PYTHONASYNCIODEBUG"] = "1"
    warnings.simplefilter("error")
    for category in (DeprecationWarning, UserWarning):
        warnings.simplefilter("ignore", category)
model = made(default_headers={{"x-program": name}})
exec(use)
"""


class Echo(ScriptServer):
    """Says the question again, and keeps who asked over which connection: a question is `asker:number`."""

    def __init__(self) -> None:
        super().__init__(always=self._echo)
        self.askers: defaultdict[object, set[str]] = defaultdict(set)

    def _echo(self, request: Request) -> Answer:
        question = request.json["messages"][0]["content"]
        if question == "wait":
            return Answer(end="hang")
        if question == "half":
            return replace(streamed("One, "), chunks=streamed("One, ").chunks[:2], end="hang")
        if ":" in question:
            self.askers[asyncio.current_task()].add(question.partition(":")[0])
        answer = streamed(question) if request.json.get("stream") else replied(question)
        return replace(answer, end="keep-alive")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_programs_get_their_own_answers_and_end_without_a_word(framework: str) -> None:
    with Echo() as server, Emulator() as emulator:
        where = (server.openai_url, emulator.native_url, emulator.key, MODEL)
        uses = json.dumps({name: use for name, (use, _) in USES.items()})
        done = run("-c", PROGRAM.format(framework=FRAMEWORKS[framework], where=where), USES=uses)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == 2 * [f"{name} 0" for name in USES]
        assert [job.cancelled for job in emulator.jobs] == 4 * [True]
    assert all(len(askers) == 1 for askers in server.askers.values())
    asked = Counter(request.headers.get("x-program") for request in server.requests)
    expected = {name: 2 * count for name, (_, count) in USES.items() if count is not None}
    assert {name: asked[name] for name in expected} == expected
