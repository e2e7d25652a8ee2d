"""Where the key is looked for, and how it would get there if it leaked."""

import logging
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

from IPython.core.formatters import DisplayFormatter
from langchain_core.load import dumps
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.callbacks import CBEventType
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.llm import LLMChatInProgressEvent
from pydantic import SecretStr
from pydantic_core import PydanticSerializationError
from rich.traceback import Traceback

from aki_transport import AKIError, APIStatusError
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.tools.recording.files import names, read
from tests.tools.secrets.evidence import Evidence, in_text
from tests.tools.secrets.surface import as_json

Texts = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Place:
    """Where something may stand, and what brings a key there in the way in which it would come."""

    name: str
    texts: Callable[[Evidence], Texts]
    leak: Callable[[Evidence, str], object]

    def found(self, evidence: Evidence) -> list[str]:
        return [where for where, text in self.texts(evidence) if in_text(text)]


def _each(field: str, text: Callable[[Any], str]) -> Callable[[Evidence], Texts]:
    """What is in this list of the evidence, or in this dict under its names."""

    def texts(evidence: Evidence) -> Texts:
        kept = getattr(evidence, field)
        named = kept.items() if isinstance(kept, dict) else ((type(each).__name__, each) for each in kept)
        return ((name, text(each)) for name, each in named)

    return texts


def _records(evidence: Evidence) -> Texts:
    for record in evidence.records:
        if record.name.startswith("httpcore."):
            continue  # they show the headers of answers, in which a service may echo the key; see SECURITY.md
        yield f"{record.name}: {record.msg}"[:80], f"{record.getMessage()} {record.args!r} {record.exc_text}"


def _errors(evidence: Evidence) -> Texts:
    for outer in evidence.errors:
        error = outer
        while error is not None:
            more = f"{error.__dict__} {error.args} {getattr(error, '__notes__', '')}"
            yield type(error).__name__, f"{error} {error!r} {more}"
            error = error.__cause__ or error.__context__


def _responses(evidence: Evidence) -> Texts:
    for error in evidence.errors:
        if isinstance(error, APIStatusError):
            yield type(error).__name__, f"{error.response.text} {error.response.headers.raw}"


def in_python(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def in_rich(error: BaseException) -> Texts:
    """The frames that rich would print, with their variables; without the colors, which take longest."""
    trace = Traceback.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=None, locals_max_length=None
    )
    for frame in (frame for stack in trace.stacks for frame in stack.frames):
        shown = [f"{name} = {''.join(node.iter_tokens())}" for name, node in (frame.locals or {}).items()]
        yield f"{type(error).__name__} in {frame.name}", "\n".join(shown)


def _rich_tracebacks(evidence: Evidence) -> Texts:
    depth = {error: len(traceback.extract_tb(error.__traceback__)) for error in evidence.errors}
    for error in {(type(error), depth[error]): error for error in evidence.errors}.values():
        yield from in_rich(error)


def _reprs(evidence: Evidence) -> Texts:
    for name, value in _objects(evidence):
        inner = [repr(vars(value))] if hasattr(value, "__dict__") else []
        parts = [repr(vars(part)) for part in _parts(value)]
        yield name, " ".join([repr(value), str(value), f"{value}", *inner, *parts])


def _parts(value: Any) -> Iterator[Any]:
    for name in ("_client", "_transport", "_key", "_listing", "_resolver"):
        part = getattr(value, name, None)
        if part is not None and hasattr(part, "__dict__") and not isinstance(part, SecretStr):
            yield part
            yield from _parts(part)


def _dumps(evidence: Evidence) -> Texts:
    for name, value in _objects(evidence):
        texts = [dumps(value)]
        for method in ("to_dict", "to_json", "model_dump", "model_dump_json", "dict", "json"):
            ask = getattr(value, method, None)
            if callable(ask):
                # LangChain's tools hold a class, which no JSON can; some of these ways are old.
                with suppress(PydanticSerializationError), warnings.catch_warnings(action="ignore"):
                    texts.append(as_json(ask()))
        yield name, " ".join(texts)


def _event(event: Any) -> str:
    return f"{event!r} {as_json(event.model_dump(mode='python') if hasattr(event, 'model_dump') else event)}"


def _displays(evidence: Evidence) -> Texts:
    show = DisplayFormatter().format
    return ((name, as_json(show(value))) for name, value in _objects(evidence))


def _objects(evidence: Evidence) -> Iterable[tuple[str, Any]]:
    return (evidence.objects | evidence.of_environment).items()


def _pickled(value: Any) -> str:
    return pickle.dumps(value).decode("latin-1")


def _cassettes(evidence: Evidence) -> Texts:
    yield from evidence.files.items()
    yield from _kept_cassettes()


@cache
def _kept_cassettes() -> tuple[tuple[str, str], ...]:
    return tuple((name, as_json(read(name))) for name in names())


def _raise_with_local(evidence: Evidence, key: str) -> None:
    def hold(held: str) -> None:
        raise AKIError(f"{len(held)} characters")

    try:
        hold(key)
    except AKIError as error:
        evidence.errors.append(error)


def _trace(evidence: Evidence, key: str) -> None:
    RunnableLambda(lambda _: key).invoke("hi", {"callbacks": evidence.tracers})


def _emit(_: Evidence, key: str) -> None:
    message = ChatMessage(content="hi", additional_kwargs={"headers": key})
    get_dispatcher().event(LLMChatInProgressEvent(messages=[message], response=ChatResponse(message=message)))


PLACES: tuple[Place, ...] = (
    Place(
        "log records at DEBUG, of every logger but httpcore's",
        _records,
        lambda _, key: logging.getLogger("urllib3.connectionpool").debug('"GET /api/endpoints?key=%s"', key),
    ),
    Place(
        "warnings",
        _each("warned", lambda each: f"{each.message} {each.source!r}"),
        lambda _, key: warnings.warn(f"wrong key {key}", stacklevel=2),
    ),
    Place("errors: text, repr, fields, causes", _errors, lambda e, key: e.errors.append(AKIError(f"wrong key {key}"))),
    Place(
        "errors, pickled",
        _each("errors", _pickled),
        lambda e, key: e.errors.append(APIStatusError("no", status_code=400, body={"a": key})),
    ),
    Place(
        "errors: .response",
        _responses,
        lambda e, key: e.errors.append(APIStatusError("no", status_code=400, headers={"x-echo": key})),
    ),
    Place("tracebacks with locals", _each("errors", in_python), _raise_with_local),
    Place("tracebacks with locals, as rich prints them", _rich_tracebacks, _raise_with_local),
    Place(
        "public objects: repr, str, what they hold",
        _reprs,
        lambda e, key: e.objects.update(leaky=SimpleNamespace(key=key)),
    ),
    Place(
        "pickles of what read its key from the environment",
        _each("of_environment", _pickled),
        lambda e, key: e.of_environment.update(leaky=ChatAKI(model="m", api_key=key)),
    ),
    Place(
        "dumps, to_dict, model_dump",
        _dumps,
        lambda e, key: e.objects.update(leaky=AKI(model="m", extra_body={"key": key})),
    ),
    Place("what is posted to LangSmith", _each("posted", lambda body: body.decode("latin-1")), _trace),
    Place("LangChain's runs", _each("runs", lambda run: f"{run!r} {as_json(vars(run))}"), _trace),
    Place("LlamaIndex's events and spans", _each("events", _event), _emit),
    Place(
        "LlamaIndex's callback payloads",
        _each("payloads", as_json),
        lambda e, key: e.callbacks.on_event_start(CBEventType.LLM, {"additional_kwargs": {"key": key}}),
    ),
    Place(
        "stdout and stderr",
        lambda e: iter([("output", e.printed.getvalue())]),
        lambda _, key: sys.stdout.write(f"key={key}\n"),
    ),
    Place(
        "what notebooks show of objects",
        _displays,
        lambda e, key: e.objects.update(leaky=SimpleNamespace(_repr_html_=lambda: f"<b>{key}</b>")),
    ),
    Place("cassettes, recorded now and kept", _cassettes, lambda e, key: e.files.update(leaky=f"x-api-key: {key}")),
)
