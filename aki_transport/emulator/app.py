"""The ASGI application: what every request passes before and after the interface it is for.

An interface is mounted with one line in `faces`: a call that returns its `Face`.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aki_transport.emulator import aacflow, ak_ai_core, anthropic_api, native_api, openai_api
from aki_transport.emulator.errors import html_error
from aki_transport.emulator.faces import Face
from aki_transport.emulator.faults import HEADER, Faults, split_model
from aki_transport.emulator.jobs import Jobs
from aki_transport.emulator.openai_errors import ERRORS
from aki_transport.emulator.record import Record, Seen
from aki_transport.emulator.sending import FaultySend, gone_within, reset

# Where nobody's path begins, AKI's web framework answers.
_NOWHERE = Face("", (), ERRORS)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The keys that are taken, and what the prepaid ones have to spend.

    Args:
        key: AKI.IO's.
        aacflow_key: AACFlow's.
        ak_ai_core_key: AK AI CORE's.
        credits: Each gateway's balance at the start, in US dollars.
    """

    key: str
    aacflow_key: str
    ak_ai_core_key: str
    credits: float


def faces(accounts: Accounts, jobs: Jobs) -> list[Face]:
    """The interfaces, each with a state of its own."""
    return [
        openai_api.face(accounts.key),
        native_api.face(accounts.key, jobs),
        anthropic_api.face(accounts.key),
        aacflow.face(accounts.aacflow_key, accounts.credits),
        ak_ai_core.face(accounts.ak_ai_core_key, accounts.credits),
    ]


def build(record: Record, mounted: Sequence[Face]) -> ASGIApp:
    """The application that serves these faces and writes into this record."""
    # The first mount that fits gets the request.
    ordered = sorted(mounted, key=lambda face: len(face.prefix), reverse=True)
    mounts = [Mount(face.prefix, routes=face.routes) for face in ordered]
    app = Starlette(routes=mounts, exception_handlers={HTTPException: _refused, Exception: _broken})
    return _Front(app, record, ordered)


def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    words = {404: f"Requested URL {path} not found", 405: f"Method {request.method} not allowed for URL {path}"}
    return _fail(request, status, words.get(status))


def _broken(request: Request, error: Exception) -> Response:
    # A mistake of the emulator's own must not look like a service that is down.
    response = _fail(request, 500, f"The emulator failed: {type(error).__name__}: {error}")
    # The server cuts the connection afterwards; a client that does not know would lose its next request.
    response.headers["connection"] = "close"
    return response


def _fail(request: Request, status: int, message: str | None) -> Response:
    face: Face = request.scope["aki.face"]
    return face.errors.fail(status, message, request.scope["aki.seen"])


class _Front:
    """Records the request, gives it an ID, applies the faults that concern any interface."""

    def __init__(self, app: ASGIApp, record: Record, mounted: Sequence[Face]) -> None:
        self._app = app
        self._record = record
        self._faces = mounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await _body(receive)
        if raw is None:
            return
        seen = _seen(scope, raw)
        self._record.add(seen)
        face = next((face for face in self._faces if face.serves(seen.path)), _NOWHERE)
        try:
            faults = self._faults(seen, face)
        except ValueError as error:
            await face.errors.fail(400, str(error), seen)(scope, receive, send)
            return
        transport = scope["aki.transport"]
        scope["aki.face"] = face
        scope["aki.seen"] = seen
        scope["aki.faults"] = faults
        if faults.reset:
            await reset(transport)
        elif faults.hang:
            await gone_within(receive, None)
        elif faults.first_byte is None or not await gone_within(receive, faults.first_byte):
            answer = _early(face, faults, seen) or self._app
            headers = {face.request_id: seen.request_id}
            await answer(scope, receive, FaultySend(send, receive, transport, faults, headers))

    def _faults(self, seen: Seen, face: Face) -> Faults:
        model = face.model(seen)
        written = (seen.headers.get(HEADER, ""), split_model(model)[1] if isinstance(model, str) else "")
        spec = ";".join(filter(None, written))
        faults = Faults.parse(spec)
        return faults if self._record.strike(seen.path, spec, faults.times) else Faults()


def _early(face: Face, faults: Faults, seen: Seen) -> Response | None:
    """The answer of a fault that asks for a status, decided before the request is looked at."""
    if faults.credits:
        return face.errors.by_status(402, seen)
    if faults.html is not None:
        return html_error(faults.html)
    return None if faults.status is None else face.errors.by_status(faults.status, seen)


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
    return Seen(
        method=request.method,
        path=request.url.path,
        headers=dict(request.headers),
        query=dict(request.query_params),
        body=_json(raw),
        raw=raw,
        request_id=f"req_{uuid4().hex}",
    )


def _json(raw: bytes) -> Any:
    """What the body says as JSON, or `None`."""
    with suppress(ValueError):
        body = json.loads(raw)
        if rb"\u" in raw:
            # Half of a surrogate pair is no text: no answer could repeat it.
            json.dumps(body, ensure_ascii=False).encode()
        return body
    return None
