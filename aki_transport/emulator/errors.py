"""What goes wrong in the words of no interface, and how an interface says it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import JSONResponse, Response

from aki_transport.emulator.record import Seen


class Refusal(Exception):  # noqa: N818  # named for what the service does
    """A request the interface does not carry out.

    Args:
        message: What the client reads.
        status: The HTTP status; `None` is the interface's own for what it cannot carry out.
        code: The error's code, in interfaces that have codes.
        kind: The error's type, in interfaces that have types.
    """

    def __init__(
        self, message: str, *, status: int | None = None, code: str | None = None, kind: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.kind = kind


class Malformed(Exception):  # noqa: N818  # named for what the request is
    """A body that never reaches the interface."""


@dataclass(frozen=True, slots=True)
class Errors:
    """How one interface says what went wrong.

    Args:
        refuse: Writes a refusal as an answer to a request.
        fail: Writes an error no endpoint decided: malformed, no such route, a worker that is silent. The message may
            be `None`.
        known: What the interface says for the statuses it has words for.
    """

    refuse: Callable[[Refusal, Seen], Response]
    fail: Callable[[int, str | None, Seen], Response]
    known: Mapping[int, Refusal]

    def by_status(self, status: int, seen: Seen) -> Response:
        """The error the interface gives with this status."""
        if status in self.known:
            return self.refuse(self.known[status], seen)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.fail(status, None, seen)
        return self.refuse(Refusal(f"The request failed with status {status}.", status=status), seen)


def framework_error(status: int, message: str | None = None) -> Response:
    """What the web framework behind AKI.IO answers by itself."""
    phrase, explanation = words(status)
    return JSONResponse(
        {"description": phrase, "status": status, "message": message or explanation}, status_code=status
    )


def html_error(status: int) -> Response:
    """What a proxy in front of the service answers."""
    title = f"{status} {words(status)[0]}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body><center><h1>{title}</h1></center></body>\n</html>\n"
    return Response(page, status_code=status, media_type="text/html")


def words(status: int) -> tuple[str, str]:
    """A status's name, and a sentence about it."""
    try:
        known = HTTPStatus(status)
    except ValueError:
        return "Error", "Error"
    return known.phrase, known.description or known.phrase
