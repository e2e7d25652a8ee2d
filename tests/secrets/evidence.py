"""What a process with a planted key leaves behind while it is watched by all that could write the key down."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.langchain import LangChainTracer
from langchain_core.tracers.schemas import Run
from langsmith import Client as LangSmith
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span import SimpleSpan
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

from tests.script_server import ScriptServer, json_answer

KEY = "aki-pl4nted+k3y/7f3c9e21"


def in_text(text: str) -> bool:
    """Whether the key, enough of it to be of use, or one of the forms in which it is sent stands in the text."""
    return any(needle in text for needle in _NEEDLES)


def _needles() -> Iterator[str]:
    yield KEY[:14]
    yield quote(KEY, safe="")
    yield KEY.encode().hex()
    for before in ("", "x", "xx"):  # base64 looks otherwise at each of three places
        yield b64encode(f"{before}{KEY}".encode()).decode()[4:-4]


_NEEDLES = tuple(_needles())


class _Records(logging.Handler):
    def __init__(self, found: list[logging.LogRecord]) -> None:
        super().__init__(logging.DEBUG)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(record)


class _Runs(BaseTracer):
    def __init__(self, found: list[Run]) -> None:
        super().__init__()
        self._found = found

    def _persist_run(self, run: Run) -> None:
        self._found.append(run)


class _Events(BaseEventHandler):
    found: Any  # a list would be copied

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.found.append(event)


class _Spans(SimpleSpanHandler):
    def new_span(self, id_: str, bound_args: Any, *args: Any, **given: Any) -> SimpleSpan | None:
        _ARGUMENTS.append(bound_args)
        return super().new_span(id_, bound_args, *args, **given)


_ARGUMENTS: list[Any] = []


class _Payloads(BaseCallbackHandler):
    def __init__(self, found: list[Any]) -> None:
        super().__init__([], [])
        self._found = found

    def on_event_start(self, event_type: Any, payload: Any = None, event_id: str = "", **_: Any) -> str:
        self._found.append((event_type, payload))
        return event_id

    def on_event_end(self, event_type: Any, payload: Any = None, **_: Any) -> None:
        self._found.append((event_type, payload))

    def start_trace(self, trace_id: str | None = None) -> None:
        """Nothing to note."""

    def end_trace(self, trace_id: str | None = None, trace_map: Any = None) -> None:
        """Nothing to note."""


@dataclass(repr=False)  # it is a local of frames that are looked at
class Evidence:
    """What was left behind."""

    records: list[logging.LogRecord] = field(default_factory=list)
    warned: list[warnings.WarningMessage] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    objects: dict[str, Any] = field(default_factory=dict)  # public ones that hold or have used a key that was passed
    of_environment: dict[str, Any] = field(default_factory=dict)
    posted: list[bytes] = field(default_factory=list)  # to LangSmith
    runs: list[Run] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)  # LlamaIndex's, with the arguments of its spans
    payloads: list[Any] = field(default_factory=list)
    printed: io.StringIO = field(default_factory=io.StringIO)
    files: dict[str, str] = field(default_factory=dict)  # names and texts
    tracers: list[Any] = field(default_factory=list)
    callbacks: CallbackManager = field(default_factory=CallbackManager)


@contextlib.contextmanager
def gathering() -> Iterator[Evidence]:
    """Watch what happens in the block."""
    found = Evidence()
    with contextlib.ExitStack() as stack:
        found.warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.enter_context(contextlib.redirect_stdout(found.printed))
        stack.enter_context(contextlib.redirect_stderr(found.printed))
        stack.enter_context(_logged(found.records))
        stack.enter_context(_instrumented(found.events))
        langsmith = stack.enter_context(_langsmith(found.posted))
        found.tracers = [LangChainTracer(client=langsmith), _Runs(found.runs)]
        found.callbacks.add_handler(_Payloads(found.payloads))
        yield found
        langsmith.flush()


@contextlib.contextmanager
def _logged(found: list[logging.LogRecord]) -> Iterator[None]:
    root, handler = logging.getLogger(), _Records(found)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@contextlib.contextmanager
def _instrumented(found: list[Any]) -> Iterator[None]:
    root, events, spans = get_dispatcher(), _Events(found=found), _Spans()
    root.add_event_handler(events)
    root.add_span_handler(spans)
    _ARGUMENTS.clear()
    try:
        yield
    finally:
        root.event_handlers.remove(events)
        root.span_handlers.remove(spans)
        found.extend(_ARGUMENTS)


@contextlib.contextmanager
def _langsmith(found: list[bytes]) -> Iterator[LangSmith]:
    """LangSmith's own client, sending to this machine."""
    with ScriptServer(always=json_answer({}, 202)) as server:
        client = LangSmith(api_url=server.url, api_key="ls", auto_batch_tracing=False, info={})
        try:
            yield client
        finally:
            client.cleanup()
            found.extend(request.body for request in server.requests)
