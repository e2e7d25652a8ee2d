"""One question asked in the four ways a client can be asked, and what stands in for clocks and dice meanwhile."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from aki_transport import Client
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, Message, ToolCall
from aki_transport.models import listing
from aki_transport.prepare import memory
from aki_transport.transport import attempts, polling, sender
from tests.scenarios.table import chunk, replied, tokens
from tests.script_server import Answer, Request, ScriptServer, sse
from tests.subcases import subcases

MODEL = "qwen3.6-35b"
KEY = "aki-5ecret-0f-the-te5ts"
_SLEEP = 0.01  # seconds


def request_for(model: str = MODEL, text: str = "hi", **fields: Any) -> ChatRequest:
    return ChatRequest(model=model, messages=(Message(role="user", content=text),), **fields)


def client_for(server: ScriptServer, **fields: Any) -> Client:
    return Client(**{"api_key": KEY, "base_url": server.openai_url, **fields})


def answered_by(respond: Callable[[httpx.Request], httpx.Response], **fields: Any) -> Client:
    """A client whose requests this function answers, without a socket."""
    played = httpx.MockTransport(respond)
    clients = {"http_client": httpx.Client(transport=played), "http_async_client": httpx.AsyncClient(transport=played)}
    return Client(**{"api_key": KEY, **clients, **fields})


def refusal(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **fields}}


def fastapi(*loc: str, message: str = "Extra inputs are not permitted") -> dict[str, Any]:
    """A refusal of a field of the body in FastAPI's envelope."""
    return {"detail": [{"type": "extra_forbidden", "loc": ["body", *loc], "msg": message}]}


def alive(answer: Answer) -> Answer:
    return replace(answer, end="keep-alive")


@contextmanager
def time_to_run() -> Iterator[Callable[[], float]]:
    """The seconds that passed, counted by a thread in short sleeps.

    On a busy machine the thread is late too, so it counts fewer of them than the clock does.
    """
    over, sleeps = threading.Event(), 0

    def count() -> None:
        nonlocal sleeps
        while not over.wait(_SLEEP):
            sleeps += 1

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield lambda: sleeps * _SLEEP
    finally:
        over.set()
        thread.join()


@contextmanager
def patient(seconds: float) -> Iterator[None]:
    """Fails if the block takes longer, however busy the machine is."""
    with time_to_run() as taken:
        yield
    assert taken() < seconds, f"took {taken():.2f} s"


async def bounded(coroutine: Coroutine[Any, Any, Any]) -> Any:
    async with asyncio.timeout(60):
        return await coroutine


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run`, no longer than a test may last."""
    return asyncio.run(bounded(coroutine))


async def true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  a server in another thread sets no event of this loop
            await asyncio.sleep(0.005)


def added_up(deltas: Iterable[ChatDelta]) -> ChatReply:
    """The reply of a stream whose pieces, added up, give the same."""
    deltas = list(deltas)
    assert deltas, "the stream gave nothing"
    assert [delta.reply for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    reply = deltas[-1].reply
    assert reply is not None
    for name in ("text", "reasoning", "refusal"):
        assert "".join(getattr(delta, name) for delta in deltas) == getattr(reply, name)
    calls: dict[int, ToolCall] = {}
    for piece in (piece for delta in deltas for piece in delta.tool_calls):
        so_far = calls.get(piece.position, ToolCall("", "", ""))
        calls[piece.position] = ToolCall(
            so_far.id + (piece.id or ""), so_far.name + (piece.name or ""), so_far.arguments + piece.arguments
        )
    assert [calls[position] for position in sorted(calls)] == [replace(call, extra={}) for call in reply.tool_calls]
    return reply


def good(request: Request) -> Answer:
    """The answer "Hello" by the model that is asked, on a connection that stays open."""
    top = {"model": request.json["model"]}
    if not request.json.get("stream"):
        return alive(replied(top=top))
    last = chunk(finish="stop", top={**top, "usage": tokens()})
    return alive(sse(*(chunk(text, top=top) for text in ("Hel", "lo")), last))


@dataclass(frozen=True)
class Way:
    """How a question is asked: blocking or streamed, sync or async."""

    streamed: bool
    is_async: bool

    def __str__(self) -> str:
        return ("a" if self.is_async else "") + ("stream" if self.streamed else "chat")

    def ask(self, client: Client, request: ChatRequest | None = None) -> ChatReply:
        if self.is_async:
            return run(self.aask(client, request))
        return added_up(self.deltas(client, request)) if self.streamed else client.chat(request or request_for())

    def ask_twice(self, client: Client, request: ChatRequest | None = None) -> list[ChatReply]:
        return [self.ask(client, request) for _ in range(2)]

    @contextmanager
    def on_one_loop(self) -> Iterator[Callable[..., ChatReply]]:
        """A function that asks as `ask` does, where the calls of the async ways share their connections."""
        if not self.is_async:
            yield self.ask
            return
        with asyncio.Runner() as runner:
            yield lambda client, request=None: runner.run(bounded(self.aask(client, request)))

    def deltas(self, client: Client, request: ChatRequest | None = None) -> list[ChatDelta]:
        """What had come before an error is given up; use it where none is expected."""
        if self.is_async:
            return run(self._adeltas(client, request))
        return list(client.stream(request or request_for()))

    async def aask(self, client: Client, request: ChatRequest | None = None) -> ChatReply:
        """Within a running loop; for the async ways alone."""
        return (
            added_up(await self._adeltas(client, request))
            if self.streamed
            else await client.achat(request or request_for())
        )

    async def _adeltas(self, client: Client, request: ChatRequest | None) -> list[ChatDelta]:
        return [delta async for delta in client.astream(request or request_for())]


WAYS = tuple(Way(streamed=streamed, is_async=is_async) for is_async in (False, True) for streamed in (False, True))
in_every_way = subcases("way", WAYS)
in_every_stream = subcases("stream_way", [way for way in WAYS if way.streamed])
in_every_async_way = subcases("way", [way for way in WAYS if way.is_async])
in_every_chat = subcases("chat_way", [way for way in WAYS if not way.streamed])


class Clock:
    """Stands in for the modules `time`, `asyncio` and `random` in the transport: a pause moves it and takes no time.

    Attributes:
        pauses: Seconds of each pause that was asked for.
        passed: Seconds that are added to the true time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pauses: list[float] = []
        self.reset()
        clock = self

        class Time:
            time = staticmethod(lambda: time.time() + clock.passed)
            monotonic = staticmethod(lambda: time.monotonic() + clock.passed)

            @staticmethod
            def sleep(seconds: float) -> None:
                assert asyncio._get_running_loop() is None, "a pause holds the event loop up"
                clock.pause(seconds)

        class Asyncio:
            def __getattr__(self, name: str) -> Any:
                return getattr(asyncio, name)

            @staticmethod
            async def sleep(seconds: float) -> None:
                clock.pause(seconds)
                await asyncio.sleep(0)

        class Dice:
            random = staticmethod(lambda: 1.0)

        for module in (sender, attempts, listing, polling):
            monkeypatch.setattr(module, "time", Time)
        for module in (sender, polling):
            monkeypatch.setattr(module, "asyncio", Asyncio())
        monkeypatch.setattr(attempts, "random", Dice)
        monkeypatch.setattr(memory, "clock", Time.monotonic)

    def reset(self) -> None:
        """No pause was asked for, and the time is the true one."""
        self.pauses.clear()
        self.passed = 0.0

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.passed += seconds
