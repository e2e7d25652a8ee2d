"""What an interface is to the emulator: a place among the paths, endpoints, and a way to say what went wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from aki_transport.emulator.errors import Errors, Malformed, Refusal
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.record import Seen

Handler = Callable[[Seen, Faults], Response]


def _model_in_body(seen: Seen) -> Any:
    return seen.body.get("model") if isinstance(seen.body, dict) else None


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Face:
    """One interface. A request belongs to the face with the longest prefix that its path starts with.

    Args:
        prefix: What its paths start with, such as `/v1`; no two faces have the same.
        routes: Its endpoints, their paths without the prefix. Each finds the request in `scope["aki.seen"]` and the
            faults it has to play itself (those of a stream and of a completion) in `scope["aki.faults"]`.
        errors: How it says what went wrong; the faults that ask for a status are answered with it.
        title: What `python -m aki_transport.emulator` calls it; without one it is not listed.
        key: The key listed there.
        request_id: The header that carries the request's ID.
        model: Finds the model's name in a request; faults may be written after it.
        forget: Called when the emulator is reset.
    """

    prefix: str
    routes: Sequence[BaseRoute]
    errors: Errors
    title: str = ""
    key: str = ""
    request_id: str = "x-request-id"
    model: Callable[[Seen], Any] = _model_in_body
    forget: Callable[[], None] = _nothing

    def serves(self, path: str) -> bool:
        """Whether the path is one of the interface's."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


def endpoint(handler: Handler, allowed: Callable[[Seen], bool], errors: Errors) -> Callable[[Request], Any]:
    """A route's endpoint: answers those who are allowed, and says in the interface's words what is refused."""

    async def answer(request: Request) -> Response:
        seen: Seen = request.scope["aki.seen"]
        if not allowed(seen):
            return errors.by_status(401, seen)
        try:
            return handler(seen, request.scope["aki.faults"])
        except Refusal as refusal:
            return errors.refuse(refusal, seen)
        except Malformed as malformed:
            return errors.fail(400, str(malformed), seen)

    return answer


def json_object(seen: Seen) -> dict[str, Any]:
    """The request's body.

    Raises:
        Malformed: It is no JSON object.
    """
    if not isinstance(seen.body, dict):
        raise Malformed("The request body is not a JSON object.")
    return seen.body
