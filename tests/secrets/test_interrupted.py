"""A call that is canceled, interrupted or too late shows no key in what error trackers and tracebacks keep of it."""

import asyncio
import os
import signal
import threading

import pytest
import sentry_sdk
from loguru import logger
from sentry_sdk.transport import Transport

from aki_transport import APIConnectionError, StreamInterruptedError
from langchain_aki import ChatAKI
from tests.ecosystem.calls import WAYS, opentelemetry
from tests.scenarios import chunk
from tests.script_server import Answer, ScriptServer, json_answer, sse
from tests.tools.secrets import places
from tests.tools.secrets.evidence import KEY, in_text
from tests.tools.secrets.surface import MODELS, PATHS, at
from tests.transport.native_says import STARTED, working


class SignalError(Exception):
    """What a program's own signal handler raises."""


class _Kept(Transport):
    text = ""

    def capture_envelope(self, envelope):
        self.text += envelope.serialize().decode("utf-8", "replace")


def in_sentry(error):
    client = sentry_sdk.Client(dsn="http://public@127.0.0.1:9/1", transport=_Kept, default_integrations=False)
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        scope.capture_exception(error)
    return client.transport.text


def in_rich(error):
    return "\n".join(map(" ".join, places.in_rich(error)))


def in_loguru(error):
    texts = []
    sink = logger.add(texts.append, diagnose=True, backtrace=False, format="{message}")
    try:
        logger.opt(exception=error).error("the call ended")
    finally:
        logger.remove(sink)
    return "".join(texts)


OBSERVERS = (in_sentry, in_rich, in_loguru, places.in_python)


def raised_by(call, *args):
    try:
        call(*args)
    except BaseException as error:  # noqa: BLE001  an interrupt is what is looked at
        return error
    return None


def silent(request, *, streamed):
    """The beginning of an answer, and nothing behind it; a job that goes on until it is canceled."""
    if "/call/" in request.path:
        return json_answer(STARTED, end="keep-alive")
    if isinstance(request.json, dict) and request.json.get("job_id"):
        return json_answer(STARTED if request.json.get("cancel") else working("Hel"), end="keep-alive")
    return sse(chunk("Hel"), done=False, end="hang") if streamed and "chat" in request.path else Answer(end="hang")


def on_signal(number):
    """Call, and have the process get this signal once the service has got the call."""

    def end(way, model, server):
        def send():
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


def in_loop(leave):
    """Call on an event loop, and leave the call this way once the service has got it."""

    async def end(way, model, server):
        call = asyncio.ensure_future(way.acall(model))
        while not server.requests:  # noqa: ASYNC110  a server in another thread sets no event of this loop
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        await leave(call)

    return lambda *args: asyncio.run(end(*args))


async def cancel(call):
    call.cancel()
    await call


async def leave_after_timeout(call):
    async with asyncio.timeout(0.02):
        await call


# How a call ends, with what is raised, for which ways, and more arguments of the model.
ENDINGS = {
    "cancel": (in_loop(cancel), asyncio.CancelledError, True, {}),
    "wait_for": (in_loop(lambda call: asyncio.wait_for(call, 0.02)), TimeoutError, True, {}),
    "asyncio.timeout": (in_loop(leave_after_timeout), TimeoutError, True, {}),
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
def own_signal_handlers():
    """One that raises an error of ours; and Python's for Ctrl-C, which a process started in the background lacks."""

    def handle(*_):
        raise SignalError("told to stop")

    handlers = {signal.SIGUSR1: handle, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# Which frames are left is the same for every way to cancel a task, and for every signal: once on every protocol. Those
# of a framework are the same on all of them.
@pytest.mark.parametrize(
    ("protocol", "ending"),
    [
        *((protocol, ending) for protocol in PATHS for ending in ("cancel", "total_timeout", "KeyboardInterrupt")),
        *(("openai", ending) for ending in ("wait_for", "asyncio.timeout", "signal handler")),
    ],
)
def test_a_call_that_is_left_shows_no_key(protocol, ending, subtests):
    end, expected, only_async, options = ENDINGS[ending]
    ways = [way for way in WAYS if protocol == "openai" or way.cls is ChatAKI]
    for way in (way for way in ways if way.is_async or not only_async):
        with subtests.test(way=str(way)), opentelemetry() as exporter, ScriptServer() as server:
            server.always = lambda request, streamed=way.stream: silent(request, streamed=streamed)
            model = way.make(model=MODELS[protocol], **at(server, protocol, model_listing=False, **options))
            error = raised_by(end, way, model, server)
            assert isinstance(error, expected)
            texts = {observe.__name__: observe(error) for observe in OBSERVERS}
            assert all(type(error).__name__ in text for text in texts.values())
            texts["spans"] = " ".join(span.to_json() for span in exporter.get_finished_spans())
            assert [name for name, text in texts.items() if not text or in_text(text)] == []


@pytest.mark.parametrize("observe", OBSERVERS)
def test_the_observers_see_a_key_in_a_frame(observe):
    def hold(headers):
        if headers:
            raise SignalError

    assert in_text(observe(raised_by(hold, KEY)))
