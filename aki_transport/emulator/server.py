"""The emulator as a context manager: a real server on a real port, in a thread of its own."""

import asyncio
import socket
import threading
from typing import Any, Literal, Self, cast

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from aki_transport.emulator.app import Application
from aki_transport.emulator.interfaces import anthropic, gateways, native, openai
from aki_transport.emulator.interfaces.jobs import Jobs
from aki_transport.emulator.models import AACFLOW_MODELS, AK_AI_CORE_MODELS, FALLBACK, MODELS, Catalog, Model
from aki_transport.emulator.prompt import Refusal
from aki_transport.emulator.records import RecordedJob, RecordedRequest
from aki_transport.emulator.respond import Item, Script

_BACKLOG = 4096
_KEEP_ALIVE = 15  # seconds; the service closes an idle connection at about that age


class _Protocol(H11Protocol):
    """Hands each request the transport it came over, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        # asyncio sets it only on sockets made with IPPROTO_TCP; without it each answer waits 40 ms for an ACK.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app = cast("Any", self.app)

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope["aki.transport"] = transport
            await app(scope, receive, send)

        self.app = cast("Any", with_transport)


def _no_such_model(name: str) -> Model:
    raise Refusal(f"The model '{name}' does not exist.", 404, "model_not_found")


class Emulator:
    """Serves from `start` (or `with`) to `stop`.

    Args:
        port: The port on this machine's loopback; 0 takes a free one.
        credits: What each of the gateways' accounts has to spend, in US dollars.
        job_speed: How many seconds of the native interface's jobs pass in a real one.
        models: `"any"` serves every model name under that name; by default there are the models of the services, and
            unknown ones are answered as each of the services does.

    Example:
        >>> from langchain_aki import ChatAKI
        >>> service = Emulator().start()
        >>> model = ChatAKI(model="qwen3.6-35b", base_url=service.openai_url, api_key=service.key)
        >>> service.respond("Blue.", http_error(429, times=3))
        >>> model.invoke("Which colour is the sky?").text, len(service.pending), service.count("/chat/completions")
        ('Blue.', 3, 1)
        >>> service.reset()
        >>> model.invoke("What is 6 * 7?").text
        '6 * 7 = 42.'
        >>> service.stop()
    """

    host = "127.0.0.1"
    key = "aki-test"
    aacflow_key = "aacf_test"
    ak_ai_core_key = "sk-or-test"

    def __init__(
        self,
        *,
        port: int = 0,
        credits: float = 100.0,  # noqa: A002  # the gateways' word
        job_speed: float = 1.0,
        models: Literal["any"] | None = None,
    ) -> None:
        self._port = port
        self._jobs = Jobs(job_speed)
        self._script = Script()
        any_name = models == "any"
        aki = Catalog(MODELS, lambda _: FALLBACK, any_name=any_name)
        aacflow, ak_ai_core = (
            Catalog(served, _no_such_model, any_name=any_name) for served in (AACFLOW_MODELS, AK_AI_CORE_MODELS)
        )
        self._interfaces = [
            openai.interface(self.key, aki, self._script),
            native.interface(self.key, self._jobs, self._script),
            anthropic.interface(self.key, aki, self._script),
            gateways.aacflow(self.aacflow_key, credits, aacflow, self._script),
            gateways.ak_ai_core(self.ak_ai_core_key, credits, ak_ai_core, self._script),
        ]
        self._application = Application(self._interfaces)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()

    @property
    def port(self) -> int:
        """The port, known once started."""
        if self._socket is None:
            raise RuntimeError("The emulator is not running: use `with Emulator() as emu:` or call start().")
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Scheme, host and port, without a path."""
        return f"http://{self.host}:{self.port}"

    @property
    def openai_url(self) -> str:
        """The base URL of AKI.IO's OpenAI-compatible interface."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL of AKI.IO's Anthropic-compatible interface."""
        return f"{self.url}/anthropic"

    @property
    def native_url(self) -> str:
        """The base URL of AKI.IO's native interface."""
        return f"{self.url}/api"

    @property
    def aacflow_url(self) -> str:
        """AACFlow's base URL."""
        return f"{self.url}/aacflow/api/v1/ai"

    @property
    def ak_ai_core_url(self) -> str:
        """AK AI CORE's base URL."""
        return f"{self.url}/ak_ai_core/v1"

    @property
    def addresses(self) -> list[tuple[str, str, str]]:
        """Each interface's name, base URL and key."""
        return [(each.title, f"{self.url}{each.prefix}", each.key) for each in self._interfaces if each.title]

    @property
    def requests(self) -> list[RecordedRequest]:
        """What arrived so far, in order."""
        return list(self._application.requests)

    @property
    def jobs(self) -> list[RecordedJob]:
        """The native interface's jobs so far, in order."""
        return self._jobs.recorded()

    def respond(self, *items: Item) -> None:
        """Queue what the next model calls get, on any interface, streamed or not; it answers itself when empty.

        Args:
            *items: A text, what `answer`, `tool_call` or `http_error` make, an object as a `dict` (it comes by
                whichever structured way is asked), or a function of the recorded request that returns one of these.

        Raises:
            TypeError: An item is none of these.
        """
        self._script.extend(items)

    @property
    def pending(self) -> tuple[Item, ...]:
        """The scripted items that no request took yet."""
        return self._script.pending

    def count(self, path_suffix: str = "") -> int:
        """How many requests arrived whose path ends so."""
        return sum(request.path.endswith(path_suffix) for request in self.requests)

    def reset(self) -> None:
        """Forget the requests, jobs and scripted items, let faults with `times` apply anew, fill up the accounts."""
        self._application.reset()
        self._script.clear()
        for each in self._interfaces:
            each.forget()

    def start(self) -> Self:
        """Listen and serve; returns when requests are answered.

        Raises:
            RuntimeError: It is running already.
            OSError: The port is taken.
        """
        if self._socket is not None:
            raise RuntimeError("The emulator is already running.")
        # Bound here, not in the thread: the port is known and clients queue from now on.
        self._socket = socket.create_server((self.host, self._port), backlog=_BACKLOG)
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, args=(self._socket,), name="aki-emulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        """Cut what is open and free the port; without effect where it does not run."""
        if self._thread is None or self._loop is None or self._socket is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._socket.close()
        self._socket = self._thread = self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, listener: socket.socket) -> None:
        try:
            asyncio.run(self._serve(listener))
        finally:
            self._ready.set()

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        config = uvicorn.Config(
            cast("Any", self._application),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            # None: uvicorn would otherwise configure the logging of the whole process.
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.on_tick(0)  # fills the Date header
        await server.startup(sockets=[listener])
        self._ready.set()
        await self._stop.wait()
        # uvicorn's own shutdown waits for clients that hold a connection open. Closed at once, a listening socket loses
        # the connections that are just being made: their tasks, and those of answers, are what still runs.
        self._loop.remove_reader(listener)
        while True:
            for transport in filter(None, [each.transport for each in server.server_state.connections]):
                transport.abort()
            for task in server.server_state.tasks:
                task.cancel()
            await asyncio.sleep(0)
            if not (tasks := asyncio.all_tasks() - {asyncio.current_task()}):
                break
            await asyncio.wait(tasks)
        server.servers[0].close()
