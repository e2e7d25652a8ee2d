"""The interfaces, one file each; here what an interface is, and what all of them do alike."""

import json
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from aki_transport.emulator.faults import Faults
from aki_transport.emulator.prompt import Refusal
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import ScriptedError

Handler = Callable[[RecordedRequest, Faults], Response | Awaitable[Response]]
Check = Callable[[RecordedRequest], bool]

# What a stream ends with when its worker is gone.
LOST = Refusal("The worker was lost.", 500, "server_error", "server_error")


@dataclass(frozen=True, slots=True)
class Errors:
    """How one interface writes errors: the body of a refusal, and what it answers for the statuses it has texts for.

    `status` is that of a refusal that names none; `by_framework` says whether AKI.IO's web framework answers what no
    endpoint decided, such as a route that is none.
    """

    write: Callable[[Refusal, RecordedRequest], dict[str, Any]]
    known: Mapping[int, Refusal]
    status: int = 400
    by_framework: bool = False

    def refuse(self, refusal: Refusal, request: RecordedRequest) -> Response:
        """The answer to a request that an endpoint does not carry out."""
        status = refusal.status or self.status
        return JSONResponse(self.write(replace(refusal, status=status), request), status)

    def fail(self, status: int, message: str, request: RecordedRequest) -> Response:
        """An error that no endpoint decided: malformed, no such route, a worker that is silent."""
        if self.by_framework:
            return framework_error(status, message)
        return self.refuse(Refusal(message or status_text(status)[1], status), request)

    def by_status(self, status: int, request: RecordedRequest, message: str = "") -> Response:
        """The error the interface gives with this status; with another message, if one is given."""
        known = self.known.get(status)
        if known is None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.fail(status, message, request)
        refusal = known or Refusal(f"The request failed with status {status}.", status)
        return self.refuse(replace(refusal, message=message or refusal.message), request)


def framework_error(status: int, message: str) -> Response:
    """What the web framework behind AKI.IO answers by itself."""
    phrase, explanation = status_text(status)
    return JSONResponse({"description": phrase, "status": status, "message": message or explanation}, status)


def status_text(status: int) -> tuple[str, str]:
    """A status's name, and a sentence about it."""
    known = next((each for each in HTTPStatus if each == status), None)
    return (known.phrase, known.description or known.phrase) if known else ("Error", "Error")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface: what its paths start with, and what answers, by method and path: `"GET /models"`.

    A path's last part may be any, written `*`. Faults may be written after the model's name; `forget` is called when
    the emulator is reset.
    """

    prefix: str
    endpoints: Mapping[str, Handler]
    errors: Errors
    allowed: Check = lambda _: True
    title: str = ""
    key: str = ""
    request_id_header: str = "x-request-id"
    model: Callable[[RecordedRequest], Any] = lambda request: request.body["model"]
    forget: Callable[[], None] = lambda: None

    async def answer(self, request: RecordedRequest, faults: Faults) -> Response:
        """What its endpoint answers, or an error in its own form."""
        try:
            endpoint = self._endpoint(request)
            if not self.allowed(request):
                return self.errors.by_status(401, request)
            response = endpoint(request, faults)
            return response if isinstance(response, Response) else await response
        except Refusal as refusal:
            return self.errors.refuse(refusal, request)
        except ScriptedError as error:
            scripted = self.errors.by_status(error.status, request, error.message)
            scripted.headers.update(error.headers)
            return scripted
        except HTTPException as error:
            return self.errors.fail(error.status_code, error.detail, request)
        except Exception as error:  # noqa: BLE001  # a mistake of the emulator's own must not look like a dead service
            return self.errors.fail(500, f"The emulator failed: {type(error).__name__}: {error}", request)

    def _endpoint(self, request: RecordedRequest) -> Handler:
        path = request.path.removeprefix(self.prefix)
        for each in (path, f"{path.rpartition('/')[0]}/*"):
            if endpoint := self.endpoints.get(f"{request.method} {each}"):
                return endpoint
            if any(name.endswith(f" {each}") for name in self.endpoints):
                raise HTTPException(405, f"Method {request.method} not allowed for URL {request.path}")
        raise HTTPException(404, f"Requested URL {request.path} not found")


def has_key(key: str, *headers: str) -> Check:
    """Whether a request carries the key: as a bearer's (AKI.IO compares the header as it is), or in these headers."""

    def check(request: RecordedRequest) -> bool:
        bearer = request.headers.get("authorization") == f"Bearer {key}"
        return bearer or any(request.headers.get(header) == key for header in headers)

    return check


def json_object(request: RecordedRequest) -> dict[str, Any]:
    """The request's body; one that is no JSON object never reaches the interface."""
    if not isinstance(request.body, dict):
        raise HTTPException(400, "The request body is not a JSON object.")
    return request.body


@contextmanager
def reading() -> Iterator[None]:
    """Refuses a body whose fields have not the documented form."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Refusal(f"The request has not the documented form: {type(error).__name__}: {error}") from None


def check_range(body: Mapping[str, Any], name: str, least: float, most: float = math.inf) -> None:
    """Refuses a number that is out of bounds."""
    value = body.get(name)
    if value is not None and not least <= value <= most:
        raise Refusal(f"Parameter '{name}' must be between {least} and {most}, not {value!r}.")


def event(payload: Mapping[str, Any], name: str = "") -> bytes:
    """A payload as a server-sent event; Anthropic's are named after their type."""
    written = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    name = payload.get("type", name)
    return (f"event: {name}\n" if name else "").encode() + f"data: {written}\n\n".encode()


class Events(Response):
    """Server-sent events, each one chunk of the body; after some of them the error of a lost worker, as faults say."""

    media_type = "text/event-stream"

    def __init__(self, events: Sequence[bytes], faults: Faults, lost: Mapping[str, Any]) -> None:
        super().__init__(headers={"cache-control": "no-cache"})
        # Without its length the body is chunked.
        del self.headers["content-length"]
        for after, name in ((faults.stream_error, ""), (faults.event_error, "error")):
            if after is not None:
                events = [*events[:after], event(lost, name)]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them, one message each."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for each in self._events:
            await send({"type": "http.response.body", "body": each, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
