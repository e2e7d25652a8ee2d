"""The ASGI application: what every request passes before and after the interface it is for."""

import json
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aki_transport.emulator.faults import HEADER, Faults, FaultySend, client_left, reset, split_model
from aki_transport.emulator.interfaces import Interface, status_text
from aki_transport.emulator.interfaces.openai import ERRORS
from aki_transport.emulator.records import RecordedRequest, Records

# Where nobody's path begins, AKI's web framework answers.
_NOWHERE = Interface("", {}, ERRORS)


class Application:
    """Records the request, gives it an ID, applies the faults that concern any interface, and lets one answer."""

    def __init__(self, records: Records, interfaces: Sequence[Interface]) -> None:
        self._records = records
        self._interfaces = [*interfaces, _NOWHERE]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw = await _body(receive)
        if raw is None:
            return
        request = _recorded(scope, raw)
        self._records.requests.append(request)
        interface = next(each for each in self._interfaces if request.path.startswith(f"{each.prefix}/"))
        try:
            faults = self._faults(request, interface)
        except ValueError as error:
            await interface.errors.fail(400, str(error), request)(scope, receive, send)
            return
        transport = scope["aki.transport"]
        if faults.reset:
            await reset(transport)
        elif faults.hang:
            await client_left(receive, None)
        elif faults.first_byte is None or not await client_left(receive, faults.first_byte):
            response = _early(interface, faults, request) or await interface.answer(request, faults)
            headers = {interface.request_id_header: request.request_id}
            await response(scope, receive, FaultySend(send, receive, transport, faults, headers))

    def _faults(self, request: RecordedRequest, interface: Interface) -> Faults:
        model = interface.model(request)
        written = (request.headers.get(HEADER, ""), split_model(model)[1] if isinstance(model, str) else "")
        spec = ";".join(filter(None, written))
        faults = Faults.parse(spec)
        return faults if self._records.applies(request.path, spec, faults.times) else Faults()


def _early(interface: Interface, faults: Faults, request: RecordedRequest) -> Response | None:
    """The answer of a fault that asks for a status, decided before the request is looked at."""
    if faults.html is not None:
        # What a proxy in front of the service answers.
        title = f"{faults.html} {status_text(faults.html)[0]}"
        page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
        return Response(page, faults.html, media_type="text/html")
    status = 402 if faults.credits else faults.status
    return None if status is None else interface.errors.by_status(status, request)


async def _body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _recorded(scope: Scope, raw: bytes) -> RecordedRequest:
    request, body = Request(scope), None
    with suppress(ValueError):
        body = json.loads(raw)
    headers, query, id_ = dict(request.headers), dict(request.query_params), f"req_{uuid4().hex}"
    return RecordedRequest(request.method, request.url.path, headers, query, body, raw, id_)
