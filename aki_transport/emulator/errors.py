"""The two forms AKI's errors have: OpenAI's, and the web framework's."""

from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response


class Refusal(Exception):  # noqa: N818  # named for what the service does
    """A request the interface does not carry out.

    Args:
        message: What the client reads.
        status: The HTTP status; AKI's own is 404 for every request it cannot carry out.
        code: The error's code.
        kind: The error's type.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 404,
        code: str = "request_failed",
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.kind = kind


def openai_body(refusal: Refusal) -> dict[str, Any]:
    """The refusal as OpenAI's error object."""
    error = {"message": refusal.message, "type": refusal.kind, "param": None, "code": refusal.code}
    return {"error": error}


def openai_error(refusal: Refusal) -> Response:
    """The refusal as an answer."""
    return JSONResponse(openai_body(refusal), status_code=refusal.status)


def framework_error(status: int, message: str | None = None) -> Response:
    """An error that never reached the interface: malformed, no such route, a worker that is silent."""
    phrase, explanation = _words(status)
    return JSONResponse(
        {"description": phrase, "status": status, "message": message or explanation}, status_code=status
    )


def html_error(status: int) -> Response:
    """What a proxy in front of the service answers."""
    title = f"{status} {_words(status)[0]}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body><center><h1>{title}</h1></center></body>\n</html>\n"
    return Response(page, status_code=status, media_type="text/html")


def _words(status: int) -> tuple[str, str]:
    try:
        known = HTTPStatus(status)
    except ValueError:
        return "Error", "Error"
    return known.phrase, known.description or known.phrase
