"""The ASGI application: what every request passes before and after the interface it is for."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aki_transport.emulator.faults import HEADER, Faults, FaultySend, client_left, reset, split_model
from aki_transport.emulator.interfaces import Interface, status_text
from aki_transport.emulator.interfaces.openai import ERRORS
from aki_transport.emulator.records import RecordedRequest

# Where nobody's path begins, AKI's web framework answers.
_NOWHERE = Interface("", {}, ERRORS)


class Application:
    """Records the request, gives it an ID, applies the faults that concern any interface, and lets one answer."""

    def __init__(self, interfaces: Sequence[Interface]) -> None:
        self._interfaces = [*interfaces, _NOWHERE]
        self._injected: Counter[tuple[str, str]] = Counter()
        self.requests: list[RecordedRequest] = []

    def reset(self) -> None:
        """Forget the requests, and how often each fault was injected."""
        self.requests.clear()
        self._injected.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            request = await _recorded(Request(scope, receive))
        except ClientDisconnect:
            return
        self.requests.append(request)
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
        spec = request.headers.get(HEADER, "")
        with suppress(TypeError, KeyError, AttributeError):  # the body names no model
            spec += f";{split_model(interface.model(request))[1]}"
        faults = Faults.parse(spec)
        self._injected[request.path, spec] += 1
        is_over = faults.times is not None and self._injected[request.path, spec] > faults.times
        return Faults() if is_over else faults


def _early(interface: Interface, faults: Faults, request: RecordedRequest) -> Response | None:
    """The answer of a fault that asks for a status, decided before the request is looked at."""
    if faults.html is not None:
        # What a proxy in front of the service answers.
        title = f"{faults.html} {status_text(faults.html)[0]}"
        page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
        return Response(page, faults.html, media_type="text/html")
    status = 402 if faults.credits else faults.status
    return None if status is None else interface.errors.by_status(status, request)


async def _recorded(request: Request) -> RecordedRequest:
    raw, body = await request.body(), None
    with suppress(ValueError):
        body = json.loads(raw)
    headers, query, id_ = dict(request.headers), dict(request.query_params), f"req_{uuid4().hex}"
    return RecordedRequest(request.method, request.url.path, headers, query, body, raw, id_)
