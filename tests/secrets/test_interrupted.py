"""A call that is canceled, interrupted or too late shows no key in what error trackers and tracebacks keep of it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sentry_sdk
from loguru import logger
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.traceback import Traceback
from sentry_sdk.transport import Transport

from aki_transport import APIConnectionError, StreamInterruptedError
from tests.ecosystem.calls import WAYS, Way
from tests.scenarios import chunk
from tests.script_server import Answer, Request, ScriptServer, json_answer, sse
from tests.secrets.evidence import KEY, in_text
from tests.secrets.surface import MODELS, PATHS, at
from tests.transport.native_says import STARTED, working


class SignalError(Exception):
    """What a program's own signal handler raises."""


class _Kept(Transport):
    """Keeps what Sentry would send."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.texts: list[str] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.texts.append(envelope.serialize().decode("utf-8", "replace"))


def in_sentry(error: BaseException) -> str:
    client = sentry_sdk.Client(dsn="http://public@127.0.0.1:9/1", transport=_Kept, default_integrations=False)
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        scope.capture_exception(error)
    return "\n".join(client.transport.texts)


def in_rich(error: BaseException) -> str:
    """What it would print, without the colors, which take longest."""
    trace = Traceback.extract(type(error), error, error.__traceback__, show_locals=True, locals_max_string=None)
    frames = [frame for stack in trace.stacks for frame in stack.frames]
    shown = [
        f"{name} = {node.render(max_width=400)}" for frame in frames for name, node in (frame.locals or {}).items()
    ]
    return "\n".join((*(stack.exc_type for stack in trace.stacks), *shown))


def in_loguru(error: BaseException) -> str:
    texts: list[str] = []
    sink = logger.add(texts.append, diagnose=True, backtrace=False, format="{message}")
    try:
        logger.opt(exception=error).error("the call ended")
    finally:
        logger.remove(sink)
    return "".join(texts)


def in_python(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


OBSERVERS: tuple[Callable[[BaseException], str], ...] = (in_sentry, in_rich, in_loguru, in_python)


@contextmanager
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield exporter
    finally:
        instrumentor.uninstrument()


def silent(request: Request, *, streamed: bool) -> Answer:
    """The beginning of an answer, and nothing behind it; a job that goes on until it is canceled."""
    if "/call/" in request.path:
        return json_answer(STARTED, end="keep-alive")
    if isinstance(request.json, dict) and request.json.get("job_id"):
        return json_answer(STARTED if request.json.get("cancel") else working("Hel"), end="keep-alive")
    return sse(chunk("Hel"), done=False, end="hang") if streamed and "chat" in request.path else Answer(end="hang")


def on_signal(number: int) -> Callable[..., None]:
    """Call, and have the process get this signal once the service has got the call."""

    def end(way: Way, model: Any, server: ScriptServer) -> None:
        def send() -> None:
            while not server.requests:
                threading.Event().wait(0.005)
            threading.Event().wait(0.02)
            os.kill(os.getpid(), number)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            way.call(model)
        finally:
            sender.join()

    return end


def interrupted_in_loop(leave: Callable[[Awaitable[Any]], Awaitable[Any]]) -> Callable[..., None]:
    """Call on an event loop, and leave the call this way."""
    return lambda way, model, _: asyncio.run(leave(way.acall(model)))


async def cancel(call: Awaitable[Any]) -> Any:
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0.1)
    task.cancel()
    return await task


async def leave_after_timeout(call: Awaitable[Any]) -> Any:
    async with asyncio.timeout(0.1):
        return await call


# How a call ends, with what is raised, for which ways, and more arguments of the model.
ENDINGS: dict[str, tuple[Callable[[Way, Any, ScriptServer], None], Any, bool, dict[str, Any]]] = {
    "cancel": (interrupted_in_loop(cancel), asyncio.CancelledError, True, {}),
    "wait_for": (interrupted_in_loop(lambda call: asyncio.wait_for(call, 0.1)), TimeoutError, True, {}),
    "asyncio.timeout": (interrupted_in_loop(leave_after_timeout), TimeoutError, True, {}),
    "total_timeout": (
        lambda way, model, _: way.call(model),
        (APIConnectionError, StreamInterruptedError),
        False,
        {"total_timeout": 0.2},
    ),
    "KeyboardInterrupt": (on_signal(signal.SIGINT), KeyboardInterrupt, False, {}),
    "signal handler": (on_signal(signal.SIGUSR1), SignalError, False, {}),
}


@pytest.fixture(autouse=True)
def own_signal_handlers() -> Iterator[None]:
    """One that raises an error of ours; and Python's for Ctrl-C, which a process started in the background lacks."""

    def handle(*_: Any) -> None:
        raise SignalError("told to stop")

    handlers = {signal.SIGUSR1: handle, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def raised_by(end: Callable[..., None], way: Way, model: Any, server: ScriptServer) -> BaseException | None:
    try:
        end(way, model, server)
    except BaseException as error:  # noqa: BLE001  an interrupt is what is looked at
        return error
    return None


# Which frames are left is the same for every way to cancel a task, and for every signal: once on every protocol.
@pytest.mark.parametrize(
    ("protocol", "ending"),
    [
        *((protocol, ending) for protocol in PATHS for ending in ("cancel", "total_timeout", "KeyboardInterrupt")),
        *(("openai", ending) for ending in ("wait_for", "asyncio.timeout", "signal handler")),
    ],
)
def test_a_call_that_is_left_shows_no_key(protocol: str, ending: str, subtests: pytest.Subtests) -> None:
    end, expected, only_async, options = ENDINGS[ending]
    for way in (way for way in WAYS if way.is_async or not only_async):
        with subtests.test(way=str(way)), spans() as exporter, ScriptServer() as server:
            server.always = lambda request, streamed=way.stream: silent(request, streamed=streamed)
            model = way.make(model=MODELS[protocol], **at(server, protocol, model_listing=False, **options))
            error = raised_by(end, way, model, server)
            assert isinstance(error, expected)
            texts = {observe.__name__: observe(error) for observe in OBSERVERS}
            texts["spans"] = " ".join(span.to_json() for span in exporter.get_finished_spans())
            assert [name for name, text in texts.items() if in_text(text)] == []
            assert all(type(error).__name__ in text for name, text in texts.items() if name != "spans")
            assert exporter.get_finished_spans()


@pytest.mark.parametrize("observe", OBSERVERS)
def test_the_observers_see_a_key_in_a_frame(observe: Callable[[BaseException], str]) -> None:
    def hold(headers: str) -> None:
        if headers:
            raise SignalError

    assert in_text(observe(raised_by(lambda *_: hold(KEY), WAYS[0], None, None)))
