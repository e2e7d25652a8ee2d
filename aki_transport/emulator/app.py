"""The ASGI application: what every request passes before and after the interface it is for."""

import json
from contextlib import suppress
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aki_transport.emulator import openai_api
from aki_transport.emulator.errors import framework_error
from aki_transport.emulator.faults import HEADER, Faults, split_model
from aki_transport.emulator.record import Record, Seen
from aki_transport.emulator.sending import FaultySend, gone_within, reset


def build(record: Record, key: str) -> ASGIApp:
    """The application that writes into this record and takes this key."""
    return _Front(
        Starlette(routes=openai_api.routes(key), exception_handlers={HTTPException: _refused, Exception: _broken}),
        record,
    )


def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    words = {404: f"Requested URL {path} not found", 405: f"Method {request.method} not allowed for URL {path}"}
    return framework_error(status, words.get(status))


def _broken(_request: Request, error: Exception) -> Response:
    # A mistake of the emulator's own must not look like a service that is down.
    return framework_error(500, f"The emulator failed: {type(error).__name__}: {error}")


class _Front:
    """Records the request, gives it an ID, applies the faults that concern any interface."""

    def __init__(self, app: ASGIApp, record: Record) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await _body(receive)
        if raw is None:
            return
        seen = _seen(scope, raw)
        self._record.add(seen)
        try:
            faults = self._faults(seen)
        except ValueError as error:
            await framework_error(400, str(error))(scope, receive, send)
            return
        transport = scope["aki.transport"]
        scope["aki.seen"] = seen
        scope["aki.faults"] = faults
        if faults.reset:
            await reset(transport)
        elif faults.hang:
            await gone_within(receive, None)
        elif faults.first_byte is None or not await gone_within(receive, faults.first_byte):
            answer = openai_api.early(faults) if faults.early else self._app
            await answer(scope, receive, FaultySend(send, receive, transport, faults, f"req_{uuid4().hex}"))

    def _faults(self, seen: Seen) -> Faults:
        model = seen.body.get("model") if isinstance(seen.body, dict) else None
        written = (seen.headers.get(HEADER, ""), split_model(model)[1] if isinstance(model, str) else "")
        spec = ";".join(filter(None, written))
        faults = Faults.parse(spec)
        return faults if self._record.strike(seen.path, spec, faults.times) else Faults()


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


def _seen(scope: Scope, raw: bytes) -> Seen:
    request = Request(scope)
    body: Any = None
    with suppress(ValueError):
        body = json.loads(raw) if raw else None
    return Seen(
        method=request.method,
        path=request.url.path,
        headers=dict(request.headers),
        query=dict(request.query_params),
        body=body,
        raw=raw,
    )
