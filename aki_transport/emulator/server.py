"""The emulator as a context manager: a real server on a real port, in a thread of its own."""

import asyncio
import socket
import threading
from types import TracebackType
from typing import Any, Self, cast

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from aki_transport.emulator.app import Accounts, build, faces
from aki_transport.emulator.jobs import Jobs, JobSeen
from aki_transport.emulator.record import Record, Seen

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


class Emulator:
    """Serves from `start` (or `with`) to `stop`.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        credits: What each of the gateways' accounts has to spend, in US dollars.
        job_speed: How many seconds of the native interface's jobs pass in a real one.

    Example:
        >>> with Emulator() as service:
        ...     Client(base_url=service.openai_url, api_key=service.key).refresh_models()[0].id
        'apertus-chat-70b'
    """

    key = "aki-test"
    aacflow_key = "aacf_test"
    ak_ai_core_key = "sk-or-test"

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        credits: float = 100.0,  # noqa: A002  # the gateways' word
        job_speed: float = 1.0,
    ) -> None:
        self.host = host
        self._port = port
        self._record = Record()
        self._jobs = Jobs(job_speed)
        self._faces = faces(Accounts(self.key, self.aacflow_key, self.ak_ai_core_key, credits), self._jobs)
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
        return [(face.title, f"{self.url}{face.prefix}", face.key) for face in self._faces if face.title]

    @property
    def requests(self) -> list[Seen]:
        """What arrived so far, in order."""
        return self._record.seen()

    @property
    def jobs(self) -> list[JobSeen]:
        """The native interface's jobs so far, in order."""
        return self._jobs.seen()

    def count(self, path_suffix: str = "") -> int:
        """How many requests arrived whose path ends so.

        Example:
            >>> with Emulator() as service:
            ...     service.count("/chat/completions")
            0
        """
        return sum(seen.path.endswith(path_suffix) for seen in self._record.seen())

    def reset(self) -> None:
        """Forget the requests, let faults with `times` strike anew, and fill up the accounts.

        Example:
            >>> with Emulator() as service:
            ...     models = Client(base_url=service.openai_url, api_key=service.key).refresh_models()
            ...     service.reset()
            ...     len(service.requests)
            0
        """
        self._record.clear()
        for face in self._faces:
            face.forget()

    def start(self) -> Self:
        """Listen and serve; returns when requests are answered.

        Raises:
            RuntimeError: It is running already.
            OSError: The port is taken.

        Example:
            >>> service = Emulator().start()
            >>> service.stop()
        """
        if self._socket is not None:
            raise RuntimeError("The emulator is already running.")
        # Bound here, not in the thread: the port is known and clients queue from now on.
        self._socket = socket.create_server((self.host, self._port), backlog=_BACKLOG)
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, args=(self._socket,), name="aki-emulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if not self._thread.is_alive():
            raise RuntimeError("The emulator's server did not start.")
        return self

    def stop(self) -> None:
        """Cut what is open and free the port; without effect where it does not run.

        Example:
            >>> Emulator().stop()
        """
        if self._thread is None or self._loop is None or self._socket is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._socket.close()
        self._socket = self._thread = self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
            cast("Any", build(self._record, self._faces)),
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
        # uvicorn's own shutdown waits for clients that hold a connection open.
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)
        tasks = list(server.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
