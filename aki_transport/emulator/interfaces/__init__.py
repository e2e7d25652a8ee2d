"""The interfaces, one file each; here what an interface is, and how each writes its errors."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from aki_transport.emulator.faults import Faults
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import ScriptedError, Unanswerable

Handler = Callable[[RecordedRequest, Faults], Response | Awaitable[Response]]


@dataclass
class Refusal(Exception):  # noqa: N818  # named for what the service does
    """A request the interface does not carry out; without a status it gets the interface's own for that."""

    message: str
    status: int | None = None
    code: str | None = None
    kind: str | None = None


class Malformed(Exception):  # noqa: N818  # named for what the request is
    """A body that never reaches the interface."""


@dataclass(frozen=True, slots=True)
class Errors:
    """How one interface writes errors.

    Args:
        refuse: Writes a refusal as an answer to a request.
        fail: Writes an error that no endpoint decided: malformed, no such route, a worker that is silent.
        known: What the interface answers for the statuses it has a text for.
    """

    refuse: Callable[[Refusal, RecordedRequest], Response]
    fail: Callable[[int, str | None, RecordedRequest], Response]
    known: Mapping[int, Refusal]

    def by_status(self, status: int, request: RecordedRequest, message: str | None = None) -> Response:
        """The error the interface gives with this status; with another message, if one is given."""
        if status in self.known:
            known = self.known[status]
            return self.refuse(replace(known, message=message) if message else known, request)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.fail(status, message, request)
        return self.refuse(Refusal(message or f"The request failed with status {status}.", status), request)


def framework_error(status: int, message: str | None, _request: RecordedRequest | None = None) -> Response:
    """What the web framework behind AKI.IO answers by itself."""
    phrase, explanation = status_text(status)
    return JSONResponse({"description": phrase, "status": status, "message": message or explanation}, status)


def status_text(status: int) -> tuple[str, str]:
    """A status's name, and a sentence about it."""
    if status not in set(HTTPStatus):
        return "Error", "Error"
    known = HTTPStatus(status)
    return known.phrase, known.description or known.phrase


def _model_in_body(request: RecordedRequest) -> Any:
    return request.body.get("model") if isinstance(request.body, dict) else None


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface. A request belongs to the one with the longest prefix that its path starts with.

    Args:
        prefix: What its paths start with, such as `/v1`.
        routes: Its endpoints, their paths without the prefix.
        errors: How it writes errors.
        title: What `python -m aki_transport.emulator` calls it.
        key: The key listed there.
        request_id: The header that carries the request's ID.
        model: The model's name in a request; faults may be written after it.
        forget: Called when the emulator is reset.
    """

    prefix: str
    routes: Sequence[BaseRoute]
    errors: Errors
    title: str = ""
    key: str = ""
    request_id: str = "x-request-id"
    model: Callable[[RecordedRequest], Any] = _model_in_body
    forget: Callable[[], None] = lambda: None

    def serves(self, path: str) -> bool:
        """Whether the path is one of the interface's."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


def route(
    path: str,
    handler: Handler,
    allowed: Callable[[RecordedRequest], bool],
    errors: Errors,
    methods: Sequence[str] = ("GET",),
) -> Route:
    """An endpoint that answers those who are allowed, and writes in the interface's form what is refused."""

    async def respond(request: Request) -> Response:
        recorded: RecordedRequest = request.scope["aki.request"]
        if not allowed(recorded):
            return errors.by_status(401, recorded)
        try:
            response = handler(recorded, request.scope["aki.faults"])
            return response if isinstance(response, Response) else await response
        except Refusal as refusal:
            return errors.refuse(refusal, recorded)
        except Unanswerable as reason:
            return errors.refuse(Refusal(str(reason)), recorded)
        except Malformed as malformed:
            return errors.fail(400, str(malformed), recorded)
        except ScriptedError as error:
            scripted = errors.by_status(error.status, recorded, error.message)
            scripted.headers.update(error.headers)
            return scripted

    return Route(path, respond, methods=list(methods))


def json_object(request: RecordedRequest) -> dict[str, Any]:
    """The request's body; `Malformed` where it is no JSON object."""
    if not isinstance(request.body, dict):
        raise Malformed("The request body is not a JSON object.")
    return request.body


class Events(Response):
    """Server-sent events, each one chunk of the body."""

    media_type = "text/event-stream"

    def __init__(self, events: Sequence[bytes]) -> None:
        super().__init__(headers={"cache-control": "no-cache"})
        # Without its length the body is chunked.
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them, one message each."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for event in self._events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
