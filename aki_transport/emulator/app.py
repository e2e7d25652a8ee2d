"""The ASGI application: what every request passes before and after the interface it is for."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aki_transport.emulator.faults import HEADER, Faults, FaultySend, client_left, reset, split_model
from aki_transport.emulator.interfaces import Interface, status_text
from aki_transport.emulator.interfaces.openai import ERRORS
from aki_transport.emulator.records import RecordedRequest, Records

# Where nobody's path begins, AKI's web framework answers.
_NOWHERE = Interface("", (), ERRORS)


def build(records: Records, interfaces: Sequence[Interface]) -> ASGIApp:
    """The application that serves these interfaces and keeps what arrives in these records."""
    # The first mount that fits gets the request.
    ordered = sorted(interfaces, key=lambda interface: len(interface.prefix), reverse=True)
    mounts = [Mount(interface.prefix, routes=interface.routes) for interface in ordered]
    app = Starlette(routes=mounts, exception_handlers={HTTPException: _refused, Exception: _broken})
    return _Front(app, records, ordered)


def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    texts = {404: f"Requested URL {path} not found", 405: f"Method {request.method} not allowed for URL {path}"}
    return _fail(request, status, texts.get(status))


def _broken(request: Request, error: Exception) -> Response:
    # A mistake of the emulator's own must not look like a service that is down.
    response = _fail(request, 500, f"The emulator failed: {type(error).__name__}: {error}")
    # The server cuts the connection afterwards; a client that does not know would lose its next request.
    response.headers["connection"] = "close"
    return response


def _fail(request: Request, status: int, message: str | None) -> Response:
    interface: Interface = request.scope["aki.interface"]
    return interface.errors.fail(status, message, request.scope["aki.request"])


class _Front:
    """Records the request, gives it an ID, applies the faults that concern any interface."""

    def __init__(self, app: ASGIApp, records: Records, interfaces: Sequence[Interface]) -> None:
        self._app = app
        self._records = records
        self._interfaces = interfaces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await _body(receive)
        if raw is None:
            return
        request = _recorded(scope, raw)
        self._records.add(request)
        interface = next((each for each in self._interfaces if each.serves(request.path)), _NOWHERE)
        try:
            faults = self._faults(request, interface)
        except ValueError as error:
            await interface.errors.fail(400, str(error), request)(scope, receive, send)
            return
        transport = scope["aki.transport"]
        scope["aki.interface"] = interface
        scope["aki.request"] = request
        scope["aki.faults"] = faults
        if faults.reset:
            await reset(transport)
        elif faults.hang:
            await client_left(receive, None)
        elif faults.first_byte is None or not await client_left(receive, faults.first_byte):
            answer = _early(interface, faults, request) or self._app
            headers = {interface.request_id: request.request_id}
            await answer(scope, receive, FaultySend(send, receive, transport, faults, headers))

    def _faults(self, request: RecordedRequest, interface: Interface) -> Faults:
        model = interface.model(request)
        written = (request.headers.get(HEADER, ""), split_model(model)[1] if isinstance(model, str) else "")
        spec = ";".join(filter(None, written))
        faults = Faults.parse(spec)
        return faults if self._records.applies(request.path, spec, faults.times) else Faults()


def _early(interface: Interface, faults: Faults, request: RecordedRequest) -> Response | None:
    """The answer of a fault that asks for a status, decided before the request is looked at."""
    if faults.credits:
        return interface.errors.by_status(402, request)
    if faults.html is not None:
        # What a proxy in front of the service answers.
        title = f"{faults.html} {status_text(faults.html)[0]}"
        page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
        return Response(page, faults.html, media_type="text/html")
    return None if faults.status is None else interface.errors.by_status(faults.status, request)


async def _body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    more = True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _recorded(scope: Scope, raw: bytes) -> RecordedRequest:
    request = Request(scope)
    headers, query, id_ = dict(request.headers), dict(request.query_params), f"req_{uuid4().hex}"
    return RecordedRequest(request.method, request.url.path, headers, query, _json(raw), raw, id_)


def _json(raw: bytes) -> Any:
    """The body's JSON, or `None` where it is none."""
    with suppress(ValueError):
        body = json.loads(raw)
        if rb"\u" in raw:
            # Half of a surrogate pair is no text: no answer could repeat it.
            json.dumps(body, ensure_ascii=False).encode()
        return body
    return None
