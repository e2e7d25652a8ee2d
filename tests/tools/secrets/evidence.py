"""What a process with a planted key leaves behind while it is watched by all that could write the key down."""

import contextlib
import io
import logging
import warnings
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.langchain import LangChainTracer
from langsmith import Client as LangSmith
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

from tests.script_server import ScriptServer, json_answer

KEY = "aki-pl4nted+k3y/7f3c9e21"
# Enough of it to be of use, and the forms in which it is sent; base64 looks otherwise at each of three places.
_NEEDLES = (
    KEY[:14],
    quote(KEY, safe=""),
    KEY.encode().hex(),
    *(b64encode(f"{before}{KEY}".encode()).decode()[4:-4] for before in ("", "x", "xx")),
)


def in_text(text: str) -> bool:
    """Whether the key, enough of it to be of use, or one of the forms in which it is sent stands in the text."""
    return any(needle in text for needle in _NEEDLES)


class _Runs(BaseTracer):
    def __init__(self, kept: list[Any]) -> None:
        super().__init__()
        self._persist_run = kept.append

    def _persist_run(self, run: Any) -> None: ...


class _Events(BaseEventHandler):
    kept: Any  # a list would be copied

    def handle(self, event: Any, **_: Any) -> None:
        self.kept.append(event)


class _Spans(SimpleSpanHandler):
    kept: Any = None

    def new_span(self, id_: str, bound_args: Any, *args: Any, **kwargs: Any) -> Any:
        self.kept.append(bound_args)
        return super().new_span(id_, bound_args, *args, **kwargs)


class _Payloads(BaseCallbackHandler):
    def __init__(self, kept: list[Any]) -> None:
        super().__init__([], [])
        self._kept = kept

    def on_event_start(self, event_type: Any, payload: Any = None, event_id: str = "", **_: Any) -> str:
        self._kept.append((event_type, payload))
        return event_id

    def on_event_end(self, event_type: Any, payload: Any = None, **_: Any) -> None:
        self._kept.append((event_type, payload))

    def start_trace(self, *_: Any, **__: Any) -> None: ...

    def end_trace(self, *_: Any, **__: Any) -> None: ...


@dataclass(repr=False)  # it is a local of frames that are looked at
class Evidence:
    records: list[logging.LogRecord] = field(default_factory=list)
    warned: list[warnings.WarningMessage] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    objects: dict[str, Any] = field(default_factory=dict)  # public ones that hold or have used a key that was passed
    of_environment: dict[str, Any] = field(default_factory=dict)
    posted: list[bytes] = field(default_factory=list)  # to LangSmith
    runs: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)  # LlamaIndex's, with the arguments of its spans
    payloads: list[Any] = field(default_factory=list)
    printed: io.StringIO = field(default_factory=io.StringIO)
    files: dict[str, str] = field(default_factory=dict)  # names and texts
    tracers: list[Any] = field(default_factory=list)
    callbacks: CallbackManager = field(default_factory=CallbackManager)


@contextlib.contextmanager
def gathering():
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
def _logged(kept: list[logging.LogRecord]):
    root, handler = logging.getLogger(), logging.Handler()
    handler.emit = kept.append
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@contextlib.contextmanager
def _instrumented(kept: list[Any]):
    root, events, spans = get_dispatcher(), _Events(kept=kept), _Spans()
    spans.kept = kept  # its constructor takes no field
    root.add_event_handler(events)
    root.add_span_handler(spans)
    try:
        yield
    finally:
        root.event_handlers.remove(events)
        root.span_handlers.remove(spans)


@contextlib.contextmanager
def _langsmith(kept: list[bytes]):
    """LangSmith's own client, sending to this machine."""
    with ScriptServer(always=json_answer({}, 202)) as server:
        client = LangSmith(api_url=server.url, api_key="ls", auto_batch_tracing=False, info={})
        try:
            yield client
        finally:
            client.cleanup()
            kept.extend(request.body for request in server.requests)
